"""Reading the outbox and the audit trail, and waiting for events."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_head import Head
from meshplane.platform.aws.dynamodb_moves import Moves
from meshplane.platform.aws.dynamodb_records import (
    Record,
    entries_of,
    last_of_partition,
    partition_of,
)
from meshplane.platform.events import StoredEvent
from meshplane.platform.stillness import Stillness
from meshplane.platform.trouble import Trouble

_AUDIT_PAGE = 1000
# DynamoDB takes 4 KB of expression; more types than this are looked for without its help.
_MOST_TYPES_FILTERED = 50


class Logs:
    """The two logs that units of work write.

    Args:
        reading: of the mesh's tables.
        head: gives the head of the log.
        in_flight: returns once this process's present commit has ended.
        poll_seconds: how often it is looked for events of other processes while somebody waits.
    """

    def __init__(
        self,
        reading: Reading,
        head: Callable[[], Awaitable[Head]],
        in_flight: Callable[[], Awaitable[None]],
        poll_seconds: float,
    ) -> None:
        self._reading, self._head, self._poll_seconds = reading, head, poll_seconds
        self.stillness = Stillness(self._begin_polling)
        self._moves = Moves(reading, in_flight)
        self._counted: int | None = None
        self._trouble = Trouble("events_not_polled", "events_polled_again")
        self._waiters: dict[asyncio.Future[None], frozenset[str] | None] = {}
        self._poller: asyncio.Task[None] | None = None
        self._polled_first: asyncio.Future[None]
        # How far this process knows the outbox, and how far it has told of it.
        self._seen = self._polled = 0

    async def events_after(self, sequence: int, limit: int) -> list[StoredEvent]:
        """See `Store.events_after`."""
        found = await self._entries("Outbox", "events", sequence, limit)
        return [StoredEvent(place, *entry) for place, entry in found]

    async def events_of(
        self, types: frozenset[str], after: int, limit: int
    ) -> tuple[list[StoredEvent], int]:
        """See `Store.events_of`."""
        last = (await self._head()).events
        found: list[StoredEvent] = []
        place = after + 1
        while types and place <= last and len(found) < limit:
            upto = last_of_partition(place)
            part = partition_of("events", place)
            async for page in self._reading.log_items(
                "Outbox", part, place, upto, filtered=_of_types(types)
            ):
                found += [
                    StoredEvent(at, *entry)
                    for chunk in page
                    for at, entry in entries_of(chunk)
                    if after < at <= last and entry[1] in types
                ]
                if len(found) >= limit:
                    break
            place = upto + 1
        found = found[:limit]
        return found, found[-1].sequence if len(found) == limit and found else max(after, last)

    async def event_place(self, event_id: str) -> int | None:
        """See `Store.event_place`. The newest are looked through first."""
        place = (await self._head()).events
        wanted = {
            "FilterExpression": "contains(ids, :id)",
            "ExpressionAttributeValues": {":id": {"S": event_id}},
        }
        while place > 0:
            first = last_of_partition(place) - 999
            part = partition_of("events", place)
            async for page in self._reading.log_items("Outbox", part, first, filtered=wanted):
                for chunk in page:
                    for at, entry in entries_of(chunk):
                        if entry[0] == event_id:
                            return at
            place = first - 1
        return None

    async def audit_after(self, sequence: int, limit: int) -> list[tuple[int, bytes, str]]:
        """See `Store.audit_after`."""
        found = await self._entries("AuditTrail", "audit", sequence, limit)
        return [(place, body.encode(), digest) for place, (digest, body) in found]

    async def audit_lines(self) -> AsyncIterator[tuple[int, bytes, str]]:
        """See `Store.audit_lines`."""
        # From the very first place that can be: whoever slips a record in before it is found.
        position = -(2**63)
        while page := await self.audit_after(position, _AUDIT_PAGE):
            for line in page:
                yield line
            position = page[-1][0]

    async def wait(self, types: frozenset[str] | None, after: int, timeout_seconds: float) -> None:
        """See `Store.wait_for_events`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = types
        try:
            await self._polling()
            # Past what is known, the poller or a commit will tell.
            # What is known may be one too many, so the log itself is asked.
            if after < self._seen and await self._has_after(types, after):
                return
            await asyncio.wait([waiter], timeout=timeout_seconds)
        finally:
            del self._waiters[waiter]

    async def _has_after(self, types: frozenset[str] | None, after: int) -> bool:
        if types is None:
            return bool(await self.events_after(after, 1))
        return bool((await self.events_of(types, after, 1))[0])

    def wrote(self, record: Record) -> None:
        """Takes in what a commit of this process wrote."""
        self._moves.own(record.commit)
        self.stillness.wrote(key[:2] for key in record.before)

    def committed(self, types: frozenset[str], last: int | None) -> None:
        """Tells that this process committed events of these types.

        Args:
            types: of the events.
            last: the place of the newest event, if it is known.
        """
        if types:
            self._told(types)
            # Who comes to wait for what is before that finds it at once. Events of others among
            # them are told of when they are polled: `_polled` stays behind.
            self._seen = max(self._seen + 1 if last is None else last, self._seen)

    def _told(self, types: frozenset[str]) -> None:
        """Wakes those who wait for one of these types."""
        for waiter, wanted in self._waiters.items():
            if not waiter.done() and (wanted is None or not wanted.isdisjoint(types)):
                waiter.set_result(None)

    async def close(self) -> None:
        """Looks for events no more."""
        if self._poller is not None:
            self._poller.cancel()
            await asyncio.gather(self._poller, return_exceptions=True)

    def _begin_polling(self) -> None:
        """Has somebody look for commits of other processes."""
        if self._poller is None or self._poller.done():
            self._polled_first = asyncio.get_running_loop().create_future()
            # Nobody may be waiting for just this; whoever does is told of an error all the same.
            self._polled_first.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._poller = asyncio.create_task(self._poll(self._polled_first))

    async def _polling(self) -> None:
        """Sees to it that somebody looks for events of other processes, from a known place on."""
        self._begin_polling()
        # Whoever is cancelled while he waits must not take it from the others.
        await asyncio.shield(self._polled_first)

    async def _poll(self, polled_first: "asyncio.Future[None]") -> None:
        """Tells of what other processes commit for as long as somebody waits."""
        try:
            head = await self._head()
            await self._count(head)
        except asyncio.CancelledError:
            polled_first.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - who waits is told, and begins again
            polled_first.set_exception(error)
            await self._poll_again()
            return
        self._polled = head.events
        self._seen = max(self._seen, self._polled)
        polled_first.set_result(None)
        while self._waiters or self.stillness.is_awaited:
            await asyncio.sleep(self._poll_seconds)
            try:
                await self._tell_what_is_new()
            except Exception as error:  # noqa: BLE001 - those who rest rely on somebody looking
                self._trouble.met(error)  # the next round asks again
            else:
                self._trouble.over()

    async def _poll_again(self) -> None:
        """Has it begun anew, by and by, for those who rest: they ask nobody meanwhile."""
        if self.stillness.is_awaited:
            await asyncio.sleep(self._poll_seconds)
            self._poller = None
            self._begin_polling()

    async def _tell_what_is_new(self) -> None:
        head = await self._head()
        while self._polled < head.events:
            events = await self.events_after(self._polled, _AUDIT_PAGE)
            if not events:
                break  # the log was set back, such as by a restore
            self._polled = events[-1].sequence
            self._seen = max(self._seen, self._polled)
            self._told(frozenset(event.type for event in events))
        await self._count(head)

    async def _count(self, head: Head) -> None:
        """Tells those who rest what was written since the last time."""
        written = None
        if self._counted is not None:
            written = await self._moves.between(self._counted, head.commit)
        self._counted = head.commit
        self.stillness.saw(head.commit, written)

    async def _entries(
        self, table: str, name: str, after: int, limit: int
    ) -> Sequence[tuple[int, Any]]:
        """Up to `limit` entries after a place."""
        found: list[tuple[int, Any]] = []
        place = after + 1
        while len(found) < limit:
            last = place - 1
            async for page in self._reading.log_items(
                table, partition_of(name, place), place, most=limit - len(found)
            ):
                entries = [entry for chunk in page for entry in entries_of(chunk)]
                found += [entry for entry in entries if entry[0] > after]
                last = max([last, *(at for at, _ in entries)])
                if len(found) >= limit:
                    break
            # There are no gaps: where the last place of a partition is free, the log ends.
            if last < last_of_partition(place):
                break
            place = last + 1
        return found[:limit]


def _of_types(types: frozenset[str]) -> dict[str, Any]:
    """The filter of chunks that hold events of these types, and of others perhaps."""
    if len(types) > _MOST_TYPES_FILTERED:
        return {}
    names = {f":type{number}": {"S": each} for number, each in enumerate(sorted(types))}
    return {
        "FilterExpression": " OR ".join(f"contains(#types, {name})" for name in names),
        "ExpressionAttributeNames": {"#types": "types"},
        "ExpressionAttributeValues": names,
    }
