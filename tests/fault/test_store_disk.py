"""The disk is full, read-only or taken: a clear refusal, nothing lost, and on it goes after."""

import asyncio
import random
import resource
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from meshplane.events.relay import Relay
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Unavailable
from meshplane.platform.local import sqlite_commit
from meshplane.platform.local.sqlite import SqliteStore
from tests.builders import seeds
from tests.builders.crash_check import orders, problems_of_effects, problems_of_writes
from tests.builders.crash_world import (
    ORDERS,
    Ledger,
    Plan,
    Reaper,
    consumers,
    drained,
    open_store,
    order,
)
from tests.builders.forked import run_together

pytestmark = pytest.mark.fault


@dataclass
class Shop:
    """A store that takes orders, and its ledger."""

    store: SqliteStore
    plan: Plan
    ledger: Ledger
    placed: int = 0

    async def order(self, entity: str = "entity") -> bool:
        """Places an order; whether the store took it. Notes in the ledger what it said."""
        number, self.placed = self.placed, self.placed + 1
        try:
            await order(
                self.plan, self.store, self.ledger, Reaper(self.plan), entity=entity, number=number
            )
        except Unavailable as error:
            if error.code != "STORE_UNAVAILABLE":
                raise
            self.ledger.note("refused", entity, number)
            return False
        return True

    @property
    def writer(self) -> sqlite3.Connection:
        return self.store._writer._connection


def shop_in(folder: Path) -> Shop:
    return Shop(open_store(folder), Plan(str(folder), 0), Ledger(folder))


@pytest.fixture
async def shop(tmp_path: Path) -> AsyncIterator[Shop]:
    shop = shop_in(tmp_path)
    yield shop
    await shop.store.close()


@contextmanager
def full_disk(shop: Shop) -> Iterator[None]:
    """No page more than there are."""
    pages = shop.writer.execute("PRAGMA page_count").fetchone()[0]
    shop.writer.execute(f"PRAGMA max_page_count = {pages}")
    try:
        yield
    finally:
        shop.writer.execute("PRAGMA max_page_count = 1000000")


@contextmanager
def read_only(shop: Shop) -> Iterator[None]:
    """The same answer as from a disk that was mounted read-only: SQLITE_READONLY."""
    shop.writer.execute("PRAGMA query_only = ON")
    try:
        yield
    finally:
        shop.writer.execute("PRAGMA query_only = OFF")


@contextmanager
def taken(shop: Shop) -> Iterator[None]:
    """Another process sits on the lock."""
    path = Path(shop.plan.folder, "meshplane.db")
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


Fault = Callable[[Shop], AbstractContextManager[None]]
FAULTS: dict[str, Fault] = {"full": full_disk, "read-only": read_only, "taken": taken}


@pytest.fixture(autouse=True)
def short_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_commit, "LOCK_WAIT_SECONDS", 0.2)


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault__is_refused_clearly_and_keeps_nothing_of_the_request(
    tmp_path: Path, shop: Shop, fault: str
) -> None:
    for _ in range(20):
        assert await shop.order()
    with FAULTS[fault](shop):
        ends = [await asyncio.gather(*(shop.order() for _ in range(40))) for _ in range(4)]
        assert not all(ends[-1])
        assert await shop.store.begin().get(ORDERS, "entity", 3) is not None
        assert len(await shop.store.events_after(0, 10)) == 10
        assert problems_of_writes(tmp_path) == []
    for _ in range(20):
        assert await shop.order()
    assert problems_of_writes(tmp_path) == []


async def refused_in_the_end(shop: Shop) -> bool:
    for _ in range(1000):
        if not await shop.order("late"):
            return True
    return False


@pytest.mark.parametrize("fault", FAULTS)
async def test_fault__ends_and_the_relay_delivers_what_waited(
    tmp_path: Path, shop: Shop, fault: str
) -> None:
    (tmp_path / "patience").touch()
    told = consumers(shop.plan, shop.store, shop.ledger, Reaper(shop.plan))
    relay = Relay(shop.store, told, SystemClock())
    relay.start()
    for number in range(30):
        assert await shop.order(f"e{number}")
    with FAULTS[fault](shop):
        assert await refused_in_the_end(shop)
        await asyncio.sleep(0.4)
    assert await shop.order("later")
    async with asyncio.timeout(10):
        await drained(shop.store, shop.plan)
    await relay.stop()
    assert problems_of_writes(tmp_path) == []
    found = problems_of_effects(tmp_path, all_delivered=True)
    # Refused orders leave gaps in the numbers of an entity.
    assert set(found) <= {"events of an entity were applied out of order"}


async def test_lock_of_another_process__costs_the_limit_once(shop: Shop) -> None:
    with taken(shop):
        begun = time.monotonic()
        assert not any(await asyncio.gather(*(shop.order() for _ in range(300))))
        # Two groups of at most 256 wait one after the other.
        assert time.monotonic() - begun < 2 * 0.2 + 1.0
    assert await shop.order()


async def test_lock_of_another_process__that_is_short_is_waited_for(shop: Shop) -> None:
    with closing(
        sqlite3.connect(Path(shop.plan.folder, "meshplane.db"), isolation_level=None)
    ) as other:
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(shop.order())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        other.execute("ROLLBACK")
        assert await waiting


def size(file: Path) -> int:
    return file.stat().st_size


def starve(folder: str, seed: int, rounds: int) -> None:
    """Writes while the files may grow by a few bytes only, again and again. Runs in a process."""

    async def run() -> int:
        chance, shop, refused = random.Random(seed), shop_in(Path(folder)), 0
        shop.writer.execute("PRAGMA wal_autocheckpoint = 30")
        log = Path(folder, "meshplane.db-wal")
        for _ in range(rounds):
            for _ in range(chance.randrange(1, 4)):
                assert await shop.order(f"entity-{seed}")
            room = size(log) + chance.randrange(40_000)
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            for _ in range(6):
                refused += not await shop.order(f"entity-{seed}")
            resource.setrlimit(
                resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
            )
        await shop.store.close()
        return refused

    assert asyncio.run(run()) > 0


def assert_survives_starving(folder: Path, rounds: int) -> None:
    seed = seeds.fresh()
    assert run_together(starve, [(str(folder), seed, rounds)]) == [0]
    assert problems_of_writes(folder) == []
    assert orders(folder) > rounds


def test_disk_full_at_any_write__loses_nothing_and_goes_on(tmp_path: Path) -> None:
    assert_survives_starving(tmp_path, rounds=60)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_disk_full_at_any_write__loses_nothing_and_goes_on_for_long(
    tmp_path: Path, part: int
) -> None:
    assert_survives_starving(tmp_path, rounds=300 + part)


def fill(connection: sqlite3.Connection) -> None:
    for number in range(10_000):
        connection.execute(
            "INSERT INTO Outbox (event_id, type, source, entity, time, detail) "
            f"VALUES ('{number}', '', '', '', '', '{'x' * 9000}')"
        )


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults__do_what_they_say(shop: Shop, fault: str) -> None:
    with FAULTS[fault](shop):
        shop.writer.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(sqlite3.OperationalError):
            fill(shop.writer)
        if shop.writer.in_transaction:
            shop.writer.execute("ROLLBACK")


async def test_checker__finds_a_refused_order_that_was_kept(tmp_path: Path, shop: Shop) -> None:
    assert await shop.order()
    shop.ledger.note("refused", "entity", 0)
    assert problems_of_writes(tmp_path) == ["a refused order was kept"]
