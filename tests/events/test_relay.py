"""The relay: every event reaches its consumers once, in order, whatever one of them does."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from meshplane.events import lane as lanes
from meshplane.events.consumer import Consumer
from meshplane.events.dead_letters import ALL, redrive
from meshplane.events.lane import CURSORS, PARKED, CursorMoved, Lane
from meshplane.events.queues import DEAD_LETTERS
from meshplane.events.relay import Relay
from meshplane.kit.clock import FixedClock, SystemClock
from meshplane.kit.errors import Conflict, Stale, Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row
from tests.builders.stores import NOON, SINGLES, SqlitePlace, event

TABLES = (CURSORS, PARKED, DEAD_LETTERS, SINGLES)
CHANGED = frozenset({"ThingChanged"})


@dataclass
class Listener:
    """A consumer that remembers what it heard, and fails where it is told to."""

    name: str = "listener"
    types: frozenset[str] = CHANGED
    failing: set[str] = field(default_factory=set)
    error: Exception = field(default_factory=lambda: RuntimeError("no"))
    heard: list[str] = field(default_factory=list)
    tries: int = 0

    async def handle(self, work: UnitOfWork, event: StoredEvent) -> None:
        self.tries += 1
        if event.entity in self.failing:
            raise self.error
        self.heard.append(str(event.detail["said"]))
        row = await work.get(SINGLES, self.name)
        said = [*(row.item["said"] if row else ()), event.detail["said"]]
        work.put(SINGLES, {"id": self.name, "said": said})

    @property
    def consumer(self) -> Consumer:
        return Consumer(self.name, self.types, self.handle)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqlitePlace(tmp_path, TABLES).open(SystemClock())
    yield store
    await store.close()


async def emit(store: Store, *said: str, kind: str = "ThingChanged") -> None:
    """One event for each word; its entity is the first letter."""
    for word in said:
        work = store.begin()
        work.emit(event(word[0], kind, said=word))
        await work.commit()


async def until(holds: Callable[[], Awaitable[bool]] | Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while True:
            answer = holds()
            if (await answer) if isinstance(answer, Awaitable) else answer:
                return
            await asyncio.sleep(0.005)


async def applied(store: Store, name: str = "listener") -> list[str]:
    row = await store.begin().get(SINGLES, name)
    return row.item["said"] if row else []


async def heard(store: Store, count: int, name: str = "listener") -> None:
    """Returns when that many events had their effect in the store."""

    async def so_many() -> bool:
        return len(await applied(store, name)) == count

    await until(so_many)


async def parked(store: Store, name: str = "listener") -> list[dict[str, Any]]:
    page = await store.begin().query(PARKED, name, limit=5000)
    return [row.item for row in page.rows]


async def test_relay__delivers_what_was_there_and_what_comes(store: SqliteStore) -> None:
    await emit(store, "a1", "b1")
    listener = Listener()
    relay = Relay(store, [listener.consumer], SystemClock())
    relay.start()
    await heard(store, 2)
    await emit(store, "a2")
    await heard(store, 3)
    await relay.stop()
    assert listener.heard == ["a1", "b1", "a2"]
    assert await applied(store) == listener.heard


async def test_relay__gives_a_consumer_only_the_types_that_it_wants(store: SqliteStore) -> None:
    one, other = Listener("one"), Listener("other", types=frozenset({"Other"}))
    relay = Relay(store, [one.consumer, other.consumer], SystemClock())
    relay.start()
    await emit(store, "a1")
    await emit(store, "a2", kind="Other")
    await emit(store, "a3", kind="Nobodys")
    await until(lambda: bool(one.heard and other.heard))
    await relay.stop()
    assert (one.heard, other.heard) == (["a1"], ["a2"])


async def test_relay__delivers_soon_after_the_commit(store: SqliteStore) -> None:
    listener = Listener()
    relay = Relay(store, [listener.consumer], SystemClock())
    relay.start()
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    await emit(store, "a1")
    await until(lambda: bool(listener.heard))
    assert time.monotonic() - begun < 0.2
    await relay.stop()


async def test_relay__goes_on_where_it_was_after_a_restart(tmp_path: Path) -> None:
    place, listener = SqlitePlace(tmp_path, TABLES), Listener()
    for life in range(3):
        store = place.open(SystemClock())
        relay = Relay(store, [listener.consumer], SystemClock())
        await emit(store, f"a{life}", f"b{life}")
        relay.start()
        await heard(store, 2 * (life + 1))
        await relay.stop()
        await store.close()
    assert listener.heard == ["a0", "b0", "a1", "b1", "a2", "b2"]


async def test_relay__without_consumers_does_nothing(store: SqliteStore) -> None:
    relay = Relay(store, [], SystemClock())
    relay.start()
    await emit(store, "a1")
    await relay.stop()
    assert len(await store.events_after(0, 10)) == 1


async def test_failing_entity__holds_back_its_own_events_and_no_others(
    store: SqliteStore,
) -> None:
    listener = Listener(failing={"b"})
    relay = Relay(store, [listener.consumer], SystemClock())
    relay.start()
    await emit(store, "a1", "b1", "c1", "b2", "a2", "b3", "c2")
    await heard(store, 4)
    assert listener.heard == ["a1", "c1", "a2", "c2"]
    listener.failing.clear()
    await heard(store, 7)
    assert listener.heard[4:] == ["b1", "b2", "b3"]
    await emit(store, "b4")
    await heard(store, 8)
    await relay.stop()
    assert await parked(store) == []
    assert await applied(store) == listener.heard


async def test_failing_entity__is_parked_over_a_restart_and_stays_in_order(
    store: SqliteStore,
) -> None:
    listener = Listener(failing={"b"})
    first = Relay(store, [listener.consumer], SystemClock())
    first.start()
    await emit(store, "b1", "a1", "b2")
    await heard(store, 1)
    await first.stop()
    listener.failing.clear()
    second = Relay(store, [listener.consumer], SystemClock())
    second.start()
    await emit(store, "b3")
    await heard(store, 4)
    await second.stop()
    assert listener.heard == ["a1", "b1", "b2", "b3"]


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("no"),
        KeyError("detail"),
        Conflict("X", "No."),
        Stale("STALE", "No."),
        Unavailable("SERVICE_UNREACHABLE", "The service does not answer."),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_failing_consumer__does_not_hold_back_the_others(
    store: SqliteStore, error: Exception
) -> None:
    bad, good = Listener("bad", failing={"a"}, error=error), Listener("good")
    relay = Relay(store, [bad.consumer, good.consumer], SystemClock())
    relay.start()
    await emit(store, "a1", "b1", "a2")
    await until(lambda: len(good.heard) == 3 and len(bad.heard) == 1)
    assert good.heard == ["a1", "b1", "a2"]
    assert bad.heard == ["b1"]
    bad.failing.clear()
    await heard(store, 3, "bad")
    await relay.stop()
    assert bad.heard == ["b1", "a1", "a2"]


async def test_failing_commit__of_a_handlers_condition_parks_its_event(
    store: SqliteStore,
) -> None:
    heard: list[str] = []
    version = [7]

    async def handle(work: UnitOfWork, event: StoredEvent) -> None:
        heard.append(event.detail["said"])
        work.put(SINGLES, {"id": "x", "by": event.detail["said"]}, expected=version[0])

    relay = Relay(store, [Consumer("listener", CHANGED, handle)], SystemClock())
    relay.start()
    await emit(store, "a1")
    await until(lambda: len(heard) >= 3)
    assert await store.begin().get(SINGLES, "x") is None
    version[0] = 0
    await until(lambda: _is_there(store, "x"))
    await relay.stop()
    assert await parked(store) == []


async def _is_there(store: Store, id_: str) -> bool:
    return await store.begin().get(SINGLES, id_) is not None


async def test_parked_event__does_not_keep_the_relay_busy(store: SqliteStore) -> None:
    clock = FixedClock(NOON)
    listener = Listener(failing={"b"})
    relay = Relay(store, [listener.consumer], clock)
    relay.start()
    await emit(store, "b1", "b2", "a1")
    await heard(store, 1)
    # Now b1 waits long, and b2 behind it could be tried at once.
    await asyncio.sleep(0.05)
    begun, spent = time.monotonic(), time.process_time()
    await asyncio.sleep(0.5)
    assert time.process_time() - spent < 0.5 * (time.monotonic() - begun)
    await relay.stop()
    await _wait_in_the_past(store, clock)


async def _wait_in_the_past(store: SqliteStore, clock: FixedClock) -> None:
    work = store.begin()
    for item in await parked(store):
        later = 300.0 if item["attempts"] else -300.0
        work.put(PARKED, {**item, "nextAttemptAt": clock.now().timestamp() + later})
    await work.commit()
    lane = Lane(store, Listener().consumer, clock)
    await lane.load()
    assert lane.next_retry_epoch_seconds == clock.now().timestamp() + 300.0


async def test_retries__come_later_and_later_with_a_ceiling(store: SqliteStore) -> None:
    clock = FixedClock(NOON)
    listener = Listener(failing={"a"})
    lane = Lane(store, listener.consumer, clock)
    await emit(store, "a1")
    await lane.load()
    (first,) = await store.events_after(0, 1)
    await lane.deliver(first)
    for attempt in range(1, 40):
        (item,) = await parked(store)
        assert item["attempts"] == attempt
        wait = item["nextAttemptAt"] - clock.now().timestamp()
        assert 0 <= wait <= min(300.0, 0.05 * 2**attempt)
        tries = listener.tries
        clock.advance(wait + 0.000_01)
        await lane.retry_due()
        assert listener.tries == tries + 1


async def test_retries__are_given_up_after_the_last_and_free_the_entity(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_ATTEMPTS", 3)
    clock = FixedClock(NOON)
    listener = Listener(failing={"a"})
    lane = Lane(store, listener.consumer, clock)
    await emit(store, "a1", "a2")
    await lane.load()
    for each in await store.events_after(0, 10):
        await lane.deliver(each)
    for _ in range(2):
        clock.advance(300)
        await lane.retry_due()
    assert listener.tries == 3
    listener.failing.clear()
    clock.advance(300)
    await lane.retry_due()
    assert listener.heard == ["a2"]
    assert await parked(store) == []
    (letter,) = await dead_letters(store)
    told = {key: letter.item[key] for key in ("queue", "errorCode", "attempts", "exhaustedLimit")}
    assert told == {
        "queue": "consumer:listener",
        "errorCode": "INTERNAL",
        "attempts": 3,
        "exhaustedLimit": "maximumAttempts",
    }
    assert "no" not in letter.item["errorMessage"].split()


async def dead_letters(store: Store) -> list[Row]:
    page = await store.begin().query(DEAD_LETTERS, ALL, index="byTime")
    return list(page.rows)


async def test_event_that_was_given_up__is_delivered_after_a_redrive(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "MOST_ATTEMPTS", 2)
    monkeypatch.setattr(lanes, "LOOK_AGAIN_SECONDS", 0.05)
    listener = Listener(failing={"a"})
    relay = Relay(store, [listener.consumer], SystemClock())
    relay.start()
    await emit(store, "a1")
    letters: list[Row] = []

    async def given_up() -> bool:
        letters[:] = await dead_letters(store)
        return bool(letters)

    await until(given_up)
    listener.failing.clear()
    work = store.begin()
    redrive(work, letters[0], PARKED, SystemClock().now())
    await work.commit()
    await heard(store, 1)
    await relay.stop()
    assert listener.heard == ["a1"]
    assert await parked(store) == []
    assert await dead_letters(store) == []


async def test_parked_event_of_an_older_layout__that_was_given_up_becomes_a_dead_letter(
    store: SqliteStore,
) -> None:
    await emit(store, "a1", "b1")
    (first, _) = await store.events_after(0, 10)
    old = {name: getattr(first, name) for name in StoredEvent.__slots__ if name != "hops"}
    work = store.begin()
    work.put(
        PARKED,
        {
            "consumer": "listener",
            "sequence": first.sequence,
            "entity": "a",
            "attempts": 185,
            "nextAttemptAt": 0.0,
            "event": old,
        },
    )
    await work.commit()
    await Lane(store, Listener().consumer, SystemClock()).load()
    assert await parked(store) == []
    (letter,) = await dead_letters(store)
    assert letter.item["back"]["event"] == old


async def test_many_parked_events__are_all_delivered_in_order(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lanes, "_PARKED_PAGE", 3)
    clock = FixedClock(NOON)
    listener = Listener(failing={"a", "b"})
    lane = Lane(store, listener.consumer, clock)
    said = [f"{entity}{number}" for number in range(6) for entity in "ab"]
    await emit(store, *said)
    await lane.load()
    for each in await store.events_after(0, 100):
        await lane.deliver(each)
    assert len(await parked(store)) == 12
    listener.failing.clear()
    for _ in range(6):
        clock.advance(300)
        await lane.retry_due()
    assert [word for word in listener.heard if word[0] == "a"] == [f"a{n}" for n in range(6)]
    assert [word for word in listener.heard if word[0] == "b"] == [f"b{n}" for n in range(6)]
    assert await parked(store) == []


async def test_two_lanes__of_one_consumer_share_the_work_and_double_nothing(
    store: SqliteStore,
) -> None:
    one, other = Listener(), Listener()
    lanes_ = [Lane(store, each.consumer, SystemClock()) for each in (one, other)]
    await emit(store, "a1", "a2", "a3")
    for lane in lanes_:
        await lane.load()
    first, second, third = await store.events_after(0, 10)
    await lanes_[0].deliver(first)
    with pytest.raises(CursorMoved):
        await lanes_[1].deliver(first)
    with pytest.raises(CursorMoved):
        await lanes_[1].skip_to(third.sequence)
    await lanes_[1].load()
    await lanes_[1].deliver(first)
    await lanes_[1].deliver(second)
    with pytest.raises(CursorMoved):
        await lanes_[0].deliver(second)
    assert await applied(store) == ["a1", "a2"]


async def test_two_lanes__retry_a_parked_event_once(store: SqliteStore) -> None:
    clock = FixedClock(NOON)
    one, other = Listener(failing={"a"}), Listener()
    lanes_ = [Lane(store, each.consumer, clock) for each in (one, other)]
    await emit(store, "a1")
    await lanes_[0].load()
    (first,) = await store.events_after(0, 1)
    await lanes_[0].deliver(first)
    await lanes_[1].load()
    one.failing.clear()
    clock.advance(300)
    await lanes_[0].retry_due()
    with pytest.raises(CursorMoved):
        await lanes_[1].retry_due()
    assert await applied(store) == ["a1"]
    assert await parked(store) == []


async def test_relay__outlives_an_error_that_nobody_foresaw(store: SqliteStore) -> None:
    listener = Listener()
    relay = Relay(store, [listener.consumer], SystemClock())
    honest, broken = store.events_of, [3]

    async def breaking(*arguments: Any) -> Any:
        if broken[0]:
            broken[0] -= 1
            raise OSError("the disk does not answer")
        return await honest(*arguments)

    store.events_of = breaking  # type: ignore[method-assign, assignment]
    relay.start()
    await emit(store, "a1")
    await until(lambda: bool(listener.heard))
    await relay.stop()
    assert listener.heard == ["a1"]
    assert broken == [0]


async def test_place__of_a_consumer_that_wants_little_moves_on(store: SqliteStore) -> None:
    listener = Listener(types=frozenset({"Other"}))
    relay = Relay(store, [listener.consumer], SystemClock())
    work = store.begin()
    for number in range(2500):
        work.emit(event(f"e{number}"))
    await work.commit()
    relay.start()

    async def moved() -> bool:
        row = await store.begin().get(CURSORS, "listener")
        return row is not None and row.item["position"] >= 1000

    await until(moved)
    await emit(store, "a1", kind="Other")
    await until(lambda: bool(listener.heard))
    await relay.stop()
    assert listener.heard == ["a1"]
