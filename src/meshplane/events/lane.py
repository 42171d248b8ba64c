"""A lane: one consumer's way through the outbox, in order for each entity.

An event that fails is parked and tried again, later and later; events of the same entity queue
behind it while those of others go on. The consumer's place moves only in the commit that holds the
handler's own writes, so an effect in tables happens exactly once. After the last attempt an event
goes to the dead letters, and comes back from there when somebody redrives it. Where two processes
run the same consumer, the place's version lets one of them win, and the other goes on from there.
"""

import random
import time
from collections.abc import Callable
from logging import WARNING
from typing import Any

from meshplane.events.consumer import Consumer
from meshplane.events.dead_letters import MAXIMUM_ATTEMPTS, Failure, write_dead_letter
from meshplane.kit.clock import Clock, from_text
from meshplane.kit.errors import Stale, Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.stillness import Part
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Row, Table
from meshplane.platform.telemetry import log

CURSORS = Table("ConsumerCursors", "consumer")
PARKED = Table("ParkedEvents", "consumer", "sequence", numbers=("sequence",))

DEAD_LETTER_QUEUE = "consumers"
"""Where the dead letters of all consumers lie."""

MOST_ATTEMPTS = 185
LOOK_AGAIN_SECONDS = 1.0
"""How often parked events are looked for that others may have put there."""

_PARKED_PAGE = 1000
_FIRST_RETRY_SECONDS = 0.05
_LONGEST_RETRY_SECONDS = 300.0


class CursorMoved(Stale):
    """Another process delivered to this consumer meanwhile."""


