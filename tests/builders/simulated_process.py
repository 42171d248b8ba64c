"""A process of a simulated mesh: the workflow engine and the bus on a store, until it dies.

It dies at a named point: before a commit, while the disk writes it (and it is kept, or lost), after
it, and before and after whatever happens outside the store. The same points serve the engine, the
queue worker, the rule relay and the scheduler, as all of them write through the store.
"""

import asyncio
import random
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from meshplane.events.archives import EVENT_ARCHIVES
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES, QueueHandler
from meshplane.events.replays import EVENT_REPLAYS
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_relay import RuleRelay
from meshplane.events.rules import EVENT_RULES, RULE_GENERATIONS
from meshplane.events.scheduler import SCHEDULE_TIMES, Scheduler
from meshplane.kit.ids import id_maker
from meshplane.platform.gathering import Batch
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.tables import KeyValue, Table
from meshplane.workflows.asl import Machine
from meshplane.workflows.engine import Workflows
from meshplane.workflows.owners import Owners
from meshplane.workflows.performers import Outside
from meshplane.workflows.runner import RunnerLimits
from meshplane.workflows.tables import WORKFLOW_TABLES
from tests.builders.simulated_loop import Life
from tests.builders.stores import NOON

SEEN = Table("Seen", "id")
"""What handlers of the test have done in the store, and how often."""

TABLES = (
    *WORKFLOW_TABLES,
    MESSAGES,
    DEAD_LETTERS,
    CURSORS,
    PARKED,
    EVENT_RULES,
    RULE_GENERATIONS,
    SCHEDULE_TIMES,
    EVENT_ARCHIVES,
    EVENT_REPLAYS,
    SEEN,
)

POLL_SECONDS = 10.0


POINTS = (
    *("before-claim", "before-commit", "after-commit", "before-task", "after-task"),
    *("task before its effect", "task after its effect", "disk writes"),
    *(
        f"{writer} {when} commit"
        for writer in ("engine", "queue", "rule-relay", "scheduler", "request")
        for when in ("before", "after")
    ),
)
"""Where processes die; those with hyphens are the engine's own."""


class Died(BaseException):
    """The process dies here."""


class LoopClock:
    """The time of the simulated world, unless somebody sets this clock otherwise.

    Attributes:
        ahead: how far; sleepers do not notice.
    """

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """See `Clock`."""
        return NOON + self.ahead + timedelta(seconds=asyncio.get_running_loop().time())

    async def sleep(self, seconds: float) -> None:
        """See `Timepiece`."""
        await asyncio.sleep(max(seconds, 0.0))


@dataclass
class Deaths:
    """Decides at which points processes die.

    Args:
        chance: draws it.
        left: how many deaths are still to come.
        each_point: how likely one is at a point that is reached.
        only: the one kind of point where they die, in simulations that look for what is rare.
    """

    chance: random.Random
    left: int
    each_point: float
    only: str | None = None
    at: Counter[str] = field(default_factory=Counter)

    def strikes(self, point: str) -> bool:
        """Whether a process dies at this point."""
        if self.only not in (None, point):
            return False
        if self.left == 0 or self.chance.random() >= self.each_point:
            return False
        self.left -= 1
        self.at[point] += 1
        return True


class SimulatedStore(SqliteStore):
    """A store that dies with its process."""

    def __init__(self, path: Path, clock: LoopClock, reached: Callable[[str], None]) -> None:
        super().__init__(path, TABLES, clock, id_maker(clock))
        self._reached = reached

    async def commit(self, batch: Batch) -> None:
        """See `SqliteStore.commit`."""
        self._reached(f"{_writer()} before commit")
        await super().commit(batch)
        self._reached(f"{_writer()} after commit")

    def on_puts(self, table: Table, call: Callable[[Set[KeyValue]], None]) -> None:
        """See `SqliteStore.on_puts`; in an order that is the same in every run."""
        super().on_puts(table, lambda keys: call(dict.fromkeys(sorted(keys, key=str)).keys()))

    @property
    def is_writing(self) -> bool:
        """Whether a transaction is on its way to the disk."""
        return bool(self._writer._connection.in_transaction)

    def cut_off(self, *, kept: bool) -> None:
        """The process is dead; a transaction that was on its way to the disk is kept, or lost."""
        connection = self._writer._connection
        if connection.in_transaction:
            connection.execute("COMMIT" if kept else "ROLLBACK")
        for each in (connection, self._thread_reader, self.reader):
            each.close()


def _writer() -> str:
    """Who writes: the part that the running task belongs to."""
    task = asyncio.current_task()
    name = task.get_name() if task is not None else ""
    if name in ("workflows", "rule-relay", "scheduler", "lease"):
        return name
    kind = name.split(":")[0].split("-")[0]
    return {"queue": "queue", "Task": "request"}.get(kind, "engine")


_COMPILED: OrderedDict[tuple[str, int], Machine] = OrderedDict()
"""Compiled once for all lives: every simulation has the same state machines."""

Performers = Callable[["Process"], dict[str, Outside]]
Handlers = Callable[["Process"], Sequence[QueueHandler]]


class Process:
    """One process, from its start to its death.

    Args:
        name: tells it from others.
        path: of the database.
        deaths: when it dies.
        owners: knows which runners have died.
        performers: make what performs tasks outside the store.
        handlers: make what works off queues.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        deaths: Deaths,
        owners: Owners | None,
        *,
        performers: Performers,
        handlers: Handlers,
    ) -> None:
        self.name = name
        self.life = Life(name, self._while_writing)
        self.clock = LoopClock()
        self.death = asyncio.Event()
        self.on_death: Callable[[Process], None] = lambda process: None
        self._deaths = deaths
        self.store = SimulatedStore(path, self.clock, self.reached)
        self.workflows = Workflows(
            self.store,
            performers(self),
            id_maker(self.clock),
            self.clock,
            owners=owners,
            points=self,
            limits=RunnerLimits(poll_seconds=POLL_SECONDS, lease_seconds=30.0),
        )
        self.workflows.machines._compiled = _COMPILED
        book = RuleBook(self.store)
        self._parts = (
            RuleRelay(self.store, book, self.clock),
            Scheduler(self.store, book, self.clock),
            QueueWorker(self.store, handlers(self), self.clock, POLL_SECONDS),
        )

    def start(self) -> None:
        """Begins to work."""

        def begin() -> None:
            self.workflows.open()
            for part in self._parts:
                part.start()

        self.life.begin(begin)

    def reached(self, point: str, execution_id: str = "") -> None:
        """A point where it may die; see `CrashPoints`."""
        if not self.life.is_over and self._deaths.strikes(point):
            self.die()
        if self.life.is_over:
            raise Died

    def _while_writing(self) -> None:
        if self._deaths.strikes("disk writes"):
            self.die()

    def die(self) -> None:
        """Nothing of it runs any more."""
        self.life.is_over = True
        self.death.set()
        self.store.cut_off(kept=self._deaths.chance.random() < 0.5)
        self.on_death(self)
