"""Workflows as services and the composition root see them: one object that has all of it."""

import asyncio
import time
from collections.abc import Mapping, Set
from datetime import datetime
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.kit.ids import IdMaker
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import KeyValue
from meshplane.workflows import tokens
from meshplane.workflows.crash_points import CrashPoints
from meshplane.workflows.executions import Executions, StartedExecution
from meshplane.workflows.machines import Machines, StateMachine
from meshplane.workflows.owners import Owners
from meshplane.workflows.performers import InStore, Outside, Performers
from meshplane.workflows.reading import Execution, row_of
from meshplane.workflows.resources.put_events import PutEvents
from meshplane.workflows.resources.sns import Publish
from meshplane.workflows.resources.sqs import SendMessage
from meshplane.workflows.resources.start_execution import StartExecution
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.runner import Runner, RunnerLimits
from meshplane.workflows.tables import EXECUTIONS
from meshplane.workflows.timing import SystemTimepiece, Timepiece

_LOOK_AGAIN_SECONDS = 1.0


class Workflows:
    """State machines and their executions, durable in a store.

    Args:
        store: holds them; it must know `WORKFLOW_TABLES` and the queues' tables.
        outside: performers of tasks outside the store, by base: `http:invoke`, `lambda:invoke`,
            `lambda`, `meshplane`.
        new_id: the id maker.
        clock: the time; that of this machine by default.
        owners, points, limits: see `Runner`.

    Attributes:
        machines, executions, runner, performers: the parts.
    """

    def __init__(
        self,
        store: Store,
        outside: Mapping[str, Outside],
        new_id: IdMaker,
        clock: Timepiece | None = None,
        *,
        owners: Owners | None = None,
        points: CrashPoints | None = None,
        limits: RunnerLimits | None = None,
    ) -> None:
        clock = clock or SystemTimepiece()
        in_store: dict[str, InStore] = {
            "sqs:sendMessage": SendMessage(clock),
            "sns:publish": Publish(clock),
            "events:putEvents": PutEvents(),
        }
        self.performers = Performers(in_store, outside)
        self.machines = Machines(self.performers)
        self.runner = Runner(
            store,
            self.machines,
            self.performers,
            clock,
            new_id,
            owners=owners,
            points=points,
            limits=limits,
        )
        self.executions = Executions(self.machines, self.performers, self.runner, clock, new_id)
        starting = StartExecution(self.executions, self.machines, clock)
        self.performers.add_in_store("states:startExecution", starting)
        self.runner.stop_child = self._stop_child
        self._watchers: dict[str, set[asyncio.Future[None]]] = {}
        store.on_puts(EXECUTIONS, self._put)
        self._store = store
        self._clock = clock

    def open(self) -> None:
        """Begins to run what the store holds."""
        self.runner.start()

    async def close(self) -> None:
        """Ends; executions go on where they were when somebody opens them again."""
        await self.runner.stop()

    async def put_machine(
        self,
        work: UnitOfWork,
        name: str,
        definition: dict[str, Any] | str,
        *,
        created_by: str,
        run_as: RunAs | None = None,
        expected: int | None = None,
    ) -> StateMachine:
        """See `Machines.put`."""
        return await self.machines.put(
            work,
            name,
            definition,
            created_by=created_by,
            now=self._clock.now(),
            run_as=run_as,
            expected=expected,
        )

    async def start(
        self,
        work: UnitOfWork,
        machine: str,
        input: Any,  # noqa: A002 - the language's word
        *,
        run_as: RunAs,
        name: str | None = None,
        hops: int = 0,
    ) -> StartedExecution:
        """See `Executions.start`."""
        return await self.executions.start(
            work, machine, input, run_as=run_as, name=name, hops=hops
        )

    async def answer_success(
        self, work: UnitOfWork, token: str, output: Any, *, by_person: bool = False
    ) -> str:
        """Answers a task's token with its output; see `tokens.answer`."""
        return await self._answer(work, token, tokens.Success(output), by_person)

    async def answer_failure(
        self,
        work: UnitOfWork,
        token: str,
        error: str | None,
        cause: str | None,
        *,
        by_person: bool = False,
    ) -> str:
        """Answers a task's token with an error; see `tokens.answer`."""
        return await self._answer(work, token, tokens.Failure(error, cause), by_person)

    async def heartbeat(self, work: UnitOfWork, token: str) -> None:
        """See `tokens.heartbeat`."""
        await tokens.heartbeat(work, token, now=self._now())

    async def end_of(self, execution_id: str, timeout_seconds: float) -> Execution:
        """An execution when it has ended, or as it is after that time.

        What this process runs is seen at once, what others run within a second.

        Raises:
            Missing: EXECUTION_UNKNOWN.
        """
        give_up = time.monotonic() + timeout_seconds
        while True:
            watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._watchers.setdefault(execution_id, set()).add(watcher)
            try:
                row = await row_of(self._store.begin(), execution_id)
                left = give_up - time.monotonic()
                if row.item["status"] != "RUNNING" or left <= 0:
                    return await self.executions.describe(self._store.begin(), execution_id)
                await asyncio.wait([watcher], timeout=min(left, _LOOK_AGAIN_SECONDS))
            finally:
                self._watchers[execution_id].discard(watcher)
                if not self._watchers[execution_id]:
                    del self._watchers[execution_id]

    def _put(self, execution_ids: Set[KeyValue]) -> None:
        if not self._watchers:
            return
        for key in execution_ids:
            for watcher in self._watchers.get(str(key), ()):
                if not watcher.done():
                    watcher.set_result(None)

    async def _answer(
        self,
        work: UnitOfWork,
        token: str,
        given: tokens.Success | tokens.Failure,
        by_person: bool,
    ) -> str:
        execution_id = await tokens.answer(work, token, given, now=self._now(), by_person=by_person)
        self.runner.expect_answer(execution_id)
        return execution_id

    def _now(self) -> datetime:
        return self._clock.now()

    async def _stop_child(self, execution_id: str) -> None:
        async with self.runner.quiet(execution_id):
            work = self._store.begin()
            try:
                await self.executions.stop(
                    work, execution_id, cause="The execution that waited for this one has gone on."
                )
            except Conflict:
                return  # it has ended by itself meanwhile
            await work.commit()
