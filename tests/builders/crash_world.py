"""A small world to kill: writers, a relay with consumers, and a ledger that no kill can touch.

Writers order things: each order is one unit of work of a row, an event and an audit record. The
ledger is a file outside the store. A writer notes there what it is about to commit, and what was
acknowledged. Consumers keep their effects in tables (`Applied`, `Journals`) and, one of them, in
the ledger. `crash_check.py` compares all of it.
"""

import asyncio
import os
import random
import signal
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from meshplane.events.consumer import Consumer
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.relay import Relay
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.events import NewEvent, StoredEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Table

ORDERS = Table("Orders", "entity", "number", search=("words",))
APPLIED = Table("Applied", "eventId")
JOURNALS = Table("Journals", "entity")
TABLES = (CURSORS, PARKED, ORDERS, APPLIED, JOURNALS)

ORDER_PLACED = "OrderPlaced"
FAILING = "failing"
"""The entity whose events the consumer refuses until its patience file is there."""


@dataclass(frozen=True)
class Plan:
    """What one process does.

    Args:
        folder: of the store, the ledger and the patience file.
        seed: of all its chances.
        writers: how many write at once, each to entities of its own.
        rounds: orders that each writer places.
        ends: whether it then delivers all events and ends; or it delivers until it is killed.
        relays: how many relays run in it.
        kill_at: the place where it kills itself, if any.
        kill_nth: at which passing of that place.
        flaws: planted bugs, by name.
    """

    folder: str
    seed: int
    writers: int = 8
    rounds: int = 1000
    ends: bool = True
    relays: int = 1
    kill_at: str | None = None
    kill_nth: int = 1
    flaws: frozenset[str] = frozenset()


