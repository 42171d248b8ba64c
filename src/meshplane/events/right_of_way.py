"""The right of way: requests, which somebody waits for, go before work in the background.

While a request is under way, messages and pages of events go one at a time with a pause between
them, so that they get on and yet take little from the requests. In every moment without a request,
and on a mesh with few of them that is most of the time, they go as they come.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

_LONG_SECONDS = 0.05
_LOOK_SECONDS = 0.002
_PAUSE_SECONDS = 0.025


class RightOfWay:
    """Of one process; used on its event loop alone."""

    def __init__(self) -> None:
        self._requests: dict[object, float] = {}
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._usher: asyncio.Task[None] | None = None

    @contextmanager
    def request(self) -> Iterator[None]:
        """A request is under way. One that takes long, such as a live stream, soon counts no more.

        Work in the background must not be done inside of it.
        """
        key = object()
        self._requests[key] = time.monotonic()
        try:
            yield
        finally:
            del self._requests[key]

    async def give(self) -> None:
        """Returns when a piece of work in the background may begin."""
        if not self._waiting and not self._is_taken():
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        if self._usher is None or self._usher.done():
            self._usher = asyncio.create_task(self._let_go(), name="right-of-way")
        await turn

    def _is_taken(self) -> bool:
        """Whether a request is under way; the newest tells for all."""
        if not self._requests:
            return False
        return time.monotonic() - next(reversed(self._requests.values())) < _LONG_SECONDS

    async def _let_go(self) -> None:
        """Lets those who wait go on, one after another."""
        while self._waiting:
            until = time.monotonic() + _PAUSE_SECONDS
            # A long request ceases to count without anything that one could wait for.
            while self._is_taken() and time.monotonic() < until:  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_SECONDS)
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
            # It begins before the next one is looked at, and so may a request.
            await asyncio.sleep(0)
