"""A process is killed while it delivers: each effect comes once, in order, and none is lost."""

import random
from dataclasses import replace
from pathlib import Path

import pytest

from meshplane.events.lane import Lane
from meshplane.kit.clock import SystemClock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from tests.builders import seeds
from tests.builders.crash_check import effects, problems_of_effects, problems_of_writes
from tests.builders.crash_world import (
    PLACES,
    WRITING,
    Ledger,
    Plan,
    Reaper,
    consumers,
    finish,
    flawed,
    live,
    open_store,
    opened,
    order,
)
from tests.builders.forked import run_and_kill, run_together, was_killed

pytestmark = pytest.mark.fault
DELIVERING = ("before handling", "after handling", "before commit", "during commit", "after commit")


def assert_no_problem(folder: Path, *, all_delivered: bool) -> None:
    assert problems_of_writes(folder) == []
    assert problems_of_effects(folder, all_delivered=all_delivered) == []


def kill_once(folder: Path, plan: Plan, after_seconds: float) -> None:
    assert was_killed(run_and_kill(live, (plan,), after_seconds, opened(folder)))
    assert_no_problem(folder, all_delivered=False)


def assert_finishes(folder: Path) -> int:
    """Demands that what is left is delivered, once and in order; how many effects there are."""
    assert run_together(live, [(finish(folder),)]) == [0]
    assert_no_problem(folder, all_delivered=True)
    return effects(folder)


def kill_at_random(folder: Path, seed: int, kills: int) -> int:
    chance = random.Random(seeds.shown(seed))
    for life in range(kills):
        # Few orders and many kills: most of a life goes into delivering what earlier ones left.
        writers = 3 if life % 4 == 0 else 0
        plan = Plan(str(folder), seed * 100 + life, writers=writers, rounds=20, ends=False)
        if life == kills // 2:
            (folder / "patience").touch()
        kill_once(folder, plan, 0.04 + chance.random() * 0.12)
    return assert_finishes(folder)


@pytest.mark.parametrize("part", range(2))
def test_kill_at_any_moment__has_each_effect_once_and_in_order(tmp_path: Path, part: int) -> None:
    effects_seen = kill_at_random(
        tmp_path, part * 5000 + random.SystemRandom().randrange(5000), kills=8
    )
    assert effects_seen > 0


def kill_at_place(folder: Path, place: str, kills: int) -> int:
    for life in range(kills):
        nth = 5 + 6 * life
        plan = Plan(str(folder), life, writers=3, rounds=60, kill_at=place, kill_nth=nth)
        kill_once(folder, replace(plan, ends=False), 20)
    return assert_finishes(folder)


@pytest.mark.parametrize("place", DELIVERING)
def test_kill_at_a_named_place__has_each_effect_once_and_in_order(
    tmp_path: Path, place: str
) -> None:
    assert kill_at_place(tmp_path, place, kills=3) > 0


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_kill_at_any_moment__has_each_effect_once_and_in_order_in_many_kills(
    tmp_path: Path, part: int
) -> None:
    effects_seen = kill_at_random(
        tmp_path, part * 5000 + random.SystemRandom().randrange(5000), kills=20
    )
    assert effects_seen > 0


@pytest.mark.long
@pytest.mark.parametrize("place", DELIVERING)
def test_kill_at_a_named_place__has_each_effect_once_and_in_order_in_many_kills(
    tmp_path: Path, place: str
) -> None:
    assert kill_at_place(tmp_path, place, kills=20) > 0


def test_two_relays_of_one_home__never_double_an_effect(tmp_path: Path) -> None:
    (tmp_path / "patience").touch()
    plans = [Plan(str(tmp_path), seed, writers=4, rounds=30) for seed in (1, 2)]
    assert run_together(live, [(plan,) for plan in plans]) == [0, 0]
    assert_no_problem(tmp_path, all_delivered=True)
    assert effects(tmp_path) == 240


def test_eight_relays_of_one_home__never_double_an_effect(tmp_path: Path) -> None:
    (tmp_path / "patience").touch()
    plans = [Plan(str(tmp_path), seed, writers=3, rounds=20, relays=4) for seed in (1, 2)]
    assert run_together(live, [(plan,) for plan in plans]) == [0, 0]
    assert_no_problem(tmp_path, all_delivered=True)
    assert effects(tmp_path) == 120


def test_relay_beside_a_killed_one__goes_on(tmp_path: Path) -> None:
    doomed = Plan(str(tmp_path), 1, writers=3, rounds=100, kill_at="after handling", kill_nth=9)
    steady = Plan(str(tmp_path), 2, writers=3, rounds=30)
    assert [*map(was_killed, run_together(live, [(doomed,), (steady,)]))] == [True, False]
    assert run_together(live, [(finish(tmp_path, relays=2),)]) == [0]
    assert_no_problem(tmp_path, all_delivered=True)


def test_checker__finds_an_effect_committed_apart_from_the_cursor(tmp_path: Path) -> None:
    plan = Plan(str(tmp_path), 1, writers=2, rounds=50, kill_at="after handling", kill_nth=5)
    flaw = "effect apart from cursor"
    assert was_killed(run_and_kill(live, (flawed(plan, flaw),), 20))
    assert run_together(live, [(flawed(finish(tmp_path), flaw),)]) == [0]
    assert "an event was applied twice" in problems_of_effects(tmp_path, all_delivered=True)


class ForgetfulLane(Lane):
    """A lane that does not hold an entity's later events back behind a parked one."""

    async def _read_parked(self) -> list[Row]:
        return []


async def test_checker__finds_a_lane_that_overtakes_a_failed_event(tmp_path: Path) -> None:
    plan, store, ledger = Plan(str(tmp_path), 1), open_store(tmp_path), Ledger(tmp_path)
    reaper = Reaper(plan)
    failed: list[int] = []
    honest = consumers(plan, store, ledger, reaper)[0]

    async def fail_once(work: UnitOfWork, event: StoredEvent) -> None:
        if event.detail["number"] == 2 and not failed:
            failed.append(event.sequence)
            raise RuntimeError("once")
        await honest.handle(work, event)

    for number in range(6):
        await order(plan, store, ledger, reaper, entity="entity", number=number)
    lane = ForgetfulLane(store, replace(honest, handle=fail_once), SystemClock())
    await lane.load()
    for event in await store.events_after(0, 100):
        await lane.deliver(event)
    await store.close()
    found = problems_of_effects(tmp_path, all_delivered=False)
    assert found == ["events of an entity were applied out of order"]


def test_places__are_all_exercised() -> None:
    assert {*WRITING, *DELIVERING} == set(PLACES)
