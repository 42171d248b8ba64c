"""A bus without a server: a store, its rules, and everything that moves events to targets."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshplane.events.archives import EVENT_ARCHIVES
from meshplane.events.aws_heard import HEARD_EVENTS
from meshplane.events.dead_letters import ALL
from meshplane.events.lane import CURSORS, PARKED
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.events.replays import EVENT_REPLAYS, Replays
from meshplane.events.rule_book import RuleBook, change_rules
from meshplane.events.rule_relay import RuleRelay
from meshplane.events.rules import (
    EVENT_RULES,
    RULE_GENERATIONS,
    WEBHOOK_SECRETS,
    Rule,
    Target,
    rule_item,
)
from meshplane.events.scheduler import SCHEDULE_TIMES, Scheduler
from meshplane.kit.clock import Clock, FixedClock
from meshplane.platform.events import NewEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.tables import Row
from tests.builders.stores import SINGLES, SqlitePlace

TABLES = (
    CURSORS,
    PARKED,
    MESSAGES,
    DEAD_LETTERS,
    EVENT_RULES,
    RULE_GENERATIONS,
    WEBHOOK_SECRETS,
    SCHEDULE_TIMES,
    EVENT_ARCHIVES,
    EVENT_REPLAYS,
    HEARD_EVENTS,
    SINGLES,
)


def rule(name: str, *queues: str, **more: Any) -> Rule:
    """A rule that sends to queues, by default each `ThingChanged` of source `test`."""
    if "schedule_expression" not in more:
        more.setdefault("event_pattern", {"source": ["test"]})
    targets = tuple(Target(queue, "queue", queue) for queue in queues or ("jobs",))
    return Rule(name, more.pop("targets", targets), **more)


class Process:
    """One process of a bus; several may stand on one place.

    Args:
        place: where its store lies.
        built_in: the rules that come with the product.
        running: the clock of what it runs; that of the place by default.
    """

    def __init__(
        self, place: SqlitePlace, built_in: Sequence[Rule] = (), running: Clock | None = None
    ) -> None:
        clock = running or place.clock
        self.store: SqliteStore = place.open(clock)
        self.clock: FixedClock = place.clock
        self.book = RuleBook(self.store, built_in)
        self.relay = RuleRelay(self.store, self.book, clock)
        self.scheduler = Scheduler(self.store, self.book, clock)
        self.replays = Replays(self.store, self.book, clock)

    async def put(self, *rules: Rule) -> None:
        """Writes rules as they are."""
        work = self.store.begin()
        for each in rules:
            work.put(EVENT_RULES, rule_item(each))
        change_rules(work)
        await work.commit()

    async def emit(self, *said: str, hops: int = 0, kind: str = "ThingChanged") -> None:
        """One event for each word, each in a commit of its own."""
        for word in said:
            work = self.store.begin()
            work.emit(NewEvent(kind, "test", word, {"said": word}, hops))
            await work.commit()

    async def messages(self, queue: str = "jobs") -> list[dict[str, Any]]:
        """The items of a queue's messages, in the order in which they are due."""
        page = await self.store.begin().query(MESSAGES, queue, index="byDue", limit=100_000)
        return [row.item for row in page.rows]

    async def said(self, queue: str = "jobs") -> list[str]:
        """What the events in a queue said, sorted."""
        return sorted(item["body"]["detail"]["said"] for item in await self.messages(queue))

    async def letters(self) -> list[Row]:
        """All dead letters."""
        page = await self.store.begin().query(DEAD_LETTERS, ALL, index="byTime", limit=5000)
        return list(page.rows)

    async def close(self) -> None:
        """Closes the store."""
        await self.store.close()


def place_in(folder: Path) -> SqlitePlace:
    """A place with all tables of a bus."""
    return SqlitePlace(folder, TABLES)
