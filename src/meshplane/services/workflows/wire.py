"""Puts the workflows service together."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from logging import WARNING
from typing import TYPE_CHECKING

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.events.queues import QueueHandler
from meshplane.platform.telemetry import log
from meshplane.services.workflows.approval_requests import ApprovalRequests
from meshplane.services.workflows.approvals import Approvals
from meshplane.services.workflows.decisions import Decisions
from meshplane.services.workflows.executions import ExecutionCases
from meshplane.services.workflows.machines import StateMachines
from meshplane.services.workflows.ports import TaskAnswers
from meshplane.services.workflows.routes import approval_routes, execution_routes, machine_routes
from meshplane.services.workflows.starts import Starts
from meshplane.services.workflows.task_answers import EngineAnswers
from meshplane.services.workflows.task_worker import TaskWorker
from meshplane.workflows.built_in import put_built_in_machines
from meshplane.workflows.engine import Workflows
from meshplane.workflows.function_calls import FunctionTasks
from meshplane.workflows.http_invoke import HttpInvoke
from meshplane.workflows.operation_tasks import OperationTasks
from meshplane.workflows.owners import LockedFiles

if TYPE_CHECKING:  # it loads boto3
    from meshplane.platform.aws.calls import Aws

NEEDS: tuple[str, ...] = ()


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    functions = FunctionTasks(ground.platform)
    engine = Workflows(
        ground.store,
        {
            "http:invoke": HttpInvoke(ground.internal_host, ground.platform, ground.outbound),
            "lambda:invoke": functions,
            "lambda": functions,
            "meshplane": OperationTasks(ground.platform),
        },
        ground.new_id,
        owners=LockedFiles(ground.owners_folder),
    )
    aws = ground.aws_for("workflows")
    runs = _embedded(ground, engine) if aws is None else _on_aws(ground, engine, aws)
    requests = ApprovalRequests(ground.clock, runs.tokens)
    approvals = Approvals(requests, runs.tokens)
    decisions = Decisions(runs.tokens, ground.clock)
    return Built(
        [
            *machine_routes(StateMachines(engine), ground.boundary),
            *execution_routes(runs.cases, ground.boundary),
            *approval_routes(approvals, ground.boundary),
        ],
        None,
        decisions.consumers,
        start=runs.start,
        stop=runs.stop,
        queues=(*runs.queues, *requests.queues, *approvals.queues, *decisions.queues),
    )


@dataclass(frozen=True, slots=True)
class Runs:
    """Where executions run.

    Args:
        tokens: answers their tasks.
        cases: the use cases of executions.
        queues: that it works off.
        start, stop: for what it runs beside requests.
    """

    tokens: TaskAnswers
    cases: ExecutionCases
    queues: Sequence[QueueHandler]
    start: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]]


def _embedded(ground: Ground, engine: Workflows) -> Runs:
    tokens = EngineAnswers(engine)

    async def start() -> None:
        await put_built_in_machines(engine, ground.store)
        engine.open()

    queues = (*Starts(engine).queues, *TaskWorker(ground.platform, tokens).queues)
    return Runs(tokens, ExecutionCases(engine), queues, start, engine.close)


def _on_aws(ground: Ground, engine: Workflows, aws: "Aws") -> Runs:
    """The engine keeps the definitions, and runs none of them."""
    from meshplane.events.envelope import BUS
    from meshplane.platform.aws.at_once import at_once
    from meshplane.platform.aws.names import AUTHORS_ROLE, WORKFLOWS_ROLE, role_arn
    from meshplane.services.workflows.aws_parts import StepFunctionsParts, ensure_places

    place = aws.place
    places = at_once(
        ensure_places(
            aws,
            role_arn=role_arn(place, WORKFLOWS_ROLE),
            author_role_arn=role_arn(place, AUTHORS_ROLE),
            bus_name=f"{place.prefix}{BUS}",
        )
    )
    parts = StepFunctionsParts(
        ground.store, aws, places, engine=engine, api=ground.platform, clock=ground.clock
    )

    async def start() -> None:
        await put_built_in_machines(engine, ground.store)
        for machine, code in (await parts.start()).items():
            log(WARNING, "machine_refused_by_aws", machine=machine, code=code)

    async def stop() -> None:
        await parts.stop()
        await engine.close()

    return Runs(parts.answers, parts.cases, parts.queues, start, stop)
