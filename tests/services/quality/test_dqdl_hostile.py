"""Rulesets and tables made to break out of the SQL that evaluates them, and random ones."""

import math
from collections import Counter
from datetime import UTC, datetime

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import LimitReached, MeshplaneError, Unavailable
from meshplane.services.quality.dqdl import QualityResult, check_supported, evaluate, parse
from meshplane.services.quality.dqdl.scan import quoted

CLOCK = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))

NAMES = [
    'a"b',
    '"',
    '""',
    '"; DROP TABLE t; --',
    "a'b",
    "$p0",
    "$1",
    "?",
    "{}",
    "{0}",
    "select",
    "a b\tc\nd",
    "a.b",
    "a/*",
    "--",
    "\\",
    'x" IS NULL OR "y',
    "é😀",
    "count(*)",
    "%s",
]
TEXTS = [
    "'",
    "''",
    "'; DROP TABLE t; --",
    "') OR (1=1",
    "$p0",
    "?",
    "\\'",
    "\\",
    '"',
    "{}",
    "a\nb",
    "é😀",
    "' || (SELECT 1) || '",
    "E'\\x00'",
    "%",
    "_",
]


def written(text: str) -> str:
    """A text as it stands in a ruleset."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def run(connection: duckdb.DuckDBPyConnection, table: str, columns: dict[str, str], text: str) -> (
    QualityResult
):  # fmt: skip
    ruleset = parse(text)
    check_supported(ruleset, columns)
    return evaluate(connection, table, columns, ruleset, clock=CLOCK)


@pytest.mark.parametrize("name", NAMES)
def test_hostile_names__of_tables_and_columns_are_only_names(name: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute(f"CREATE TABLE {quoted(name)} ({quoted(name)} INTEGER, other VARCHAR)")
        connection.execute(f"INSERT INTO {quoted(name)} VALUES (1, 'x'), (2, NULL)")
        column = written(name)
        rules = [
            f"IsComplete {column}",
            f"IsPrimaryKey {column}",
            f'IsUnique {column} "other"',
            f"Mean {column} = 1.5",
            f"Sum {column} = 3",
            f"Entropy {column} > 0.5",
            f"ColumnValues {column} in [1, 2]",
            f'ColumnValues {column} in ["1", "2"]',
            f"ColumnExists {column}",
            f'ColumnDataType {column} = "INTEGER"',
            f"ColumnCorrelation {column} {column} > 0.9",
            'ColumnLength "other" < 2',
        ]
        columns = {name: "INTEGER", "other": "VARCHAR"}
        result = run(connection, name, columns, f"Rules = [ {', '.join(rules)} ]")
        assert [(rule.rule, str(rule.outcome)) for rule in result.rules] == [
            (rule, "PASS") for rule in rules
        ]
        assert result.rules[0].metrics == {f"Column.{name}.Completeness": 1.0}
        found = connection.execute(f"SELECT count(*) FROM {quoted(name)}").fetchone()
        assert found == (2,)


@pytest.mark.parametrize("text", TEXTS)
def test_hostile_texts__are_only_values(text: str) -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (c VARCHAR)")
        connection.execute("INSERT INTO t VALUES (?), ('other')", [text])
        value = written(text)
        rules = [
            f'ColumnValues "c" = {value} with threshold = 0.5',
            f'ColumnValues "c" in [{value}, "other"]',
            f'ColumnValues "c" != {value} with threshold = 0.5',
            f'ColumnValues "c" not in [{value}, "x"] with threshold = 0.5',
            f'ColumnValues "c" in [{value}, "OTHER"] with ignoreCase = "true"',
        ]
        result = run(connection, "t", {"c": "VARCHAR"}, f"Rules = [ {', '.join(rules)} ]")
        assert [str(rule.outcome) for rule in result.rules] == ["PASS"] * len(rules)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_names_that_no_identifier_can_have__are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="identifier"):
        quoted(name)


def test_messages__show_no_value_of_the_data() -> None:
    secret = "s3cr3t"
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t AS SELECT ? AS c, 918273 AS n", [secret])
        rules = [
            'ColumnValues "c" = "x"',
            'ColumnValues "c" matches "x"',
            'ColumnLength "c" > 50',
            'ColumnDataType "c" = "DATE"',
            'ColumnValues "n" < 5',
            'ColumnValues "c" > 5',
        ]
        columns = {"c": "VARCHAR", "n": "INTEGER"}
        result = run(connection, "t", columns, f"Rules = [ {', '.join(rules)} ]")
    for rule in result.rules:
        assert str(rule.outcome) == "FAIL"
        shown = rule.message + str(dict(rule.metrics))
        assert secret not in shown
        assert "918273" not in shown


def test_unreadable_table__is_said_in_our_own_words() -> None:
    with duckdb.connect(":memory:") as connection, pytest.raises(Unavailable) as caught:
        run(connection, "no_such_table", {"c": "VARCHAR"}, 'Rules = [ IsComplete "c" ]')
    assert caught.value.code == "QUALITY_DATA_UNREADABLE"
    assert "no_such_table" not in caught.value.message
    assert caught.value.__suppress_context__


def test_memory_limit__is_said_as_a_limit() -> None:
    with duckdb.connect(":memory:") as connection:
        connection.execute("SET threads = 1")
        connection.execute("SET temp_directory = ''")
        connection.execute("SET memory_limit = '20MB'")
        connection.execute("CREATE VIEW t AS SELECT hash(i) AS c FROM range(20000000) AS r(i)")
        with pytest.raises(LimitReached) as caught:
            run(connection, "t", {"c": "UBIGINT"}, 'Rules = [ IsUnique "c" ]')
    assert caught.value.code == "QUALITY_LIMIT_REACHED"


cells = st.one_of(st.none(), st.sampled_from([0, 1, 2, 3]), st.integers(-(2**31), 2**31 - 1))


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(cells, max_size=30), bounds=st.lists(st.integers(-5, 5), min_size=2, max_size=2)
)
def test_random_tables__are_measured_as_a_plain_count_in_python_would(
    rows: list[int | None], bounds: list[int]
) -> None:
    low, high = bounds
    text = f"""Rules = [
        RowCount >= 0, Completeness "c" >= 0, Mean "c" != 0.5, Uniqueness "c" >= 0,
        UniqueValueRatio "c" >= 0, DistinctValuesCount "c" >= 0, Entropy "c" >= 0,
        ColumnValues "c" between {low} and {high}, ColumnValues "c" not between {low} and {high},
        ColumnValues "c" not in [{low}, {high}], IsUnique "c"
    ]"""
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t (c INTEGER)")
        if rows:
            connection.executemany("INSERT INTO t VALUES (?)", [[row] for row in rows])
        result = run(connection, "t", {"c": "INTEGER"}, text)
    metrics = [next(iter(rule.metrics.values()), None) for rule in result.rules]
    present = [row for row in rows if row is not None]
    counts = Counter(present)
    single = sum(count == 1 for count in counts.values())
    between = sum(low < row < high for row in present)
    outside = sum(row <= low or row >= high for row in present)
    other = sum(row not in (low, high) for row in rows)
    shares = [part / len(rows) if rows else None for part in (between, outside, other)]
    parts = [count / len(present) for count in counts.values()]
    expected = [
        len(rows),
        len(present) / len(rows) if rows else None,
        pytest.approx(sum(present) / len(present)) if present else None,
        single / len(present) if present else None,
        single / len(counts) if counts else None,
        len(counts) + (len(present) < len(rows)),
        pytest.approx(-sum(part * math.log(part) for part in parts)) if present else None,
        *shares,
        single / len(present) if present else None,
    ]
    assert metrics == expected
    assert (str(result.rules[-1].outcome) == "PASS") == (len(counts) == len(present))


WORDS = [
    *("Rules", "=", "[", "]", "(", ")", ",", "and", "or", "not", "in", "between", "where", "with"),
    *("threshold", "labels", "RowCount", "IsComplete", "ColumnValues", '"c"', '"2024-01-01"', "5"),
    *("0.5", "-", "+", "/", ">", "!=", "NULL", "now()", "days", "$x", "matches", "x", "last", "#"),
]


@settings(max_examples=300, deadline=None)
@given(words=st.lists(st.sampled_from(WORDS), max_size=25), whole=st.booleans())
def test_random_words__are_a_ruleset_or_refused_and_never_anything_else(
    words: list[str], whole: bool
) -> None:
    text = " ".join(words)
    try:
        ruleset = parse(f"Rules = [ {text} ]" if whole else text)
        check_supported(ruleset, {"c": "INTEGER"})
    except MeshplaneError as problem:
        assert problem.code in {  # noqa: PT017 -- both ends are right
            "RULESET_INVALID",
            "RULE_UNSUPPORTED",
            "RULE_COLUMN_UNKNOWN",
            "RULE_COLUMN_TYPE",
        }
        return
    with duckdb.connect(":memory:") as connection:
        connection.execute("CREATE TABLE t AS SELECT 5 AS c")
        result = evaluate(connection, "t", {"c": "INTEGER"}, ruleset, clock=CLOCK)
    assert all(str(rule.outcome) in {"PASS", "FAIL"} for rule in result.rules)
