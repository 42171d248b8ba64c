"""The bus on AWS as one part: what a process of the mesh runs in place of the embedded bus.

It replaces `RuleRelay`, `Scheduler` and `Replays`. Queues, consumers, webhooks and functions stay
as they are: `RuleMessages` fills the same embedded queues.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from logging import ERROR, WARNING

from meshplane.events.archives import EVENT_ARCHIVES, Archive, archive_of
from meshplane.events.aws import BusPlaces
from meshplane.events.aws_archives import EventBridgeArchives
from meshplane.events.aws_dead_letters import AwsDeadLetters
from meshplane.events.aws_destinations import ApiDestinations
from meshplane.events.aws_publisher import EventBridgePublisher, Spill
from meshplane.events.aws_queues import Queue, SqsReader, allow_events, ensure_queue
from meshplane.events.aws_rule_messages import RuleMessages
from meshplane.events.aws_rules import Applied, EventBridgeRules, RuleDrift
from meshplane.events.aws_schedules import EventBridgeSchedules
from meshplane.events.envelope import BUS
from meshplane.events.queues import QueueHandler
from meshplane.events.rule_book import RuleBook
from meshplane.events.rules import RULE_GENERATIONS
from meshplane.kit.clock import Clock
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.sealing import Seal
from meshplane.platform.stillness import parts
from meshplane.platform.store import Store
from meshplane.platform.telemetry import log

MESH_QUEUE, DEAD_LETTER_QUEUE = "meshplane-rules", "meshplane-dead-letters"

_LOOKS_AT = parts(RULE_GENERATIONS, EVENT_ARCHIVES)
_LOOK_SECONDS = 1.0
_REPAIR_SECONDS = 600.0
_PAGE = 200


async def ensure_queues(aws: Aws, places: BusPlaces) -> tuple[BusPlaces, Queue, Queue]:
    """Makes the mesh's queue and the dead-letter queue of the bus.

    Args:
        aws: calls SQS.
        places: its two ARNs of queues may be empty.

    Returns:
        The places with these ARNs, the mesh's queue, and the dead-letter queue.
    """
    prefix, rules = places.place.prefix, places.rule_arn("*")
    dead = await ensure_queue(
        aws,
        f"{prefix}{DEAD_LETTER_QUEUE}",
        statements=lambda arn: [allow_events(arn, [rules])],
    )
    queue = await ensure_queue(
        aws,
        f"{prefix}{MESH_QUEUE}",
        dead_letter=dead,
        statements=lambda arn: [allow_events(arn, [rules])],
    )
    return replace(places, mesh_queue_arn=queue.arn, dead_letter_arn=dead.arn), queue, dead


class EventBridgeBus:
    """Publishes, keeps rules, schedules and archives as the mesh has them, and reads its queue.

    Args:
        store: holds the outbox, the rules and the messages.
        aws: calls AWS.
        book: the rules.
        places: with the ARNs of `ensure_queues`.
        queue: the mesh's, of `ensure_queues`.
        dead_letters: the dead-letter queue, of `ensure_queues`.
        clock: the present.
        spill: keeps events that are too large.
        seal: opens the keys of webhooks.
        poll_seconds: how long one look at the queue waits.
    """

    def __init__(
        self,
        store: Store,
        aws: Aws,
        book: RuleBook,
        places: BusPlaces,
        *,
        queue: Queue,
        dead_letters: Queue,
        clock: Clock,
        spill: Spill | None = None,
        seal: Seal | None = None,
        poll_seconds: int = 20,
    ) -> None:
        self._store = store
        self._book = book
        self.publisher = EventBridgePublisher(store, aws, places.bus_name, clock, spill=spill)
        self.rules = EventBridgeRules(aws, places, ApiDestinations(aws, store, seal))
        self.schedules = EventBridgeSchedules(aws, places)
        self.archives = EventBridgeArchives(aws, places)
        self._messages = RuleMessages(store, book, places, clock)
        dead = AwsDeadLetters(store, clock)
        self._readers = [
            SqsReader(aws, at.url, handle, poll_seconds=poll_seconds)
            for at, handle in ((queue, self._messages.handle), (dead_letters, dead.handle))
        ]
        self._applied_generation: int | None = None
        self._applied_archives: list[Archive] | None = None
        self._applied_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The embedded queue that it works off: redriven messages."""
        return self._messages.queues

    async def start(self) -> None:
        """Makes the bus and the rules what they should be, and begins.

        Raises:
            AwsRejected, AwsUnavailable: AWS does not let it be made.
        """
        await self.apply()
        self.publisher.start()
        for reader in self._readers:
            reader.start()
        self._task = asyncio.create_task(self._keep(), name="eventbridge-rules")

    async def stop(self) -> None:
        """Ends; rules and schedules stay, and what they send waits in the queue."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await asyncio.gather(self.publisher.stop(), *(reader.stop() for reader in self._readers))

    async def run_due(self) -> None:
        """Applies, publishes and reads what there is now, without `start`."""
        await self.apply()
        await self.publisher.run_due()
        for reader in self._readers:
            await reader.run_due()

    async def apply(self) -> tuple[Applied, Applied]:
        """Brings rules, schedules and archives to AWS; what was done to the first two."""
        await self._book.refresh()
        generation, rules = self._book.generation, self._book.all()
        applied = await self.rules.apply(rules)
        scheduled = await self.schedules.apply(rules)
        for problem in (*applied.problems, *scheduled.problems):
            log(WARNING, "rule_refused_by_aws", rule=problem.name, code=problem.code)
        archives = await self._archives()
        await self.archives.apply(archives)
        self._applied_generation, self._applied_archives = generation, archives
        self._applied_at = time.monotonic()
        return applied, scheduled

    async def drift(self) -> list[RuleDrift]:
        """Where rules and schedules on AWS differ from the mesh's; nothing is changed."""
        await self._book.refresh()
        rules = self._book.all()
        return [*await self.rules.drift(rules), *await self.schedules.drift(rules)]

    async def _keep(self) -> None:
        """Applies after each change of a rule or an archive, and from time to time."""
        since, most_seconds = time.monotonic(), _LOOK_SECONDS
        while True:
            await self._store.stillness.pause(
                _LOOK_SECONDS, most_seconds, of=_LOOKS_AT, since=since
            )
            # Only a look that found nothing may be followed by a long pause.
            since, most_seconds = time.monotonic(), _LOOK_SECONDS
            try:
                await self._book.refresh()
                is_late = time.monotonic() - self._applied_at >= _REPAIR_SECONDS
                if (
                    is_late
                    or self._book.generation != self._applied_generation
                    or await self._archives() != self._applied_archives
                ):
                    await self.apply()
                else:
                    most_seconds = math.inf
            except MeshplaneError as error:
                log(WARNING, "bus_not_applied", code=error.code)
            except Exception as error:  # noqa: BLE001 - nothing may end it for good
                log(ERROR, "bus_not_applied", exc_info=error)

    async def _archives(self) -> list[Archive]:
        found: Sequence[Archive] = ()
        cursor = None
        while True:
            page = await self._store.begin().query(EVENT_ARCHIVES, BUS, limit=_PAGE, cursor=cursor)
            found = (*found, *(archive_of(row) for row in page.rows))
            cursor = page.cursor
            if cursor is None:
                return list(found)
