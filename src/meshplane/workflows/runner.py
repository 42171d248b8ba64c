"""The runner: sees to it that every execution of the store goes on, together with other processes.

An execution that only waits is a row and nothing else: the index `byWake` says when somebody must
look after it. The poller looks there, and claims what is due by writing its next transition under
the version that it read; of two processes one is too late. What is worked on has an owner, whose
lease moves on with each commit. What this process starts or wakes itself begins at once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Set
from contextlib import suppress
from dataclasses import dataclass
from logging import ERROR, WARNING

from meshplane.kit.errors import MeshplaneError
from meshplane.kit.ids import IdMaker
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import KeyValue, Row
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble
from meshplane.workflows import due
from meshplane.workflows.asl import TaskRequest
from meshplane.workflows.crash_points import CrashPoints, NoCrashes
from meshplane.workflows.driver import Driver, Workplace
from meshplane.workflows.held import Held
from meshplane.workflows.machines import Machines
from meshplane.workflows.owners import LeasesOnly, Owners
from meshplane.workflows.performers import Performers
from meshplane.workflows.tables import EXECUTIONS, TASK_TOKENS
from meshplane.workflows.timing import Timepiece

MOST_FAULTS = 3


@dataclass(frozen=True, slots=True)
class RunnerLimits:
    """What a runner takes on.

    Args:
        executions: the most that are worked on at once; the others wait in the store.
        tasks: the most tasks outside the store that are performed at once.
        lease_seconds: after how long a silent owner counts as gone.
        poll_seconds: how often to look for what other processes left.
    """

    executions: int = 512
    tasks: int = 128
    lease_seconds: float = 30.0
    poll_seconds: float = 1.0


@dataclass(frozen=True, slots=True)
class _Expected:
    """An execution that a unit of work brings.

    Args:
        since: when that was said.
        fresh: what it holds, if that is sure.
        due: when it wants to be looked after, if not at once.
    """

    since: float
    fresh: tuple[Held, list[TaskRequest]] | None = None
    due: float | None = None


class Runner:
    """Runs executions until it is stopped.

    Args:
        store: holds them.
        machines, performers: the state machines, and who performs tasks.
        clock: the time.
        new_id: makes this runner's name.
        owners: knows which other runners have died.
        points: named points for a simulation.
        limits: what it takes on.
    """

    def __init__(
        self,
        store: Store,
        machines: Machines,
        performers: Performers,
        clock: Timepiece,
        new_id: IdMaker,
        *,
        owners: Owners | None = None,
        points: CrashPoints | None = None,
        limits: RunnerLimits | None = None,
    ) -> None:
        self.name = new_id("runner")
        self.limits = limits or RunnerLimits()
        self.died: BaseException | None = None
        self.stop_child: Callable[[str], Awaitable[None]] | None = None
        self._store = store
        self._clock = clock
        self._owners = owners or LeasesOnly()
        self._place = Workplace(
            store,
            machines,
            performers,
            clock,
            points or NoCrashes(),
            self.name,
            self.limits.lease_seconds,
            asyncio.Semaphore(self.limits.tasks),
            self._owners,
            self._stop_child,
            self.expect_answer,
            self._gives_up,
            self._observe,
        )
        self._drivers: dict[str, Driver] = {}
        self._fresh: dict[str, _Expected] = {}
        self._answered_soon: dict[str, float] = {}
        self._side_tasks: set[asyncio.Task[None]] = set()
        self._again: dict[str, float] = {}
        self._faults: dict[str, int] = {}
        self._touched: set[str] = set()
        self._running = False
        self._more_is_due = False
        self._wake = asyncio.Event()
        self._look_at = 0.0
        self._rest = due.Rest(store.stillness, self.limits.poll_seconds)
        self._trouble = Trouble("runner_waits", "runner_goes_on")
        self._task: asyncio.Task[None] | None = None
        store.on_puts(EXECUTIONS, self._put)
        store.on_puts(TASK_TOKENS, self._answered)

    def start(self) -> None:
        """Begins to work, with what is due in the store."""
        self._owners.enter(self.name)
        self._running = True
        self._task = asyncio.create_task(self._poll_for_ever(), name="workflows")
        self._task.add_done_callback(self._observe)

    async def stop(self) -> None:
        """Ends. What is being written is written.

        Tasks are cut off; whoever takes over, which he may at once, performs them again.
        """
        if not self._running:
            return
        self._running = False
        await _ended(self._task)
        drivers = list(self._drivers.values())
        await asyncio.gather(*(driver.release() for driver in drivers))
        self._drivers.clear()
        self._owners.leave(self.name)

    async def abandon(self) -> None:
        """Ends as a killed process does: what is not on its way to the disk is lost."""
        self._running = False
        tasks = [task for driver in self._drivers.values() for task in driver.abandon()]
        self._drivers.clear()
        for task in (*tasks, self._task):
            await _ended(task)

    @property
    def working_on(self) -> int:
        """How many executions are in memory."""
        return len(self._drivers)

    @property
    def has_room(self) -> bool:
        """Whether an execution that starts now can begin at once."""
        return self._running and len(self._drivers) + len(self._fresh) < self.limits.executions

    def expect(self, held: Held, to_perform: list[TaskRequest]) -> None:
        """Says that a unit of work holds a new step of an execution, owned by this runner.

        It begins when that is committed. Should it never be, nothing is lost but this note.
        """
        execution_id = held.execution_id
        # Two units of work may hold the same execution; only one is committed. Which, its row says.
        fresh = None if execution_id in self._fresh else (held, to_perform)
        self._fresh[execution_id] = _Expected(self._now(), fresh)

    def expect_row(self, execution_id: str, due: float | None = None) -> None:
        """Says that a unit of work puts an execution that somebody should look after.

        At once, or when it is due, in epoch seconds.
        """
        self._fresh[execution_id] = _Expected(self._now(), due=due)

    def expect_answer(self, execution_id: str) -> None:
        """Says that a unit of work answers a token of an execution."""
        self._answered_soon[execution_id] = self._now()

    def quiet(self, execution_id: str) -> "Quiet":
        """A context in which this process writes no step of the execution.

        Whoever changes an execution from outside (stops it) enters it before he reads, and leaves
        it after his commit, so that a busy execution does not overtake him again and again.
        """
        return Quiet(self._drivers.get(execution_id))

    def _put(self, execution_ids: Set[KeyValue]) -> None:
        """Executions were put; those that this runner was told of begin."""
        if not self._fresh or not self._running:
            return
        for key in execution_ids:
            expected = self._fresh.pop(str(key), None)
            if expected is None:
                continue
            if expected.due is None:
                self._begin(str(key), expected.fresh)
            else:
                self._due(expected.due)

    def _answered(self, execution_ids: Set[KeyValue]) -> None:
        """Tokens were put; the executions whose answers this runner was told of go on."""
        if not self._answered_soon or not self._running:
            return
        for key in execution_ids:
            if self._answered_soon.pop(str(key), None) is not None:
                self._begin(str(key), None)

    def _begin(
        self,
        execution_id: str,
        fresh: tuple[Held, list[TaskRequest]] | None,
        row: Row | None = None,
    ) -> None:
        driver = self._drivers.get(execution_id)
        if driver is not None:
            driver.look()
            # It may be about to end, and then would not see what this is about.
            self._touched.add(execution_id)
            return
        if fresh is None and len(self._drivers) >= self.limits.executions:
            # It waits in the store, and is found there when there is room.
            self._more_is_due = True
            return
        driver = Driver(self._place, execution_id, self._ended, self._due)
        self._drivers[execution_id] = driver
        driver.begin(fresh, row)

    def _ended(self, driver: Driver, again_after_seconds: float | None) -> None:
        self._drivers.pop(driver.execution_id, None)
        if not self._running:
            return
        if again_after_seconds is None:
            self._faults.pop(driver.execution_id, None)
        if driver.execution_id in self._touched:
            self._touched.discard(driver.execution_id)
            again_after_seconds = again_after_seconds or 0.0
        if again_after_seconds is not None:
            self._again[driver.execution_id] = at = self._now() + again_after_seconds
            self._due(at)
        if self._more_is_due and len(self._drivers) <= self.limits.executions * 3 // 4:
            self._wake.set()

    def _due(self, at: float) -> None:
        if at < self._look_at:
            self._wake.set()

    def _gives_up(self, execution_id: str) -> bool:
        """Counts an unforeseen error of an execution; true when it was the last that it may have.

        A store that failed for a moment looks like one, so it is tried again.
        """
        self._faults[execution_id] = self._faults.get(execution_id, 0) + 1
        if self._faults[execution_id] < MOST_FAULTS:
            return False
        del self._faults[execution_id]
        return True

    def _observe(self, task: asyncio.Task[None]) -> None:
        """A piece of work ended; a simulated death takes the whole runner with it."""
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, Exception):
            self.died = self.died or error
            self._running = False
            for driver in self._drivers.values():
                driver.abandon()
            if self._task is not None:
                self._task.cancel()
        elif error is not None:
            log(ERROR, "runner_broken", exc_info=error)

    def _stop_child(self, execution_id: str) -> None:
        if self.stop_child is not None:
            task = asyncio.create_task(_unless_refused(self.stop_child, execution_id))
            self._side_tasks.add(task)
            task.add_done_callback(self._side_tasks.discard)

    def _now(self) -> float:
        return self._clock.now().timestamp()

    async def _poll_for_ever(self) -> None:
        while True:
            self._wake.clear()
            try:
                self._look_at = await self._look()
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - nothing may end the work for good
                self._trouble.met(error)
                self._look_at = self._now() + self.limits.poll_seconds
            await self._sleep(self._look_at - self._now())

    async def _sleep(self, seconds: float) -> None:
        """Returns after that time, or when something may be due earlier."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(seconds)),
            asyncio.ensure_future(self._wake.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _look(self) -> float:
        """Looks after all that is due; when to look again, epoch seconds."""
        now = self._now()
        soonest = now + self.limits.poll_seconds
        for driver in list(self._drivers.values()):
            if driver.wants_look(now):
                driver.look()
            elif driver.due is not None:
                soonest = min(soonest, driver.due)
        for execution_id, at in list(self._again.items()):
            if at <= now:
                del self._again[execution_id]
                self._begin(execution_id, None)
            else:
                soonest = min(soonest, at)
        self._forget_expectations(now - self.limits.lease_seconds)
        dead = self._owners.dead()
        if dead or self._more_is_due or self._rest.is_over(now):
            await self._look_into_store(dead, now)
        return min(soonest, self._rest.ends_at)

    async def _look_into_store(self, dead: Set[str], now: float) -> None:
        """Begins what others left: what is due, is answered, or was a dead owner's."""
        ahead = self._rest.begin(now)
        work = self._store.begin()
        for owner in dead:
            await self._take_over(work, owner, now)
        await self._begin_due(work, now)
        async for execution_id in due.answered_executions(work):
            self._begin(execution_id, None)
        self._rest.ends_at = await due.first_after(work, now, ahead)

    def _forget_expectations(self, before: float) -> None:
        """Units of work that were to bring something, and never were committed."""
        for execution_id in [key for key, each in self._fresh.items() if each.since < before]:
            del self._fresh[execution_id]
        for key in [key for key, since in self._answered_soon.items() if since < before]:
            del self._answered_soon[key]

    async def _begin_due(self, work: UnitOfWork, now: float) -> None:
        """Begins the executions whose time has come, the longest overdue first."""
        room = self.limits.executions - len(self._drivers) - len(self._fresh)
        self._more_is_due = room <= 0
        if room <= 0:
            return
        # Those that are being worked on here may be among them: they take no room.
        found = await due.rows_until(work, now, room + len(self._drivers))
        rows = [row for row in found if row.item["executionId"] not in self._drivers]
        self._more_is_due = len(rows) > room
        for row in rows[:room]:
            self._begin(row.item["executionId"], None, row)

    async def _take_over(self, work: UnitOfWork, owner: str, now: float) -> None:
        """Begins what a dead owner worked on, without waiting for the end of his leases."""
        found = False
        async for row in due.rows_of_owner(work, owner, now):
            found = True
            self._begin(row.item["executionId"], None, row)
        if not found:
            self._owners.forget(owner)


class Quiet:
    """See `Runner.quiet`."""

    def __init__(self, driver: Driver | None) -> None:
        self._driver = driver

    async def __aenter__(self) -> None:
        if self._driver is not None:
            await self._driver.quiet.acquire()

    async def __aexit__(self, *error: object) -> None:
        if self._driver is not None:
            self._driver.quiet.release()
            self._driver.check_version()


async def _unless_refused(stop_child: Callable[[str], Awaitable[None]], execution_id: str) -> None:
    try:
        await stop_child(execution_id)
    except MeshplaneError as error:
        # It has ended, or will be seen to by nobody else: that a child goes on is no fault.
        log(WARNING, "child_not_stopped", execution=execution_id, code=error.code)


async def _ended(task: asyncio.Task[None] | None) -> None:
    """Cancels a task and waits for its end."""
    if task is not None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.wait([task])
