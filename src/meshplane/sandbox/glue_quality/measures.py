"""What rules measure of a table, on DuckDB.

The names of measures are those of `EvaluatedMetrics`: `Dataset.*.RowCount`,
`Column.price.Completeness`, `Multicolumn.a,b.Uniqueness`. A table is a relation with known columns;
nothing here knows rules.
"""

from dataclasses import dataclass
from typing import Any

import duckdb
import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError


class CannotEvaluate(Exception):
    """A rule cannot be evaluated on this table. The message is its `EvaluationMessage`."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A table, or its rows that fit a condition.

    Args:
        connection: DuckDB's.
        relation: its name there, quoted.
        columns: DuckDB's types by lower-case name.
        where: SQL of which rows count, or None for all.
    """

    connection: duckdb.DuckDBPyConnection
    relation: str
    columns: dict[str, str]
    where: str | None = None

    def column(self, name: str) -> str:
        """A column's quoted name.

        Raises:
            CannotEvaluate: the table has none of that name.
        """
        if name.lower() not in self.columns:
            raise CannotEvaluate(f"Column {name} does not exist in dataset")
        return quoted(name)

    def kind(self, name: str) -> str:
        """A column's type."""
        self.column(name)
        return self.columns[name.lower()]

    def is_numeric(self, name: str) -> bool:
        """Whether a column holds numbers."""
        kind = self.kind(name)
        return kind.startswith("DECIMAL") or kind in {
            "TINYINT",
            "SMALLINT",
            "INTEGER",
            "BIGINT",
            "HUGEINT",
            "FLOAT",
            "DOUBLE",
        }

    def value(self, expression: str) -> Any:
        """One aggregate over the rows.

        Raises:
            CannotEvaluate: the engine refuses it.
        """
        sql = f"SELECT {expression} FROM {self.source()}"  # noqa: S608 - names are quoted
        return self.fetch(sql)[0][0]

    def source(self) -> str:
        """What stands after FROM."""
        if self.where is None:
            return self.relation
        return f"(SELECT * FROM {self.relation} WHERE {self.where})"  # noqa: S608 - the ruleset's

    def fetch(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query in DuckDB's words.

        Raises:
            CannotEvaluate: the engine refuses it.
        """
        try:
            found: list[tuple[Any, ...]] = self.connection.execute(sql).fetchall()
        except duckdb.Error as error:
            told = str(error).split("\n", 1)[0]
            raise CannotEvaluate(f"Rule could not be evaluated: {told}"[:2000]) from error
        return found

    def rows(self) -> int:
        """How many rows there are."""
        return int(self.value("count(*)"))

    def narrowed(self, where: str | None) -> "Measured":
        """The rows for which an SQL condition of Spark's is true.

        Raises:
            CannotEvaluate: it is none.
        """
        if where is None:
            return self
        try:
            text = sqlglot.parse_one(where, read="spark").sql("duckdb")
        except SqlglotError as error:
            raise CannotEvaluate("The where clause could not be parsed") from error
        return Measured(self.connection, self.relation, self.columns, f"({text}) IS TRUE")


def quoted(name: str) -> str:
    """A name in DuckDB's words."""
    return exp.to_identifier(name, quoted=True).sql("duckdb")


def text_literal(text: str) -> str:
    """A text in DuckDB's words."""
    return exp.Literal.string(text).sql("duckdb")


def completeness(table: Measured, name: str) -> float | None:
    """The part of the rows in which a column is not NULL; None of an empty table."""
    column = table.column(name)
    return _share(table.value(f"count({column})"), table.rows())


def uniqueness(table: Measured, names: tuple[str, ...]) -> float | None:
    """The part of the rows, not NULL in all columns, whose values occur once; None of none."""
    listed = ", ".join(table.column(name) for name in names)
    filled = " OR ".join(f"{table.column(name)} IS NOT NULL" for name in names)
    rows = table.fetch(
        "SELECT count(*) FILTER (n = 1), sum(n) FROM ("  # noqa: S608 - names are quoted
        f"SELECT count(*) AS n FROM {table.source()} WHERE {filled} GROUP BY {listed})"
    )
    return _share(rows[0][0], rows[0][1] or 0)


def unique_value_ratio(table: Measured, name: str) -> float | None:
    """The part of the distinct values that occur once; None of none."""
    column = table.column(name)
    rows = table.fetch(
        "SELECT count(*) FILTER (n = 1), count(*) FROM ("  # noqa: S608 - names are quoted
        f"SELECT count(*) AS n FROM {table.source()} WHERE {column} IS NOT NULL GROUP BY {column})"
    )
    return _share(rows[0][0], rows[0][1])


def entropy(table: Measured, name: str) -> float | None:
    """Shannon's, in nats, of a column's values; None of none."""
    column = table.column(name)
    rows = table.fetch(
        "SELECT -sum(n / total * ln(n / total)) FROM ("  # noqa: S608 - names are quoted
        f"SELECT count(*) AS n, sum(count(*)) OVER () AS total FROM {table.source()} "
        f"WHERE {column} IS NOT NULL GROUP BY {column})"
    )
    return None if rows[0][0] is None else float(rows[0][0])


_AGGREGATES = {
    "Mean": "avg",
    "Sum": "sum",
    "StandardDeviation": "stddev_pop",
    "Variance": "var_pop",
}


def statistic(table: Measured, kind: str, name: str) -> float | None:
    """Mean, Sum, StandardDeviation or Variance of a column's numbers; None of none.

    Raises:
        CannotEvaluate: the column holds no numbers.
    """
    column = table.column(name)
    if not table.is_numeric(name) and table.kind(name) != "VARCHAR":
        raise CannotEvaluate(f"Expected type of column {name} to be numeric")
    found = table.value(f"{_AGGREGATES[kind]}(TRY_CAST({column} AS DOUBLE))")
    if found is None and table.rows() and table.value(f"count({column})"):
        raise CannotEvaluate(f"Expected type of column {name} to be numeric")
    return None if found is None else float(found)


def correlation(table: Measured, first: str, second: str) -> float | None:
    """Pearson's, of two columns."""
    left, right = table.column(first), table.column(second)
    found = table.value(f"corr(CAST({left} AS DOUBLE), CAST({right} AS DOUBLE))")
    return None if found is None else float(found)


def distinct_values(table: Measured, name: str) -> int:
    """How many values a column has; NULL is one of them, as in Deequ's histograms."""
    column = table.column(name)
    return int(table.value(f"count(DISTINCT {column}) + max(({column} IS NULL)::INTEGER)") or 0)


def _share(part: Any, whole: Any) -> float | None:
    """None where there is nothing to measure: Deequ has no state then, and its check fails."""
    return float(part or 0) / float(whole) if whole else None
