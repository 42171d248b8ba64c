"""The store on DynamoDB when answers are lost, others are faster, or a process ends midway."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Stale, TooLarge, Unavailable
from meshplane.kit.hash_chain import verify
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.store import ABSENT
from tests.builders import seeds
from tests.builders.dynamodb_place import DynamoPlace, dynamodb_place
from tests.builders.stores import NOON, SINGLES, TABLES, THINGS, event
from tests.builders.watched_aws import WatchedAws, no_answer, throttled

pytestmark = pytest.mark.fault
Really = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def place(tmp_path: Path) -> DynamoPlace:
    return dynamodb_place(TABLES, FixedClock(NOON), tmp_path)


def opened(place: DynamoPlace) -> tuple[DynamoStore, WatchedAws]:
    aws = WatchedAws(place.aws)
    return DynamoStore(aws, place.tables, place.clock, id_maker(place.clock)), aws


@pytest.fixture
async def pair(place: DynamoPlace) -> AsyncIterator[tuple[DynamoStore, WatchedAws]]:
    store, aws = opened(place)
    yield store, aws
    aws.around = None
    await store.close()


async def put(store: DynamoStore, id_: str, expected: int | None = None) -> None:
    work = store.begin()
    work.put(SINGLES, {"id": id_}, expected=expected)
    work.emit(event(id_))
    work.record({"operation": id_})
    await work.commit()


async def told(store: DynamoStore) -> list[str]:
    return [each.entity for each in await store.events_after(0, 10_000)]


async def assert_whole(store: DynamoStore, *entities: str) -> None:
    """The log tells of these, each once, and the trail holds."""
    assert sorted(await told(store)) == sorted(entities)
    lines = [(body, digest) async for _, body, digest in store.audit_lines()]
    assert verify(lines).valid
    assert len(lines) == len(entities)


async def test_commit__whose_answer_is_lost__happens_once(
    pair: tuple[DynamoStore, WatchedAws],
) -> None:
    store, aws = pair
    lost = 3

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        nonlocal lost
        answer = await really()
        if operation == "transact_write_items" and lost:
            lost -= 1
            raise no_answer(operation)
        return answer

    aws.around = around
    await put(store, "a", ABSENT)
    await put(store, "b", ABSENT)
    await put(store, "c", ABSENT)
    await assert_whole(store, "a", "b", "c")
    row = await store.begin().get(SINGLES, "a")
    assert row is not None
    assert row.version == 1


async def test_commit__whose_answer_is_lost_while_others_go_on__is_known_to_have_happened(
    place: DynamoPlace, pair: tuple[DynamoStore, WatchedAws]
) -> None:
    store, aws = pair
    other, _ = opened(place)
    first = True

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        nonlocal first
        answer = await really()
        if operation == "transact_write_items" and first:
            first = False
            for number in range(3):
                await put(other, f"other{number}")
            raise no_answer(operation)
        return answer

    aws.around = around
    await put(store, "a", ABSENT)
    await assert_whole(store, "a", "other0", "other1", "other2")
    await other.close()


async def test_commit__whose_request_never_arrived__is_sent_again(
    pair: tuple[DynamoStore, WatchedAws],
) -> None:
    store, aws = pair
    refused = 4

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        nonlocal refused
        if operation == "transact_write_items" and refused:
            refused -= 1
            raise [throttled, no_answer][refused % 2](operation)
        return await really()

    aws.around = around
    await put(store, "a", ABSENT)
    await assert_whole(store, "a")
    assert aws.asked["transact_write_items"] == 5


@pytest.mark.parametrize("code", ["TransactionConflict", "ThrottlingError"])
async def test_commit__that_meets_another_transaction__waits_and_goes_through(
    pair: tuple[DynamoStore, WatchedAws], code: str
) -> None:
    store, aws = pair
    conflicts = 3

    async def around(operation: str, sent: dict[str, Any], really: Really) -> dict[str, Any]:
        nonlocal conflicts
        if operation == "transact_write_items" and conflicts:
            conflicts -= 1
            reasons = [{"Code": "None"} for _ in sent["TransactItems"]]
            reasons[0] = {"Code": code}
            answer = {"CancellationReasons": reasons}
            raise AwsRejected("dynamodb", operation, "TransactionCanceledException", answer=answer)
        return await really()

    aws.around = around
    await put(store, "a")
    await assert_whole(store, "a")


async def test_commit__while_dynamodb_is_down__says_so_and_the_next_one_goes_through(
    pair: tuple[DynamoStore, WatchedAws], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, aws = pair
    monkeypatch.setattr("meshplane.platform.aws.dynamodb_commit._GIVE_UP_SECONDS", 0.2)

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        if operation == "transact_write_items":
            raise throttled(operation)
        return await really()

    aws.around = around
    with pytest.raises(Unavailable) as caught:
        await put(store, "a")
    assert caught.value.code == "STORE_UNAVAILABLE"
    aws.around = None
    await put(store, "b")
    await assert_whole(store, "b")


async def test_commits__of_three_processes_at_once__all_happen_in_one_order(
    place: DynamoPlace,
) -> None:
    stores = [opened(place)[0] for _ in range(3)]

    async def count(store: DynamoStore) -> int:
        """Counts one up; how often somebody else was faster."""
        beaten = 0
        while True:
            work = store.begin()
            row = await work.get(SINGLES, "counter")
            number = row.item["number"] if row else 0
            item = {"id": "counter", "number": number + 1}
            work.put(SINGLES, item, expected=row.version if row else ABSENT)
            work.emit(event(f"n{number}"))
            work.record({"operation": "count"})
            try:
                await work.commit()
            except Stale:
                beaten += 1
                continue
            return beaten

    beaten = await asyncio.gather(*(count(stores[number % 3]) for number in range(30)))
    assert sum(beaten) > 0
    assert await told(stores[0]) == [f"n{number}" for number in range(30)]
    await assert_whole(stores[1], *(f"n{number}" for number in range(30)))
    for store in stores:
        await store.close()


async def put_many(store: DynamoStore, count: int, mark: str) -> None:
    work = store.begin()
    for number in range(count):
        work.put(THINGS, {"group": "g", "name": f"n{number:04}", "mark": mark})
    work.emit(event(mark))
    work.record({"operation": mark})
    await work.commit()


async def marks(store: DynamoStore) -> list[str]:
    """What stands in the rows of the group, all read at one instant."""
    work, found, cursor = store.begin(), [], None
    with work.together():
        while True:
            page = await work.query(THINGS, "g", limit=90, cursor=cursor)
            found += [row.item["mark"] for row in page.rows]
            if (cursor := page.cursor) is None:
                return found


async def test_large_commit__is_whole_or_not_there_whenever_it_is_looked_at(
    place: DynamoPlace, pair: tuple[DynamoStore, WatchedAws]
) -> None:
    store, aws = pair
    other, _ = opened(place)
    await put_many(store, 250, "old")
    seen: list[set[str]] = []

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        answer = await really()
        if operation in {"transact_write_items", "put_item"}:
            found = await marks(other)
            assert len(found) == 250
            seen.append(set(found))
        return answer

    aws.around = around
    await put_many(store, 250, "new")
    assert all(len(each) == 1 for each in seen)
    assert {"old"} in seen
    assert {"new"} in seen
    await assert_whole(other, "old", "new")
    await other.close()


class Ended(Exception):
    """The process ended here."""


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("nth", range(1, 8))
async def test_large_commit__of_a_process_that_ends__is_finished_by_others_or_never_begun(
    place: DynamoPlace, nth: int, after: bool
) -> None:
    dying, aws = opened(place)
    await put_many(dying, 120, "old")
    written = 0

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        nonlocal written
        if operation not in {"transact_write_items", "put_item", "delete_item"}:
            return await really()
        written += 1
        if written < nth:
            return await really()
        if written == nth and after:
            await really()
        raise Ended

    aws.around = around
    with contextlib.suppress(Unavailable):
        await put_many(dying, 120, "new")
    assert written >= min(nth, 6)
    survivor, _ = opened(place)
    await put(survivor, "next")
    found = set(await marks(survivor))
    assert len(found) == 1
    entities = ["old", "new", "next"] if found == {"new"} else ["old", "next"]
    await assert_whole(survivor, *entities)
    await survivor.close()


async def test_large_commit__of_a_process_that_slept__spoils_nothing_when_it_wakes(
    place: DynamoPlace, pair: tuple[DynamoStore, WatchedAws]
) -> None:
    store, aws = pair
    other, _ = opened(place)
    held, go = asyncio.Event(), asyncio.Event()

    async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
        if operation == "transact_write_items" and not held.is_set():
            held.set()
            await go.wait()
        return await really()

    aws.around = around
    sleeping = asyncio.create_task(put_many(store, 150, "slow"))
    await held.wait()
    await put_many(other, 150, "fast")
    go.set()
    await sleeping
    assert set(await marks(other)) == {"fast"}
    assert await told(other) == ["slow", "fast"]
    await assert_whole(other, "slow", "fast")
    await other.close()


async def test_commit__that_is_too_much_even_in_parts__is_refused_whole(
    pair: tuple[DynamoStore, WatchedAws],
) -> None:
    store, _ = pair
    work = store.begin()
    noise = random.Random(seeds.shown(5))
    for number in range(40):
        work.put(SINGLES, {"id": f"a{number}"})
        work.emit(event(f"a{number}", noise=noise.randbytes(100_000).hex()))
    with pytest.raises(TooLarge) as caught:
        await work.commit()
    assert caught.value.code == "COMMIT_TOO_LARGE"
    assert await store.begin().get(SINGLES, "a0") is None
    await put(store, "b")
    await assert_whole(store, "b")


@pytest.mark.parametrize("seed", range(3))
async def test_store__under_random_faults__tells_exactly_what_was_kept(
    place: DynamoPlace, seed: int
) -> None:
    chance = random.Random(seeds.shown(seed))
    stores = []
    for _ in range(2):
        store, aws = opened(place)

        async def around(operation: str, _: dict[str, Any], really: Really) -> dict[str, Any]:
            if operation != "transact_write_items":
                return await really()
            fate = chance.random()
            if fate < 0.15:
                raise throttled(operation)
            if fate < 0.25:
                raise no_answer(operation)
            answer = await really()
            if fate < 0.4:
                raise no_answer(operation)
            return answer

        aws.around = around
        stores.append(store)

    async def one(number: int) -> bool:
        try:
            await put(stores[number % 2], f"e{number % 25}", ABSENT)
        except Stale:
            return False
        return True

    ends = await asyncio.gather(*(one(number) for number in range(40)))
    assert sum(ends) == 25
    await assert_whole(stores[0], *(f"e{number}" for number in range(25)))
    for store in stores:
        await store.close()
