"""An answer that is sent while the statement still runs.

The first part of an answer is kept back: one that is small is sent whole, with its counts in
headers, and an error is an error. A larger one is sent as it comes, a few pieces in memory at a
time, and the statement waits for its reader, within its own time. When it fails after its first
byte, the connection ends before the answer does: the transfer is left without its end, and the
Arrow stream without its end-of-stream marker, so that nobody takes it for whole.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from meshplane.boundary.operation import ARROW_STREAM

KEPT_BACK_BYTES = 4 * 1024 * 1024
_PIECES_AHEAD = 2


class Spill:
    """The body of an answer between the statement that makes it and the client that reads it.

    Args:
        kept_back_bytes: how much is kept before anything is sent.
    """

    def __init__(self, kept_back_bytes: int = KEPT_BACK_BYTES) -> None:
        self._most = kept_back_bytes
        self._kept: list[bytes] = []
        self._ahead: asyncio.Queue[bytes | None] = asyncio.Queue(_PIECES_AHEAD)
        self._drained = asyncio.Event()
        self.overflowed = asyncio.Event()
        self.size = 0

    async def take(self, piece: bytes) -> None:
        """Takes the next piece; waits while the reader has enough before him."""
        self.size += len(piece)
        if self.overflowed.is_set():
            await self._ahead.put(piece)
            return
        self._kept.append(piece)
        if self.size > self._most:
            self.overflowed.set()

    def whole(self) -> bytes:
        """The body, of an answer that did not overflow."""
        return b"".join(self._kept)

    async def end(self) -> None:
        """Says that there are no more pieces, and waits until all of an overflow are read."""
        if self.overflowed.is_set():
            await self._ahead.put(None)
            await self._drained.wait()

    async def pieces(self) -> AsyncIterator[bytes]:
        """The pieces of an overflow, as they come; each is let go of when it has been read."""
        self._kept.reverse()
        while self._kept:
            yield self._kept.pop()
        while (piece := await self._ahead.get()) is not None:
            yield piece
        self._drained.set()


class LiveResponse(Response):
    """An Arrow stream that is still being made.

    Args:
        spill: its body.
        making: the statement, which ends when all of it has been read; cancelled when the client
            hangs up.
        finish: called when it is over, whichever way; given the error with which it ended.
        headers: of the answer.
    """

    def __init__(
        self,
        spill: Spill,
        making: "asyncio.Task[Any]",
        finish: Callable[[BaseException | None], Awaitable[None]],
        headers: Mapping[str, str],
    ) -> None:
        super().__init__(headers=dict(headers), media_type=ARROW_STREAM)
        del self.headers["content-length"]
        del self.body  # there is none yet; whoever wants a whole body must see that
        self._spill = spill
        self._making = making
        self._finish = finish

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; returns without having ended the answer if it cannot be whole."""
        sending = asyncio.ensure_future(self._send(send))
        gone = asyncio.ensure_future(_disconnect(receive))
        every: set[asyncio.Future[Any]] = {self._making, sending, gone}
        try:
            await asyncio.wait(every, return_when=asyncio.FIRST_COMPLETED)
            if not gone.done() and not _failure(self._making) and not _failure(sending):
                # Both are about to end, or one is at the very end of its work.
                await asyncio.wait(every - {self._making}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in every:
                task.cancel()
            await asyncio.gather(*every, return_exceptions=True)
            await self._finish(_failure(self._making))

    async def _send(self, send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": list(self.raw_headers),
            }
        )
        async for piece in self._spill.pieces():
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await asyncio.wait({self._making})
        if not _failure(self._making):
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _failure(task: "asyncio.Future[Any]") -> BaseException | None:
    """What a task ended with that it should not have; None also while it goes on."""
    if not task.done():
        return None
    return asyncio.CancelledError() if task.cancelled() else task.exception()


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        continue
