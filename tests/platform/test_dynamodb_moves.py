"""Who polls DynamoDB learns which partitions others wrote, and asks for nothing else."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Unavailable
from meshplane.kit.ids import id_maker
from meshplane.platform.aws import dynamodb_moves
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.dynamodb_moves import Moves
from meshplane.platform.stillness import Part
from meshplane.platform.store import Store
from tests.builders.dynamodb_place import DynamoPlace, dynamodb_place
from tests.builders.stores import NOON, SINGLES, TABLES, THINGS, event
from tests.builders.until import until
from tests.builders.watched_aws import WatchedAws, no_answer, throttled

Really = Callable[[], Awaitable[dict[str, object]]]

USUAL_SECONDS = 1.0
ONE: Part = ("Singles", "one")
ALL_OF_IT: Part = ("Singles", None)


@pytest.fixture
def place(tmp_path: Path) -> DynamoPlace:
    return dynamodb_place(TABLES, FixedClock(NOON), tmp_path)


@pytest.fixture
def aws(place: DynamoPlace) -> WatchedAws:
    return WatchedAws(place.aws)


@pytest.fixture
async def store(place: DynamoPlace, aws: WatchedAws) -> AsyncIterator[DynamoStore]:
    """A process's store, in which nothing has moved for as long as an index may lag."""
    made = DynamoStore(aws, place.tables, place.clock, id_maker(place.clock), poll_seconds=0.02)
    made.stillness.settled_seconds = 0.05
    await put(made, "first")
    await settled(made)
    aws.forget()
    yield made
    await made.close()


@pytest.fixture
async def other(place: DynamoPlace) -> AsyncIterator[DynamoStore]:
    """Another process's store."""
    made = place.open()
    yield made
    await made.close()


async def settled(store: DynamoStore) -> None:
    """Returns when nothing has moved for as long as an index may lag."""
    async with asyncio.timeout(10):
        while store.stillness.seconds(USUAL_SECONDS) == USUAL_SECONDS:
            await store.wait_for_events(None, 99, 0.02)


async def put(store: Store, *names: str) -> None:
    """One commit."""
    work = store.begin()
    for name in names:
        work.put(SINGLES, {"id": name})
    await work.commit()


def rest(store: DynamoStore, *of: Part) -> "asyncio.Task[None]":
    """Somebody who rests until some of this moves."""
    return asyncio.create_task(store.stillness.pause(0.01, of=of))


async def test_another_process_writes__who_looks_at_that_is_woken_and_nobody_else(
    store: DynamoStore, other: DynamoStore
) -> None:
    one, whole, things = rest(store, ONE), rest(store, ALL_OF_IT), rest(store, ("Things", None))
    await asyncio.sleep(0.05)
    assert not one.done()
    await put(other, "two", "three")
    await asyncio.wait_for(whole, 5)
    assert not one.done()
    await put(other, "one")
    await asyncio.wait_for(one, 5)
    assert store.stillness.seconds(USUAL_SECONDS, [ONE]) == USUAL_SECONDS
    assert store.stillness.seconds(USUAL_SECONDS, [("Things", None)]) > USUAL_SECONDS
    assert not things.done()
    things.cancel()


async def test_this_process_writes__who_rests_is_woken_at_once_and_nothing_is_read_for_it(
    store: DynamoStore, aws: WatchedAws
) -> None:
    resting = rest(store, ONE)
    await asyncio.sleep(0.05)
    began = time.monotonic()
    for _ in range(20):
        await put(store, "one")
        await asyncio.sleep(0.01)
    assert resting.done()
    assert store.stillness.seconds(USUAL_SECONDS, [ONE], since=began) == USUAL_SECONDS
    assert store.stillness.seconds(USUAL_SECONDS, [ONE]) > USUAL_SECONDS
    assert aws.asked["get_item"] > 0
    assert aws.asked["query"] == 0


async def test_a_commit_of_500_rows__tells_all_of_them(
    store: DynamoStore, other: DynamoStore
) -> None:
    last = rest(store, ("Singles", "n499"))
    await asyncio.sleep(0.05)
    assert not last.done()
    await put(other, *(f"n{number}" for number in range(500)))
    await asyncio.wait_for(last, 10)


async def test_events_alone__wake_nobody_who_looks_at_rows(
    store: DynamoStore, other: DynamoStore
) -> None:
    resting = rest(store, ONE)
    waiting = asyncio.create_task(store.wait_for_events(None, 0, 30))
    work = other.begin()
    work.emit(event())
    await work.commit()
    await asyncio.wait_for(waiting, 5)
    await asyncio.sleep(0.1)
    assert not resting.done()
    resting.cancel()


def singles(*names: str) -> frozenset[Part]:
    """These rows, as they are told."""
    return frozenset(("Singles", name) for name in names)


async def nothing_in_flight() -> None:
    """This process commits nothing."""


async def test_commits_of_both__those_of_others_are_told_and_read_once(
    store: DynamoStore, other: DynamoStore, aws: WatchedAws
) -> None:
    moves = Moves(store.reading, nothing_in_flight)
    first = (await store.writer.settled_head()).commit
    for number in range(6):
        await put(store if number % 2 else other, f"n{number}")
        if number % 2:
            moves.own(first + number + 1)
    await asyncio.sleep(0.1)
    aws.forget()
    told = await moves.between(first, first + 6)
    assert told == singles("n0", "n2", "n4")
    assert aws.asked["query"] == 1
    assert await moves.between(first + 6, first + 6) == frozenset()
    moves.own(first + 5)
    assert await moves.between(first + 6, first) is None  # the log was set back
    assert await moves.between(first + 4, first + 5) == singles("n4")  # by others this time


