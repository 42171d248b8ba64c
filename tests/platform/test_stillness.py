"""Who polls the store leaves it alone while nothing moves, and is back at once when it does."""

import asyncio
import time

import pytest

from meshplane.platform.stillness import Stillness


def still() -> Stillness:
    """A store whose commits were counted, and have not moved for long enough."""
    stillness = Stillness(settled_seconds=0.05, rest_seconds=30)
    stillness.saw(7)
    time.sleep(0.06)
    stillness.saw(7)
    return stillness


async def took(stillness: Stillness, *seconds: float) -> float:
    begin = time.monotonic()
    await stillness.pause(*seconds)
    return time.monotonic() - begin


async def test_commits_that_nobody_counts__pauses_are_as_usual() -> None:
    stillness = Stillness()
    assert stillness.seconds(0.02) == 0.02
    assert await took(stillness, 0.02) < 1


async def test_commit_of_a_moment_ago__pauses_are_as_usual() -> None:
    stillness = still()
    stillness.saw(8)
    assert stillness.seconds(0.02) == 0.02


async def test_nothing_moves__pauses_are_long() -> None:
    assert still().seconds(0.02) == 30


async def test_long_pause__ends_with_the_next_commit() -> None:
    begun: list[bool] = []
    stillness = Stillness(lambda: begun.append(True), settled_seconds=0.01)
    stillness.saw(7)
    await asyncio.sleep(0.02)
    stillness.saw(7)
    pausing = asyncio.create_task(took(stillness, 0.01))
    await asyncio.sleep(0.05)
    assert stillness.is_awaited
    assert begun
    assert stillness.saw(8)
    assert await pausing < 1
    assert not stillness.is_awaited


async def test_nobody_could_look_for_long__what_moved_meanwhile_ends_the_rest_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meshplane.platform.stillness._KNOWN_SECONDS", 0.01)
    stillness = still()
    await asyncio.sleep(0.05)
    assert stillness.saw(8)


async def test_what_falls_due__ends_a_long_pause() -> None:
    assert await took(still(), 0.01, 0.02) < 1


async def test_who_is_woken__ends_his_long_pause() -> None:
    woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    pausing = asyncio.create_task(still().pause(0.01, woken=woken))
    await asyncio.sleep(0.02)
    assert not pausing.done()
    woken.set_result(None)
    await asyncio.wait_for(pausing, 1)


async def test_cancelled_pause__is_awaited_no_more() -> None:
    stillness = still()
    pausing = asyncio.create_task(stillness.pause(0.01))
    await asyncio.sleep(0.02)
    pausing.cancel()
    await asyncio.gather(pausing, return_exceptions=True)
    assert not stillness.is_awaited
