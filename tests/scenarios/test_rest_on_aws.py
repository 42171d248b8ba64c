"""A mesh on AWS in which nothing goes on: it asks little, and hears at once what others bring."""

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import MESSAGES, Message, QueueHandler, send
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.stillness import SETTLED_SECONDS
from meshplane.platform.store import Store, UnitOfWork
from tests.builders.aws_mesh import aws_mesh
from tests.builders.aws_sandbox import aws_of, sandbox_in

pytestmark = [pytest.mark.scenario]

_READS = ("Query", "GetItem", "BatchGetItem", "Scan")
_MOST_READS_A_SECOND = 8
_WATCHED_SECONDS = 20.0
_LONGEST_SECONDS = 1.5
_POLL_SECONDS = 0.5


def test_all_parts_at_rest__ask_dynamodb_a_few_times_a_second() -> None:
    with aws_mesh() as mesh:
        mesh.rest()
        # The last commits are old enough for every index of DynamoDB to show them.
        time.sleep(SETTLED_SECONDS + 2)
        before = mesh.sandbox.calls.count()
        time.sleep(_WATCHED_SECONDS)
        calls = mesh.sandbox.calls.all("dynamodb")
        asked = Counter(call.operation for call in calls if call.number > before)
        assert set(asked) <= set(_READS), asked
        assert asked.total() / _WATCHED_SECONDS <= _MOST_READS_A_SECOND, asked


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[DynamoStore, DynamoStore]]:
    """Two processes' stores on the same tables."""
    with sandbox_in(tmp_path) as sandbox:
        aws, clock = aws_of(sandbox), SystemClock()
        made = [DynamoStore(aws, [MESSAGES], clock, id_maker(clock)) for _ in range(2)]
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
