"""A process is killed while it writes: what was acknowledged is there, whole, and nothing else."""

import random
import sqlite3
from pathlib import Path

import pytest

from tests.builders import seeds
from tests.builders.crash_check import orders, problems_of_writes
from tests.builders.crash_world import WRITING, Plan, flawed, live, opened
from tests.builders.forked import run_and_kill, run_together, was_killed

pytestmark = pytest.mark.fault


def kill_at_random(folder: Path, seed: int, kills: int) -> int:
    chance = random.Random(seeds.shown(seed))
    killed = 0
    for life in range(kills):
        plan = Plan(str(folder), seed * 1000 + life, writers=chance.choice([1, 8, 50]))
        after_seconds = 0.02 + chance.random() * 0.15
        killed += was_killed(run_and_kill(live, (plan,), after_seconds, opened(folder)))
        assert problems_of_writes(folder) == []
    assert killed == kills
    return orders(folder)


@pytest.mark.parametrize("part", range(2))
def test_kill_at_any_moment__loses_nothing_acknowledged(tmp_path: Path, part: int) -> None:
    seed = part * 5000 + random.SystemRandom().randrange(5000)
    assert kill_at_random(tmp_path, seed, kills=12) > 12


def test_kill_while_tables_are_laid_out__the_next_start_lays_out_the_rest(tmp_path: Path) -> None:
    chance = random.Random(seeds.fresh())
    for life in range(8):
        folder = tmp_path / str(life)
        folder.mkdir()
        run_and_kill(live, (Plan(str(folder), life, writers=1),), chance.random() * 0.06)
        assert run_together(live, [(Plan(str(folder), 100 + life, writers=1, rounds=2),)]) == [0]
        assert problems_of_writes(folder) == []


@pytest.mark.long
def test_kill_at_any_moment__loses_nothing_acknowledged_in_many_kills(tmp_path: Path) -> None:
    for part in range(10):
        folder = tmp_path / str(part)
        folder.mkdir()
        seed = random.SystemRandom().randrange(10**6)
        assert kill_at_random(folder, seed, kills=20) > 20


def kill_at_place(folder: Path, place: str, kills: int) -> int:
    for life in range(kills):
        plan = Plan(str(folder), life, writers=6, kill_at=place, kill_nth=3 + 7 * life)
        assert was_killed(run_and_kill(live, (plan,), 20))
        assert problems_of_writes(folder) == []
    return orders(folder)


@pytest.mark.parametrize("place", WRITING)
def test_kill_at_a_named_place__loses_nothing_acknowledged(tmp_path: Path, place: str) -> None:
    assert kill_at_place(tmp_path, place, kills=3) > 0


@pytest.mark.long
@pytest.mark.parametrize("place", WRITING)
def test_kill_at_a_named_place__loses_nothing_acknowledged_in_many_kills(
    tmp_path: Path, place: str
) -> None:
    assert kill_at_place(tmp_path, place, kills=20) > 0


def test_kill_of_one_process__leaves_the_others_of_its_home_unharmed(tmp_path: Path) -> None:
    doomed = Plan(str(tmp_path), 1, rounds=400, kill_at="during commit", kill_nth=10)
    steady = [Plan(str(tmp_path), seed, writers=3, rounds=30) for seed in (2, 3)]
    codes = run_together(live, [(plan,) for plan in (doomed, *steady)])
    assert was_killed(codes[0])
    assert codes[1:] == [0, 0]
    assert problems_of_writes(tmp_path) == []


@pytest.mark.parametrize(
    ("flaw", "place", "problem"),
    [
        ("acknowledged before commit", "before commit", "an acknowledged order is lost"),
        ("event apart from row", "before commit", "an event has no row"),
    ],
)
def test_checker__finds_a_planted_bug(tmp_path: Path, flaw: str, place: str, problem: str) -> None:
    found: set[str] = set()
    for nth in range(3, 9):
        folder = tmp_path / str(nth)
        folder.mkdir()
        plan = flawed(Plan(str(folder), 1, kill_at=place, kill_nth=nth), flaw)
        assert was_killed(run_and_kill(live, (plan,), 20))
        found.update(problems_of_writes(folder))
    assert problem in found


def test_checker__finds_damage_to_what_is_stored(tmp_path: Path) -> None:
    assert run_together(live, [(Plan(str(tmp_path), 1, writers=2, rounds=5),)]) == [0]
    assert problems_of_writes(tmp_path) == []
    for statement, problem in (
        ("DELETE FROM Orders WHERE rowid = 3", "an acknowledged order is lost"),
        ("DELETE FROM Outbox WHERE sequence = 5", "a row has no event"),
        ("DELETE FROM AuditTrail WHERE sequence = 5", "the audit chain is broken"),
        ("DELETE FROM Orders_search WHERE rowid > 5", "rows and text index differ"),
    ):
        connection = sqlite3.connect(tmp_path / "meshplane.db", isolation_level=None)
        connection.execute(statement)
        connection.close()
        assert problem in problems_of_writes(tmp_path)
