"""The worker: each message has its effect once, or becomes a dead letter that says why."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.dead_letters import ALL, redrive
from meshplane.events.lane import PARKED
from meshplane.events.queue_lease import Lease
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import (
    DEAD_LETTERS,
    MESSAGES,
    GiveUp,
    Message,
    QueueHandler,
    RetryAfter,
    send,
)
from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Stale, Unavailable
from meshplane.platform.events import NewEvent
from meshplane.platform.local.sqlite import SqliteStore, SqliteUnitOfWork
from meshplane.platform.store import Store, UnitOfWork
from tests.builders.stores import SINGLES, SqlitePlace
from tests.builders.until import until

SECRET = "tailnum N12345"


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(tmp_path, (MESSAGES, DEAD_LETTERS, PARKED, SINGLES))


@pytest.fixture
async def store(place: SqlitePlace) -> AsyncIterator[SqliteStore]:
    store = place.open()
    yield store
    await store.close()


async def post(
    store: Store, place: SqlitePlace, *ids: str, queue: str = "jobs", **more: Any
) -> None:
    work = store.begin()
    for message_id in ids:
        send(work, queue, {"id": message_id}, message_id=message_id, now=place.clock.now(), **more)
    await work.commit()


async def count_up(work: UnitOfWork, message: Message) -> None:
    """Counts how often a message had its effect."""
    row = await work.get(SINGLES, message.message_id)
    work.put(SINGLES, {"id": message.message_id, "times": (row.item["times"] if row else 0) + 1})


async def times(store: Store, message_id: str) -> int:
    row = await store.begin().get(SINGLES, message_id)
    return row.item["times"] if row else 0


async def left(store: Store, queue: str = "jobs") -> list[dict[str, Any]]:
    page = await store.begin().query(MESSAGES, queue, index="byDue", limit=5000)
    return [row.item for row in page.rows]


async def letters(store: Store) -> list[dict[str, Any]]:
    page = await store.begin().query(DEAD_LETTERS, ALL, index="byTime", limit=5000)
    return [row.item for row in page.rows]


def failing(error: Exception) -> Callable[[UnitOfWork, Message], Awaitable[None]]:
    async def handle(work: UnitOfWork, message: Message) -> None:
        await count_up(work, message)
        raise error

    return handle


@pytest.mark.parametrize("exclusive", [False, True])
async def test_messages__have_their_effect_once_and_are_gone(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    ids = [f"m-{number}" for number in range(200)]
    await post(store, place, *ids)
    worker = QueueWorker(store, [QueueHandler("jobs", count_up, exclusive)], place.clock)
    assert await worker.run_due() == 200
    assert [await times(store, each) for each in ids] == [1] * 200
    assert await left(store) == []


@pytest.mark.parametrize("exclusive", [False, True])
async def test_running_worker__handles_what_comes_at_once(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    worker = QueueWorker(
        store, [QueueHandler("jobs", count_up, exclusive)], place.clock, poll_seconds=30
    )
    worker.start()
    await asyncio.sleep(0.02)
    await post(store, place, "m-1")
    await until(lambda: times(store, "m-1"), 2)
    await worker.stop()
    assert await left(store) == []


@pytest.mark.parametrize("exclusive", [False, True])
async def test_failure__drops_what_the_handler_wrote_and_tries_later(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    await post(store, place, "m-1")
    handler = QueueHandler("jobs", failing(RuntimeError(SECRET)), exclusive)
    worker = QueueWorker(store, [handler], place.clock)
    waits = []
    for attempt in range(1, 15):
        assert await worker.run_due() == 1
        (item,) = await left(store)
        assert item["attempts"] == attempt
        wait = item["dueAt"] / 1000 - place.clock.now().timestamp()
        assert 0 <= wait <= min(960.0, 2.0 ** (attempt - 1))
        waits.append(wait)
        place.clock.advance(wait + 0.001)
    assert await times(store, "m-1") == 0
    assert len({round(wait, 2) for wait in waits}) > 5


@pytest.mark.parametrize("exclusive", [False, True])
async def test_last_attempt__leaves_a_dead_letter_without_data(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    origin = {"rule": "r", "hops": 2}
    await post(store, place, "m-1", maximum_attempts=3, origin=origin, dead_letter_queue="lost")
    handler = QueueHandler("jobs", failing(RuntimeError(SECRET)), exclusive)
    worker = QueueWorker(store, [handler], place.clock)
    for _ in range(3):
        await worker.run_due()
        place.clock.advance(1000)
    assert await left(store) == []
    (letter,) = await letters(store)
    assert letter["deadLetterQueue"] == "lost"
    assert (letter["queue"], letter["messageId"]) == ("jobs", "m-1")
    assert (letter["errorCode"], letter["attempts"]) == ("INTERNAL", 3)
    assert letter["exhaustedLimit"] == "maximumAttempts"
    assert letter["origin"] == origin
    assert letter["back"]["body"] == {"id": "m-1"}
    assert SECRET not in letter["errorMessage"]


async def test_185_attempts__are_the_default_and_fit_into_a_day(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1")
    handler = QueueHandler("jobs", failing(Conflict("NO", "no")))
    worker = QueueWorker(store, [handler], place.clock)
    begun = place.clock.now()
    while await left(store):
        (item,) = await left(store)
        place.clock.advance(max(0.0, item["dueAt"] / 1000 - place.clock.now().timestamp()) + 0.001)
        await worker.run_due()
    (letter,) = await letters(store)
    assert letter["exhaustedLimit"] in {"maximumAttempts", "maximumAge"}
    assert letter["attempts"] <= 185
    assert place.clock.now() - begun < timedelta(hours=24, minutes=1)


async def test_age__gives_up_before_the_attempts_are_used(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1", maximum_age_seconds=60)
    worker = QueueWorker(store, [QueueHandler("jobs", failing(Conflict("NO", "no")))], place.clock)
    await worker.run_due()
    place.clock.advance(61)
    await worker.run_due()
    (letter,) = await letters(store)
    assert (letter["exhaustedLimit"], letter["attempts"], letter["errorCode"]) == (
        "maximumAge",
        2,
        "NO",
    )


async def test_message_that_waited_for_days__is_tried_before_it_is_given_up(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1")
    place.clock.advance(3 * 86_400)
    await QueueWorker(store, [QueueHandler("jobs", count_up)], place.clock).run_due()
    assert await times(store, "m-1") == 1


@pytest.mark.parametrize("exclusive", [False, True])
async def test_give_up__goes_to_the_dead_letters_at_once(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    await post(store, place, "m-1")
    error = GiveUp("NO_SUCH_MACHINE", "There is no state machine of this name.")
    handler = QueueHandler("jobs", failing(error), exclusive)
    assert await QueueWorker(store, [handler], place.clock).run_due() == 1
    (letter,) = await letters(store)
    assert (letter["exhaustedLimit"], letter["attempts"]) == ("notRetryable", 1)
    assert letter["errorMessage"] == "There is no state machine of this name."


async def test_retry_after__is_waited_for(store: SqliteStore, place: SqlitePlace) -> None:
    await post(store, place, "m-1")
    handler = QueueHandler("jobs", failing(RetryAfter("BUSY", "Busy.", 120.0)))
    await QueueWorker(store, [handler], place.clock).run_due()
    (item,) = await left(store)
    assert item["dueAt"] - item["sentAt"] == 120_000


async def test_condition_of_the_handler_that_fails_at_the_commit__is_a_failure_like_any(
    store: SqliteStore, place: SqlitePlace
) -> None:
    async def handle(work: UnitOfWork, message: Message) -> None:
        work.put(SINGLES, {"id": "x"}, expected=7)

    await post(store, place, "m-1")
    await QueueWorker(store, [QueueHandler("jobs", handle)], place.clock).run_due()
    (item,) = await left(store)
    # A wait may be drawn as nothing, and then the next attempt came at once.
    assert item["attempts"] >= 1


async def test_clash_with_another_writer__is_tried_again_at_once(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1")
    handler = QueueHandler("jobs", failing(Stale("STALE", "Read again.")))
    await QueueWorker(store, [handler], place.clock).run_due()
    (item,) = await left(store)
    # A wait may be drawn as nothing, and then the next attempt came at once.
    assert item["dueAt"] - item["sentAt"] <= 20 * 2 ** item["attempts"]


async def test_handler_that_hangs__is_stopped_and_tried_again(
    store: SqliteStore, place: SqlitePlace
) -> None:
    async def handle(work: UnitOfWork, message: Message) -> None:
        await asyncio.sleep(60)

    await post(store, place, "m-1", maximum_attempts=1)
    handler = QueueHandler("jobs", handle, timeout_seconds=0.02)
    await QueueWorker(store, [handler], place.clock).run_due()
    (letter,) = await letters(store)
    assert letter["errorCode"] == "TIMEOUT"


async def test_redriven_message__is_handled_as_if_it_were_new(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1", maximum_attempts=1, maximum_age_seconds=60)
    await QueueWorker(
        store, [QueueHandler("jobs", failing(Conflict("NO", "no")))], place.clock
    ).run_due()
    page = await store.begin().query(DEAD_LETTERS, "dead-letters", index="byQueue")
    place.clock.advance(7 * 86_400)
    work = store.begin()
    assert redrive(work, page.rows[0], PARKED, place.clock.now()) == "jobs"
    await work.commit()
    await QueueWorker(store, [QueueHandler("jobs", count_up)], place.clock).run_due()
    assert (await times(store, "m-1"), await letters(store), await left(store)) == (1, [], [])


async def test_slow_queue__does_not_hold_up_another(store: SqliteStore, place: SqlitePlace) -> None:
    release = asyncio.Event()

    async def slow(work: UnitOfWork, message: Message) -> None:
        await release.wait()

    handlers = [QueueHandler("slow", slow, concurrency=2), QueueHandler("jobs", count_up)]
    worker = QueueWorker(store, handlers, place.clock)
    await post(store, place, *(f"s-{number}" for number in range(50)), queue="slow")
    worker.start()
    await asyncio.sleep(0.02)
    await post(store, place, "m-1")
    await until(lambda: times(store, "m-1"), 2)
    assert len(await left(store, "slow")) == 50
    release.set()
    await worker.stop()


async def test_concurrency__is_never_more_than_allowed(
    store: SqliteStore, place: SqlitePlace
) -> None:
    now, most = [0], [0]

    async def handle(work: UnitOfWork, message: Message) -> None:
        now[0] += 1
        most[0] = max(most[0], now[0])
        await asyncio.sleep(0.002)
        now[0] -= 1

    await post(store, place, *(f"m-{number}" for number in range(40)))
    await QueueWorker(store, [QueueHandler("jobs", handle, concurrency=3)], place.clock).run_due()
    assert most[0] == 3


class FaltersOnce(SqliteStore):
    """A store that is not to be had at one moment."""

    falters = False

    def begin(self, hops: int = 0) -> SqliteUnitOfWork:
        if self.falters:
            self.falters = False
            raise Unavailable("STORE_UNAVAILABLE", "The store is not to be had.")
        return super().begin(hops)


async def test_lease__that_cannot_be_renewed_once_is_kept(place: SqlitePlace) -> None:
    store = FaltersOnce(place.file, (MESSAGES, DEAD_LETTERS, PARKED, SINGLES), place.clock, str)
    await post(store, place, "m-1")
    (row,) = (await store.begin().query(MESSAGES, "jobs")).rows
    lease = Lease(store, row, place.clock, 0.09)
    await lease.take()
    taken, store.falters = lease.message.version, True
    for _ in range(500):
        if lease.message.version > taken:
            break
        await asyncio.sleep(0.01)
    assert not store.falters
    assert lease.message.version > taken
    await lease.end()
    await store.close()


async def test_message_that_could_not_be_put_off__is_tried_again_when_its_neighbours_are_done(
    place: SqlitePlace,
) -> None:
    store = FaltersOnce(place.file, (MESSAGES, DEAD_LETTERS, PARKED, SINGLES), place.clock, str)
    calls: Counter[str] = Counter()
    go_on = asyncio.Event()

    async def handle(work: UnitOfWork, message: Message) -> None:
        calls[message.message_id] += 1
        await count_up(work, message)
        if message.message_id == "m-2":
            await go_on.wait()
        if message.message_id == "m-1" and calls["m-1"] < 3:
            store.falters = calls["m-1"] == 2
            raise RuntimeError("not now")

    async def both_begun() -> bool:
        return calls["m-1"] == 2 and calls["m-2"] == 1

    await post(store, place, "m-1", "m-2")
    worker = QueueWorker(
        store, [QueueHandler("jobs", handle, together=2)], place.clock, poll_seconds=30
    )
    worker.start()
    await until(both_begun)
    # It looks, and finds both of them in hand.
    worker.wake("jobs")
    await asyncio.sleep(0.6)
    go_on.set()
    await until(lambda: times(store, "m-1"), 5)
    await worker.stop()
    assert await left(store) == []
    await store.close()


@pytest.mark.parametrize("exclusive", [False, True])
async def test_two_processes__share_a_queue_and_double_nothing(
    store: SqliteStore, place: SqlitePlace, exclusive: bool
) -> None:
    other = place.open()
    begun: Counter[str] = Counter()

    async def handle(work: UnitOfWork, message: Message) -> None:
        begun[message.message_id] += 1
        await count_up(work, message)
        await asyncio.sleep(0.001)

    workers = [
        QueueWorker(each, [QueueHandler("jobs", handle, exclusive)], place.clock, 0.02)
        for each in (store, other)
    ]
    for worker in workers:
        worker.start()
    ids = [f"m-{number}" for number in range(300)]
    for begin in range(0, 300, 50):
        await post(store, place, *ids[begin : begin + 50])

    async def done() -> bool:
        return not await left(store)

    await until(done, 20)
    for worker in workers:
        await worker.stop()
    await other.close()
    assert [await times(store, each) for each in ids] == [1] * 300
    assert await letters(store) == []
    if exclusive:
        assert set(begun.values()) == {1}


async def test_exclusive_message_of_a_process_that_died__is_found_again(
    store: SqliteStore, place: SqlitePlace
) -> None:
    async def dies(work: UnitOfWork, message: Message) -> None:
        await asyncio.sleep(60)

    await post(store, place, "m-1")
    worker = QueueWorker(store, [QueueHandler("jobs", dies, True)], place.clock)
    attempt = asyncio.create_task(worker.run_due())
    await asyncio.sleep(0.05)
    survivor = QueueWorker(store, [QueueHandler("jobs", count_up, True)], place.clock)
    assert await survivor.run_due() == 0
    place.clock.advance(10.001)
    assert await survivor.run_due() == 1
    assert await times(store, "m-1") == 1
    attempt.cancel()
    await worker.stop()


async def test_message_that_kills_every_process__ends_as_a_dead_letter(
    store: SqliteStore, place: SqlitePlace
) -> None:
    await post(store, place, "m-1", maximum_attempts=1)
    work = store.begin()
    (item,) = await left(store)
    work.put(MESSAGES, {**item, "attempts": 1})
    await work.commit()
    await QueueWorker(store, [QueueHandler("jobs", count_up, True)], place.clock).run_due()
    (letter,) = await letters(store)
    assert (letter["errorCode"], await times(store, "m-1")) == ("HANDLER_LOST", 0)


async def test_stop__lets_what_runs_end(store: SqliteStore, place: SqlitePlace) -> None:
    begun = asyncio.Event()

    async def handle(work: UnitOfWork, message: Message) -> None:
        begun.set()
        await asyncio.sleep(0.05)
        await count_up(work, message)

    await post(store, place, "m-1")
    worker = QueueWorker(store, [QueueHandler("jobs", handle, True)], place.clock)
    worker.start()
    await begun.wait()
    await worker.stop()
    assert (await times(store, "m-1"), await left(store)) == (1, [])


async def test_events_of_a_handler__carry_the_hops_of_its_message(
    store: SqliteStore, place: SqlitePlace
) -> None:
    async def handle(work: UnitOfWork, message: Message) -> None:
        work.emit(NewEvent("ThingChanged", "test", "x", {}))

    await post(store, place, "m-1", origin={"hops": 5})
    await QueueWorker(store, [QueueHandler("jobs", handle)], place.clock).run_due()
    (event,) = await store.events_after(0, 10)
    assert event.hops == 5


def test_two_handlers_of_one_queue__are_a_mistake(place: SqlitePlace) -> None:
    async def build() -> None:
        store = place.open()
        handlers = [QueueHandler("jobs", count_up), QueueHandler("jobs", count_up)]
        try:
            with pytest.raises(ValueError, match="two handlers"):
                QueueWorker(store, handlers, SystemClock())
        finally:
            await store.close()

    asyncio.run(build())
