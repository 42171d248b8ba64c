"""What rules say about a table, each with the metric that it measured."""

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from meshplane.kit.clock import FixedClock
from meshplane.services.quality.dqdl import QualityResult, RuleResult, evaluate, parse

CLOCK = FixedClock(datetime(2026, 1, 10, 12, 0, tzinfo=UTC))

FLIGHTS = """
CREATE TABLE flights AS SELECT
  i AS id,
  ['EWR', 'JFK', 'LGA'][1 + i % 3] AS origin,
  'UA' AS carrier,
  CASE WHEN i >= 8255 THEN 500 + i % 1900 END AS dep_time
FROM range(336776) AS r(i)
"""


@pytest.fixture
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as opened:
        yield opened


def columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, str]:
    rows = connection.execute("SELECT column_name, data_type FROM duckdb_columns() "
                              "WHERE table_name = ?", [table]).fetchall()  # fmt: skip
    return dict(rows)


def run(connection: duckdb.DuckDBPyConnection, text: str, table: str = "t") -> QualityResult:
    return evaluate(connection, table, columns_of(connection, table), parse(text), clock=CLOCK)


def result_of(connection: duckdb.DuckDBPyConnection, rule: str) -> RuleResult:
    (result,) = run(connection, f"Rules = [ {rule} ]").rules
    return result


def outcome(connection: duckdb.DuckDBPyConnection, rule: str) -> str:
    return str(result_of(connection, rule).outcome)


def values(connection: duckdb.DuckDBPyConnection, kind: str, *cells: Any) -> None:
    """The table `t` with one column `c` of these values."""
    connection.execute(f"CREATE OR REPLACE TABLE t (c {kind})")
    for cell in cells:
        connection.execute("INSERT INTO t VALUES (?)", [cell])


