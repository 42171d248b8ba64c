"""Requests go before what runs in the background, and never stop it for good."""

import asyncio
import time

from meshplane.events.right_of_way import RightOfWay


async def test_no_request_is_under_way__work_begins_at_once() -> None:
    begun = time.perf_counter()
    way = RightOfWay()
    for _ in range(1000):
        await way.give()
    assert time.perf_counter() - begun < 0.5


async def test_a_request_is_under_way__work_waits_until_it_is_answered() -> None:
    way = RightOfWay()
    with way.request():
        piece = asyncio.create_task(way.give())
        await asyncio.sleep(0.005)
        assert not piece.done()
    await asyncio.wait_for(piece, 1.0)


async def test_requests_never_end__work_goes_on_piece_by_piece() -> None:
    way, done = RightOfWay(), 0

    async def work() -> None:
        nonlocal done
        await way.give()
        done += 1

    pieces = [asyncio.create_task(work()) for _ in range(1000)]
    until = time.monotonic() + 0.3
    while time.monotonic() < until:
        with way.request():
            await asyncio.sleep(0.001)
            with way.request():
                await asyncio.sleep(0)
    begun = done
    assert 0 < begun < 1000
    await asyncio.wait_for(asyncio.gather(*pieces), 5.0)
    assert done == 1000


async def test_a_request_takes_long__it_holds_nothing_up() -> None:
    way = RightOfWay()
    with way.request():
        await asyncio.sleep(0.1)
        begun = time.perf_counter()
        for _ in range(100):
            await way.give()
        assert time.perf_counter() - begun < 0.5


async def test_work_that_waits_is_cancelled__the_next_goes_on() -> None:
    way = RightOfWay()
    with way.request():
        first = asyncio.create_task(way.give())
        second = asyncio.create_task(way.give())
        await asyncio.sleep(0)
        first.cancel()
    await asyncio.wait_for(second, 1.0)
    assert first.cancelled()
