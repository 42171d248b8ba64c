"""Every function that a statement may call, on rows of two worlds: none tells of hidden rows.

The hidden rows of the second world hold what makes functions fail: numbers at the end of their
type, texts that are no number, no date, no pattern and no JSON, dates at the end of the calendar.
"""

import datetime as dt
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest

from meshplane.services.query.sandbox import Relation, Scope, functions
from meshplane.services.query.sandbox.engine import Connection
from tests.builders.governed_engine import gated_answer, governed_engine
from tests.builders.planted_leaks import (
    europe_joined_in_plain_views,
    failing_filters_fail,
    like_escape_let_through,
    settings_let_through,
)
from tests.builders.random_expressions import engine_functions
from tests.builders.sandbox_world import columns_of, write

TYPES = {
    "id": "INTEGER",
    "n": "BIGINT",
    "d": "DOUBLE",
    "name": "VARCHAR",
    "day": "DATE",
    "at_time": "TIMESTAMP",
    "raw": "BLOB",
    "l": "INTEGER[]",
    "region": "VARCHAR",
    "s": "STRUCT(phone VARCHAR, city VARCHAR)",
    "m": "MAP(VARCHAR, VARCHAR)",
}
NASTY = ("Zed", "(", "%", "\\", "x" * 300, "{bad", "zz", "", "9" * 40, "-1", "xx", "日本", "\x00a")
ARGUMENTS = """
id; n; d; name; day; at_time; raw; l; s; m; t; ; 'allowed_paths';
name, name; name, id; id, id; n, n; d, d; l, id;
l, l; name, 'a';
'a', name; 'day', day; day, day; 'month', at_time; name, id, id; name, name, name;
name, 'a', name; d, id; id, name; m, name; s, name; raw, raw; name::JSON; name::JSON, '$.a';
name::JSON, name; [name]; [name], name; l, 1, id; l, lambda x: x + id; [name], lambda x: x || name;
id::DECIMAL(18,3); id::DECIMAL(18,3), id; name, '%Y'; '%Y', name; at_time, name; name, day;
'{}', name;
'{:d}', id; id, id, id; id, id, id, id, id, d; at_time::TIMESTAMPTZ; 'UTC', at_time; name, at_time;
INTERVAL (id) DAY; INTERVAL 1 DAY, at_time; name::BIT; id::VARIANT; name::UUID; name::TIME;
name::HUGEINT; [d], [d]; id::BIT, id; name, name, CASE WHEN name = 'Zed' THEN 'xx' ELSE 'x' END
"""
# What they give hangs on chance or on the clock.
_UNSTEADY = """
ago age current_localtime current_localtimestamp current_timestamp gen_random_uuid
get_current_time get_current_timestamp now random transaction_timestamp uuid uuidv4 uuidv7
"""
UNSTEADY = frozenset(_UNSTEADY.split())
SCOPES = {
    "compared": (Scope("region = 'EU'", dict.fromkeys(TYPES)),),
    "computed": (Scope("lower(region) = 'eu' AND length(region) = 2", dict.fromkeys(TYPES)),),
}
FORMS = (
    "SELECT {call} AS x FROM t",
    "SELECT id FROM t WHERE {call} IS NOT NULL",
    "SELECT count(*) FROM t WHERE CAST({call} AS VARCHAR) <> 'q'",
)
SOME = 300


def moment(year: int, month: int = 1, day: int = 1, hour: int = 0) -> dt.datetime:
    """A timestamp without a zone."""
    return dt.datetime(year, month, day, hour, tzinfo=dt.UTC).replace(tzinfo=None)


def visible_rows() -> list[tuple[Any, ...]]:
    return [
        (n, n, n / 2, str(n), dt.date(2020, 1, n), moment(2020, 1, n), b"%d" % n, [n], "EU",
         {"phone": "1", "city": "2"}, [("k", "v")])
        for n in range(1, 6)
    ]  # fmt: skip


def hidden_rows() -> list[tuple[Any, ...]]:
    ends = [
        (2**31 - 1, 2**63 - 1, 1e308, moment(9999, 12, 31, 23), [1]),
        (-(2**31), -(2**63), -1e308, moment(1), []),
        (0, 0, float("nan"), moment(1970), [None]),
        (-1, -1, float("inf"), moment(1969, 12, 31), [0]),
    ]
    return [
        (small, large, number, text, at.date(), at, b"\xff\xfe", values, "US",
         {"phone": text, "city": None}, [])
        for text in NASTY
        for small, large, number, at, values in ends
    ]  # fmt: skip


