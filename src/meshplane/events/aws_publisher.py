"""The publisher: puts the events of the outbox on the bus of EventBridge.

outbox page → entries → `PutEvents` in tens → the entries that failed, again → the publisher's place
in one commit. Another request is only sent when all entries of the one before were taken, so what
EventBridge accepts, it gets in the order of the outbox. Of several processes one publishes, as long
as its lease in the row of the place lasts, so that each event is not sent by all of them. A kill or
a lost answer between the request and the commit sends entries again: at least once. Consumers know
a repetition by the event's id among `resources`.
"""

import asyncio
import hashlib
import random
from collections.abc import Sequence
from contextlib import suppress
from logging import DEBUG, WARNING
from typing import Any, Protocol

import orjson

from meshplane.events.aws_entries import LARGEST_ENTRY_BYTES, Entry, entry_of, requests_of
from meshplane.events.dead_letters import NOT_RETRYABLE, Failure, write_dead_letter
from meshplane.events.lane import CURSORS, CursorMoved
from meshplane.kit.clock import Clock, from_text
from meshplane.kit.errors import MeshplaneError
from meshplane.kit.ids import random_hex
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

PLACE = "meshplane.eventbridge"
"""The name of the publisher's place among those of consumers."""

DEAD_LETTER_QUEUE = "eventbridge"
"""Where the dead letters of events lie that EventBridge refuses."""

_PAGE = 200
_IDLE_SECONDS = 0.25
_SKIP_AT_LEAST = 1000
_LEASE_SECONDS = 15.0
_LEASE_LEFT_SECONDS = 5.0
_MOST_TRIES = 8
_FIRST_WAIT_SECONDS = 0.1
_LONGEST_WAIT_SECONDS = 10.0
_FOREIGN_SOURCE = "aws."
"""Events of AWS itself came from there, and nobody else may put them on a bus."""

_REFUSED = frozenset(
    {"InvalidArgument", "MalformedDetail", "NotAuthorizedForSourceException", "InvalidParameter"}
)
"""What an entry's `ErrorCode` says when the same entry would be refused again."""


class Spill(Protocol):
    """Keeps what is too large for the bus."""

    async def keep(self, event: StoredEvent, detail: bytes) -> str:
        """Stores an event's detail; where it is now, as a URI.

        Args:
            event: whose detail; the same one may come again, and goes to the same place.
            detail: JSON.
        """
        ...


class S3Spill:
    """Keeps details in a bucket; see `Spill`.

    Args:
        aws: calls S3.
        bucket: its lifecycle removes them when archives have forgotten their events.
        prefix: of the keys.
    """

    def __init__(self, aws: Aws, bucket: str, prefix: str = "events/") -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix

    async def keep(self, event: StoredEvent, detail: bytes) -> str:
        """See `Spill.keep`."""
        key = f"{self._prefix}{event.event_id}.json"
        await self._aws.call(
            "s3",
            "put_object",
            Bucket=self._bucket,
            Key=key,
            Body=detail,
            ContentType="application/json",
        )
        return f"s3://{self._bucket}/{key}"