class Lane:
    """Delivers to one consumer.

    Args:
        store: holds the cursor and the parked events.
        consumer: whom to deliver to.
        clock: for the times of retries.

    Attributes:
        position: up to where the outbox was delivered.
        looks_at: what it reads again from time to time.
    """

    def __init__(self, store: Store, consumer: Consumer, clock: Clock) -> None:
        self.consumer = consumer
        self._store = store
        self._clock = clock
        self.position = 0
        self._version = ABSENT
        self._parked: list[Row] = []
        self.looks_at: Part = (PARKED.name, consumer.name)
        self._looked_at = 0.0

    async def load(self) -> None:
        """Reads the consumer's place and its parked events from the store."""
        name = self.consumer.name
        row = await self._store.begin().get(CURSORS, name)
        if row is not None:
            self.position, self._version = row.item["position"], row.version
        self._parked = await self._read_parked()

    async def _read_parked(self) -> list[Row]:
        """All that wait to be tried again, oldest first."""
        began = time.monotonic()
        found: list[Row] = []
        cursor = None
        while True:
            page = await self._store.begin().query(
                PARKED, self.consumer.name, limit=_PARKED_PAGE, cursor=cursor
            )
            for row in page.rows:
                if row.item["attempts"] < MOST_ATTEMPTS:
                    found.append(row)
                else:
                    # Before there were dead letters, such a row stayed where it was.
                    await self._give_up(row, Failure("UNKNOWN", "Why it failed was not kept."))
            cursor = page.cursor
            if cursor is None:
                self._looked_at = began
                return found

    async def look_again(self) -> None:
        """Reads the parked events again from time to time: a redrive puts some back."""
        if self._next_look_seconds() <= 0:
            self._parked = await self._read_parked()

    async def deliver(self, event: StoredEvent) -> None:
        """Delivers one event, or parks it.

        Raises:
            CursorMoved: load again; nothing was done.
            Unavailable: the store cannot be written now.
        """
        if event.sequence <= self.position:
            return
        blocked = any(row.item["entity"] == event.entity for row in self._parked)
        if not blocked and await self._attempt(event, self._moving(event.sequence)) is None:
            self._moved(event.sequence)
            return
        work = self._store.begin()
        self._moving(event.sequence)(work)
        work.put(PARKED, self._parked_item(event, 0 if blocked else 1))
        await work.commit()
        await self.load()

    async def skip_to(self, position: int) -> None:
        """Remembers that nothing up to there is left for this consumer.

        Raises:
            CursorMoved, Unavailable: as in `deliver`.
        """
        work = self._store.begin()
        self._moving(position)(work)
        await work.commit()
        self._moved(position)

    async def retry_due(self) -> None:
        """Tries again the first parked event of each entity whose time has come."""
        now = self._clock.now().timestamp()
        due = [row for row in self._first_parked() if row.item["nextAttemptAt"] <= now]
        for row in due:
            await self._retry(row)
        if due:
            await self.load()

    @property
    def idle_seconds(self) -> float:
        """How long there is nothing to do here, as far as is known by now."""
        look_seconds, retry_at = self._next_look_seconds(), self.next_retry_epoch_seconds
        if retry_at is None:
            return look_seconds
        return min(look_seconds, retry_at - self._clock.now().timestamp())

    @property
    def next_retry_epoch_seconds(self) -> float | None:
        """When the next parked event may be tried, if any is parked."""
        return min((row.item["nextAttemptAt"] for row in self._first_parked()), default=None)

    def _next_look_seconds(self) -> float:
        """Until parked events are to be read again."""
        pause_seconds = self._store.stillness.seconds(
            LOOK_AGAIN_SECONDS, (self.looks_at,), since=self._looked_at
        )
        return self._looked_at + pause_seconds - time.monotonic()

    def _first_parked(self) -> list[Row]:
        """The oldest parked event of each entity: the others wait behind it."""
        first: dict[str, Row] = {}
        for row in self._parked:
            first.setdefault(row.item["entity"], row)
        return list(first.values())

    async def _retry(self, row: Row) -> None:
        event = StoredEvent(**row.item["event"])

        def unpark(work: UnitOfWork) -> None:
            work.delete(
                PARKED,
                self.consumer.name,
                event.sequence,
                expected=row.version,
                otherwise=CursorMoved("CURSOR_MOVED", "Another process delivered it."),
            )

        failure = await self._attempt(event, unpark)
        if failure is None:
            return
        if row.item["attempts"] + 1 >= MOST_ATTEMPTS:
            await self._give_up(row, failure)
            return
        work = self._store.begin()
        item = self._parked_item(event, row.item["attempts"] + 1)
        work.put(PARKED, item, expected=row.version)
        await work.commit()

    async def _give_up(self, row: Row, failure: Failure) -> None:
        """Moves a parked event to the dead letters."""
        event, name = StoredEvent(**row.item["event"]), self.consumer.name
        work = self._store.begin()
        write_dead_letter(
            work,
            queue=f"consumer:{name}",
            message_id=event.event_id,
            failure=failure,
            exhausted_limit=MAXIMUM_ATTEMPTS,
            attempts=MOST_ATTEMPTS,
            now=self._clock.now(),
            sent_at=from_text(event.time),
            back=row.item,
            origin={"eventId": event.event_id, "eventType": event.type, "hops": event.hops},
            dead_letter_queue=DEAD_LETTER_QUEUE,
            parked=True,
        )
        gone = CursorMoved("CURSOR_MOVED", "Another process gave it up.")
        work.delete(PARKED, name, event.sequence, expected=row.version, otherwise=gone)
        await work.commit()

    async def _attempt(
        self, event: StoredEvent, also: Callable[[UnitOfWork], None]
    ) -> Failure | None:
        """Commits the handler's work and what `also` adds; why that failed, if it did.

        Whatever the handler raises parks its event, even that a service which it calls is not to
        be had: the other consumers must not wait for that one.
        """
        work = self._store.begin(hops=event.hops)
        try:
            await self.consumer.handle(work, event)
        except Exception as error:  # noqa: BLE001 - see above
            return self._log_parked(event, error)
        also(work)
        try:
            await work.commit()
        except (CursorMoved, Unavailable):
            raise
        except Exception as error:  # noqa: BLE001 - what the handler wrote cannot be stored
            return self._log_parked(event, error)
        return None

    def _log_parked(self, event: StoredEvent, error: Exception) -> Failure:
        failure = Failure.of(error)
        log(
            WARNING,
            "event_parked",
            consumer=self.consumer.name,
            event_id=event.event_id,
            event_type=event.type,
            code=failure.code,
            error=type(error).__name__,
        )
        return failure

    def _moving(self, position: int) -> Callable[[UnitOfWork], None]:
        def move(work: UnitOfWork) -> None:
            work.put(
                CURSORS,
                {"consumer": self.consumer.name, "position": position},
                expected=self._version,
                otherwise=CursorMoved("CURSOR_MOVED", "Another process delivered it."),
            )

        return move

    def _moved(self, position: int) -> None:
        self.position, self._version = position, self._version + 1

    def _parked_item(self, event: StoredEvent, attempts: int) -> dict[str, Any]:
        wait = min(_LONGEST_RETRY_SECONDS, _FIRST_RETRY_SECONDS * 2 ** min(attempts, 20))
        # Full jitter keeps consumers that failed together from trying together.
        wait *= random.random()  # noqa: S311 - not for secrets
        return {
            "consumer": self.consumer.name,
            "sequence": event.sequence,
            "entity": event.entity,
            "attempts": attempts,
            "nextAttemptAt": self._clock.now().timestamp() + wait,
            "event": {name: getattr(event, name) for name in StoredEvent.__slots__},
        }
