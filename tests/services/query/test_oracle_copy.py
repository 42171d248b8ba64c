"""The oracle of results: a governed answer equals the answer over a filtered and masked copy.

Random schemas, rows, grants and statements. The copy is made cell by cell in plain Python and is
read by a plain engine. `ORACLE_SEED=<seed>` plays one world again.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.services.query.sandbox import Limits, Sandbox
from tests.builders.governed_engine import answer_of, gated_answer, governed_engine
from tests.builders.masked_copy import copied
from tests.builders.oracle_copy import alike, copy_world, play_copy, told
from tests.builders.oracle_seeds import assert_clean, play_all
from tests.builders.planted_leaks import WRONG_ANSWERS, Plant
from tests.builders.sandbox_world import Grants, see

ORDINARY, MANY = 1_000, 20_000
# Worlds in which something was found once, in the product or in the oracle.
KEPT = (1, 2, 3, 7, 42, 100_000, 100_102)
BY_CHILDREN = 60


def test_random_statements__answer_as_a_filtered_and_masked_copy_does(tmp_path: Path) -> None:
    total = play_all(play_copy, tmp_path, ORDINARY, first=10_000)
    assert_clean(total)
    assert total.codes[""] > total.statements * 0.9


@pytest.mark.long
def test_many_random_statements__answer_as_a_filtered_and_masked_copy_does(tmp_path: Path) -> None:
    total = play_all(play_copy, tmp_path, MANY, first=100_000)
    assert_clean(total)
    assert total.codes[""] > total.statements * 0.9


@pytest.mark.parametrize("seed", KEPT)
def test_kept_worlds__answer_as_a_filtered_and_masked_copy_does(tmp_path: Path, seed: int) -> None:
    assert_clean(play_copy(seed, tmp_path, 40))


@pytest.mark.parametrize("plant", WRONG_ANSWERS, ids=lambda plant: plant.__name__)
def test_oracle__finds_a_planted_mistake(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plant: Plant
) -> None:
    plant(monkeypatch)
    total = play_all(play_copy, tmp_path, 1_000, first=1, each=20)
    assert total.complaints, f"{plant.__name__} was not found in {total.statements} statements"


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=3)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


@pytest.mark.parametrize("seed", [20_001, 20_002, 20_003])
async def test_children__answer_as_the_engine_here_and_as_the_copy(
    sandbox: Sandbox, tmp_path: Path, seed: int
) -> None:
    world = copy_world(seed, tmp_path)
    here, copy = governed_engine(world.relations), copied(world.governed)
    grants = Grants({(it.schema, it.name): it for it in world.relations})
    limits = Limits(timeout_seconds=20, threads=1, max_rows=100_000)
    for number in range(BY_CHILDREN // 3):
        made = world.statements.statement()
        child = await see(sandbox, grants, made.sql, limits)
        said = told(seed, number, made.sql, child)
        assert alike(child, gated_answer(here, made.sql)[0], made.ordered), said
        assert alike(child, answer_of(copy, made.sql, made.sql)[0], made.ordered), said


PIVOTS = [
    "PIVOT {} ON region USING count(*)",
    "PIVOT (FROM {}) ON region USING max(id) GROUP BY id",
    "PIVOT {} ON id % 3, region USING count(*), min(id)",
]


@pytest.mark.parametrize("sql", PIVOTS)
async def test_pivot__takes_its_columns_from_the_rows_that_may_be_seen(
    sandbox: Sandbox, tmp_path: Path, sql: str
) -> None:
    """Which columns there are hangs on the rows; the plain engine runs it as several statements."""
    tried = 0
    for seed in range(30_000, 30_008):
        world = copy_world(seed, tmp_path / str(seed))
        copy = copied(world.governed)
        grants = Grants({(it.schema, it.name): it for it in world.relations})
        texts = [sql.format(f"{it.schema}.{it.name}") for it in world.relations]
        answers = await asyncio.gather(*(see(sandbox, grants, text) for text in texts))
        for text, child in zip(texts, answers, strict=True):
            plain, _ = answer_of(copy, text, "")
            if plain.code is None and child.code != "SQL_INVALID":
                assert alike(child, plain, ordered=False), told(seed, 0, text, child, plain)
                tried += 1
    assert tried > 5
