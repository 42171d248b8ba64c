"""A process that sends events and works them off until it is killed, or until nothing is left."""

import asyncio
from collections import Counter
from pathlib import Path

from meshplane.events.lane import CURSORS
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import Message, QueueHandler
from meshplane.events.rule_relay import PLACE
from meshplane.kit.clock import SystemClock
from meshplane.platform.store import UnitOfWork
from tests.builders.bus import Process, place_in, rule
from tests.builders.stores import SINGLES
from tests.builders.until import until

QUEUES = ("plain", "together", "exclusive")


async def _count_up(work: UnitOfWork, message: Message) -> None:
    """The effect: one more for this message."""
    key = f"{message.queue}:{message.message_id}"
    row = await work.get(SINGLES, key)
    work.put(SINGLES, {"id": key, "times": (row.item["times"] if row else 0) + 1})


def _handlers() -> list[QueueHandler]:
    return [
        QueueHandler("plain", _count_up, concurrency=8),
        QueueHandler("together", _count_up, concurrency=16, together=8),
        QueueHandler("exclusive", _count_up, exclusive=True, visibility_seconds=0.3),
    ]


async def prepare(folder: Path) -> None:
    """Writes the rule, once, before the first life."""
    bus = Process(place_in(folder), running=SystemClock())
    await bus.put(rule("r", *QUEUES))
    await bus.close()


async def _live(folder: Path, events: int, *, to_the_end: bool) -> None:
    bus = Process(place_in(folder), running=SystemClock())
    worker = QueueWorker(bus.store, _handlers(), SystemClock(), poll_seconds=0.05)
    bus.relay.start()
    worker.start()
    for number in range(events):
        await bus.emit(f"e{number}")

    async def nothing_left() -> bool:
        return to_the_end and await _is_done(bus)

    await until(nothing_left, 50.0)
    await worker.stop()
    await bus.relay.stop()
    await bus.close()


async def _is_done(bus: Process) -> bool:
    events = await bus.store.last_event()
    place = await bus.store.begin().get(CURSORS, PLACE)
    if place is None or place.item["position"] < events:
        return False
    return not any([await bus.messages(queue) for queue in QUEUES])


def live(folder: str, events: int, to_the_end: bool) -> None:
    """Lives one life. Runs in a process."""
    asyncio.run(_live(Path(folder), events, to_the_end=to_the_end))


async def wrong_effects(folder: Path) -> Counter[int]:
    """How many messages had their effect not once but so often; under -1, the dead letters."""
    bus = Process(place_in(folder), running=SystemClock())
    wrong: Counter[int] = Counter()
    position = 0
    while events := await bus.store.events_after(position, 500):
        position = events[-1].sequence
        for event in events:
            for queue in QUEUES:
                row = await bus.store.begin().get(SINGLES, f"{queue}:{event.event_id}:r:{queue}")
                times = row.item["times"] if row else 0
                if times != 1:
                    wrong[times] += 1
    wrong[-1] = len(await bus.letters())
    await bus.close()
    return +wrong
