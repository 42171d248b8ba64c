"""The workflows service on time that stands still, without a server: requests go straight in."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.types import Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.boundary.idempotency import IDEMPOTENCY_KEYS
from meshplane.events.dead_letters import ALL
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.outbound import Outbound
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.events.relay import Relay
from meshplane.gateway import problems
from meshplane.kit.errors import MeshplaneError, Missing
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.policy.model import Membership
from meshplane.services.workflows.approval_requests import ApprovalRequests
from meshplane.services.workflows.approval_store import APPROVAL_STEPS
from meshplane.services.workflows.approvals import Approvals
from meshplane.services.workflows.decisions import Decisions
from meshplane.services.workflows.executions import ExecutionCases
from meshplane.services.workflows.machines import StateMachines
from meshplane.services.workflows.routes import approval_routes, execution_routes, machine_routes
from meshplane.services.workflows.starts import Starts
from meshplane.services.workflows.store import TABLES
from meshplane.services.workflows.task_answers import EngineAnswers
from meshplane.services.workflows.task_worker import TaskWorker
from meshplane.workflows.engine import Workflows
from meshplane.workflows.executions import Execution
from meshplane.workflows.function_calls import FunctionTasks
from meshplane.workflows.http_invoke import HttpInvoke
from meshplane.workflows.operation_tasks import OperationTasks
from meshplane.workflows.run_as import RunAs
from tests.builders.manual_clock import ManualClock
from tests.builders.until import until

CARL = Actor("carl@tides")
SAM, DORA = Actor("sam@harbour"), Actor("dora@harbour")
ADA = Actor("ada@mesh", frozenset({"mesh-admins"}))
UNA = Actor("una@nowhere")
MESH_ITSELF = RunAs("workflows", is_service=True)

HARBOUR, TIDES = "dzd-harbour", "proj-tides"
_ROLES = {
    "sam@harbour": Membership("Domain", HARBOUR, "steward"),
    "dora@harbour": Membership("Domain", HARBOUR, "owner"),
    "olga@tides": Membership("Project", TIDES, "owner"),
}

Answering = Callable[[dict[str, Any]], Awaitable[Any]]


class _Memberships:
    async def of(
        self, actor: Actor, domain_id: str | None, project_id: str | None
    ) -> frozenset[Membership]:
        held = _ROLES.get(actor.subject)
        return frozenset({held} if held and held.id in {domain_id, project_id} else ())


class ScriptedPlatform:
    """Operations that a test answers itself; see `PlatformApi`.

    Attributes:
        operations: by operationId. asked: (operationId, arguments, actor, key) of each call.
        invoked: (method, path, arguments) of each call by path.
    """

    def __init__(self) -> None:
        self.operations: dict[str, Answering] = {}
        self.asked: list[tuple[str, dict[str, Any], Actor, str]] = []
        self.invoked: list[tuple[str, str, dict[str, Any]]] = []

    async def call(
        self, operation_id: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> Any:
        """See `PlatformApi.call`."""
        self.asked.append((operation_id, dict(arguments), actor, key))
        if operation_id not in self.operations:
            raise Missing("OPERATION_UNKNOWN", "There is no operation of this name.")
        return await self.operations[operation_id](dict(arguments))

    async def invoke(
        self, method: str, path: str, arguments: Mapping[str, Any], *, actor: Actor, key: str
    ) -> tuple[int, Any]:
        """See `PlatformApi.invoke`."""
        self.invoked.append((method, path, dict(arguments)))
        name = f"{method} {path}"
        if name not in self.operations:
            return 404, {"code": "PATH_NOT_FOUND"}
        return 200, await self.operations[name](dict(arguments))


class WorkflowService:
    """The service, with all that it runs.

    Attributes:
        store, clock, engine: what it stands on.
        platform: the operations that it calls.
    """

    def __init__(self, folder: Path, outbound: Outbound | None = None) -> None:
        self.clock = ManualClock()
        new_id = id_maker(self.clock)
        tables = (IDEMPOTENCY_KEYS, CURSORS, PARKED, MESSAGES, DEAD_LETTERS, *TABLES)
        self.store = SqliteStore(folder / "meshplane.db", tables, self.clock, new_id)
        self.platform = ScriptedPlatform()
        functions = FunctionTasks(self.platform)
        self.engine = Workflows(
            self.store,
            {
                "http:invoke": HttpInvoke("mesh.local", self.platform, outbound or Outbound()),
                "lambda:invoke": functions,
                "lambda": functions,
                "meshplane": OperationTasks(self.platform),
            },
            new_id,
            self.clock,
        )
        tokens = EngineAnswers(self.engine)
        requests = ApprovalRequests(self.clock, tokens)
        approvals = Approvals(requests, tokens)
        self.decisions = Decisions(tokens, self.clock)
        self.tasks = TaskWorker(self.platform, tokens)
        judge = Judge(
            Engine(policy_texts().values()), _Memberships(), {"mesh-admins": "administrator"}
        )
        boundary = Boundary(self.store, judge, self.clock, new_id)
        self._app = Starlette(
            routes=[
                *machine_routes(StateMachines(self.engine), boundary),
                *execution_routes(ExecutionCases(self.engine), boundary),
                *approval_routes(approvals, boundary),
            ],
            exception_handlers={MeshplaneError: problems.on_error},
        )
        queues = (
            *Starts(self.engine).queues,
            *self.tasks.queues,
            *requests.queues,
            *approvals.queues,
            *self.decisions.queues,
        )
        self.worker = QueueWorker(self.store, queues, self.clock)
        self.relay = Relay(self.store, self.decisions.consumers, self.clock)

    def client(self, actor: Actor) -> httpx.AsyncClient:
        """A client of somebody; paths begin after /api/v1."""

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            scope["actor"], scope["trace_id"] = actor, "0" * 32
            await self._app(scope, receive, send)

        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app), base_url="http://mesh/api/v1"
        )

    async def ask(self, actor: Actor, method: str, path: str, body: Any = None) -> Any:
        """The answer to a request that must succeed."""
        answer = await self.answer(actor, method, path, body)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    async def refusal(self, actor: Actor, method: str, path: str, body: Any) -> tuple[int, str]:
        """Status and code of the answer to a request that must not succeed."""
        answer = await self.answer(actor, method, path, body)
        return answer.status_code, answer.json()["code"]

    async def answer(self, actor: Actor, method: str, path: str, body: Any) -> httpx.Response:
        """The answer to a request."""
        async with self.client(actor) as client:
            return await client.request(method, path, json=body)

    async def put(self, name: str, definition: dict[str, Any]) -> None:
        """Puts a state machine."""
        await self.ask(ADA, "PUT", f"/workflows/{name}", {"definition": definition})

    async def start(self, machine: str, given: Any = None, run_as: RunAs | None = None) -> str:
        """The id of a new execution, by default one of the mesh itself."""
        work = self.store.begin()
        started = await self.engine.start(
            work, machine, {} if given is None else given, run_as=run_as or MESH_ITSELF
        )
        await work.commit()
        return started.execution_id

    async def settle(self) -> None:
        """Has everything done that can be done now."""
        while await self.worker.run_due() or self.engine.runner.working_on:
            await until(self._is_idle)

    async def _is_idle(self) -> bool:
        return not self.engine.runner.working_on

    async def look(self, execution_id: str) -> Execution:
        """An execution as it is in the store, once nothing can be done now."""
        await self.settle()
        return await self.engine.executions.describe(self.store.begin(), execution_id)

    async def end_of(self, execution_id: str) -> Execution:
        """An execution when it has ended."""

        async def has_ended() -> bool:
            return (await self.look(execution_id)).status != "RUNNING"

        await until(has_ended)
        return await self.look(execution_id)

    async def steps(self) -> list[dict[str, Any]]:
        """The rows of all approvals' steps."""
        page = await self.store.begin().query(APPROVAL_STEPS, "open", index="byOpen", limit=100)
        ids = dict.fromkeys(row.item["workflowId"] for row in page.rows)
        found = [await self.store.begin().query(APPROVAL_STEPS, name, limit=100) for name in ids]
        return [row.item for page in found for row in page.rows]

    async def approval(self) -> str:
        """The id of the one approval that waits."""

        async def asked() -> bool:
            await self.settle()
            return bool(await self.steps())

        await until(asked)
        (workflow_id,) = {step["workflowId"] for step in await self.steps()}
        return str(workflow_id)

    async def letters(self) -> list[str]:
        """The codes of the dead letters."""
        page = await self.store.begin().query(DEAD_LETTERS, ALL, index="byTime", limit=100)
        return [row.item["errorCode"] for row in page.rows]

    async def events(self, kind: str) -> list[dict[str, Any]]:
        """The details of the events of a type."""
        found = await self.store.events_after(0, 1000)
        return [event.detail for event in found if event.type == kind]

    async def close(self) -> None:
        """Ends."""
        await self.engine.close()
        await self.store.close()


@asynccontextmanager
async def workflow_service(
    folder: Path, outbound: Outbound | None = None
) -> AsyncIterator[WorkflowService]:
    """A service that runs; arguments as `WorkflowService`."""
    made = WorkflowService(folder, outbound)
    made.engine.open()
    try:
        yield made
    finally:
        await made.close()


def asking(body: Mapping[str, Any], queue: str = "approval-queue", **more: Any) -> dict[str, Any]:
    """A definition that sends its token with `body` to a queue, and waits for the answer."""
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody": {"taskToken.$": "$$.Task.Token", **body}},
        "End": True,
        **more,
    }
    return {"StartAt": "Ask", "States": {"Ask": task}}
