"""What the store on DynamoDB asks for, what it makes of a lagging index, and what lies in S3."""

import asyncio
import datetime as dt
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Invalid, TooLarge
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.dynamodb_logs import Logs
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Between, SortCondition, StartsWith, Table
from tests.builders.dynamodb_place import REGION, DynamoPlace, dynamodb_place
from tests.builders.stores import LEASES, NOON, NOTES, PAPERS, SINGLES, TABLES, THINGS, event
from tests.builders.watched_aws import WatchedAws

_numbers = itertools.count(1)
Really = Callable[[], Awaitable[dict[str, Any]]]


@pytest.fixture
def place(tmp_path: Path) -> DynamoPlace:
    return dynamodb_place(TABLES, FixedClock(NOON), tmp_path)


@pytest.fixture
def aws(place: DynamoPlace) -> WatchedAws:
    return WatchedAws(place.aws)


@pytest.fixture
def bucket(aws: WatchedAws) -> str:
    name = f"rows-{next(_numbers)}"
    where = {"LocationConstraint": REGION}
    aws.run("s3", "create_bucket", Bucket=name, CreateBucketConfiguration=where)
    return name


@pytest.fixture
async def store(place: DynamoPlace, aws: WatchedAws, bucket: str) -> AsyncIterator[DynamoStore]:
    store = DynamoStore(
        aws, place.tables, place.clock, id_maker(place.clock), bucket=bucket, poll_seconds=0.02
    )
    # The head of an empty log is asked for once in the life of a process.
    await put(store, "first")
    aws.forget()
    yield store
    await store.close()


async def put(store: DynamoStore, id_: str, expected: int | None = ABSENT, **more: object) -> None:
    work = store.begin()
    work.put(SINGLES, {"id": id_, **more}, expected=expected)
    work.emit(event(id_))
    work.record({"operation": id_})
    await work.commit()


async def test_use_case__that_reads_a_row_and_writes_it_with_event_and_record__is_two_requests(
    store: DynamoStore, aws: WatchedAws
) -> None:
    work = store.begin()
    row = await work.get(SINGLES, "first")
    assert row is not None
    work.put(SINGLES, {**row.item, "more": 1}, expected=row.version)
    work.emit(event())
    work.record({"operation": "x"})
    await work.commit()
    assert aws.asked == Counter(get_item=1, transact_write_items=1)


async def test_use_case__that_makes_rows__is_one_request(
    store: DynamoStore, aws: WatchedAws
) -> None:
    work = store.begin()
    for number in range(10):
        work.put(THINGS, {"group": "g", "name": f"n{number}"}, expected=ABSENT)
        work.emit(event())
    work.record({"operation": "x"})
    await work.commit()
    assert aws.asked == Counter(transact_write_items=1)


async def test_use_cases__at_the_same_time__share_transactions(
    store: DynamoStore, aws: WatchedAws
) -> None:
    await asyncio.gather(*(put(store, f"n{number}") for number in range(160)))
    # The first goes alone, the others gather behind it.
    assert aws.asked["transact_write_items"] <= 4
    assert sum(aws.asked.values()) == aws.asked["transact_write_items"]


async def test_refused_condition__costs_the_answer_and_one_look(
    store: DynamoStore, aws: WatchedAws
) -> None:
    with pytest.raises(Exception, match="changed by someone else"):
        await put(store, "first", ABSENT)
    assert aws.asked == Counter(transact_write_items=1)


