"""Row filters at random: one that is accepted never fails on a row, never tells, never opens.

Which rows an accepted filter lets through is decided row by row in a plain engine: one on which it
fails is not let through. Then the table with all rows and the table with those alone must answer
alike, whatever is asked, also where the asking fails on values.
"""

import os
import sys
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.services.query.sandbox import Limits, Relation, Scope, filters
from meshplane.services.query.sandbox.engine import Connection, lock, open_engine
from tests.builders.governed_engine import gated_answer, governed_engine
from tests.builders.masked_copy import arrow_of
from tests.builders.random_expressions import KINDS
from tests.builders.random_filters import Filters
from tests.builders.random_schema import Row, Values, row
from tests.builders.sandbox_world import columns_of, write

ORDINARY, MANY = 200, 5_000
SEED = 71_000
TYPES = {
    "id": "INTEGER",
    "n": "BIGINT",
    "name": "VARCHAR",
    "region": "VARCHAR",
    "score": "DOUBLE",
    "day": "DATE",
    "flag": "BOOLEAN",
    "tags": "INTEGER[]",
}
COLUMNS = columns_of(TYPES)
ASKED = (
    "FROM t",
    "SELECT count(*), min(id), max(name) FROM t",
    "SELECT id FROM t WHERE CAST(name AS INTEGER) > 0",
    "SELECT id + 2147483000 FROM t",
    "SELECT id FROM t WHERE ln(id) > 0 OR region = 'EU'",
    "SELECT region, count(*) FROM t GROUP BY ALL",
)


def checker() -> Connection:
    """An engine as a child has it that checks a filter."""
    engine = open_engine()
    lock(engine, Limits(), [])
    return engine


class RowByRow:
    """A plain engine that looks at one row at a time."""

    def __init__(self, rows: list[Row]) -> None:
        self._engine = duckdb.connect(config={"threads": 1})
        self._engine.execute("SET TimeZone = 'UTC'")
        # What fails must fail, though statistics of the rows may say what it would give.
        self._engine.execute("SET disabled_optimizers = 'statistics_propagation'")
        self._engine.register("given", arrow_of(TYPES, rows))
        self._engine.execute("CREATE TABLE t AS SELECT row_number() OVER () AS place, * FROM given")
        self._rows = rows

    def passing(self, text: str) -> list[Row]:
        """The rows on which the condition is true."""
        kept = []
        for place, each in enumerate(self._rows, 1):
            one = f"(SELECT * EXCLUDE (place) FROM t WHERE place = {place})"
            try:
                found: Any = self._engine.execute(f"SELECT {text} FROM {one}").fetchone()
            except (duckdb.Error, UnicodeDecodeError):
                continue
            if found[0] is True:
                kept.append(each)
        return kept


def opened(folder: Path, rows: list[Row], text: str | None) -> Connection:
    files = write(folder, TYPES, rows)
    scope = Scope(text, dict.fromkeys(TYPES))
    return governed_engine([Relation("s", "t", files, COLUMNS, (scope,), "user:ana", ("staff",))])


def as_asked(text: str) -> str:
    """The filter as it reads for ana of the staff, for an engine that does not know her."""
    return text.replace("current_principal()", "'user:ana'").replace("in_group('staff')", "true")


def complaint(folder: Path, plain: RowByRow, rows: list[Row], text: str) -> str | None:
    """What an accepted filter does that it must not."""
    kept = plain.passing(as_asked(text))
    governed, copy = opened(folder / "all", rows, text), opened(folder / "kept", kept, None)
    try:
        for sql in ASKED:
            first, second = gated_answer(governed, sql)[0], gated_answer(copy, sql)[0]
            if first.unordered() != second.unordered():
                return f"{sql}: {first} is not {second}"[:800]
    finally:
        governed.close()
        copy.close()
    return None


def accepted(engine: Connection, text: str) -> tuple[str | None, str | None]:
    """The filter as it is stored, or the code of its refusal."""
    try:
        return filters.canonical(engine, text, COLUMNS).text, None
    except MeshplaneError as error:
        return None, error.code


def play(folder: Path, count: int) -> Counter[str]:
    seed = int(os.environ.get("ORACLE_SEED", SEED))
    random, ends = Random(seed), Counter[str]()
    values = Values(random, nasty=0.4, extreme=0.1)
    rows = [row(values, TYPES) for _ in range(25)]
    made = Filters(random, {name: KINDS[kind] for name, kind in TYPES.items()})
    engine, plain = checker(), RowByRow(rows)
    for number in range(count):
        text = made.filter()
        said = f"seed {seed}, filter {number}: {text!r}"
        found, code = accepted(engine, text)
        assert code in (None, "ROW_FILTER_INVALID"), said
        ends["accepted" if found else "refused"] += 1
        if found is None:
            continue
        assert accepted(engine, found) == (found, None), said
        wrong = complaint(folder / str(number), plain, rows, found)
        assert wrong is None, f"{said}\n{found}\n{wrong}"
    sys.stdout.write(f"seed {seed}: {count} filters, {dict(ends)}\n")
    return ends


def test_random_filters__an_accepted_one_never_fails_tells_or_opens(tmp_path: Path) -> None:
    ends = play(tmp_path, ORDINARY)
    assert min(ends["accepted"], ends["refused"]) > ORDINARY * 0.1


@pytest.mark.long
def test_many_random_filters__an_accepted_one_never_fails_tells_or_opens(tmp_path: Path) -> None:
    ends = play(tmp_path, MANY)
    assert min(ends["accepted"], ends["refused"]) > MANY * 0.1


def test_fuzz__finds_filters_that_fail_on_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filters, "never_fails", lambda tree, columns: True)
    with pytest.raises(AssertionError, match="seed"):
        play(tmp_path, ORDINARY)