def test_flights__meet_their_four_rules(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(FLIGHTS)
    result = run(
        connection,
        """Rules = [
            RowCount between 300000 and 400000,
            IsComplete "carrier",
            ColumnValues "origin" in ["EWR","JFK","LGA"],
            Completeness "dep_time" > 0.97
        ]""",
        "flights",
    )
    assert result.score == 1.0
    assert [(rule.rule, str(rule.outcome), dict(rule.metrics)) for rule in result.rules] == [
        ("RowCount between 300000 and 400000", "PASS", {"Dataset.*.RowCount": 336776.0}),
        ('IsComplete "carrier"', "PASS", {"Column.carrier.Completeness": 1.0}),
        (
            'ColumnValues "origin" in ["EWR","JFK","LGA"]',
            "PASS",
            {"Column.origin.ColumnValues.Compliance": 1.0},
        ),
        (
            'Completeness "dep_time" > 0.97',
            "PASS",
            {"Column.dep_time.Completeness": pytest.approx(0.97549, abs=5e-6)},
        ),
    ]


def test_score__is_passed_rules_by_all_rules(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute(FLIGHTS)
    result = run(
        connection,
        """Rules = [
            RowCount between 1 and 10,
            IsComplete "dep_time",
            ColumnValues "origin" in ["EWR","JFK"],
            Completeness "dep_time" > 0.97
        ]""",
        "flights",
    )
    assert [str(rule.outcome) for rule in result.rules] == ["FAIL", "FAIL", "FAIL", "PASS"]
    assert result.score == 0.25
    assert [bool(rule.message) for rule in result.rules] == [True, True, True, False]


def test_fused_scan__reads_the_table_once_whatever_the_number_of_rules(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "INTEGER", 1, 2, 3)
    seen: list[str] = []

    class Listening:
        """The connection, and a note of what it ran."""

        def extract_statements(self, sql: str) -> list[duckdb.Statement]:
            return connection.extract_statements(sql)

        def execute(self, statement: duckdb.Statement, values: Any) -> duckdb.DuckDBPyConnection:
            seen.append(statement.query)
            return connection.execute(statement, values)

    rules = ["RowCount > 0", 'Mean "c" > 0', 'Sum "c" > 0', 'IsComplete "c"', 'IsUnique "c"']
    rules += [f'ColumnValues "c" < {bound}' for bound in range(10, 60)]
    ruleset = parse(f'Rules = [ {", ".join(rules)}, Entropy "c" > 0 ]')
    listening: Any = Listening()
    result = evaluate(listening, "t", {"c": "INTEGER"}, ruleset, clock=CLOCK)
    assert result.score == 1.0
    assert ["GROUP BY" in sql for sql in seen] == [False, True]


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('ColumnValues "c" > 0', "FAIL"),  # NULL is not greater
        ('ColumnValues "c" > 0 with threshold >= 0.75', "PASS"),
        ('ColumnValues "c" > 0 with threshold between 0.75 and 1', "FAIL"),
        ('ColumnValues "c" in [1, 2, 5]', "FAIL"),
        ('ColumnValues "c" in [1, 2, 5, NULL]', "PASS"),
        ('ColumnValues "c" not in [7, 8]', "PASS"),
        ('ColumnValues "c" not in [7, NULL]', "FAIL"),
        ('ColumnValues "c" != 2', "FAIL"),
        ('ColumnValues "c" != 7', "PASS"),
        ('ColumnValues "c" != NULL', "FAIL"),
        ('ColumnValues "c" = NULL with threshold = 0.25', "PASS"),
        ('ColumnValues "c" between 1 and 5 with threshold > 0.5', "FAIL"),  # bounds are left out
        ('ColumnValues "c" between 0 and 6 with threshold > 0.5', "PASS"),
        ('ColumnValues "c" not between 1 and 5', "FAIL"),
        ('ColumnValues "c" not between 2 and 5', "FAIL"),  # NULL is not outside them
        ('ColumnValues "c" not between 2 and 5 with threshold = 0.75', "PASS"),
        ('ColumnValues "c" not between 5 and 9 with threshold = 0.75', "PASS"),
        ('ColumnValues "c" in ["1", "2", "5", NULL]', "PASS"),
        ('Mean "c" between 2.6 and 2.7', "PASS"),
        ('Sum "c" = 8', "PASS"),
        ('StandardDeviation "c" between 1.69 and 1.70', "PASS"),
        ('Variance "c" between 2.88 and 2.89', "PASS"),
        ('DistinctValuesCount "c" = 4', "PASS"),  # with NULL
        ('Uniqueness "c" = 1', "PASS"),  # without NULL
        ('IsUnique "c"', "PASS"),
        ('IsPrimaryKey "c"', "FAIL"),
        ('UniqueValueRatio "c" = 1', "PASS"),
        ('Entropy "c" between 1.098 and 1.099', "PASS"),
        ("RowCount between 4 and 9", "FAIL"),
        ("RowCount not between 4 and 9", "PASS"),
        ("RowCount in [3, 4]", "PASS"),
        ("RowCount = 2 * (1 + 1)", "PASS"),
    ],
)
def test_numbers__with_a_null_among_them(
    connection: duckdb.DuckDBPyConnection, rule: str, expected: str
) -> None:
    values(connection, "INTEGER", 1, 2, 5, None)
    assert outcome(connection, rule) == expected


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('ColumnValues "c" in ["Ab", "b", NULL, EMPTY, WHITESPACES_ONLY]', "PASS"),
        ('ColumnValues "c" in ["ab", "B", NULL, EMPTY, WHITESPACES_ONLY]', "FAIL"),
        (
            'ColumnValues "c" in ["ab","B",NULL,EMPTY,WHITESPACES_ONLY] with ignoreCase="true"',
            "PASS",
        ),
        ('ColumnValues "c" in ["Ab", "b", NULL, WHITESPACES_ONLY]', "FAIL"),
        ('ColumnValues "c" in ["Ab", "b", NULL, EMPTY]', "FAIL"),
        ('ColumnValues "c" = EMPTY with threshold = 0.2', "PASS"),
        ('ColumnValues "c" = WHITESPACES_ONLY with threshold = 0.2', "PASS"),
        ('ColumnValues "c" != EMPTY with threshold = 0.8', "PASS"),  # NULL is not empty
        ('ColumnValues "c" not in ["b", EMPTY] with threshold = 0.6', "PASS"),
        ('ColumnValues "c" != "x"', "PASS"),
        ('ColumnValues "c" != "b" with threshold = 0.8', "PASS"),
        ('ColumnValues "c" matches "[A-Z]b" with threshold = 0.2', "PASS"),
        ('ColumnValues "c" matches "b" with threshold = 0.2', "PASS"),  # the whole value
        ('ColumnValues "c" matches "B" with threshold = 0.2 with ignoreCase = "true"', "PASS"),
        ('ColumnValues "c" not matches "[A-Z]b" with threshold = 0.6', "PASS"),  # NULL does not
        ('ColumnValues "c" > 5', "FAIL"),
        ('ColumnLength "c" < 4', "PASS"),
        ('ColumnLength "c" > 0', "FAIL"),
        ('ColumnLength "c" in [0, 1, 2, 3]', "PASS"),
        ('ColumnLength "c" not in [9]', "PASS"),
        ('ColumnLength "c" between -1 and 4', "PASS"),
        ('ColumnNamesMatchPattern "[a-c]"', "PASS"),
        ('ColumnNamesMatchPattern "[x-z]"', "FAIL"),
        ('ColumnExists "c"', "PASS"),
        ('ColumnExists "C"', "FAIL"),
        ("ColumnCount = 1", "PASS"),
    ],
)
def test_texts__with_blank_and_missing_ones(
    connection: duckdb.DuckDBPyConnection, rule: str, expected: str
) -> None:
    values(connection, "VARCHAR", "Ab", "b", "", "  \t", None)
    assert outcome(connection, rule) == expected


