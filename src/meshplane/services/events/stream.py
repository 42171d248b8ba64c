"""Events as they come, as server-sent events (HTML standard, section 9.2).

Whoever may stream has been decided before; nothing is held while the stream lasts. It ends when the
client hangs up or the process stops, and after a while by itself, so that a client whose token has
ended is asked again; the client goes on with `Last-Event-ID`.
"""

import asyncio
from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from meshplane.events.feed import EventFeed, Told
from meshplane.events.patterns import Pattern
from meshplane.kit.errors import Invalid
from meshplane.platform.store import Store

HEARTBEAT_SECONDS = 15.0
LONGEST_SECONDS = 900.0
_LARGEST_PART_BYTES = 65_536
_LONGEST_ID = 80
_LONGEST_SEQUENCE = 18


class EventStream(Response):
    """An answer that goes on.

    Args:
        store: finds the place of the event that the client saw last.
        feed: hands out events.
        event_type: the only type to send; None for all.
        pattern: what the events must match; None for all.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        store: Store,
        feed: EventFeed,
        event_type: str | None,
        pattern: Pattern | None,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._store = store
        self._feed = feed
        self._event_type = event_type
        self._pattern = pattern

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Streams until the client hangs up, or the time is over."""
        request = Request(scope, receive)
        async with self._feed.listening():
            position = await self._begin(request.headers.get("last-event-id"))
            sending = asyncio.ensure_future(self._stream(send, position))
            gone = asyncio.ensure_future(_hung_up(request))
            try:
                await asyncio.wait({sending, gone}, return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
            finally:
                for task in (sending, gone):
                    task.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)

    async def _begin(self, last_event_id: str | None) -> int:
        """The place after which to begin: a sequence or an event's id, or else the present."""
        if not last_event_id:
            return await self._store.last_event()
        if last_event_id.isascii() and last_event_id.isdigit():
            if len(last_event_id) <= _LONGEST_SEQUENCE:
                return int(last_event_id)
        elif len(last_event_id) <= _LONGEST_ID:
            place = await self._store.event_place(last_event_id)
            if place is not None:
                return place
        raise Invalid(
            "LAST_EVENT_UNKNOWN",
            "Last-Event-ID is the id of no event of this mesh: leave it out to begin now.",
            field="Last-Event-ID",
        )

    async def _stream(self, send: Send, position: int) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await _send(send, _greeting(position))
        loop = asyncio.get_running_loop()
        end, quiet_since = loop.time() + LONGEST_SECONDS, loop.time()
        while loop.time() < end and not self._feed.ended:
            patience = quiet_since + HEARTBEAT_SECONDS - loop.time()
            told = await self._feed.after(position, max(0.0, patience))
            if told:
                position = told[-1].sequence
            parts = _parts(each.text for each in told if self._wants(each))
            if not parts and loop.time() - quiet_since >= HEARTBEAT_SECONDS:
                parts = [[_heartbeat(position)]]
            for part in parts:
                await _send(send, b"".join(part))
                quiet_since = loop.time()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    def _wants(self, told: Told) -> bool:
        if self._event_type not in (None, told.type):
            return False
        return self._pattern is None or self._pattern.matches(told.envelope)


def _parts(texts: Iterable[bytes]) -> list[list[bytes]]:
    """Texts that are sent together: one that is slow to read must not hold a copy of all."""
    parts: list[list[bytes]] = []
    size = _LARGEST_PART_BYTES
    for text in texts:
        if size + len(text) > _LARGEST_PART_BYTES:
            parts.append([])
            size = 0
        parts[-1].append(text)
        size += len(text)
    return parts


def _greeting(position: int) -> bytes:
    """What a stream begins with; the id says where to go on, should it break before an event."""
    return f"retry: 2000\nid: {position}\n: connected\n\n".encode()


def _heartbeat(position: int) -> bytes:
    return f"id: {position}\n: still here\n\n".encode()


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        continue
