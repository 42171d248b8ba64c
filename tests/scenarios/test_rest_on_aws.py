"""A mesh on AWS in which nothing goes on: it asks little, and hears at once what others bring."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.events.consumer import Consumer
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import MESSAGES, Message, QueueHandler, send
from meshplane.events.relay import Relay
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.configuration_cache import CONFIGURATION_CACHE
from meshplane.platform.events import NewEvent, StoredEvent
from meshplane.platform.stillness import SETTLED_SECONDS
from meshplane.platform.store import Store, UnitOfWork
from tests.builders.aws_mesh import AwsMesh, aws_mesh
from tests.builders.aws_sandbox import aws_of, sandbox_in

pytestmark = [pytest.mark.scenario]

_READS = ("Query", "GetItem", "BatchGetItem", "Scan")
_MOST_READS_A_SECOND = 8
_WATCHED_SECONDS = 20.0
_WRITES_ELSEWHERE = 20
_TABLES = (MESSAGES, CURSORS, PARKED)
_LONGEST_SECONDS = 1.5
_POLL_SECONDS = 0.5


def test_all_parts__ask_dynamodb_a_few_times_a_second_at_rest_and_while_others_write() -> None:
    with aws_mesh() as mesh:
        mesh.rest()
        # The last commits are old enough for every index of DynamoDB to show them.
        time.sleep(SETTLED_SECONDS + 2)
        asked, seconds = _asked(mesh, lambda: time.sleep(_WATCHED_SECONDS))
        assert set(asked) <= set(_READS), asked
        assert asked.total() / seconds <= _MOST_READS_A_SECOND, asked

        asked, seconds = _asked(mesh, lambda: asyncio.run(_write_elsewhere(mesh)))
        written = asked.pop("TransactWriteItems")
        assert written >= _WRITES_ELSEWHERE
        assert set(asked) <= set(_READS), asked
        assert asked.total() / seconds <= _MOST_READS_A_SECOND, asked


def _asked(mesh: AwsMesh, meanwhile: Callable[[], None]) -> tuple[Counter[str], float]:
    """What DynamoDB was asked meanwhile, by operation, and how long that took."""
    began, before = time.monotonic(), mesh.sandbox.calls.count()
    meanwhile()
    calls = mesh.sandbox.calls.all("dynamodb")
    counted = Counter(call.operation for call in calls if call.number > before)
    return counted, time.monotonic() - began


async def _write_elsewhere(mesh: AwsMesh) -> None:
    """Another process commits once a second what nobody polls for."""
    clock = SystemClock()
    store = DynamoStore(mesh.owner, [CONFIGURATION_CACHE], clock, id_maker(clock))
    for number in range(_WRITES_ELSEWHERE):
        work = store.begin()
        work.put(CONFIGURATION_CACHE, {"configKey": f"rest{number}", "version": "v1"})
        await work.commit()
        await asyncio.sleep(1)
    await store.close()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[DynamoStore, DynamoStore]]:
    """Two processes' stores on the same tables."""
    with sandbox_in(tmp_path) as sandbox:
        aws, clock = aws_of(sandbox), SystemClock()
        made = [DynamoStore(aws, _TABLES, clock, id_maker(clock)) for _ in range(2)]
        asyncio.run(made[0].prepare(recovery=False))
        yield made[0], made[1]
        aws.close()


async def _sent(store: Store, message_id: str, delay_seconds: float = 0.0) -> None:
    work = store.begin()
    now = SystemClock().now()
    send(work, "jobs", {}, message_id=message_id, now=now, delay_seconds=delay_seconds)
    await work.commit()


async def _resting(store: DynamoStore) -> None:
    """Waits until the store is left alone."""
    while store.stillness.seconds(_POLL_SECONDS) == _POLL_SECONDS:
        # Somebody waits for events in every process, and so learns what others commit.
        await store.wait_for_events(None, 0, 0.2)
    assert store.stillness.seconds(_POLL_SECONDS) > 10


def test_message_of_another_process__is_taken_soon_by_one_that_rests(
    stores: tuple[DynamoStore, DynamoStore],
) -> None:
    own, other = stores
    # The sandbox's indexes do not lag.
    own.stillness.settled_seconds = 1.0

    async def play() -> dict[str, float]:
        taken: dict[str, float] = {}

        async def handle(_work: UnitOfWork, message: Message) -> None:
            taken[message.message_id] = time.monotonic()

        worker = QueueWorker(own, [QueueHandler("jobs", handle)], SystemClock())
        worker.start()
        try:
            await _resting(own)
            await asyncio.sleep(1)
            for number, (store, delay) in enumerate([(other, 0.0), (own, 0.0), (other, 3.0)]):
                sent = time.monotonic()
                await _sent(store, f"m{number}", delay)
                while f"m{number}" not in taken:
                    assert time.monotonic() - sent < 10, "never taken"
                    await asyncio.sleep(0.01)
                taken[f"m{number}"] -= sent + delay
                await _resting(own)
        finally:
            await worker.stop()
            for each in stores:
                await each.close()
        return taken

    late = asyncio.run(play())
    assert all(seconds < _LONGEST_SECONDS for seconds in late.values()), late
    assert min(late.values()) > -0.1, late


async def _put_back(store: Store, event: StoredEvent) -> None:
    """What a redrive does: the event is parked again, and due now."""
    work = store.begin()
    item = {name: getattr(event, name) for name in StoredEvent.__slots__}
    row = {"consumer": "listener", "sequence": event.sequence, "entity": event.entity}
    due = SystemClock().now().timestamp()
    work.put(PARKED, {**row, "attempts": 0, "nextAttemptAt": due, "event": item})
    await work.commit()


def test_events_of_another_process__reach_a_consumer_that_rests_soon_new_or_put_back(
    stores: tuple[DynamoStore, DynamoStore],
) -> None:
    own, other = stores
    own.stillness.settled_seconds = 1.0

    async def play() -> list[float]:
        came: list[tuple[StoredEvent, float]] = []

        async def handle(_work: UnitOfWork, event: StoredEvent) -> None:
            came.append((event, time.monotonic()))

        async def emit(store: DynamoStore) -> None:
            work = store.begin()
            work.emit(NewEvent("ThingMade", "test.things", "thing-1", {}))
            await work.commit()

        relay = Relay(own, [Consumer("listener", frozenset({"ThingMade"}), handle)], SystemClock())
        relay.start()
        late: list[float] = []
        try:
            for number in range(4):
                await _resting(own)
                await asyncio.sleep(1)
                store, began = (own, other)[number % 2], time.monotonic()
                await (emit(store) if number < len(stores) else _put_back(store, came[0][0]))
                while len(came) == number:
                    assert time.monotonic() - began < 10, "it never came"
                    await asyncio.sleep(0.01)
                late.append(came[-1][1] - began)
            await _resting(own)
            assert len(came) == len(late)
        finally:
            await relay.stop()
            for each in stores:
                await each.close()
        return late

    late = asyncio.run(play())
    assert all(seconds < _LONGEST_SECONDS for seconds in late), late