class Ledger:
    """Lines in a file; a line is whole or not there, whoever is killed."""

    def __init__(self, folder: Path) -> None:
        self._file = os.open(folder / "ledger", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(self, *words: object) -> None:
        """Adds a line."""
        os.write(self._file, (" ".join(map(str, words)) + "\n").encode())


class Reaper:
    """Kills its own process at the n-th passing of a place."""

    def __init__(self, plan: Plan) -> None:
        self._place = plan.kill_at
        self._left = plan.kill_nth
        self._chance = random.Random(plan.seed)

    def passing(self, place: str) -> None:
        """Says that the process is at a place."""
        if place != self._place:
            return
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def threaten(self, place: str) -> None:
        """Says that what follows is the place: the kill comes from another thread, during it."""
        if place == self._place and self._left == 1:
            wait = self._chance.random() * 0.002
            threading.Timer(wait, os.kill, (os.getpid(), signal.SIGKILL)).start()
        elif place == self._place:
            self._left -= 1


class WatchedConnection:
    """The writing connection, with the places before, during and after its statements."""

    def __init__(self, connection: Any, reaper: Reaper) -> None:
        self._connection = connection
        self._reaper = reaper

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def execute(self, statement: str, values: Sequence[Any] = ()) -> Any:
        """Executes a statement, unless it is killed at it."""
        if statement != "COMMIT":
            self._watch_statement(statement)
            return self._connection.execute(statement, values)
        self._reaper.passing("before commit")
        self._reaper.threaten("during commit")
        done = self._connection.execute(statement)
        self._reaper.passing("after commit")
        return done

    def executemany(self, statement: str, values: Any) -> Any:
        """Executes a statement for each of the values, unless it is killed at it."""
        self._watch_statement(statement)
        return self._connection.executemany(statement, values)

    def _watch_statement(self, statement: str) -> None:
        if statement.startswith("INSERT INTO Outbox"):
            self._reaper.passing("between row and event")
        elif statement.startswith("INSERT INTO AuditTrail"):
            self._reaper.passing("between event and record")


WRITING = (
    "between row and event",
    "between event and record",
    "before commit",
    "during commit",
    "after commit",
    "after acknowledgement",
)
"""Where a writer can be killed."""

PLACES = (*WRITING, "before handling", "after handling")
"""Where a process can be killed."""


def open_store(folder: Path) -> SqliteStore:
    """The world's store."""
    clock = SystemClock()
    return SqliteStore(folder / "meshplane.db", TABLES, clock, id_maker(clock))


def opened(folder: Path) -> Path:
    """The file that says that a process has opened the store."""
    return folder / "opened"


def watch(store: SqliteStore, reaper: Reaper) -> None:
    """Puts the places of the commit into a store, from outside."""
    writer = store._writer
    writer._connection = WatchedConnection(writer._connection, reaper)  # type: ignore[assignment]
    applier = writer._applier
    applier._connection = WatchedConnection(applier._connection, reaper)  # type: ignore[assignment]


async def apply(work: UnitOfWork, event: StoredEvent) -> None:
    """Counts how often an event was applied, and keeps in which order those of an entity came."""
    row = await work.get(APPLIED, event.event_id)
    times = row.item["times"] + 1 if row else 1
    work.put(APPLIED, {"eventId": event.event_id, "times": times})
    journal = await work.get(JOURNALS, event.entity)
    numbers = [*(journal.item["numbers"] if journal else ()), event.detail["number"]]
    work.put(JOURNALS, {"entity": event.entity, "numbers": numbers})


def has_patience(plan: Plan) -> bool:
    """Whether the failing entities are served by now."""
    return Path(plan.folder, "patience").exists()


def consumers(plan: Plan, store: Store, ledger: Ledger, reaper: Reaper) -> list[Consumer]:
    """The honest consumers of the world, or those with the plan's flaws."""

    async def handle(work: UnitOfWork, event: StoredEvent) -> None:
        reaper.passing("before handling")
        if event.entity.startswith(FAILING) and not has_patience(plan):
            raise RuntimeError("this entity is not served yet")
        if "effect apart from cursor" in plan.flaws:
            work = store.begin()
        await apply(work, event)
        if "effect apart from cursor" in plan.flaws:
            await work.commit()
        reaper.passing("after handling")

    async def tell(_work: UnitOfWork, event: StoredEvent) -> None:
        ledger.note("told", event.event_id)

    types = frozenset({ORDER_PLACED})
    return [Consumer("world.apply", types, handle), Consumer("world.tell", types, tell)]


async def order(
    plan: Plan, store: Store, ledger: Ledger, reaper: Reaper, *, entity: str, number: int
) -> None:
    """Places one order, and notes it in the ledger before and after."""
    work = store.begin()
    work.put(
        ORDERS,
        {"entity": entity, "number": number, "words": f"order {entity} {number}"},
        expected=ABSENT,
    )
    event = NewEvent(ORDER_PLACED, "test.world", entity, {"number": number})
    ledger.note("intended", entity, number)
    if "event apart from row" in plan.flaws:
        early = store.begin()
        early.emit(event)
        await early.commit()
    else:
        work.emit(event)
    work.record({"operation": "order", "entity": entity, "number": number})
    if "acknowledged before commit" in plan.flaws:
        ledger.note("acknowledged", entity, number)
    await work.commit()
    ledger.note("acknowledged", entity, number)
    reaper.passing("after acknowledgement")


async def _write(plan: Plan, store: Store, ledger: Ledger, reaper: Reaper, writer: int) -> None:
    chance = random.Random(f"{plan.seed}/{writer}")
    name = FAILING if writer == 0 else "entity"
    # No two processes write to the same entity, so each knows the order of its own.
    entity = f"{name}-{plan.seed}-{os.getpid()}-{writer}"
    for number in range(plan.rounds):
        await order(plan, store, ledger, reaper, entity=entity, number=number)
        if chance.random() < 0.1:
            await asyncio.sleep(0)


async def drained(store: Store, plan: Plan) -> None:
    """Returns when every consumer has handled every event that is there."""
    last = await store.events_after(0, 1_000_000)
    while last:
        rows = [await store.begin().get(CURSORS, name) for name in ("world.apply", "world.tell")]
        parked = await store.begin().query(PARKED, "world.apply", limit=1)
        behind = any(row is None or row.item["position"] < last[-1].sequence for row in rows)
        if not behind and not parked.rows:
            return
        await asyncio.sleep(0.01)


async def _live(plan: Plan, relay_of: Callable[..., Relay]) -> None:
    folder = Path(plan.folder)
    store, ledger, reaper = open_store(folder), Ledger(folder), Reaper(plan)
    watch(store, reaper)
    opened(folder).touch()
    clock = SystemClock()
    relays = [
        relay_of(store, consumers(plan, store, ledger, reaper), clock) for _ in range(plan.relays)
    ]
    for relay in relays:
        relay.start()
    await asyncio.gather(
        *(_write(plan, store, ledger, reaper, writer) for writer in range(plan.writers))
    )
    if not plan.ends:
        await asyncio.Event().wait()
    if has_patience(plan):
        await drained(store, plan)
    for relay in relays:
        await relay.stop()
    await store.close()


def live(plan: Plan) -> None:
    """Lives through a plan, to its end or to its kill. The target of a process."""
    asyncio.run(_live(plan, Relay))


def finish(folder: Path, relays: int = 1, seed: int = 0) -> Plan:
    """The plan of a process that writes nothing and delivers all that is left."""
    (folder / "patience").touch()
    return Plan(str(folder), seed, writers=0, relays=relays)


def flawed(plan: Plan, *flaws: str) -> Plan:
    """The plan with planted bugs."""
    return replace(plan, flaws=frozenset(flaws))