async def everything(store: DynamoStore) -> None:
    """Every read and write of the store but its maintenance."""
    work = store.begin()
    work.put(THINGS, {"group": "g", "name": "n", "owner": "ada", "rank": 1})
    work.put(PAPERS, {"id": "p", "title": "A title", "text": "words"})
    work.put(LEASES, {"id": "l", "holder": "ada", "endsAt": int(NOON.timestamp()) + 60})
    work.emit(event())
    work.record({"operation": "x"})
    await work.commit()
    work = store.begin()
    with work.together():
        await work.query(THINGS, "g", where=Between("a", "z"), descending=True)
        await work.query(THINGS, "ada", index="byOwner", limit=1)
        await work.get_many(THINGS, [("g", "n"), ("g", "m")])
        await work.get(SINGLES, "first")
    assert len(await work.search(PAPERS, "title", 5)) == 1
    (found, _) = await store.events_of(frozenset({"ThingChanged"}), 0, 10)
    assert await store.event_place(found[0].event_id) == 1
    assert len(await store.events_after(0, 10)) == await store.last_event()
    assert (await store.audit_head())[0] == len([line async for line in store.audit_lines()])
    await store.wait_for_events(None, 99, 0.03)
    work.delete(THINGS, "g", "n")
    await work.commit()


async def test_everything_but_maintenance__scans_nothing(
    store: DynamoStore, aws: WatchedAws
) -> None:
    await everything(store)
    assert aws.asked["scan"] == 0
    assert aws.asked["query"] > 0


async def test_wait_for_events__hears_of_other_processes(
    place: DynamoPlace, store: DynamoStore
) -> None:
    other = place.open()
    waiting = asyncio.create_task(store.wait_for_events(frozenset({"ThingMade"}), 1, 30))
    await put(other, "unheard")
    await asyncio.sleep(0.1)
    assert not waiting.done()
    work = other.begin()
    work.emit(event("e", "ThingMade"))
    await work.commit()
    async with asyncio.timeout(5):
        await waiting
    await other.close()


async def test_wait_for_events__of_many__is_one_look_at_the_head_for_all(
    store: DynamoStore, aws: WatchedAws
) -> None:
    types = [None, *(frozenset({f"Type{number}"}) for number in range(9))]
    await asyncio.gather(*(store.wait_for_events(each, 1, 0.3) for each in types))
    # Looks every 20 ms; nobody else looks.
    assert aws.asked == Counter(get_item=aws.asked["get_item"])
    assert 2 <= aws.asked["get_item"] <= 20


class LaggingIndexes:
    """Indexes that show nothing of what was committed since it began, as those of AWS may."""

    def __init__(self, store: DynamoStore, index: str) -> None:
        self._store, self._index = store, index
        self._old: list[dict[str, Any]] = []

    async def begin(self, *partitions: str) -> None:
        for partition in partitions:
            page = await self._store.begin().query(THINGS, partition, index=self._index, limit=99)
            shape = self._store.shapes["Things"]
            images = await self._store.reading.images(
                [("Things", *THINGS.key_of(row.item)) for row in page.rows]
            )
            self._old += [shape.stored(image) for image in images.values()]

    async def around(self, operation: str, sent: dict[str, Any], really: Really) -> dict[str, Any]:
        if operation != "query" or "IndexName" not in sent:
            return await really()
        partition = sent["ExpressionAttributeValues"][":p"]
        name = sent["ExpressionAttributeNames"]["#p"]
        return {"Items": [item for item in self._old if item.get(name) == partition]}


async def things(store: DynamoStore, owner: str, *, together: bool = False) -> list[Any]:
    work = store.begin()
    if not together:
        page = await work.query(THINGS, owner, index="byOwner")
        return [(row.item["name"], row.item["rank"]) for row in page.rows]
    with work.together():
        page = await work.query(THINGS, owner, index="byOwner")
    return [(row.item["name"], row.item["rank"]) for row in page.rows]


async def change(store: DynamoStore) -> None:
    """One thing changes hands, one its rank, one goes, and one is new."""
    work = store.begin()
    work.put(THINGS, {"group": "g", "name": "a", "owner": "bob", "rank": 1})
    work.put(THINGS, {"group": "g", "name": "b", "owner": "ada", "rank": 9})
    work.delete(THINGS, "g", "c")
    work.put(THINGS, {"group": "g", "name": "e", "owner": "ada", "rank": 4})
    await work.commit()


