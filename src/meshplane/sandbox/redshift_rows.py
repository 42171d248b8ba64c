"""Rows and columns as Redshift's Data API gives them: tagged unions and `ColumnMetadata`.

Whole numbers are `longValue`, floating ones `doubleValue`; NUMERIC, dates and instants come as
text, so that nothing is lost (Redshift management guide, "Using the Amazon Redshift Data API").
"""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

_NAMES = {
    "boolean": "bool",
    "tinyint": "int2",
    "smallint": "int2",
    "integer": "int4",
    "bigint": "int8",
    "hugeint": "int8",
    "float": "float4",
    "double": "float8",
    "decimal": "numeric",
    "varchar": "varchar",
    "date": "date",
    "time": "time",
    "timestamp": "timestamp",
    "timestamp with time zone": "timestamptz",
    "blob": "varbyte",
    "list": "super",
    "struct": "super",
    "map": "super",
    "uuid": "varchar",
}
_PRECISIONS = {"int2": 5, "int4": 10, "int8": 19, "float4": 8, "float8": 17, "bool": 1, "date": 13}
_SIGNED = frozenset({"int2", "int4", "int8", "float4", "float8", "numeric"})
_TEXT_LENGTH = 65535


def column(name: str, kind: Any, table: str = "", schema: str = "") -> dict[str, Any]:
    """A `ColumnMetadata`.

    Args:
        name: the column's.
        kind: DuckDB's type.
        table: that it is of, when it is one of a table.
        schema: likewise.
    """
    type_name = _NAMES.get(kind.id, "varchar")
    precision, scale = _PRECISIONS.get(type_name, 0), 0
    if type_name == "numeric":
        sizes = dict(kind.children)
        precision, scale = int(sizes["precision"]), int(sizes["scale"])
    if type_name == "varchar":
        precision = _TEXT_LENGTH
    return {
        "name": name,
        "label": name,
        "typeName": type_name,
        "precision": precision,
        "scale": scale,
        "length": _TEXT_LENGTH if type_name == "varchar" else 0,
        "nullable": 1,
        "isCaseSensitive": type_name == "varchar",
        "isCurrency": False,
        "isSigned": type_name in _SIGNED,
        "schemaName": schema,
        "tableName": table,
    }


def field_of(value: Any, kind: Any) -> dict[str, Any]:
    """A value of a type as one `Field`."""
    if value is None:
        return {"isNull": True}
    if isinstance(value, bool):
        return {"booleanValue": value}
    if isinstance(value, int) or kind.id == "hugeint":
        return {"longValue": int(value)}
    if isinstance(value, float):
        return {"doubleValue": value}
    if isinstance(value, bytes):
        return {"blobValue": value}
    return {"stringValue": _text(value)}


def _text(value: Any) -> str:
    match value:
        case Decimal():
            return f"{value:f}"
        case datetime() if value.tzinfo is not None:
            return _instant(value.astimezone(UTC)) + "+00"
        case datetime():
            return _instant(value)
        case _:
            return str(value)


def _instant(value: datetime) -> str:
    text = value.strftime("%Y-%m-%d %H:%M:%S")
    return f"{text}.{value.microsecond:06d}".rstrip("0") if value.microsecond else text
