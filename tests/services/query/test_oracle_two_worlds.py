"""The oracle of secrets: what a caller may not see changes nothing in any answer, error or count.

Two worlds agree in what the caller may see, and differ in hidden rows, in cells behind masks, in
hidden columns, and in how rows lie in files. Answers, names and types of columns, order, codes and
texts of errors, the bytes of JSON and Arrow, and plans must be equal. `ORACLE_SEED=<seed>` plays
one pair again.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.services.query.sandbox import Limits, Sandbox
from tests.builders.oracle_copy import told
from tests.builders.oracle_seeds import assert_clean, play_all
from tests.builders.oracle_two_worlds import play_two_worlds, two_worlds
from tests.builders.planted_leaks import LEAKS, Plant
from tests.builders.sandbox_world import Grants, see

ORDINARY, MANY = 1_000, 20_000
# Pairs in which something was found once, in the product or in the oracle.
KEPT = (1, 3, 4, 6, 529, 200_003, 200_048, 300_009, 100_351)


def test_random_statements__tell_two_worlds_apart_by_nothing(tmp_path: Path) -> None:
    total = play_all(play_two_worlds, tmp_path, ORDINARY, first=10_000)
    assert_clean(total)
    # Statements that fail are wanted here: an error is an answer.
    assert total.codes[""] > total.statements * 0.6
    assert total.codes["SQL_RUNTIME"] > total.statements * 0.01


@pytest.mark.long
def test_many_random_statements__tell_two_worlds_apart_by_nothing(tmp_path: Path) -> None:
    total = play_all(play_two_worlds, tmp_path, MANY, first=100_000)
    assert_clean(total)
    assert total.codes["SQL_RUNTIME"] > total.statements * 0.01


@pytest.mark.parametrize("seed", KEPT)
def test_kept_worlds__are_told_apart_by_nothing(tmp_path: Path, seed: int) -> None:
    assert_clean(play_two_worlds(seed, tmp_path, 50))


@pytest.mark.parametrize("plant", LEAKS, ids=lambda plant: plant.__name__)
def test_oracle__finds_a_planted_leak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    plant(monkeypatch)
    total = play_all(play_two_worlds, tmp_path, 3_000, first=1, each=40)
    assert total.complaints, f"{plant.__name__} was not found in {total.statements} statements"


@pytest.fixture(scope="module")
async def sandboxes(anyio_backend: str) -> AsyncIterator[list[Sandbox]]:
    """Two fork servers, started from environments that differ."""
    found = []
    with pytest.MonkeyPatch.context() as patch:
        for secret in ("first secret", "the second one"):
            patch.setenv("ORACLE_SECRET", secret)
            patch.setenv("TZ", "Asia/Tokyo" if "second" in secret else "UTC")
            patch.setenv("AWS_SECRET_ACCESS_KEY", secret)
            sandbox = Sandbox(pool_size=2)
            await sandbox.start()
            found.append(sandbox)
    yield found
    for sandbox in found:
        await sandbox.stop()


@pytest.mark.parametrize("seed", [40_001, 40_002, 40_003])
async def test_children__tell_two_worlds_and_environments_apart_by_nothing(
    sandboxes: list[Sandbox], tmp_path: Path, seed: int
) -> None:
    worlds = two_worlds(seed, tmp_path)
    both = [
        Grants({(it.schema, it.name): it for it in relations})
        for relations in (worlds.first, worlds.second)
    ]
    limits = Limits(timeout_seconds=20, threads=1, max_rows=100_000)
    for number in range(15):
        made = worlds.statements.statement()
        one, other = await asyncio.gather(
            *(see(sandboxes[n], both[n], made.sql, limits) for n in (0, 1))
        )
        if not made.ordered:
            one, other = one.unordered(), other.unordered()
        assert one == other, told(seed, number, made.sql, one, other)
