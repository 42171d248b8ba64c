"""A store with workflows on it, and operations that a test answers itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.workflows.asl import TaskRequest
from meshplane.workflows.crash_points import CrashPoints
from meshplane.workflows.engine import Workflows
from meshplane.workflows.executions import Execution
from meshplane.workflows.owners import Owners
from meshplane.workflows.performers import ExecutionInfo, Resource
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.runner import RunnerLimits
from meshplane.workflows.tables import WORKFLOW_TABLES
from meshplane.workflows.timing import SystemTimepiece, Timepiece

ADA = RunAs("ada@aviation", ("aviation-stewards",))
_LONGEST_WAIT_SECONDS = 10.0

Operation = Callable[[Any, TaskRequest], Awaitable[Any]]


class TestOperations:
    """Performs `meshplane:<name>` by the test's own functions, and keeps what was asked."""

    __test__ = False

    def __init__(self, operations: Mapping[str, Operation] | None = None) -> None:
        self.operations = dict(operations or {})
        self.asked: list[tuple[str, TaskRequest]] = []
        self.at_once = 0
        self.most_at_once = 0

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `Outside`."""
        name = Resource.of(request.resource).name
        self.asked.append((name, request))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self.operations[name](request.parameters, request)
        finally:
            self.at_once -= 1


class World:
    """Workflows on a store in a folder."""

    def __init__(
        self,
        folder: Path,
        operations: Mapping[str, Operation] | None = None,
        clock: Timepiece | None = None,
        *,
        owners: Owners | None = None,
        points: CrashPoints | None = None,
        limits: RunnerLimits | None = None,
    ) -> None:
        self.clock = clock or SystemTimepiece()
        new_id = id_maker(self.clock)
        tables = (*WORKFLOW_TABLES, MESSAGES, DEAD_LETTERS)
        self.store = SqliteStore(folder / "meshplane.db", tables, self.clock, new_id)
        self.operations = TestOperations(operations)
        self.workflows = Workflows(
            self.store,
            {"meshplane": self.operations},
            new_id,
            self.clock,
            owners=owners,
            points=points,
            limits=limits,
        )

    async def put(self, name: str, definition: dict[str, Any]) -> None:
        """Puts a state machine."""
        work = self.store.begin()
        await self.workflows.put_machine(work, name, definition, created_by="user:ada")
        await work.commit()

    async def start(self, machine: str, given: Any = None, name: str | None = None) -> str:
        """Starts an execution; its id, once that is durable."""
        work = self.store.begin()
        started = await self.workflows.start(
            work, machine, {} if given is None else given, run_as=ADA, name=name
        )
        await work.commit()
        return started.execution_id

    async def answer(self, token: str, output: Any) -> None:
        """Answers a token."""
        work = self.store.begin()
        await self.workflows.answer_success(work, token, output)
        await work.commit()

    async def look(self, execution_id: str) -> Execution:
        """An execution as it is in the store."""
        return await self.workflows.executions.describe(self.store.begin(), execution_id)

    async def end_of(self, execution_id: str) -> Execution:
        """An execution when it has ended."""
        found = await self.workflows.end_of(execution_id, _LONGEST_WAIT_SECONDS)
        if found.status == "RUNNING":
            raise TimeoutError(f"{execution_id} does not end")
        return found

    async def until_it_waits(self) -> None:
        """Returns when no execution is being worked on here."""
        async with asyncio.timeout(_LONGEST_WAIT_SECONDS):
            while self.workflows.runner.working_on:  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.001)

    async def types(self, execution_id: str) -> list[str]:
        """The types of an execution's events."""
        page = await self.workflows.executions.history(
            self.store.begin(), execution_id, limit=25_000
        )
        return [event["type"] for event in page.events]

    async def close(self) -> None:
        """Ends."""
        await self.workflows.close()
        await self.store.close()


@asynccontextmanager
async def world(folder: Path, *given: Any, **named: Any) -> AsyncIterator[World]:
    """A world that runs; arguments as `World`."""
    made = World(folder, *given, **named)
    made.workflows.open()
    try:
        yield made
    finally:
        await made.close()


def in_a_row(*operations: str, **of_each: Any) -> dict[str, Any]:
    """A definition: one Task after the other."""
    states: dict[str, Any] = {}
    for number, operation in enumerate(operations):
        after = {"Next": f"S{number + 1}"} if number + 1 < len(operations) else {"End": True}
        states[f"S{number}"] = {
            "Type": "Task",
            "Resource": f"meshplane:{operation}",
            **of_each,
            **after,
        }
    return {"StartAt": "S0", "States": states}


async def plus_one(given: Any, request: TaskRequest) -> Any:
    """An operation: adds one to `n`."""
    return {"n": given["n"] + 1}
