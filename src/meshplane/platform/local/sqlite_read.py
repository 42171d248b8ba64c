"""Reading rows: by key, a page of a partition, full text."""

import base64
import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from typing import Any

import orjson

from meshplane.kit.errors import Invalid
from meshplane.platform.local.sqlite_schema import index_columns
from meshplane.platform.tables import (
    Between,
    KeyValue,
    Row,
    RowPage,
    SortCondition,
    StartsWith,
    Table,
)

_ALIVE = "(expires IS NULL OR expires > ?)"
_WORD = re.compile(r"\w+", re.UNICODE)
_MOST_WORDS = 32


def get(
    connection: sqlite3.Connection, table: Table, partition: KeyValue, sort: KeyValue, now: int
) -> Row | None:
    """The row with that key, unless it has expired by `now` (epoch seconds)."""
    found = connection.execute(_get_statement(table), (partition, sort, now)).fetchone()
    return Row(orjson.loads(found[0]), found[1]) if found else None


def get_many(
    connection: sqlite3.Connection,
    table: Table,
    keys: Sequence[tuple[KeyValue, KeyValue]],
    now: int,
) -> list[Row]:
    """The rows with those keys that are there and have not expired by `now` (epoch seconds)."""
    by_partition: dict[KeyValue, list[KeyValue]] = {}
    for partition, sort in keys:
        by_partition.setdefault(partition, []).append(sort)
    found: list[Row] = []
    for partition, sorts in by_partition.items():
        lines = connection.execute(
            _get_many_statement(table, len(sorts)), (partition, *sorts, now)
        ).fetchall()
        found += [Row(orjson.loads(body), version) for body, version in lines]
    return found


@cache
def _get_many_statement(table: Table, count: int) -> str:
    marks = ", ".join("?" * count)
    return (
        f'SELECT body, version FROM "{table.name}" '  # noqa: S608 - declared names
        f"WHERE pk = ? AND sk IN ({marks}) AND {_ALIVE}"
    )


@cache
def _get_statement(table: Table) -> str:
    return (
        f'SELECT body, version FROM "{table.name}" '  # noqa: S608 - declared names
        f"WHERE pk = ? AND sk = ? AND {_ALIVE}"
    )


def query(
    connection: sqlite3.Connection,
    table: Table,
    partition: KeyValue,
    *,
    index: str | None,
    where: SortCondition | None,
    limit: int,
    cursor: str | None,
    descending: bool,
    now: int,
) -> RowPage:
    """A page of one partition of the table, or of one of its indexes, by sort key."""
    keys = ("pk", "sk") if index is None else (*index_columns(table.index(index)), "pk", "sk")
    partition_column, order = keys[0], keys[1:]
    conditions, values = [f"{partition_column} = ?", _ALIVE], [partition, now]
    if where is not None:
        _add_condition(where, order[0], conditions, values)
    if cursor is not None:
        after = _read_cursor(cursor, len(order))
        marks = ", ".join("?" for _ in after)
        sign = "<" if descending else ">"
        conditions.append(f"({', '.join(order)}) {sign} ({marks})")
        values += after
    direction = " DESC" if descending else ""
    found = connection.execute(
        f'SELECT body, version, {", ".join(order)} FROM "{table.name}" '  # noqa: S608 - declared
        f"WHERE {' AND '.join(conditions)} "
        f"ORDER BY {', '.join(column + direction for column in order)} LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    rows = tuple(Row(orjson.loads(line[0]), line[1]) for line in found[:limit])
    more = len(found) > limit
    return RowPage(rows, _write_cursor(found[limit - 1][2:]) if more else None)


def _add_condition(
    where: SortCondition, column: str, conditions: list[str], values: list[Any]
) -> None:
    match where:
        case StartsWith(prefix):
            conditions.append(f"substr({column}, 1, ?) = ? AND {column} >= ?")
            values += [len(prefix), prefix, prefix]
        case Between(low, high):
            if low is not None:
                conditions.append(f"{column} >= ?")
                values.append(low)
            if high is not None:
                conditions.append(f"{column} <= ?")
                values.append(high)


def _write_cursor(position: Sequence[Any]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(position))).decode().rstrip("=")


def _read_cursor(cursor: str, length: int) -> list[Any]:
    try:
        position = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        position = None
    if (
        not isinstance(position, list)
        or len(position) != length
        or not all(_is_key_value(part) for part in position)
    ):
        raise Invalid(
            "CURSOR_INVALID",
            "The cursor is not one that an earlier page of this list gave.",
            field="cursor",
        )
    return position


def _is_key_value(part: object) -> bool:
    """Whether it is a key; SQLite's whole numbers have 64 bits, and `True` is one to Python."""
    return isinstance(part, str) or (type(part) is int and -(2**63) <= part < 2**63)


def search(
    connection: sqlite3.Connection, table: Table, words: str, limit: int, now: int
) -> Sequence[Row]:
    """Rows that hold all the words; if there are none, rows that hold some; best first."""
    terms = [f'"{word}"' for word in _WORD.findall(words)[:_MOST_WORDS]]
    if not terms:
        return ()
    weights = ", ".join(str(2 ** (len(table.search) - n)) for n in range(len(table.search)))
    for joint in (" AND ", " OR "):
        found = connection.execute(
            f'SELECT t.body, t.version FROM "{table.name}_search" s '  # noqa: S608 - declared
            f'JOIN "{table.name}" t ON t.rowid = s.rowid '
            f'WHERE "{table.name}_search" MATCH ? AND {_ALIVE} '
            f'ORDER BY bm25("{table.name}_search", {weights}), t.pk LIMIT ?',
            (joint.join(terms), now, limit),
        ).fetchall()
        if found:
            return [Row(orjson.loads(body), version) for body, version in found]
    return ()
