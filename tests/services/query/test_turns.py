"""Turns: however much one sends, the next free place goes round to those who wait."""

import asyncio
import random
from collections import Counter
from collections.abc import Callable

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.services.query.turns import Turns

SEED = 20261121


class Crowd:
    """People who send statements; each runs until it is told to end."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.running: list[str] = []
        self.most = Counter[str]()
        self._ends: dict[str, list[asyncio.Event]] = {}
        self.tasks: list[asyncio.Task[None]] = []

    async def send(self, actor: str, count: int = 1) -> list[asyncio.Task[None]]:
        """Sends so many statements at once."""
        sent = [asyncio.create_task(self._statement(actor)) for _ in range(count)]
        self.tasks += sent
        await self.settled()
        return sent

    async def end(self, actor: str) -> None:
        """Ends the oldest statement of his that runs."""
        self._ends[actor].pop(0).set()
        await self.settled()

    async def settled(self) -> None:
        """Returns when all that could move has moved."""
        for _ in range(10):
            await asyncio.sleep(0)

    async def _statement(self, actor: str) -> None:
        async with self._turns.of(actor):
            ended = asyncio.Event()
            self.running.append(actor)
            self.most[actor] = max(self.most[actor], self.running.count(actor))
            self._ends.setdefault(actor, []).append(ended)
            try:
                await ended.wait()
            finally:
                self.running.remove(actor)


async def stop(crowd: Crowd) -> None:
    for task in crowd.tasks:
        task.cancel()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)


async def test_flood__of_one_leaves_places_for_others() -> None:
    crowd = Crowd(Turns(2, 4))
    await crowd.send("flood", 40)
    assert crowd.running == ["flood"] * 2
    await crowd.send("ann")
    await crowd.send("ben")
    assert sorted(crowd.running) == ["ann", "ben", "flood", "flood"]
    await stop(crowd)


async def test_last_place__goes_to_nobody_who_has_one() -> None:
    crowd = Crowd(Turns(2, 4))
    await crowd.send("ann", 2)
    await crowd.send("ben", 2)
    assert sorted(crowd.running) == ["ann", "ann", "ben"]
    await crowd.send("cem")
    assert sorted(crowd.running) == ["ann", "ann", "ben", "cem"]
    await stop(crowd)


async def test_free_place__goes_round_and_not_to_who_came_first() -> None:
    crowd = Crowd(Turns(1, 1))
    await crowd.send("flood", 5)
    await crowd.send("ann")
    await crowd.send("ben", 2)
    order = []
    for _ in range(8):
        [actor] = crowd.running
        order.append(actor)
        await crowd.end(actor)
    # The second of the flood was there before the others; from then on each waits for the rest.
    assert order == ["flood", "flood", "ann", "ben", "flood", "ben", "flood", "flood"]
    assert crowd.running == []
    await stop(crowd)


async def test_waiting__ends_with_an_error_that_says_what_to_do() -> None:
    crowd = Crowd(Turns(1, 2, wait_seconds=0.05))
    await crowd.send("ann")
    with pytest.raises(Unavailable) as own:
        async with crowd._turns.of("ann"):
            raise AssertionError("it has no turn")
    assert (own.value.code, "You run 1 statements already" in own.value.message) == (
        "QUERY_BUSY",
        True,
    )
    await crowd.send("ben")
    with pytest.raises(Unavailable) as others:
        async with crowd._turns.of("cem"):
            raise AssertionError("it has no turn")
    assert "Too many statements" in others.value.message
    await stop(crowd)


async def test_waiting__too_many_of_one_are_turned_away_at_once() -> None:
    crowd = Crowd(Turns(1, 2, most_waiting=3))
    await crowd.send("flood", 4)
    with pytest.raises(Unavailable):
        async with crowd._turns.of("flood"):
            raise AssertionError("it has no turn")
    await crowd.send("ann")
    assert sorted(crowd.running) == ["ann", "flood"]
    await stop(crowd)


async def test_who_leaves__while_he_waits_or_just_as_his_turn_comes_frees_it() -> None:
    crowd = Crowd(Turns(1, 1))
    await crowd.send("ann")
    [waits] = await crowd.send("ben")
    waits.cancel()
    await crowd.settled()
    [chosen] = await crowd.send("cem")
    crowd._ends["ann"].pop(0).set()
    await asyncio.sleep(0)
    chosen.cancel()  # his turn is his in this very moment, or the next
    await crowd.settled()
    await crowd.send("dan")
    assert crowd.running == ["dan"]
    await stop(crowd)


async def test_many__at_random_never_hold_too_much_and_none_is_forgotten() -> None:
    rng = random.Random(SEED)
    turns = Turns(2, 4, most_waiting=10_000)
    crowd = Crowd(turns)
    names = ["ann", "ben", "cem", "dan", "eve"]
    for _ in range(2_000):
        act = rng.random()
        if act < 0.45:
            await crowd.send(rng.choice(names), rng.randrange(1, 4))
        elif act < 0.9 and crowd.running:
            await crowd.end(rng.choice(crowd.running))
        else:
            rng.choice(crowd.tasks).cancel() if crowd.tasks else None
            await crowd.settled()
        assert len(crowd.running) <= 4, f"seed {SEED}"
    assert max(crowd.most.values()) == 2
    await until(lambda: not any(not task.done() for task in crowd.tasks), crowd)
    assert (turns._running, turns._waiting, turns._free) == ({}, {}, 4)


async def until(is_over: Callable[[], bool], crowd: Crowd) -> None:
    """Ends one after another until none is left."""
    for _ in range(20_000):
        if is_over():
            return
        await crowd.end(crowd.running[0])
    raise AssertionError("some never had their turn")