def test_column_length__counts_characters_and_tells_the_shortest_and_longest(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "VARCHAR", "äöü", "x", "abcdef", "12")
    assert dict(result_of(connection, 'ColumnLength "c" <= 3').metrics) == {
        "Column.c.LengthCompliance": 0.75,
        "Column.c.MinimumLength": 1.0,
        "Column.c.MaximumLength": 6.0,
    }


@pytest.mark.parametrize("kind", ["VARCHAR", "DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"])
@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('ColumnValues "c" > "2026-01-06"', "PASS"),
        ('ColumnValues "c" > "2026-01-07"', "FAIL"),
        ('ColumnValues "c" between "2026-01-06" and "2026-01-10"', "PASS"),
        ('ColumnValues "c" in ["2026-01-07", "2026-01-09"]', "PASS"),
        ('ColumnValues "c" < now()', "PASS"),
        ('ColumnValues "c" < (now() - 2 days)', "FAIL"),
        ('ColumnValues "c" >= (now() - 73 hours)', "PASS"),
        ('DataFreshness "c" < 4 days', "PASS"),
        ('DataFreshness "c" > 36 hours', "FAIL"),
        ('DataFreshness "c" in [36 hours, 84 hours]', "PASS"),
        ('DataFreshness "c" between 2159 minutes and 5041 minutes', "PASS"),
        ('DataFreshness "c" != 36 hours', "FAIL"),
    ],
)
def test_dates__are_compared_with_the_clock_of_the_run_in_utc(
    connection: duckdb.DuckDBPyConnection, kind: str, rule: str, expected: str
) -> None:
    connection.execute("SET TimeZone = 'Pacific/Kiritimati'")  # 14 hours ahead of UTC
    zone = "+00" if kind.endswith("ZONE") else ""
    values(connection, kind, f"2026-01-07 00:00:00{zone}", f"2026-01-09 00:00:00{zone}")
    assert outcome(connection, rule) == expected