@pytest.mark.parametrize("writer", ["this process", "another process"])
async def test_index__that_lags__is_corrected(
    place: DynamoPlace, store: DynamoStore, aws: WatchedAws, writer: str
) -> None:
    work = store.begin()
    for rank, name in enumerate("abcd"):
        work.put(THINGS, {"group": "g", "name": name, "owner": "ada", "rank": rank})
    await work.commit()
    lagging = LaggingIndexes(store, "byOwner")
    await lagging.begin("ada", "bob")
    other = place.open()
    # What others write is corrected where one instant is asked for, as the policy's readers do.
    together = writer == "another process"
    await things(store, "ada", together=True)
    await change(other if together else store)
    aws.around = lagging.around
    assert await things(store, "ada", together=together) == [("d", 3), ("e", 4), ("b", 9)]
    assert await things(store, "bob", together=together) == [("a", 1)]
    await other.close()


async def test_index__shows_what_another_process_did_to_a_row_that_this_one_wrote(
    place: DynamoPlace, store: DynamoStore
) -> None:
    work = store.begin()
    for rank, name in enumerate("abcd"):
        work.put(THINGS, {"group": "g", "name": name, "owner": "ada", "rank": rank})
    await work.commit()
    other = place.open()
    await change(other)
    assert await things(store, "ada") == [("d", 3), ("e", 4), ("b", 9)]
    assert await things(store, "bob") == [("a", 1)]
    await other.close()


async def test_together__takes_back_what_was_committed_since__in_an_index_as_well(
    place: DynamoPlace, store: DynamoStore
) -> None:
    work = store.begin()
    for rank, name in enumerate("abcd"):
        work.put(THINGS, {"group": "g", "name": name, "owner": "ada", "rank": rank})
    await work.commit()
    other = place.open()
    work = store.begin()
    with work.together():
        await work.get(SINGLES, "first")
        await change(other)
        page = await work.query(THINGS, "ada", index="byOwner")
        assert [row.item["name"] for row in page.rows] == ["a", "b", "c", "d"]
        assert (await work.query(THINGS, "bob", index="byOwner")).rows == ()
        await change(store)
        assert len((await work.query(THINGS, "g")).rows) == 4
    assert [name for name, _ in await things(store, "ada")] == ["d", "e", "b"]
    await other.close()


async def test_search__sees_what_other_processes_committed_before_it_began(
    place: DynamoPlace, store: DynamoStore
) -> None:
    other = place.open()
    for number, written in enumerate([store, other, other, store]):
        work = written.begin()
        work.put(PAPERS, {"id": f"p{number}", "title": "Delays", "text": ""})
        await work.commit()
        for reader in (store, other):
            found = await reader.begin().search(PAPERS, "delays", 10)
            assert [row.item["id"] for row in found] == [f"p{n}" for n in range(number + 1)]
    work = other.begin()
    work.delete(PAPERS, "p0")
    await work.commit()
    assert len(await store.begin().search(PAPERS, "delays", 10)) == 3
    late = place.open()
    assert len(await late.begin().search(PAPERS, "delays", 10)) == 3
    await late.close()
    await other.close()


def objects(aws: WatchedAws, bucket: str) -> list[str]:
    listed = aws.run("s3", "list_objects_v2", Bucket=bucket)
    return [found["Key"] for found in listed.get("Contents", ())]


async def test_large_item__lies_in_the_bucket_and_comes_back(
    place: DynamoPlace, store: DynamoStore, aws: WatchedAws, bucket: str
) -> None:
    large = {"list": ["é" * 1000] * 400, "n": 1.0}
    item = {"group": "g", "name": "large", "owner": "ada", "rank": 1, "value": large}
    work = store.begin()
    work.put(THINGS, item)
    await work.commit()
    assert len(objects(aws, bucket)) == 1
    row = await store.begin().get(THINGS, "g", "large")
    assert row is not None
    assert row.item == item
    page = await store.begin().query(THINGS, "ada", index="byOwner")
    assert page.rows == (row,)
    with pytest.raises(TooLarge) as caught:
        await put(place.open(), "large", text="x" * 400_000)
    assert caught.value.code == "ITEM_TOO_LARGE"


