"""How long those who ask the store again and again may leave it alone.

Every commit of every process moves one number in the store. Whoever polls for what other processes
wrote need not ask for it while that number stands still. So one small read does for all of them.
"""

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

REST_SECONDS = 30.0
"""The longest pause while nothing moves: a net for what nobody has thought of."""

SETTLED_SECONDS = 10.0
"""How long nothing must have moved before pauses grow: an index may show a commit that late."""

_KNOWN_SECONDS = 5.0


class Stillness:
    """Of a store. Where nobody counts its commits, every pause is as long as usual.

    Args:
        begin_counting: has `saw` called from time to time for as long as `is_awaited`; called
            often.
        settled_seconds: how long nothing must have moved before pauses grow.
        rest_seconds: how long they are then.
    """

    def __init__(
        self,
        begin_counting: Callable[[], object] = lambda: None,
        *,
        settled_seconds: float = SETTLED_SECONDS,
        rest_seconds: float = REST_SECONDS,
    ) -> None:
        self._begin_counting = begin_counting
        self.settled_seconds, self.rest_seconds = settled_seconds, rest_seconds
        self._commits: int | None = None
        self._saw_at = self._moved_at = -math.inf
        self._resting: set[asyncio.Future[None]] = set()

    @property
    def is_awaited(self) -> bool:
        """Whether somebody rests until something moves."""
        return bool(self._resting)

    def saw(self, commits: int) -> bool:
        """Takes in how many commits there are by now; whether that ended a rest."""
        now = time.monotonic()
        # However long nobody could look: somebody may have begun to rest before that.
        was_still = self._commits is not None and now - self._moved_at > self.settled_seconds
        self._saw_at = now
        if commits == self._commits:
            return False
        self._commits, self._moved_at = commits, now
        for one in self._resting:
            if not one.done():
                one.set_result(None)
        return was_still

    def seconds(self, usual_seconds: float) -> float:
        """How long to pause now: as usual, or longer while nothing moves."""
        if self._is_still(time.monotonic()):
            return max(usual_seconds, self.rest_seconds)
        return usual_seconds

    async def pause(
        self,
        usual_seconds: float,
        most_seconds: float = math.inf,
        *,
        woken: asyncio.Future[Any] | None = None,
    ) -> None:
        """Waits as one who polls does.

        To be called after a look that found nothing and took less than `settled_seconds`: what is
        committed from the beginning of that look on ends the pause, or keeps it as short as usual.

        Args:
            usual_seconds: between two looks while anything moves.
            most_seconds: until something falls due that is known already.
            woken: ends the pause as well.
        """
        seconds = self.seconds(usual_seconds)
        moved: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if seconds > usual_seconds:
            self._resting.add(moved)
            self._begin_counting()
        waits = [moved] if woken is None else [moved, woken]
        try:
            await asyncio.wait(
                waits,
                timeout=max(0.0, min(seconds, most_seconds)),
                return_when=asyncio.FIRST_COMPLETED,
            )
        finally:
            self._resting.discard(moved)

    def _is_still(self, now: float) -> bool:
        is_known = now - self._saw_at < _KNOWN_SECONDS
        return is_known and now - self._moved_at > self.settled_seconds
