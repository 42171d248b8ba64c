"""A driver: works on one execution, alone, for as long as there is something to do in memory.

It takes what came in (answers of tasks, timers, stops), works out a step, commits it, and only then
has the tasks performed that the step asks for. When the execution only waits, the driver ends and
nothing of it stays in memory.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from logging import ERROR, WARNING
from typing import Any

from meshplane.kit.errors import MeshplaneError, Stale, Unavailable
from meshplane.platform.store import Store
from meshplane.platform.tables import Row
from meshplane.platform.telemetry import log
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.crash_points import CrashPoints
from meshplane.workflows.held import ExecutionMoved, Held, TaskId, load
from meshplane.workflows.machines import Machines
from meshplane.workflows.owners import Owners
from meshplane.workflows.performers import Performers
from meshplane.workflows.step import Step
from meshplane.workflows.tables import EXECUTIONS
from meshplane.workflows.timing import Timepiece

AGAIN_AFTER_STALE_SECONDS = 0.02
AGAIN_AFTER_FAULT_SECONDS = 0.25
AGAIN_AFTER_UNAVAILABLE_SECONDS = 1.0
UNFORESEEN = "An unforeseen error of the workflow engine; its log tells more."


@dataclass(frozen=True, slots=True)
class Workplace:
    """What all drivers of a runner share.

    Args:
        store: holds the executions.
        machines, performers: the state machines, and who performs tasks.
        clock: the time.
        points: named points for a simulation.
        owner: this runner's name in leases.
        lease_seconds: how long an owner may be silent.
        task_slots: limits how many tasks are performed at once.
        owners: knows who has died.
        stop_child: ends a child execution whose parent no longer waits for it.
        expect_answer: is told that a unit of work answers a token of an execution.
        gives_up: whether an execution met an unforeseen error too often to be tried again.
        observe: is told when a piece of work ended.
    """

    store: Store
    machines: Machines
    performers: Performers
    clock: Timepiece
    points: CrashPoints
    owner: str
    lease_seconds: float
    task_slots: asyncio.Semaphore
    owners: Owners
    stop_child: Callable[[str], None]
    expect_answer: Callable[[str], None]
    gives_up: Callable[[str], bool]
    observe: Callable[[asyncio.Task[None]], None]


@dataclass(frozen=True, slots=True)
class _Done:
    task: TaskId
    output: Any


@dataclass(frozen=True, slots=True)
class _Failed:
    task: TaskId
    error: str
    cause: str


_LOOK = object()
"""Came in: answers may wait, a timer may be due, or the lease wants to be renewed."""

_CHECK_VERSION = object()
"""Came in: somebody may have written the execution's row."""