@dataclass
class Pair:
    """An engine without hidden rows, and one with them."""

    without: Connection
    nasty: Connection

    def told_apart(self, sql: str) -> str | None:
        """What differs between the two, if anything does."""
        first, _ = gated_answer(self.without, sql)
        second, _ = gated_answer(self.nasty, sql)
        same = first.unordered() == second.unordered()
        return None if same else f"{sql}\n{first}\n{second}"[:1500]


def new_pair(folder: Path, scopes: tuple[Scope, ...]) -> Pair:
    """Both worlds under these grants."""
    few, many = visible_rows(), hidden_rows()
    Random(1).shuffle(many)
    for number, row in enumerate(few):
        many.insert(number * 9, row)
    engines = []
    for number, rows in enumerate((few, many)):
        files = write(folder / str(number), TYPES, rows)
        relation = Relation("s", "t", files, columns_of(TYPES), scopes)
        engines.append(governed_engine([relation]))
    return Pair(*engines)


@pytest.fixture(scope="module", params=sorted(SCOPES))
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pair]:
    made = new_pair(tmp_path_factory.mktemp("worlds"), SCOPES[request.param])
    yield made
    made.without.close()
    made.nasty.close()


@pytest.fixture(scope="module")
def calls() -> list[str]:
    """Every call of an allowed function that fits together, as text."""
    plain = duckdb.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    plain.execute(f"CREATE TABLE t ({columns})")
    found = []
    for name in engine_functions():
        if functions.may_call(name) and name not in UNSTEADY:
            for arguments in ARGUMENTS.replace("\n", " ").split(";"):
                call = f"{name}({arguments.strip()})"
                if _fits(plain, call):
                    found.append(call)
    return found


def _fits(plain: duckdb.DuckDBPyConnection, call: str) -> bool:
    try:
        plain.sql(f"SELECT {call} FROM t")
    except duckdb.Error:
        return False
    return True


def test_some_calls__tell_two_worlds_apart_by_nothing(pair: Pair, calls: list[str]) -> None:
    seed = Random().randrange(10**6)
    sys.stdout.write(f"seed {seed}: {SOME} of {len(calls)} calls\n")
    chosen = Random(seed).sample(calls, SOME)
    found = [pair.told_apart(FORMS[n % 3].format(call=call)) for n, call in enumerate(chosen)]
    assert [each for each in found if each] == []


@pytest.mark.long
def test_every_call__tells_two_worlds_apart_by_nothing(pair: Pair, calls: list[str]) -> None:
    assert len(calls) > 2000
    found = [pair.told_apart(form.format(call=call)) for call in calls for form in FORMS]
    assert [each for each in found if each] == []


@pytest.mark.parametrize("pair", ["computed"], indirect=True)
def test_sweep__finds_a_function_on_the_wrong_list(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = "current_setting('allowed_paths')"
    told = [form.format(call=call) for form in FORMS]
    assert [pair.told_apart(sql) for sql in told] == [None] * 3
    settings_let_through(monkeypatch)
    assert any(pair.told_apart(sql) for sql in told)


@pytest.mark.parametrize("pair", ["computed"], indirect=True)
def test_sweep__finds_like_with_escape(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    escape = "name LIKE 'a' ESCAPE CASE WHEN name = 'Zed' THEN 'xx' ELSE 'x' END"
    assert pair.told_apart(f"SELECT id FROM t WHERE {escape}") is None
    like_escape_let_through(monkeypatch)
    assert pair.told_apart(f"SELECT id FROM t WHERE {escape}")


FAILING = "SELECT count(*) FROM t WHERE CAST(name AS INTEGER) >= 0"


def test_sweep__finds_views_that_are_no_barrier(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = (Scope("lower(\"region\") = 'eu'", dict.fromkeys(TYPES)),)
    assert new_pair(tmp_path / "sound", scopes).told_apart(FAILING) is None
    europe_joined_in_plain_views(monkeypatch)
    assert new_pair(tmp_path / "planted", scopes).told_apart(FAILING)


def test_sweep__finds_filters_that_fail_on_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scopes = (Scope("CAST(name AS INTEGER) BETWEEN 0 AND 5", dict.fromkeys(TYPES)),)
    sql = "SELECT id FROM t ORDER BY id"
    assert new_pair(tmp_path / "sound", scopes).told_apart(sql) is None
    failing_filters_fail(monkeypatch)
    assert new_pair(tmp_path / "planted", scopes).told_apart(sql)
