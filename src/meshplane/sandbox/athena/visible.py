"""What of a table a caller sees, when Lake Formation gives several scopes.

The rule, from AWS's texts. A data filter is a set of columns and a row condition, and the
permissions of one principal add up (Lake Formation guide, "Data filters in Lake Formation" and "Row
filters … limits": up to 100 filter permissions of a principal on a table). For engines, Glue's
`GetUnfilteredTableMetadata` gives one row condition of the table and, for each column, one of its
own (`CellFilters[].{ColumnName, RowFilterExpression}`): a row outside the table's condition does
not exist, and in a row outside a column's condition that column is NULL ("in restricted rows, the
query results return NULL"). Hence:

- a column that no scope has does not exist;
- a row is there when the condition of any scope is true for it (unknown is not true);
- a cell is there when the condition of any scope *with that column* is true for its row, and is
  NULL otherwise.

That several filters are joined by OR is what engines with Lake Formation support show in their
plans (Teradata Open Table Format guide, "Authorized Row Filters"). It needs AWS to be seen.
"""

from functools import lru_cache
from typing import Any, Protocol

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from meshplane.sandbox.athena.refusals import QueryFailed

_MARK = "__scope_{}"


class Scope(Protocol):
    """Columns, and the rows in which they are seen; None: all rows."""

    @property
    def columns(self) -> frozenset[str]:
        """The columns' names."""
        ...

    @property
    def rows(self) -> str | None:
        """A row filter's PartiQL text."""
        ...


def visible_columns(columns: tuple[str, ...], scopes: tuple[Scope, ...]) -> tuple[str, ...]:
    """The columns that exist for the caller, in the table's order."""
    seen = {name.lower() for scope in scopes for name in scope.columns}
    return tuple(name for name in columns if name in seen)


def visible_rows(relation: str, columns: tuple[str, ...], scopes: tuple[Scope, ...]) -> str | None:
    """The SELECT over a relation that gives what the caller sees, or None when that is all of it.

    Args:
        relation: DuckDB's name of the whole table.
        columns: all of the table's.
        scopes: Lake Formation's.

    Raises:
        QueryFailed: a row filter is no PartiQL condition.
    """
    used = [scope for scope in scopes if scope.columns]
    sets = [frozenset(name.lower() for name in scope.columns) for scope in used]
    seen = visible_columns(columns, tuple(used))
    everywhere = [scope.rows is None for scope in used]
    if len(seen) == len(columns) and any(
        free and names >= set(columns) for free, names in zip(everywhere, sets, strict=True)
    ):
        return None
    marks = [
        f"(({_condition(scope.rows)}) IS TRUE) AS {_MARK.format(index)}"
        for index, scope in enumerate(used)
        if scope.rows is not None
    ]
    terms = ["TRUE" if free else _MARK.format(i) for i, free in enumerate(everywhere)]
    shown = [
        _cell(name, [terms[i] for i, names in enumerate(sets) if name in names], terms)
        for name in seen
    ]
    inner = f"SELECT {', '.join(['*', *marks])} FROM {relation}"  # noqa: S608 - names are quoted
    return f"SELECT {', '.join(shown)} FROM ({inner}) WHERE {_any(terms)}"  # noqa: S608 - as above


def _cell(name: str, terms: list[str], all_terms: list[str]) -> str:
    quoted = _quoted(name)
    if "TRUE" in terms or len(terms) == len(all_terms):
        return quoted
    return f"CASE WHEN {_any(terms)} THEN {quoted} END AS {quoted}"


def _any(terms: list[str]) -> str:
    return "TRUE" if "TRUE" in terms else " OR ".join(terms)


def _quoted(name: str) -> str:
    return exp.to_identifier(name, quoted=True).sql("duckdb")


@lru_cache(maxsize=4096)
def _condition(text: str | None) -> str:
    try:
        parsed: Any = sqlglot.parse_one(text or "TRUE", read="trino")
    except SqlglotError as error:
        raise QueryFailed("GENERIC_USER_ERROR: a row filter could not be parsed") from error
    return str(parsed.sql("duckdb"))
