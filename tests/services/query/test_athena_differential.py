"""Random statements: Athena shows the same rows as this machine, or refuses before it is asked.

What it may never do is to answer something else.
"""

import random
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.builders.aws_sandbox import sandbox_in
from tests.builders.random_sql import Statements
from tests.builders.two_engines import CREW, SHIPS, Engines, Told

KINDS = {
    "long": "whole",
    "int": "whole",
    "string": "text",
    "decimal(9,2)": "decimal",
    "double": "double",
    "date": "day",
    "timestamptz": "seen",
    "timestamp": "at",
    "boolean": "flag",
}
_AWAY = {"secret", "left"}  # one is hidden, the other is a word of SQL


def _columns(types: dict[str, str]) -> dict[str, str]:
    return {name: KINDS[kind] for name, kind in types.items() if name not in _AWAY}


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.10g}")
    return [_rounded(one) for one in value] if isinstance(value, list) else value


def _rows(told: Told) -> list[str]:
    return sorted(repr(_rounded(row)) for row in told.rows)


async def _compare(folder: Path, statements: int, answered: int) -> Counter[str]:
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    tables = {"sea.crew": _columns(CREW), "sea.ships": _columns(SHIPS)}
    writer = Statements(random.Random(seed), tables)
    counts: Counter[str] = Counter()
    with sandbox_in() as running:
        engines = Engines(running, folder)
        await engines.prepare()
        try:
            for _ in range(statements):
                sql = writer.statement().sql
                there = await engines.ask("athena", sql)
                if there.code == "SQL_REFUSED":
                    counts["refused"] += 1
                    continue
                here = await engines.ask("embedded", sql)
                if here.code != there.code:
                    # One engine does not bind what nothing reads, or finds a name ambiguous.
                    assert "SQL_INVALID" in (here.code, there.code), (sql, here, there)
                    counts["told"] += 1
                    continue
                assert _rows(here) == _rows(there), sql
                counts["same"] += 1
                if counts["same"] >= answered:
                    break
        finally:
            await engines.sandbox.stop()
    return counts


async def test_random_statements__have_the_same_rows_or_are_refused(tmp_path: Path) -> None:
    counts = await _compare(tmp_path, statements=600, answered=60)
    assert counts["same"] >= 30
    assert counts["told"] <= 4


@pytest.mark.long
async def test_very_many_random_statements__have_the_same_rows_or_are_refused(
    tmp_path: Path,
) -> None:
    counts = await _compare(tmp_path, statements=20_000, answered=3_000)
    assert counts["same"] >= 1_000
    assert counts["told"] <= counts["same"] / 50