async def test_too_many_commits_of_others__anything_may_have_moved(
    store: DynamoStore, other: DynamoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_moves, "_MOST_READ", 2)
    moves = Moves(store.reading, nothing_in_flight)
    first = (await store.writer.settled_head()).commit
    for number in range(3):
        await put(other, f"n{number}")
    assert await moves.between(first, first + 2) == singles("n0", "n1")
    assert await moves.between(first, first + 3) is None


async def test_records_that_are_gone__anything_may_have_moved(store: DynamoStore) -> None:
    moves = Moves(store.reading, nothing_in_flight)
    assert await moves.between(5_000, 5_010) is None


async def test_rows_that_are_deleted__have_moved(store: DynamoStore, other: DynamoStore) -> None:
    work = other.begin()
    work.put(THINGS, {"group": "g", "name": "n"})
    await work.commit()
    # It was committed before it was waited for: whether by the rest or by the usual pause, it ends.
    await asyncio.wait_for(rest(store, ("Things", "g")), 5)
    await settled(store)
    resting = rest(store, ("Things", "g"))
    await asyncio.sleep(0.05)
    assert not resting.done()
    work = other.begin()
    work.delete(THINGS, "g", "n")
    await work.commit()
    await asyncio.wait_for(resting, 5)


def asked_times(aws: WatchedAws, more: int) -> Callable[[], Awaitable[bool]]:
    """Whether the head was asked for so many times from now on."""
    enough = aws.asked["get_item"] + more

    async def holds() -> bool:
        return aws.asked["get_item"] >= enough

    return holds


async def test_the_head_cannot_be_read__is_told_once_and_once_more_when_it_can(
    store: DynamoStore, aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        "meshplane.platform.trouble.log", lambda _, event, **more: told.append(event)
    )
    waiting = asyncio.create_task(store.wait_for_events(None, 99, 30))
    await asyncio.sleep(0.05)

    async def silent(operation: str, _sent: object, _really: object) -> dict[str, object]:
        raise no_answer(operation)

    aws.around = silent
    await until(asked_times(aws, 10))
    assert told == ["events_not_polled"]
    aws.around = None
    await until(asked_times(aws, 20))
    assert told == ["events_not_polled", "events_polled_again"]
    waiting.cancel()


async def test_reads_are_throttled_for_a_while__they_wait_and_nobody_is_told(
    store: DynamoStore, aws: WatchedAws
) -> None:
    await put(store, "one")
    left = 5

    async def busy(operation: str, _sent: object, really: Really) -> dict[str, object]:
        nonlocal left
        left -= 1
        if left >= 0:
            raise throttled(operation)
        return await really()

    aws.around = busy
    aws.forget()
    assert await store.begin().get(SINGLES, "one") is not None
    assert aws.asked["get_item"] > 5


async def test_reads_are_throttled_for_long__the_use_case_is_put_off(
    store: DynamoStore, aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meshplane.platform.aws.dynamodb_calls._PATIENT_SECONDS", 0.2)

    async def busy(operation: str, _sent: object, _really: object) -> dict[str, object]:
        raise throttled(operation)

    aws.around = busy
    with pytest.raises(Unavailable):
        await store.begin().query(SINGLES, "one")
    aws.around = None


async def nobody_polls(store: DynamoStore) -> None:
    """Returns when the store looks for commits of others no more, as nobody waits."""
    poller = store._logs._poller
    assert poller is not None
    await asyncio.wait_for(asyncio.shield(poller), 5)


async def test_the_first_look_at_the_head_fails__who_rests_learns_of_what_comes_later(
    store: DynamoStore, other: DynamoStore, aws: WatchedAws
) -> None:
    await nobody_polls(store)

    async def silent(operation: str, _sent: object, _really: object) -> dict[str, object]:
        raise no_answer(operation)

    aws.around = silent
    resting = rest(store, ONE)
    await until(asked_times(aws, 3))
    assert not resting.done()
    aws.around = None
    await put(other, "one")
    await asyncio.wait_for(resting, 5)


async def test_the_first_look_at_the_head_breaks__who_waits_for_events_is_told(
    store: DynamoStore, aws: WatchedAws
) -> None:
    await nobody_polls(store)

    async def broken(_operation: str, _sent: object, _really: object) -> dict[str, object]:
        raise RuntimeError("unforeseen")

    aws.around = broken
    with pytest.raises(RuntimeError, match="unforeseen"):
        await store.wait_for_events(None, 99, 30)
    aws.around = None
    await store.wait_for_events(None, 99, 0.02)


async def test_commits_of_others_far_apart__what_lies_between_is_not_read(
    store: DynamoStore, other: DynamoStore, aws: WatchedAws, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamodb_moves, "_MOST_SPANNED", 3)
    moves = Moves(store.reading, nothing_in_flight)
    first = (await store.writer.settled_head()).commit
    for number, whose in enumerate((other, store, store, other)):
        await put(whose, f"n{number}")
    moves.own(first + 2)
    moves.own(first + 3)
    await asyncio.sleep(0.1)
    aws.forget()
    assert await moves.between(first, first + 4) is None
    assert aws.asked["query"] == 0
