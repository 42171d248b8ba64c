"""Turns: how many statements one person may run at once, so that nobody takes all there are."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meshplane.kit.errors import Unavailable

MOST_AT_ONCE = 2
_WAIT_SECONDS = 30.0


class Turns:
    """Lets each actor run a few statements at once; more of his wait for these."""

    def __init__(self, most_at_once: int = MOST_AT_ONCE) -> None:
        self._most_at_once = most_at_once
        self._of: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def of(self, actor: str) -> AsyncIterator[None]:
        """Holds a turn of this actor.

        Raises:
            Unavailable: QUERY_BUSY, his other statements did not end in 30 seconds.
        """
        turns, users = self._of.get(actor, (asyncio.Semaphore(self._most_at_once), 0))
        self._of[actor] = (turns, users + 1)
        try:
            try:
                async with asyncio.timeout(_WAIT_SECONDS):
                    await turns.acquire()
            except TimeoutError:
                raise Unavailable(
                    "QUERY_BUSY",
                    f"You run {self._most_at_once} statements already: wait for one to end.",
                ) from None
            try:
                yield
            finally:
                turns.release()
        finally:
            turns, users = self._of[actor]
            if users == 1:
                del self._of[actor]
            else:
                self._of[actor] = (turns, users - 1)
