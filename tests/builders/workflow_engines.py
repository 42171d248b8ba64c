"""The two engines of workflows behind one face: the embedded one, and Step Functions.

Operations are functions of a test; they get their arguments, and answer or raise.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from meshplane.platform.aws.calls import Aws
from meshplane.workflows.asl import TaskRequest
from tests.builders.aws_workflows import AwsWorld, aws_world
from tests.builders.until import until
from tests.builders.workflow_world import World, world

Operation = Callable[[dict[str, Any]], Any]
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class End:
    """How an execution ended."""

    status: str
    output: Any
    error: str | None
    cause: str | None

    @property
    def to_the_letter(self) -> tuple[str, str, str | None]:
        """All of it but the cause, in which 1, 1.0 and true differ."""
        return self.status, json.dumps(self.output, sort_keys=True), self.error


class Engine(Protocol):
    """An engine that a test gives definitions."""

    @property
    def keys(self) -> list[tuple[str, str]]:
        """Operation and idempotency key of each time that one was asked for."""
        ...

    async def put(self, definition: Mapping[str, Any]) -> str:
        """A new state machine; its name."""
        ...

    async def start(self, machine: str, given: Any, name: str) -> None:
        """Starts an execution of that name."""
        ...

    async def end(self, machine: str, name: str) -> End:
        """How it ended, once it has."""
        ...

    async def stop(self, machine: str, name: str) -> None:
        """Stops it."""
        ...

    async def history(self, machine: str, name: str) -> list[dict[str, Any]]:
        """All events of it."""
        ...


async def run(engine: Engine, definition: Mapping[str, Any], given: Any = None) -> End:
    """Runs a definition from start to end."""
    machine = await engine.put(definition)
    await engine.start(machine, {} if given is None else given, "only")
    return await engine.end(machine, "only")


class Embedded:
    """The embedded engine; see `Engine`."""

    def __init__(self, on: World) -> None:
        self._on = on
        self.keys: list[tuple[str, str]] = []

    def forget(self) -> None:
        """What was asked for before is forgotten."""
        self.keys.clear()

    def answer_with(self, operations: Mapping[str, Operation]) -> None:
        """Which operations there are."""
        self._on.operations.operations = {
            name: self._noted(name, operation) for name, operation in operations.items()
        }

    def _noted(self, name: str, operation: Operation) -> Any:
        async def answer(given: Any, request: TaskRequest) -> Any:
            self.keys.append((name, request.key))
            return await _answer(operation, given)

        return answer

    async def put(self, definition: Mapping[str, Any]) -> str:
        """See `Engine.put`."""
        name = f"machine-{next(_numbers)}"
        await self._on.put(name, dict(definition))
        return name

    async def start(self, machine: str, given: Any, name: str) -> None:
        """See `Engine.start`."""
        await self._on.start(machine, given, name)

    async def end(self, machine: str, name: str) -> End:
        """See `Engine.end`."""
        found = await self._on.end_of(f"{machine}:{name}")
        return End(found.status, found.output, found.error, found.cause)

    async def stop(self, machine: str, name: str) -> None:
        """See `Engine.stop`."""
        execution_id = f"{machine}:{name}"
        async with self._on.workflows.runner.quiet(execution_id):
            work = self._on.store.begin()
            await self._on.workflows.executions.stop(work, execution_id)
            await work.commit()

    async def history(self, machine: str, name: str) -> list[dict[str, Any]]:
        """See `Engine.history`."""
        page = await self._on.workflows.executions.history(
            self._on.store.begin(), f"{machine}:{name}", limit=1000
        )
        return list(page.events)


class OnAws:
    """Step Functions; see `Engine`."""

    def __init__(self, on: AwsWorld) -> None:
        self._on = on

    def forget(self) -> None:
        """What was asked for before is forgotten."""
        self._on.platform.asked.clear()

    @property
    def keys(self) -> list[tuple[str, str]]:
        """See `Engine.keys`."""
        return [(operation, key) for operation, _, _, key in self._on.platform.asked]

    def answer_with(self, operations: Mapping[str, Operation]) -> None:
        """Which operations there are."""

        def noted(operation: Operation) -> Any:
            async def answer(given: dict[str, Any]) -> Any:
                return await _answer(operation, given)

            return answer

        self._on.platform.operations = {name: noted(each) for name, each in operations.items()}

    async def put(self, definition: Mapping[str, Any]) -> str:
        """See `Engine.put`."""
        name = f"machine-{next(_numbers)}"
        await self._on.machines.put(name, definition)
        return name

    async def start(self, machine: str, given: Any, name: str) -> None:
        """See `Engine.start`."""
        await self._on.start(machine, given, name=name)

    async def end(self, machine: str, name: str) -> End:
        """See `Engine.end`."""
        found = await self._on.end_of(machine, name)
        return End(found.status, found.output, found.error, found.cause)

    async def stop(self, machine: str, name: str) -> None:
        """See `Engine.stop`."""

        async def is_there() -> bool:
            return await self._on.look(machine, name) is not None

        await until(is_there)
        work = self._on.store.begin()
        self._on.commands.stop(work, machine, name, error=None, cause=None)
        await work.commit()

    async def history(self, machine: str, name: str) -> list[dict[str, Any]]:
        """See `Engine.history`."""
        page = await self._on.executions.history(machine, name, limit=1000)
        return list(page.events)


async def _answer(operation: Operation, given: Any) -> Any:
    answer = operation(given)
    return await answer if asyncio.iscoroutine(answer) else answer


@asynccontextmanager
async def embedded(folder: Path, operations: Mapping[str, Operation]) -> AsyncIterator[Embedded]:
    """The embedded engine, running."""
    async with world(folder) as on:
        made = Embedded(on)
        made.answer_with(operations)
        yield made


@asynccontextmanager
async def on_aws(
    aws: Aws, folder: Path, operations: Mapping[str, Operation]
) -> AsyncIterator[OnAws]:
    """Step Functions with its worker, running."""
    async with aws_world(aws, folder) as on:
        made = OnAws(on)
        made.answer_with(operations)
        yield made
