"""Puts the workflows service together."""

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.workflows.approval_requests import ApprovalRequests
from meshplane.services.workflows.approvals import Approvals
from meshplane.services.workflows.decisions import Decisions
from meshplane.services.workflows.executions import ExecutionCases
from meshplane.services.workflows.machines import StateMachines
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
    tokens = EngineAnswers(engine)
    requests = ApprovalRequests(ground.clock, tokens)
    approvals = Approvals(requests, tokens)
    decisions = Decisions(tokens, ground.clock)

    async def start() -> None:
        await put_built_in_machines(engine, ground.store)
        engine.open()

    return Built(
        [
            *machine_routes(StateMachines(engine), ground.boundary),
            *execution_routes(ExecutionCases(engine), ground.boundary),
            *approval_routes(approvals, ground.boundary),
        ],
        None,
        decisions.consumers,
        start=start,
        stop=engine.close,
        queues=(
            *Starts(engine).queues,
            *TaskWorker(ground.platform, tokens).queues,
            *requests.queues,
            *approvals.queues,
            *decisions.queues,
        ),
    )
