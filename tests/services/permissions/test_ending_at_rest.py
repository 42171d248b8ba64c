"""Grants end in time also where nothing else goes on, and the store is left alone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from meshplane.kit.clock import SystemClock, to_text
from meshplane.platform.stillness import Stillness
from tests.builders.policy_world import SAM, PolicyWorld, policy_world

pytestmark = pytest.mark.anyio

_TABLE = {"table": {"assetId": "asset-1"}}
_ENDS_AFTER_SECONDS = 2.5


async def _count(stillness: Stillness) -> None:
    """Sees again and again that nothing moves."""
    while True:
        stillness.saw(7)
        await asyncio.sleep(0.2)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    """A world whose store tells that nothing moves."""
    async with policy_world(tmp_path, SystemClock()) as made:
        made.store.stillness = Stillness(settled_seconds=0.1)
        counting = asyncio.create_task(_count(made.store.stillness))
        await asyncio.sleep(0.5)
        yield made
        counting.cancel()
        with suppress(asyncio.CancelledError):
            await counting


async def test_grant_with_an_end__is_noted_then_and_not_at_the_next_look(
    world: PolicyWorld,
) -> None:
    assert world.store.stillness.seconds(1) > 10
    ends = world.clock.now() + timedelta(seconds=_ENDS_AFTER_SECONDS)
    await world.grant(
        SAM,
        principal="user:una@nowhere",
        resource=_TABLE,
        permissions=["SELECT"],
        expiresAt=to_text(ends),
    )
    before = {kind for kind, _ in await world.events()}
    await world.ending.start()
    try:
        while {kind for kind, _ in await world.events()} == before:
            assert world.clock.now() - ends < timedelta(seconds=3), "its end was not noted"
            await asyncio.sleep(0.05)
    finally:
        await world.ending.stop()
    assert world.clock.now() >= ends