class Driver:
    """Drives one execution.

    Args:
        place: what all drivers share.
        execution_id: which one.
        on_end: told when it has ended, and after how many seconds the execution should be looked
            after anew, if it should.
        on_due: told when a timer may have moved to an earlier time.
    """

    def __init__(
        self,
        place: Workplace,
        execution_id: str,
        on_end: Callable[["Driver", float | None], None],
        on_due: Callable[[float], None],
    ) -> None:
        self.execution_id = execution_id
        self.due: float | None = None
        self.quiet = asyncio.Lock()
        self._place = place
        self._on_end = on_end
        self._on_due = on_due
        self._held: Held | None = None
        self._inbox: list[object] = []
        self._waiter: asyncio.Future[None] | None = None
        self._performing: dict[TaskId, asyncio.Task[None]] = {}
        self._task: asyncio.Task[None] | None = None

    def begin(self, fresh: tuple[Held, list[TaskRequest]] | None, row: Row | None = None) -> None:
        """Begins with an execution that was just committed here, or with a row to be claimed."""
        self._task = asyncio.create_task(self._run(fresh, row), name=self.execution_id)
        self._task.add_done_callback(self._place.observe)

    def look(self) -> None:
        """Has it look for answers, timers that are due, and its lease."""
        self._post(_LOOK)

    def check_version(self) -> None:
        """Has it see whether somebody else wrote the execution's row."""
        self._post(_CHECK_VERSION)

    def wants_look(self, now: float) -> bool:
        """Whether a timer is due, or the lease is half over."""
        return (self.due is not None and self.due <= now) or self._lease_is_half_over()

    async def release(self) -> None:
        """Ends, and leaves the execution to whoever takes it next, at once."""
        place = self._place
        async with self.quiet:
            for task in self.abandon():
                await asyncio.wait([task])
            held = self._held
            if held is None or held.run.outcome is not None or held.lease_ends_at == 0.0:
                return
            work = place.store.begin()
            step = Step(held, work, place.performers, place.clock)
            await step.write(None, 0.0)
            try:
                await work.commit()
            except MeshplaneError as error:
                # Its lease ends soon, and somebody finds it then.
                log(WARNING, "execution_not_released", execution=self.execution_id, code=error.code)

    def abandon(self) -> list[asyncio.Task[None]]:
        """Ends at once and writes nothing, as a killed process does; what is to be waited for."""
        ending = [*self._performing.values(), *([self._task] if self._task else ())]
        for task in ending:
            task.cancel()
        return ending

    async def _run(self, fresh: tuple[Held, list[TaskRequest]] | None, row: Row | None) -> None:
        again: float | None = None
        try:
            if fresh is not None:
                self._held, to_perform = fresh
                self._perform_all(self._held, to_perform)
                self._note_due(self._held)
            elif not await self._claim(row):
                return
            while await self._go_on():
                continue
        except Stale:
            # Somebody else wrote the next transition, or answered while a timer went off.
            again = AGAIN_AFTER_STALE_SECONDS
        except Unavailable as error:
            log(WARNING, "execution_waits", execution=self.execution_id, code=error.code)
            again = AGAIN_AFTER_UNAVAILABLE_SECONDS
        except Exception as error:  # noqa: BLE001 - one execution's fault must not touch another
            log(ERROR, "execution_broken", execution=self.execution_id, exc_info=error)
            if self._place.gives_up(self.execution_id):
                told = error.message if isinstance(error, MeshplaneError) else UNFORESEEN
                await self._break_off(told)
            else:
                again = AGAIN_AFTER_FAULT_SECONDS
        finally:
            for task in self._performing.values():
                task.cancel()
            self._on_end(self, again)

    async def _claim(self, row: Row | None) -> bool:
        """Loads the execution and makes it ours; false when there is nothing to do for us."""
        place = self._place
        work = place.store.begin()
        if row is None:
            row = await work.get(EXECUTIONS, self.execution_id)
        if row is None or "endedAt" in row.item or not self._is_free(row):
            return False
        place.points.reached("before-claim", self.execution_id)
        self._held = held = await load(work, place.machines, row)
        await self._step(held, claims=True)
        return True

    def _is_free(self, row: Row) -> bool:
        """Whether nobody else works on it."""
        owner = row.item.get("owner")
        if owner is None or owner == self._place.owner or owner in self._place.owners.dead():
            return True
        now_milliseconds = self._place.clock.now().timestamp() * 1000
        return bool(row.item["wakeAt"] <= now_milliseconds)

    async def _go_on(self) -> bool:
        """One round; whether there may be another."""
        held = self._held
        if held is None or held.run.outcome is not None:
            return False
        if not self._inbox and held.run.next_ready() is None:
            if not held.running:
                return False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None
        await self._step(held, claims=False)
        return True

    async def _step(self, held: Held, *, claims: bool) -> None:
        place = self._place
        async with self.quiet:
            came, self._inbox = self._inbox, []
            work = place.store.begin(held.info.hops + 1)
            step = Step(held, work, place.performers, place.clock)
            for each in came:
                await self._take(step, each)
            if claims:
                await step.look()
            await step.carry_on()
            if claims:
                step.resume()
            if not (claims or step.moved or self._lease_is_half_over()):
                return
            await step.write(place.owner, place.lease_seconds)
            if step.answers is not None:
                place.expect_answer(step.answers)
            place.points.reached("before-commit", self.execution_id)
            await work.commit()
            place.points.reached("after-commit", self.execution_id)
        self._act(held, step)

    async def _take(self, step: Step, came: object) -> None:
        held = step.held
        match came:
            case _Done(task, output):
                request = held.running.pop(task, None)
                if request is not None and request.wait_for_token:
                    step.submitted(request)
                elif request is not None:
                    await step.succeed(task, output)
            case _Failed(task, error, cause):
                request = held.running.pop(task, None)
                if request is not None:
                    await step.fail(task, error, cause)
                    await step.close_tokens(request.branch_id)
            case _ if came is _CHECK_VERSION:
                row = await self._place.store.begin().get(EXECUTIONS, self.execution_id)
                if row is None or row.version != held.version:
                    raise ExecutionMoved
            case _:
                await step.look()

    def _act(self, held: Held, step: Step) -> None:
        """What a step causes, now that it is durable."""
        for task in step.to_cancel:
            held.running.pop(task, None)
            performing = self._performing.pop(task, None)
            if performing is not None:
                performing.cancel()
        for child in step.children_to_stop:
            self._place.stop_child(child)
        self._perform_all(held, step.to_perform)
        self._note_due(held)
        if step.more_answers_wait:
            self.look()

    def _note_due(self, held: Held) -> None:
        due = held.run.next_due()
        self.due = None if due is None else due[0]
        if due is not None:
            self._on_due(due[0])

    def _perform_all(self, held: Held, requests: list[TaskRequest]) -> None:
        for request in requests:
            task = (request.branch_id, request.attempt)
            held.running[task] = request
            performing = asyncio.create_task(self._perform(held, request))
            performing.add_done_callback(self._place.observe)
            self._performing[task] = performing

    async def _perform(self, held: Held, request: TaskRequest) -> None:
        place, task = self._place, (request.branch_id, request.attempt)
        end: _Done | _Failed
        try:
            async with place.task_slots:
                place.points.reached("before-task", self.execution_id)
                performer = place.performers.outside(request.resource)
                end = _Done(task, await performer.perform(request, held.info))
                place.points.reached("after-task", self.execution_id)
        except TaskFailed as failure:
            end = _Failed(task, failure.error, failure.cause)
        except MeshplaneError as error:
            end = _Failed(task, error.code, error.message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the execution learns of it
            log(ERROR, "task_broken", execution=self.execution_id, exc_info=error)
            end = _Failed(task, "States.TaskFailed", UNFORESEEN)
        self._performing.pop(task, None)
        self._post(end)

    def _post(self, came: object) -> None:
        self._inbox.append(came)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _lease_is_half_over(self) -> bool:
        held = self._held
        if held is None or held.run.outcome is not None or held.lease_ends_at == 0.0:
            return False
        left = held.lease_ends_at - self._place.clock.now().timestamp()
        return left < self._place.lease_seconds / 2

    async def _break_off(self, cause: str) -> None:
        """Ends an execution that cannot be carried on, so that it is not tried for ever."""
        place = self._place
        try:
            work = place.store.begin()
            row = await work.get(EXECUTIONS, self.execution_id)
            if row is None or "endedAt" in row.item:
                return
            held = await load(work, place.machines, row)
            step = Step(held, work, place.performers, place.clock)
            await step.stop("States.Runtime", cause)
            await step.write(place.owner, place.lease_seconds)
            await work.commit()
        except Exception as error:  # noqa: BLE001 - it is looked after again when its lease ends
            log(ERROR, "execution_not_ended", execution=self.execution_id, exc_info=error)
