"""Waiting for what AWS does in its own time."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.errors import AwsUnavailable

T = TypeVar("T")
_FIRST_SECONDS, _LONGEST_SECONDS, _GROWTH = 0.05, 5.0, 1.6


async def until(
    what: str,
    probe: Callable[[], Awaitable[T | None]],
    deadline_seconds: float,
    *,
    first_seconds: float = _FIRST_SECONDS,
    longest_seconds: float = _LONGEST_SECONDS,
) -> T:
    """Asks again, with growing pauses, until the probe gives something, and gives that.

    Args:
        what: what is waited for, for the error: `the domain is available`.
        probe: looks, and gives None while there is nothing yet.
        deadline_seconds: after which it is given up.
        first_seconds: the first pause.
        longest_seconds: the longest.

    Raises:
        Unavailable: AWS_TOO_SLOW, it did not come; AWS_UNAVAILABLE.
    """
    give_up = time.monotonic() + deadline_seconds
    pause = first_seconds
    while True:
        throttled = None
        try:
            found = await probe()
        except AwsUnavailable as error:
            if not error.is_throttled:
                raise
            found, throttled = None, error
        if found is not None:
            return found
        if time.monotonic() + pause > give_up:
            raise throttled or Unavailable(
                "AWS_TOO_SLOW",
                f"Waited {deadline_seconds:.0f} s until {what}, in vain. Try again later.",
            )
        await asyncio.sleep(pause)
        pause = min(pause * _GROWTH, longest_seconds)
