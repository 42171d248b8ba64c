"""Turns: who may run a statement now, so that nobody takes all there is.

A few statements run at once. They are handed out over those who wait, one to each in turn, however
many statements each has sent. Nobody runs more than his share, and nobody takes the last free place
beside one that he has: that one is for whoever has none.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from meshplane.kit.errors import Unavailable

MOST_AT_ONCE = 2
PLACES = 4
_WAIT_SECONDS = 30.0
_MOST_WAITING = 50


class Turns:
    """Hands out places to actors, round about.

    Args:
        most_at_once: how many statements one actor runs at once.
        places: how many run at once in all.
        most_waiting: how many more of one actor may wait.
        wait_seconds: how long one waits.
    """

    def __init__(
        self,
        most_at_once: int = MOST_AT_ONCE,
        places: int = PLACES,
        *,
        most_waiting: int = _MOST_WAITING,
        wait_seconds: float = _WAIT_SECONDS,
    ) -> None:
        self._most_at_once = most_at_once
        self._most_waiting = most_waiting
        self._wait_seconds = wait_seconds
        self._free = places
        self._running: dict[str, int] = {}
        # The actor whose turn is next comes first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, actor: str) -> AsyncIterator[None]:
        """Holds a turn of this actor.

        Raises:
            Unavailable: QUERY_BUSY, his other statements, or those of all, did not end in time, or
                too many of his wait already.
        """
        await self._take(actor)
        try:
            yield
        finally:
            self._give_back(actor)

    async def _take(self, actor: str) -> None:
        queue = self._waiting.setdefault(actor, deque())
        if len(queue) >= self._most_waiting:
            raise _busy(f"{len(queue)} of your statements wait already: send fewer at once.")
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._hand_out()
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except BaseException as error:
            self._leave(actor, turn)
            if isinstance(error, TimeoutError):
                raise self._busy_for(actor) from None
            raise

    def _leave(self, actor: str, turn: asyncio.Future[None]) -> None:
        """Whoever waited goes away, perhaps at the moment in which his turn came."""
        if turn.done() and not turn.cancelled():
            self._give_back(actor)
            return
        queue = self._waiting.get(actor)
        if queue is not None and turn in queue:
            queue.remove(turn)
            if not queue:
                del self._waiting[actor]

    def _give_back(self, actor: str) -> None:
        self._free += 1
        self._running[actor] -= 1
        if not self._running[actor]:
            del self._running[actor]
        self._hand_out()

    def _hand_out(self) -> None:
        handed = 1
        while handed:  # one to each at a time
            handed = sum(self._hand_to(actor) for actor in list(self._waiting))

    def _hand_to(self, actor: str) -> bool:
        """Gives the actor one turn, if he may have one, and puts him at the end of the line."""
        if not self._may_run(actor):
            return False
        queue = self._waiting.pop(actor)
        turn = queue.popleft()
        if queue:
            self._waiting[actor] = queue
        if turn.done():  # cancelled; who waited for it has not come to say so yet
            return True
        self._free -= 1
        self._running[actor] = self._running.get(actor, 0) + 1
        turn.set_result(None)
        return True

    def _may_run(self, actor: str) -> bool:
        held = self._running.get(actor, 0)
        return held < self._most_at_once and self._free > min(held, 1)

    def _busy_for(self, actor: str) -> Unavailable:
        held = self._running.get(actor, 0)
        if held:
            return _busy(f"You run {held} statements already: wait for one to end.")
        return _busy("Too many statements run at this moment. Try again.")


def _busy(message: str) -> Unavailable:
    return Unavailable("QUERY_BUSY", message)
