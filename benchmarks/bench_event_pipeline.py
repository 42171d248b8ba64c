"""The bus as a whole beside each of its stages alone, against 1,000 rules, all of it durable.

Each event matches exactly one of the 1,000 rules, and so brings one message. Stages alone:

- append: 64 appenders commit one event each, again and again; nothing reads them;
- match: the index of the 1,000 patterns finds the rule of each event, in memory;
- deliver: everything between an event in the outbox and its acknowledged message. The relay reads
  the outbox and writes messages and its place durably; the worker hands each message to a handler,
  whose row and the end of the message are one durable commit. The events lie in the outbox already,
  and there is one rule, which wants all of them, so that matching costs nothing.

The pipeline is all of it at once, in one process and on one event loop: appending, relaying through
the 1,000 rules, handing over and acknowledging, until the last event is acknowledged. Its rate is
compared with that of the slowest stage. The rules are compiled before, as in a mesh that runs.

Beside it, for information: the pipeline with the publisher in a process of its own, on the same
home; and hand-over and acknowledgement of messages that lie in their queue already, which is what
"deliver" means where the relay is not counted.

All of them take turns, several times in one run; the medians are compared.
"""

import asyncio
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence, Set
from pathlib import Path
from typing import Any

from bench_event_matching import SEED, event, rule
from report import Ratio, publish
from servers import HERE, environment

from meshplane.events.lane import CURSORS
from meshplane.events.pattern_index import PatternIndex
from meshplane.events.patterns import compile_pattern
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES, Message, QueueHandler
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_relay import RuleRelay
from meshplane.events.rules import EVENT_RULES, RULE_GENERATIONS, Rule, Target
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.events import NewEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import KeyValue, Table

RULES = 1000
EVENTS = 4000
APPENDERS = 64
ROUNDS = 5
SAMPLE = 1000
MOST_OF_SAMPLE = 10
QUEUE = "bench"
EFFECTS = Table("Effects", "messageId")
TABLES = (MESSAGES, DEAD_LETTERS, CURSORS, EVENT_RULES, RULE_GENERATIONS, EFFECTS)

Json = dict[str, Any]


def narrow_rules(draw: random.Random) -> list[Json]:
    """1,000 patterns of `bench_event_matching.py`, without those that many events match."""
    sample = [event(draw, number) for number in range(SAMPLE)]
    found: list[Json] = []
    while len(found) < RULES:
        pattern = rule(draw)
        compiled = compile_pattern(pattern)
        if sum(map(compiled.matches, sample)) <= MOST_OF_SAMPLE:
            found.append(pattern)
    return found


def index_of(patterns: Sequence[Json]) -> PatternIndex[int]:
    """The index of the patterns."""
    index: PatternIndex[int] = PatternIndex()
    for number, pattern in enumerate(patterns):
        index.add(number, compile_pattern(pattern))
    return index


def lonely_events(draw: random.Random, index: PatternIndex[int]) -> list[Json]:
    """Events each of which matches one rule."""
    found: list[Json] = []
    while len(found) < EVENTS:
        one = event(draw, len(found))
        if len(index.match(one)) == 1:
            found.append(one)
    return found


def rules_of(patterns: Sequence[Json]) -> list[Rule]:
    """Rules with these patterns, each with the queue as its target."""
    target = Target("queue", "queue", name=QUEUE)
    return [
        Rule(f"rule-{number}", (target,), event_pattern=pattern, built_in=True)
        for number, pattern in enumerate(patterns)
    ]


class Bus:
    """Outbox, relay, queue and worker of one process, on a home's database."""

    def __init__(self, folder: Path, patterns: Sequence[Json]) -> None:
        clock = SystemClock()
        self.store = SqliteStore(folder / "bus.db", TABLES, clock, id_maker(clock))
        self.book = RuleBook(self.store, rules_of(patterns))
        self.relay = RuleRelay(self.store, self.book, clock)
        self._worker = QueueWorker(self.store, [QueueHandler(QUEUE, self._handle)], clock)
        self._acknowledged: set[KeyValue] = set()
        self._all = asyncio.Event()
        self.store.on_puts(EFFECTS, self._count)

    async def _handle(self, work: UnitOfWork, message: Message) -> None:
        work.put(EFFECTS, {"messageId": message.message_id, "asset": message.body["resources"][0]})

    def _count(self, message_ids: Set[KeyValue]) -> None:
        self._acknowledged |= message_ids
        if len(self._acknowledged) == EVENTS:
            self._all.set()

    async def all_acknowledged(self, relayed: bool = True) -> None:
        """Relays, unless that is done, and hands over until the last event is acknowledged."""
        if relayed:
            self.relay.start()
        self._worker.start()
        await self._all.wait()
        if relayed:
            await self.relay.stop()
        await self._worker.stop()
        assert not (await self.store.begin().query(MESSAGES, QUEUE, limit=1)).rows