def test_freshness__does_not_take_a_missing_time_for_a_fresh_one(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "TIMESTAMP", "2026-01-10 11:00:00", None)
    assert outcome(connection, 'DataFreshness "c" < 2 hours') == "FAIL"
    assert outcome(connection, 'DataFreshness "c" != 5 hours') == "FAIL"


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("INTEGER", "12", "x"),
        ("LONG", "9999999999", "1e30"),
        ("DOUBLE", "1.5", "one"),
        ("BOOLEAN", "true", "maybe"),
        ("DATE", "2024-02-29", "2023-02-29"),
        ("TIMESTAMP", "2024-02-29 10:00:00", "29.2.2024"),
        ("DECIMAL(4,2)", "56.78", "156.78"),
    ],
)
def test_data_type__is_what_each_value_can_be_read_as(
    connection: duckdb.DuckDBPyConnection, kind: str, good: str, bad: str
) -> None:
    values(connection, "VARCHAR", good, bad, None, good)
    rule = f'ColumnDataType "c" = "{kind}" with threshold'
    assert outcome(connection, f"{rule} = 0.5") == "PASS"
    assert outcome(connection, f"{rule} > 0.5") == "FAIL"
    assert outcome(connection, f'ColumnDataType "c" != "{kind}" with threshold = 0.5') == "PASS"


@pytest.mark.parametrize(
    ("date_format", "good", "bad"),
    [
        ("dd-MM-yyyy", "29-02-2024", "02-29-2024"),
        ("MM/dd/yyyy", "02/29/2024", "29/02/2024"),
        ("yyyy/MM", "2024/02", "2024-02"),
        ("dd-MM", "29-02", "30-02"),
        ("MM/dd", "12/31", "31/12"),
    ],
)
def test_date_formats__are_those_of_the_language(
    connection: duckdb.DuckDBPyConnection, date_format: str, good: str, bad: str
) -> None:
    values(connection, "VARCHAR", good, bad)
    rule = f'ColumnDataType "c" = "DATE" with threshold = 0.5 with format = "{date_format}"'
    assert outcome(connection, rule) == "PASS"


