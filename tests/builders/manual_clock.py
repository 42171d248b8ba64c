"""A clock that stands still until a test moves it; then those who sleep on it wake."""

import asyncio
import datetime as dt

from meshplane.kit.clock import FixedClock
from tests.builders.stores import NOON


class ManualClock(FixedClock):
    """Time by hand: see `Timepiece`."""

    def __init__(self, instant: dt.datetime = NOON) -> None:
        super().__init__(instant)
        self._sleepers: dict[asyncio.Future[None], dt.datetime] = {}

    async def sleep(self, seconds: float) -> None:
        """Returns when the clock was moved by that much."""
        sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._sleepers[sleeper] = self.now() + dt.timedelta(seconds=max(seconds, 0.0))
        self._wake()
        try:
            await sleeper
        finally:
            self._sleepers.pop(sleeper, None)

    def advance(self, seconds: float) -> None:
        """Moves it forward, and wakes those whose time has come."""
        super().advance(seconds)
        self._wake()

    def _wake(self) -> None:
        for sleeper, until in self._sleepers.items():
            if until <= self.now() and not sleeper.done():
                sleeper.set_result(None)