class EventBridgePublisher:
    """Puts events on the bus until it is stopped.

    Args:
        store: holds the outbox, and the publisher's place.
        aws: calls EventBridge.
        bus: the name or ARN of the bus; `EventBridgeRules.apply` makes it.
        clock: the present.
        spill: keeps details that are too large; without it they go to the dead letters.
        largest_entry_bytes: from where on that is.
        first_wait_seconds: before failed entries are sent again; it doubles with each time.
    """

    def __init__(
        self,
        store: Store,
        aws: Aws,
        bus: str,
        clock: Clock,
        *,
        spill: Spill | None = None,
        largest_entry_bytes: int = LARGEST_ENTRY_BYTES,
        first_wait_seconds: float = _FIRST_WAIT_SECONDS,
    ) -> None:
        self._store = store
        self._aws = aws
        self._bus = bus
        self._clock = clock
        self._spill = spill
        self._largest_entry_bytes = largest_entry_bytes
        self._first_wait_seconds = first_wait_seconds
        self._read = 0
        self._kept = 0
        self._version = ABSENT
        self._owner = random_hex(16)
        self._lease_until = 0.0
        self._trouble = Trouble("publisher_waits", "publisher_goes_on")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="eventbridge-publisher")

    async def stop(self) -> None:
        """Ends; what was not committed is sent again at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        with suppress(MeshplaneError):
            await self._release()

    async def run_due(self) -> None:
        """Sends what the outbox holds now, without `start`.

        Raises:
            AwsRejected: EventBridge refuses the request as a whole.
            AwsUnavailable: it does not answer, or keeps failing entries.
        """
        await self._load()
        try:
            while await self._page():
                continue
        finally:
            await self._release()

    async def _run(self) -> None:
        while True:
            try:
                await self._load()
                while True:
                    found_some = await self._page()
                    self._trouble.over()
                    if not found_some:
                        patience_seconds = self._store.stillness.seconds(_IDLE_SECONDS, ())
                        await self._store.wait_for_events(None, self._read, patience_seconds)
            except CursorMoved:
                # Another process publishes: this one looks from time to time whether it still does.
                log(DEBUG, "cursor_moved_elsewhere")
                await asyncio.sleep(_IDLE_SECONDS)
            except Exception as error:  # noqa: BLE001 - nothing may end the delivery for good
                # Events wait in the outbox until EventBridge, or the store, is there again.
                self._trouble.met(error)
                await asyncio.sleep(_IDLE_SECONDS)

    async def _load(self) -> None:
        row = await self._store.begin().get(CURSORS, PLACE)
        self._kept = self._read = row.item["position"] if row else 0
        self._version = row.version if row else ABSENT
        self._lease_until = 0.0
        if row is not None and row.item.get("owner") == self._owner:
            self._lease_until = row.item["leaseUntil"]

    async def _own(self) -> None:
        """Makes sure that this process is the one that publishes for some time.

        Raises:
            CursorMoved: another one is.
        """
        now = self._clock.now().timestamp()
        if self._lease_until - now >= _LEASE_LEFT_SECONDS:
            return
        row = await self._store.begin().get(CURSORS, PLACE)
        is_own = row is None or row.item.get("owner") in (None, self._owner)
        if (row.version if row else ABSENT) != self._version or not (
            is_own or (row is not None and row.item["leaseUntil"] <= now)
        ):
            raise CursorMoved("CURSOR_MOVED", "Another process publishes.")
        await self._keep(self._store.begin(), self._kept, now + _LEASE_SECONDS)

    async def _release(self) -> None:
        """Lets another process publish at once."""
        if self._lease_until > 0:
            with suppress(CursorMoved):
                await self._keep(self._store.begin(), self._kept, 0.0)

    async def _keep(self, work: UnitOfWork, position: int, lease_until: float) -> None:
        """Commits the place and the lease, with what else `work` holds."""
        work.put(
            CURSORS,
            {
                "consumer": PLACE,
                "position": position,
                "owner": self._owner,
                "leaseUntil": lease_until,
            },
            expected=self._version,
            otherwise=CursorMoved("CURSOR_MOVED", "Another process published it."),
        )
        await work.commit()
        self._kept, self._version = position, self._version + 1
        self._lease_until = lease_until

    async def _page(self) -> bool:
        """Sends one page; whether there was one."""
        events = await self._store.events_after(self._read, _PAGE)
        if not events:
            return False
        await self._own()
        work = self._store.begin()
        entries: list[Entry] = []
        buried = 0
        for event in events:
            if event.source.startswith(_FOREIGN_SOURCE):
                continue
            entry = await self._entry(event)
            if entry.size_bytes > self._largest_entry_bytes:
                self._bury(work, event, _too_large(self._largest_entry_bytes))
                buried += 1
                continue
            entries.append(entry)
        reached = self._read
        try:
            for request in requests_of(entries):
                for entry, failure in await self._send(request):
                    self._bury(work, entry.event, failure)
                reached = request[-1].event.sequence
        except MeshplaneError:
            # What was taken need not be sent again.
            await self._move(work, reached, reached > self._read)
            raise
        await self._move(work, events[-1].sequence, bool(entries) or buried > 0)
        return True

    async def _entry(self, event: StoredEvent) -> Entry:
        entry = entry_of(event, self._bus)
        if entry.size_bytes <= self._largest_entry_bytes or self._spill is None:
            return entry
        detail = orjson.dumps(event.detail)
        place = await self._spill.keep(event, detail)
        told = {
            "spilledTo": place,
            "bytes": len(detail),
            "sha256": hashlib.sha256(detail).hexdigest(),
        }
        return entry_of(event, self._bus, told)

    async def _send(self, request: Sequence[Entry]) -> list[tuple[Entry, Failure]]:
        """Sends entries until each is taken or refused; those that were refused."""
        left: list[Entry] = list(request)
        refused: list[tuple[Entry, Failure]] = []
        for number in range(_MOST_TRIES):
            answer = await self._aws.call(
                "events", "put_events", Entries=[entry.parameters for entry in left]
            )
            if not answer.get("FailedEntryCount"):
                return refused
            again = []
            for entry, result in zip(left, answer["Entries"], strict=True):
                code = result.get("ErrorCode")
                if code in _REFUSED:
                    refused.append((entry, _refusal(code)))
                elif code:
                    again.append(entry)
            if not again:
                return refused
            left = again
            wait = min(_LONGEST_WAIT_SECONDS, self._first_wait_seconds * 2**number)
            # Full jitter: the publishers of several meshes share an account's quota.
            await asyncio.sleep(wait * random.random())  # noqa: S311 - not for secrets
        raise _busy()

    async def _move(self, work: UnitOfWork, reached: int, must: bool) -> None:
        if must or reached - self._kept >= _SKIP_AT_LEAST:
            until = self._clock.now().timestamp() + _LEASE_SECONDS
            await self._keep(work, reached, until)
        self._read = reached

    def _bury(self, work: UnitOfWork, event: StoredEvent, failure: Failure) -> None:
        write_dead_letter(
            work,
            queue=f"consumer:{PLACE}",
            message_id=event.event_id,
            failure=failure,
            exhausted_limit=NOT_RETRYABLE,
            attempts=1,
            now=self._clock.now(),
            sent_at=from_text(event.time),
            back=None,
            origin=_origin(event),
            dead_letter_queue=DEAD_LETTER_QUEUE,
        )
        log(WARNING, "event_not_published", event_id=event.event_id, code=failure.code)


def _origin(event: StoredEvent) -> dict[str, Any]:
    return {"eventId": event.event_id, "eventType": event.type, "hops": event.hops}


def _too_large(limit: int) -> Failure:
    return Failure(
        "EVENT_TOO_LARGE",
        f"An event for EventBridge has at most {limit} bytes: name a bucket for larger ones, or "
        "tell where the data lies in place of the data.",
    )


def _refusal(code: str) -> Failure:
    return Failure("EVENT_REFUSED", f"EventBridge refused the event: {code}.")


def _busy() -> AwsUnavailable:
    return AwsUnavailable("events", "put_events", "entries fail", may_have_happened=True)