async def test_large_item__that_was_replaced__leaves_the_bucket_a_day_later(
    place: DynamoPlace, store: DynamoStore, aws: WatchedAws, bucket: str
) -> None:
    # S3 has a clock of its own.
    place.clock.advance((dt.datetime.now(dt.UTC) - NOON).total_seconds())
    await put(store, "large", text="x" * 400_000)
    await put(store, "large", 1, text="y" * 400_000)
    assert len(objects(aws, bucket)) == 2
    await store.remove_expired()
    assert len(objects(aws, bucket)) == 2
    place.clock.advance(90_000)
    await store.remove_expired()
    assert len(objects(aws, bucket)) == 1
    row = await store.begin().get(SINGLES, "large")
    assert row is not None
    assert row.item["text"][0] == "y"


async def test_remove_expired__is_maintenance__and_looks_at_one_page_of_each_table(
    store: DynamoStore, aws: WatchedAws
) -> None:
    await store.remove_expired()
    assert aws.asked == Counter(scan=2, list_objects_v2=1)
    assert {table.name for table in TABLES if table.expires} == {LEASES.name, NOTES.name}


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Between(2, 3), [2, 3]),
        (Between(None, "x"), [1, 2, 3]),
        (Between("", None), []),
        (StartsWith(""), []),
        (StartsWith("1"), []),
        (Between(3, 2), []),
    ],
)
async def test_condition__on_a_key_that_is_declared_a_number__knows_that_texts_come_after(
    tmp_path: Path, where: SortCondition, wanted: list[int]
) -> None:
    steps = Table("Steps", "workflow", "step", numbers=("step",))
    store = dynamodb_place([steps], FixedClock(NOON), tmp_path).open()
    work = store.begin()
    for step in (3, 1, 2):
        work.put(steps, {"workflow": "w", "step": step})
    await work.commit()
    page = await store.begin().query(steps, "w", where=where)
    assert [row.item["step"] for row in page.rows] == wanted
    page = await store.begin().query(steps, "w", limit=2)
    with pytest.raises(Invalid):
        await store.begin().query(steps, "w", cursor=page.cursor and page.cursor[:-3])
    rest = await store.begin().query(steps, "w", cursor=page.cursor)
    assert [row.item["step"] for row in rest.rows] == [3]
    work.put(steps, {"workflow": "w", "step": "text"})
    with pytest.raises(Invalid):
        await work.commit()
    await store.close()


async def test_item__that_somebody_put_by_hand__is_read_and_can_be_changed(
    place: DynamoPlace, store: DynamoStore
) -> None:
    place.aws.run(
        "dynamodb",
        "put_item",
        TableName=f"{place.prefix}Singles",
        Item={"id": {"S": "hand"}, "tags": {"SS": ["x"]}, "size": {"N": "3"}},
    )
    row = await store.begin().get(SINGLES, "hand")
    assert row is not None
    assert row.item == {"id": "hand", "tags": ["x"], "size": 3}
    await put(store, "hand", row.version, size=4)
    row = await store.begin().get(SINGLES, "hand")
    assert row is not None
    assert (row.item["size"], row.version) == (4, 2)


async def test_wait_for_events__who_believes_in_one_too_many_is_not_sent_round_and_round(
    store: DynamoStore,
) -> None:
    logs = Logs(store.reading, store.writer.settled_head, store.writer.in_flight, 0.02)
    try:
        last = (await store.writer.settled_head()).events
        await logs.wait(None, last, 0.05)
        logs.committed(frozenset({"elsewhere"}), None)
        begun = asyncio.get_running_loop().time()
        await logs.wait(None, last, 0.3)
        assert asyncio.get_running_loop().time() - begun > 0.25
    finally:
        await logs.close()
