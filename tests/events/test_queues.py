"""Messages lie in the store until what handled them is committed with their end."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from meshplane.events.bell import Bell
from meshplane.events.queue_lease import Lease
from meshplane.events.queues import (
    DEAD_LETTERS,
    MESSAGES,
    Message,
    MessageGone,
    finish,
    message_of,
    send,
)
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.tables import Row
from tests.builders.stores import NOON, SINGLES, SqlitePlace


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(tmp_path, (MESSAGES, DEAD_LETTERS, SINGLES))


@pytest.fixture
async def store(place: SqlitePlace) -> AsyncIterator[SqliteStore]:
    store = place.open()
    yield store
    await store.close()


async def lying(store: SqliteStore, queue: str = "jobs") -> list[Row]:
    page = await store.begin().query(MESSAGES, queue, index="byDue")
    return list(page.rows)


async def one(store: SqliteStore, **more: object) -> Row:
    work = store.begin()
    send(work, "jobs", {"n": 1}, message_id="m-1", now=NOON, **more)  # type: ignore[arg-type]
    await work.commit()
    (row,) = await lying(store)
    return row


async def test_message__is_there_with_the_commit_and_not_before(store: SqliteStore) -> None:
    work = store.begin()
    send(work, "jobs", {"n": 1}, message_id="m-1", now=NOON, origin={"hops": 3})
    assert await lying(store) == []
    await work.commit()
    (row,) = await lying(store)
    assert message_of(row) == Message(
        "jobs", "m-1", {"n": 1}, NOON, 0, {"hops": 3}, 185, 86_400, "dead-letters", 1
    )
    assert message_of(row).hops == 3


@pytest.mark.parametrize(("of_work", "of_message", "carried"), [(3, None, 3), (3, 5, 5), (5, 3, 5)])
async def test_message__carries_the_hops_of_what_sends_it(
    store: SqliteStore, of_work: int, of_message: int | None, carried: int
) -> None:
    work = store.begin(hops=of_work)
    origin = {"rule": "r"} if of_message is None else {"rule": "r", "hops": of_message}
    send(work, "jobs", {}, message_id="m-1", now=NOON, origin=origin)
    await work.commit()
    (row,) = await lying(store)
    assert message_of(row).origin == {"rule": "r", "hops": carried}


async def test_same_message_sent_twice__lies_there_once(store: SqliteStore) -> None:
    await one(store)
    assert (await one(store)).version == 2


async def test_key__names_a_message_of_one_queue_and_holds_over_attempts(
    store: SqliteStore,
) -> None:
    row = await one(store)
    again = Row({**row.item, "attempts": 7}, 9)
    other = Row({**row.item, "queue": "others"}, 1)
    assert message_of(row).key == message_of(again).key != message_of(other).key


async def test_delay__puts_the_due_time_off(store: SqliteStore) -> None:
    row = await one(store, delay_seconds=90.5)
    assert row.item["dueAt"] - row.item["sentAt"] == 90_500


async def test_finish__of_a_message_that_another_took_undoes_everything(
    store: SqliteStore, place: SqlitePlace
) -> None:
    row = await one(store)
    await Lease(store, row, place.clock, 30.0).take(renewed=False)
    work = store.begin()
    work.put(SINGLES, {"id": "effect"})
    finish(work, message_of(row))
    with pytest.raises(MessageGone):
        await work.commit()
    assert await store.begin().get(SINGLES, "effect") is None


async def test_lease__hides_the_message_and_counts_the_attempt(
    store: SqliteStore, place: SqlitePlace
) -> None:
    lease = Lease(store, await one(store), place.clock, 30.0)
    await lease.take(renewed=False)
    (row,) = await lying(store)
    assert (row.item["attempts"], row.item["dueAt"] - row.item["sentAt"]) == (1, 30_000)
    work = store.begin()
    finish(work, lease.message)
    await work.commit()
    assert await lying(store) == []


async def test_two_leases__of_one_message_have_one_winner(
    store: SqliteStore, place: SqlitePlace
) -> None:
    row = await one(store)
    takers = [Lease(store, row, place.clock, 30.0) for _ in range(5)]
    ends = await asyncio.gather(
        *(each.take(renewed=False) for each in takers), return_exceptions=True
    )
    assert [type(end) for end in ends].count(type(None)) == 1
    assert sum(isinstance(end, MessageGone) for end in ends) == 4


async def test_lease__is_renewed_while_the_work_lasts(
    store: SqliteStore, place: SqlitePlace
) -> None:
    lease = Lease(store, await one(store), place.clock, 0.09)
    await lease.take()
    place.clock.advance(60)
    await asyncio.sleep(0.1)
    await lease.end()
    (row,) = await lying(store)
    assert row.item["dueAt"] >= (NOON + timedelta(seconds=60)).timestamp() * 1000
    assert lease.message.version == row.version


async def test_lease__that_was_lost_while_paused_says_so_at_its_end(
    store: SqliteStore, place: SqlitePlace
) -> None:
    lease = Lease(store, await one(store), place.clock, 0.06)
    await lease.take()
    (row,) = await lying(store)
    await Lease(store, row, place.clock, 30.0).take(renewed=False)
    await asyncio.sleep(0.1)
    with pytest.raises(MessageGone):
        await lease.end()


async def test_released_lease__gives_the_attempt_back(
    store: SqliteStore, place: SqlitePlace
) -> None:
    lease = Lease(store, await one(store), place.clock, 30.0)
    await lease.take()
    await lease.release()
    (row,) = await lying(store)
    assert (row.item["attempts"], row.item["dueAt"]) == (0, row.item["sentAt"])


async def test_bell__wakes_for_its_queue_only(store: SqliteStore) -> None:
    bell = Bell(store)
    heard = bell.heard("jobs"), bell.heard("others")
    waiting = asyncio.create_task(bell.wait("jobs", heard[0], 5.0))
    other = asyncio.create_task(bell.wait("others", heard[1], 5.0))
    await asyncio.sleep(0)
    await one(store)
    await asyncio.wait_for(waiting, 1.0)
    assert not other.done()
    other.cancel()


async def test_bell__that_rang_before_the_wait_is_not_missed(store: SqliteStore) -> None:
    bell = Bell(store)
    heard = bell.heard("jobs")
    await one(store)
    await asyncio.wait_for(bell.wait("jobs", heard, 60.0), 1.0)
    assert bell.heard("jobs") > heard