def test_several_columns__are_unique_together(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE t AS SELECT * FROM (VALUES (1, 1), (1, 2), (2, NULL), "
                       "(NULL, NULL), (NULL, NULL)) AS v(a, b)")  # fmt: skip
    assert dict(result_of(connection, 'IsUnique "a" "b"').metrics) == {
        "Multicolumn.a,b.Uniqueness": 1.0
    }
    assert outcome(connection, 'IsUnique "a" "b"') == "PASS"
    assert outcome(connection, 'IsUnique "a"') == "FAIL"
    key = result_of(connection, 'IsPrimaryKey "a" "b"')
    assert str(key.outcome) == "FAIL"
    assert dict(key.metrics) == {
        "Multicolumn.a,b.Uniqueness": 1.0,
        "Column.a.Completeness": 0.6,
        "Column.b.Completeness": 0.4,
    }


def test_correlation__is_that_of_pearson(connection: duckdb.DuckDBPyConnection) -> None:
    connection.execute("CREATE TABLE t AS SELECT i AS a, 5 - 2 * i AS b FROM range(9) AS r(i)")
    result = result_of(connection, 'ColumnCorrelation "a" "b" < -0.99')
    assert str(result.outcome) == "PASS"
    assert result.metrics["Multicolumn.a,b.ColumnCorrelation"] == pytest.approx(-1)


def test_entropy__of_one_value_is_nothing_and_of_even_values_their_logarithm(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "VARCHAR", *["a"] * 7)
    assert result_of(connection, 'Entropy "c" = 0').metrics == {"Column.c.Entropy": 0.0}
    values(connection, "VARCHAR", *"abcd" * 3)
    found = result_of(connection, 'Entropy "c" > 1').metrics["Column.c.Entropy"]
    assert found == pytest.approx(math.log(4))


def test_no_rows__every_row_meets_every_condition_and_there_is_no_mean(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "INTEGER")
    for rule in ('IsComplete "c"', 'ColumnValues "c" > 5', 'IsPrimaryKey "c"', "RowCount = 0"):
        assert outcome(connection, rule) == "PASS"
    for rule in ('Completeness "c" >= 0', 'Mean "c" != 1', 'Uniqueness "c" > 0.5', "RowCount > 0"):
        result = result_of(connection, rule)
        assert str(result.outcome) == "FAIL"
        assert result.message


def test_composites__follow_and_and_or(connection: duckdb.DuckDBPyConnection) -> None:
    values(connection, "INTEGER", 1, 2)
    yes, no = "(RowCount = 2)", '(Mean "c" > 5)'
    assert outcome(connection, f"{yes} and {yes} and {no}") == "FAIL"
    assert outcome(connection, f"{no} or {no} or {yes}") == "PASS"
    assert outcome(connection, f"{no} or ({yes} and {no})") == "FAIL"
    result = result_of(connection, f"{yes} or {no}")
    assert dict(result.metrics) == {"Dataset.*.RowCount": 2.0, "Column.c.Mean": 1.5}
    assert result.message == ""


def test_what_is_not_evaluated__is_an_error_and_never_passes(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "INTEGER", 1)
    for rule in (
        'CustomSql "select 1" > 0',
        'SchemaMatch "other" > 0',
        'RowCount > 0 where "c > 0"',
        "RowCount > avg(last(3))",
        "RowCount > 1 / 0",
        '(RowCount = 1) or (CustomSql "select 1" > 0)',
        'ColumnValues "c" matches "(?=x)"',
        'ColumnLength "c" > 0',
        'Completeness "c" > 0 with colour = "red"',
    ):
        result = result_of(connection, rule)
        assert str(result.outcome) == "ERROR", rule
        assert result.message
    assert run(connection, 'Rules = [ RowCount = 1, CustomSql "select 1" > 0 ]').score == 0.5


def test_missing_column__fails_its_rule_only(connection: duckdb.DuckDBPyConnection) -> None:
    values(connection, "INTEGER", 1)
    result = run(connection, 'Rules = [ IsComplete "gone", IsComplete "c" ]')
    assert [str(rule.outcome) for rule in result.rules] == ["FAIL", "PASS"]
    assert "no column gone" in result.rules[0].message


def test_overflow__costs_only_the_rule_that_it_happens_to(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "DECIMAL(38,0)", *["9" * 38] * 2)
    result = run(connection, 'Rules = [ Sum "c" > 0, IsComplete "c", RowCount = 2 ]')
    assert [str(rule.outcome) for rule in result.rules] == ["ERROR", "PASS", "PASS"]
    assert "9" not in result.rules[0].message


def test_numbers_that_are_not_finite__have_no_metric(
    connection: duckdb.DuckDBPyConnection,
) -> None:
    values(connection, "DOUBLE", "inf", "nan", 1.0)
    result = result_of(connection, 'Mean "c" > 0')
    assert (str(result.outcome), dict(result.metrics)) == ("FAIL", {})


def test_large_whole_numbers__are_compared_exactly(connection: duckdb.DuckDBPyConnection) -> None:
    values(connection, "BIGINT", 9007199254740993)
    assert outcome(connection, 'ColumnValues "c" = 9007199254740993') == "PASS"
    assert outcome(connection, 'ColumnValues "c" = 9007199254740992') == "FAIL"


def test_large_ruleset__is_evaluated_whole(connection: duckdb.DuckDBPyConnection) -> None:
    values(connection, "INTEGER", 1000)
    rules = ", ".join(f'ColumnValues "c" < {bound}' for bound in range(2000))
    result = run(connection, f"Rules = [ {rules} ]")
    assert [str(rule.outcome) for rule in result.rules] == ["FAIL"] * 1001 + ["PASS"] * 999
    assert result.score == 999 / 2000
