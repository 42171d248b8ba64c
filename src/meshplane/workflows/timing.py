"""Time for those who wait: a clock that can also be slept on.

A test gives one that it moves by hand, and a week passes at once.
"""

import asyncio
from datetime import UTC, datetime
from typing import Protocol

from meshplane.kit.clock import Clock

_LONGEST_SLEEP_SECONDS = 3600.0


class Timepiece(Clock, Protocol):
    """Tells the time, and wakes sleepers."""

    async def sleep(self, seconds: float) -> None:
        """Returns when that much of its own time has passed, or a little later."""
        ...


class SystemTimepiece:
    """The time of this machine."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        """Returns after that many seconds, at most an hour: clocks are set while one sleeps."""
        await asyncio.sleep(min(max(seconds, 0.0), _LONGEST_SLEEP_SECONDS))
