"""kill -9 at any moment of a reconciliation: it goes on, and ends as if nothing had happened."""

import asyncio
import random
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.builders import seeds
from tests.builders.forked import run_and_kill, run_together
from tests.builders.reconcile_kills import EXCESS, GRANTED, REVOKED, live, outcome, prepare

pytestmark = pytest.mark.fault

KILLS = 20
TOUCHES = 60
"""A little more than how often a whole reconciliation touches the lake."""


def run_to_the_end(folder: Path, chance: random.Random) -> int:
    """Reconciles in life after life, until one of them comes to the end; how many were killed."""
    asyncio.run(prepare(folder))
    for life in range(1, 100):
        if chance.random() < 0.8:
            (code,) = run_together(live, [(str(folder), life, chance.randrange(1, TOUCHES))])
        else:
            code = run_and_kill(live, (str(folder), life, 0), chance.uniform(0.2, 1.0))
        if code == 0:
            check(asyncio.run(outcome(folder, life + 1)))
            return life - 1
        assert code == -signal.SIGKILL
    raise AssertionError("it does not come to an end")


def check(end: dict[str, Any]) -> None:
    """Sees that a reconciliation ended as if nothing had happened."""
    assert (end["status"], end["done"]) == ("COMPLETED", end["total"])
    assert end["total"] == GRANTED + REVOKED + EXCESS
    assert (end["repaired"], end["removed"], end["adopted"]) == (GRANTED, REVOKED, EXCESS)
    assert (end["failed"], end["failures"]) == (0, [])
    assert end["drift"] == {}
    assert end["granted"] == GRANTED + EXCESS
    assert end["ends"] == 1, "its end is told once"


def test_reconcile__killed_twenty_times_comes_to_the_same_end_each_time(tmp_path: Path) -> None:
    chance = random.Random(seeds.fresh())
    killed = runs = 0
    while killed < KILLS:
        runs += 1
        assert runs <= KILLS, "hardly any life was killed"
        killed += run_to_the_end(tmp_path / f"home-{runs}", chance)
    assert killed >= KILLS


@pytest.mark.parametrize("touch", [1, 2, 4])
def test_reconcile__killed_at_each_of_its_first_touches_of_the_lake(
    tmp_path: Path, touch: int
) -> None:
    folder = tmp_path / "home"
    asyncio.run(prepare(folder))
    assert run_together(live, [(str(folder), 1, touch)]) == [-signal.SIGKILL]
    assert run_together(live, [(str(folder), 2, 0)]) == [0]
    check(asyncio.run(outcome(folder, 3)))
