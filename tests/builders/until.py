"""Waiting for something that another task brings about."""

import asyncio
from collections.abc import Awaitable, Callable

_STEP_SECONDS = 0.005


async def until(holds: Callable[[], Awaitable[object]], timeout_seconds: float = 10.0) -> None:
    """Returns when `holds` gives something true; raises TimeoutError if that takes too long."""
    async with asyncio.timeout(timeout_seconds):
        while not await holds():  # noqa: ASYNC110 - what is waited for lies in a store
            await asyncio.sleep(_STEP_SECONDS)
