"""DuckDB's types of a result's columns as Iceberg's types of a table's."""

import re
from collections.abc import Mapping, Sequence

from meshplane.kit.errors import FieldProblem, Invalid

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_DECIMAL = re.compile(r"DECIMAL\((\d+),\s*(\d+)\)")
_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "int",
    "SMALLINT": "int",
    "INTEGER": "int",
    "UTINYINT": "int",
    "USMALLINT": "int",
    "UINTEGER": "long",
    "BIGINT": "long",
    "FLOAT": "float",
    "DOUBLE": "double",
    "VARCHAR": "string",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "BLOB": "binary",
    "UUID": "uuid",
}


def iceberg_types(columns: Sequence[Mapping[str, str]]) -> tuple[tuple[str, str], ...]:
    """(name, Iceberg type) of each column of a result.

    Raises:
        Invalid: RESULT_NOT_A_TABLE, a column has no usable name, a name twice, or a type that a
            table cannot hold.
    """
    problems, typed, seen = [], [], set()
    for number, column in enumerate(columns, 1):
        name, kind = column["name"], _iceberg(column["type"])
        if not _NAME.fullmatch(name) or name in seen:
            problems.append(
                FieldProblem("sql", f"result column {number}: give it a name of its own with AS")
            )
        elif kind is None:
            problems.append(
                FieldProblem(
                    "sql", f"result column {number}: a table cannot hold {column['type']}: cast it"
                )
            )
        else:
            typed.append((name, kind))
        seen.add(name)
    if problems:
        raise Invalid(
            "RESULT_NOT_A_TABLE", "The result cannot become a table.", fields=problems[:20]
        )
    return tuple(typed)


def _iceberg(kind: str) -> str | None:
    found = _DECIMAL.fullmatch(kind)
    if found:
        return f"decimal({found[1]},{found[2]})"
    return _TYPES.get(kind)