async def append_all(store: Store, events: Sequence[Json]) -> None:
    """Appends the events, 64 at a time, each in a commit of its own."""
    left = iter(events)

    async def one_after_another() -> None:
        for one in left:
            work = store.begin()
            work.emit(
                NewEvent(one["detail-type"], one["source"], one["resources"][0], one["detail"])
            )
            await work.commit()

    await asyncio.gather(*(one_after_another() for _ in range(APPENDERS)))


async def rate(work: Awaitable[Any]) -> float:
    """Events in a second."""
    begun = time.perf_counter()
    await work
    return EVENTS / (time.perf_counter() - begun)


def match_alone(index: PatternIndex[int], events: Sequence[Json]) -> float:
    """Events in a second that the index finds the rules of."""
    begun = time.perf_counter()
    for one in events:
        index.match(one)
    return EVENTS / (time.perf_counter() - begun)


def of_anything(events: Sequence[Json]) -> list[Json]:
    """The pattern that all of the events match."""
    return [{"source": sorted({one["source"] for one in events})}]


async def append_alone(folder: Path, patterns: Sequence[Json], events: Sequence[Json]) -> float:
    """See the head."""
    bus = Bus(folder, patterns)
    found = await rate(append_all(bus.store, events))
    await bus.store.close()
    return found


async def deliver_alone(folder: Path, patterns: Sequence[Json], events: Sequence[Json]) -> float:
    """See the head."""
    bus = Bus(folder, of_anything(events))
    await bus.book.refresh()
    await append_all(bus.store, events)
    found = await rate(bus.all_acknowledged())
    await bus.store.close()
    return found


async def hand_over_alone(folder: Path, patterns: Sequence[Json], events: Sequence[Json]) -> float:
    """Deliver without the relay."""
    bus = Bus(folder, of_anything(events))
    await append_all(bus.store, events)
    await bus.relay.run_due()
    found = await rate(bus.all_acknowledged(relayed=False))
    await bus.store.close()
    return found


async def pipeline(folder: Path, patterns: Sequence[Json], events: Sequence[Json]) -> float:
    """All at once, in this process."""
    bus = Bus(folder, patterns)
    await bus.book.refresh()
    found = await rate(asyncio.gather(append_all(bus.store, events), bus.all_acknowledged()))
    await bus.store.close()
    return found


async def two_processes(folder: Path, patterns: Sequence[Json], events: Sequence[Json]) -> float:
    """The publisher in another process."""
    bus = Bus(folder, patterns)
    await bus.book.refresh()
    (folder / "events.json").write_text(json.dumps(events))
    publisher = subprocess.Popen(  # noqa: ASYNC220 - nothing is measured yet
        [sys.executable, __file__, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment(),
    )
    assert publisher.stdin is not None
    assert publisher.stdout is not None
    publisher.stdout.readline()  # it is ready

    async def both() -> None:
        publisher.stdin.write(b"go\n")
        publisher.stdin.flush()
        await bus.all_acknowledged()

    found = await rate(both())
    publisher.communicate()
    await bus.store.close()
    return found


async def publisher(folder: Path) -> None:
    """What the other process does."""
    events = json.loads((folder / "events.json").read_text())
    bus = Bus(folder, [])
    print("ready", flush=True)
    sys.stdin.readline()
    await append_all(bus.store, events)
    await bus.store.close()


WAYS: dict[str, Callable[[Path, Sequence[Json], Sequence[Json]], Awaitable[float]]] = {
    "append alone, events/s": append_alone,
    "deliver alone, events/s": deliver_alone,
    "pipeline, events/s": pipeline,
    "pipeline in two processes, events/s": two_processes,
    "hand-over and acknowledgement alone, events/s": hand_over_alone,
}


def main() -> None:
    """Measures and publishes."""
    draw = random.Random(SEED)
    patterns = narrow_rules(draw)
    index = index_of(patterns)
    events = lonely_events(draw, index)
    told: dict[str, list[float]] = {name: [] for name in ("match alone, events/s", *WAYS)}
    for _ in range(ROUNDS + 1):
        told["match alone, events/s"].append(match_alone(index, events))
        for name, way in WAYS.items():
            with tempfile.TemporaryDirectory(dir=HERE) as folder:
                told[name].append(asyncio.run(way(Path(folder), patterns, events)))
    # The first round warms all.
    speed = {name: statistics.median(values[1:]) for name, values in told.items()}
    slowest = min(speed[f"{stage} alone, events/s"] for stage in ("append", "match", "deliver"))
    whole, apart = speed["pipeline, events/s"], speed["pipeline in two processes, events/s"]
    bare = speed["hand-over and acknowledgement alone, events/s"]
    publish(
        "event_pipeline",
        [Ratio("1,000 rules: pipeline ÷ its slowest stage", whole / slowest, 0.7, True, speed)],
    )
    print("For information, without a target:")
    print(f"    two processes ÷ slowest stage: {apart / slowest:.2f}")
    print(f"    pipeline ÷ hand-over and acknowledgement alone: {whole / bare:.2f}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(publisher(Path(sys.argv[1])))
    else:
        main()
