"""The feed: events as they come, for many listeners at once.

One reader follows the outbox while anybody listens, and keeps the latest events. Each listener goes
at his own pace: whoever falls behind what is kept reads the outbox himself until he has caught up.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from logging import ERROR
from typing import Any

import orjson

from meshplane.events.envelope import envelope_of
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store
from meshplane.platform.telemetry import log

_KEPT = 1000
_KEPT_BYTES = 16_777_216
_HANDED_OUT_BYTES = 1_048_576
_PAGE = 200
_CATCH_UP_PAGE = 20
"""Smaller, as everybody who falls behind holds a page of his own."""

_IDLE_SECONDS = 0.25


class Told:
    """An event with what all listeners need of it, made once.

    Args:
        event: from the outbox.
    """

    __slots__ = ("_text", "envelope", "sequence", "type")

    def __init__(self, event: StoredEvent) -> None:
        self.sequence = event.sequence
        self.type = event.type
        self.envelope: dict[str, Any] = envelope_of(event)
        self._text: bytes | None = None

    @property
    def text(self) -> bytes:
        """As a server-sent event (HTML standard, section 9.2.5): id, name and envelope."""
        if self._text is None:
            # The name of an event ends at its line's end; an envelope in JSON has one line.
            name = " ".join(self.type.split())
            head = f"id: {self.sequence}\nevent: {name}\ndata: ".encode()
            self._text = head + orjson.dumps(self.envelope) + b"\n\n"
        return self._text


class EventFeed:
    """Hands out events in the order of the outbox.

    Args:
        store: holds the outbox.

    Attributes:
        ended: whether listeners should leave.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._listeners = 0
        self._reader: asyncio.Task[None] | None = None
        self._kept: deque[Told] = deque()
        # What is kept begins just after this place in the outbox, and is whole up to the other.
        self._from = 0
        self._to = 0
        self._arrived = asyncio.Event()
        self.ended = False

    def end(self) -> None:
        """Tells all listeners that there will be no more: `ended` is true from now on."""
        self.ended = True
        self._arrived.set()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """While it is entered, `after` may be called."""
        if self._reader is None:
            self._from = self._to = await self._store.last_event()
            self._reader = asyncio.create_task(self._read(), name="event-feed")
        self._listeners += 1
        try:
            yield
        finally:
            self._listeners -= 1
            if not self._listeners:
                await self.close()

    async def after(self, position: int, timeout_seconds: float) -> Sequence[Told]:
        """Events just after a place in the outbox; waits for the first, and may give none.

        Args:
            position: a sequence.
            timeout_seconds: the longest wait.
        """
        if position < self._from:
            events = await self._store.events_after(position, _CATCH_UP_PAGE)
            return [Told(event) for event in events]
        if position >= self._to:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), timeout_seconds)
        if position < self._from:
            return ()
        return self._some_after(position)

    def _some_after(self, position: int) -> list[Told]:
        """The next of what is kept; not all at once, as whoever reads slowly holds on to it."""
        found: list[Told] = []
        size = 0
        for told in self._kept:
            if told.sequence > position:
                found.append(told)
                size += len(told.text)
                if size > _HANDED_OUT_BYTES:
                    break
        return found

    async def close(self) -> None:
        """Ends the reading; it begins again with the next listener."""
        reader, self._reader = self._reader, None
        self._kept.clear()
        if reader is not None:
            reader.cancel()
            with suppress(asyncio.CancelledError):
                await reader

    async def _read(self) -> None:
        while True:
            try:
                events = await self._store.events_after(self._to, _PAGE)
                if not events:
                    patience_seconds = self._store.stillness.seconds(_IDLE_SECONDS, ())
                    await self._store.wait_for_events(None, self._to, patience_seconds)
                    continue
            except Exception as error:  # noqa: BLE001 - listeners stay, and the outbox comes back
                log(ERROR, "event_feed_waits", exc_info=error)
                await asyncio.sleep(_IDLE_SECONDS)
                continue
            self._kept.extend(Told(event) for event in events)
            self._to = events[-1].sequence
            size = sum(len(told.text) for told in self._kept)
            while len(self._kept) > _KEPT or size > _KEPT_BYTES:
                gone = self._kept.popleft()
                self._from, size = gone.sequence, size - len(gone.text)
            arrived, self._arrived = self._arrived, asyncio.Event()
            arrived.set()
            await asyncio.sleep(0)
