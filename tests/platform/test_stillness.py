"""Who polls the store leaves it alone while nothing moves, and is back at once when it does."""

import asyncio
import time

import pytest

from meshplane.platform.stillness import Part, Stillness


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
    stillness.saw(8)
    assert await pausing < 1
    assert not stillness.is_awaited


async def test_nobody_could_look_for_long__what_moved_meanwhile_ends_the_rest_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("meshplane.platform.stillness._KNOWN_SECONDS", 0.01)
    stillness = still()
    pausing = asyncio.create_task(took(stillness, 0.001))
    await asyncio.sleep(0.05)
    assert stillness.seconds(0.02) == 0.02
    assert not pausing.done()
    stillness.saw(8)
    assert await pausing < 1


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


JOBS: Part = ("Messages", "jobs")
OTHER_JOBS: Part = ("Messages", "others")
TIMES: Part = ("ScheduleTimes", None)


async def test_others_write_something_else__pauses_are_long() -> None:
    stillness = still()
    stillness.saw(8, {OTHER_JOBS, ("Grants", "g1")})
    assert stillness.seconds(0.02) == 0.02
    assert stillness.seconds(0.02, [JOBS, TIMES]) == 30
    assert stillness.seconds(0.02, [JOBS, ("Grants", None)]) == 0.02


async def test_others_wrote_it__pauses_are_as_usual_until_every_index_shows_it() -> None:
    stillness = still()
    stillness.saw(8, {JOBS})
    assert stillness.seconds(0.02, [JOBS]) == 0.02
    await asyncio.sleep(0.06)
    assert stillness.seconds(0.02, [JOBS]) == 30


async def test_this_process_wrote_it__one_look_that_begins_afterwards_is_enough() -> None:
    stillness, before = still(), time.monotonic()
    stillness.wrote({JOBS})
    assert stillness.seconds(0.02, [JOBS], since=before) == 0.02
    assert stillness.seconds(0.02, [JOBS], since=time.monotonic()) == 30
    assert stillness.seconds(0.02, [OTHER_JOBS], since=before) == 30


async def test_a_look_took_long__what_was_written_meanwhile_is_looked_at_again() -> None:
    stillness, before = still(), time.monotonic()
    stillness.saw(8, {JOBS})
    await asyncio.sleep(0.06)
    assert stillness.seconds(0.02, [JOBS], since=before) == 0.02


@pytest.mark.parametrize("whose", ["others", "own"])
async def test_long_pause__ends_with_what_is_looked_at_and_nothing_else(whose: str) -> None:
    stillness = still()

    def write(part: Part, commits: int) -> None:
        if whose == "own":
            stillness.wrote([part])
        else:
            stillness.saw(commits, [part])

    pausing = asyncio.create_task(stillness.pause(0.01, of=[JOBS, TIMES]))
    await asyncio.sleep(0.02)
    write(OTHER_JOBS, 8)
    await asyncio.sleep(0.02)
    assert not pausing.done()
    write(("ScheduleTimes", "any"), 9)
    await asyncio.wait_for(pausing, 1)


async def test_it_is_not_known_what_others_wrote__it_may_be_anything() -> None:
    stillness = still()
    pausing = asyncio.create_task(stillness.pause(0.01, of=[JOBS]))
    await asyncio.sleep(0.02)
    stillness.saw(8)
    await asyncio.wait_for(pausing, 1)
    assert stillness.seconds(0.02, [JOBS]) == 0.02


async def test_the_store_tells_of_it__pauses_are_long_wherever_commits_are_counted() -> None:
    assert Stillness().seconds(0.02, ()) == 0.02
    stillness = still()
    stillness.saw(8)
    assert stillness.seconds(0.02, ()) == 30


async def test_much_is_written__what_is_long_past_is_forgotten() -> None:
    stillness = Stillness(settled_seconds=0.01, rest_seconds=0.01)
    for number in range(100):
        stillness.wrote([("Things", f"t{number}")])
    await asyncio.sleep(0.03)
    stillness.wrote([JOBS])
    assert len(stillness._by_us) == len([JOBS, ("Messages", None), "anything"])


async def test_a_look_took_longer_than_anything_is_remembered__another_one_follows_soon() -> None:
    stillness = Stillness(settled_seconds=0.01, rest_seconds=0.04)
    stillness.saw(7)
    await asyncio.sleep(0.02)
    before = time.monotonic()
    stillness.wrote([JOBS])
    await asyncio.sleep(0.06)
    stillness.wrote([OTHER_JOBS])
    stillness.saw(7)
    assert stillness.seconds(0.02, [JOBS], since=before) == 0.02
    assert stillness.seconds(0.02, [JOBS]) == 0.04
