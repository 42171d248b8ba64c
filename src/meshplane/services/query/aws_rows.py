"""Rows of Athena, which are texts, as the types that they are."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa

from meshplane.services.query.sandbox.faults import refused

_ZONE = re.compile(r"^(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?) ?(?P<zone>\S+)$")
_OFFSET = re.compile(r"^[+-]\d\d:\d\d$")

_FEW = 100  # values are read as fast one by one: a cast takes 0.1 ms for the first of them

Reader = Callable[[list[str | None]], pa.Array]


class Columns:
    """The columns of a result.

    Args:
        told: `ColumnInfo` of Athena.
        lists: of what the columns that are lists are ones, by their place, in DuckDB's words.

    Raises:
        Refused: SQL_REFUSED, the text of one of them does not tell what it holds.
    """

    def __init__(
        self, told: Sequence[Mapping[str, Any]], lists: Mapping[int, str] | None = None
    ) -> None:
        known = lists or {}
        kinds = [_kind(one, known.get(place)) for place, one in enumerate(told)]
        names = [one["Name"] for one in told]
        self.columns = [
            {"name": name, "type": sql_type}
            for name, (sql_type, _) in zip(names, kinds, strict=True)
        ]
        self.schema = pa.schema(
            [pa.field(name, kind) for name, (_, kind) in zip(names, kinds, strict=True)]
        )
        self._readers = [_reader(kind) for _, kind in kinds]

    def batch(self, rows: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
        """Rows, each a mapping with `Data`; a value that is missing is NULL."""
        texts = [[cell.get("VarCharValue") for cell in row["Data"]] for row in rows]
        arrays = [
            read([row[place] if place < len(row) else None for row in texts])
            for place, read in enumerate(self._readers)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


_PLAIN: dict[str, tuple[str, pa.DataType]] = {
    "boolean": ("BOOLEAN", pa.bool_()),
    "tinyint": ("TINYINT", pa.int8()),
    "smallint": ("SMALLINT", pa.int16()),
    "integer": ("INTEGER", pa.int32()),
    "int": ("INTEGER", pa.int32()),
    "bigint": ("BIGINT", pa.int64()),
    "float": ("FLOAT", pa.float32()),
    "real": ("FLOAT", pa.float32()),
    "double": ("DOUBLE", pa.float64()),
    "varchar": ("VARCHAR", pa.string()),
    "char": ("VARCHAR", pa.string()),
    "string": ("VARCHAR", pa.string()),
    "json": ("JSON", pa.string()),
    "uuid": ("UUID", pa.string()),
    "date": ("DATE", pa.date32()),
    "time": ("TIME", pa.time64("us")),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "timestamp with time zone": ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC")),
    "varbinary": ("BLOB", pa.binary()),
    "unknown": ("VARCHAR", pa.string()),
}


_INSIDE: dict[str, tuple[str, pa.DataType]] = {
    sql_type: (sql_type, kind)
    for sql_type, kind in _PLAIN.values()
    if not (pa.types.is_string(kind) or pa.types.is_binary(kind))
} | {"INT": ("INTEGER", pa.int32()), "TIMESTAMPTZ": _PLAIN["timestamp with time zone"]}
_DECIMAL = re.compile(r"DECIMAL\((\d+), ?(\d+)\)")


def _inside(list_of: str) -> tuple[str, pa.DataType] | None:
    """The type of a list's values, where none of their texts can hold a comma."""
    decimal = _DECIMAL.fullmatch(list_of)
    if decimal is None:
        return _INSIDE.get(list_of)
    precision, scale = int(decimal[1]), int(decimal[2])
    return f"DECIMAL({precision},{scale})", pa.decimal128(precision, scale)


def _kind(told: Mapping[str, Any], list_of: str | None) -> tuple[str, pa.DataType]:
    name = str(told["Type"]).lower()
    inside = _inside(list_of) if name == "array" and list_of is not None else None
    if inside is not None:
        return f"{inside[0]}[]", pa.list_(inside[1])
    if name == "decimal":
        precision, scale = int(told["Precision"]), int(told["Scale"])
        return f"DECIMAL({precision},{scale})", pa.decimal128(precision, scale)
    if name not in _PLAIN:
        # Athena writes lists, maps and rows without quotes: a text in one may look like two.
        raise refused(
            f"On Athena a result has no columns of the type {name}. Give their parts as columns of "
            "their own, or put them together as text."
        )
    return _PLAIN[name]


def _reader(kind: pa.DataType) -> Reader:
    if pa.types.is_list(kind):
        return _list_reader(kind)
    if pa.types.is_integer(kind):
        return lambda texts: _whole(texts, kind)
    if pa.types.is_floating(kind):
        return lambda texts: pa.array(
            [None if text is None else float(text) for text in texts], kind
        )
    if pa.types.is_binary(kind):
        return lambda texts: pa.array(
            [None if text is None else bytes.fromhex(text) for text in texts], kind
        )
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        return lambda texts: pa.array(
            [None if text is None else _instant(text) for text in texts], kind
        )
    if pa.types.is_time(kind):
        return lambda texts: pa.array(
            [None if text is None else time.fromisoformat(text) for text in texts], kind
        )
    if pa.types.is_string(kind):
        return lambda texts: pa.array(texts, kind)
    return lambda texts: pa.array(texts, pa.string()).cast(kind)


def _whole(texts: list[str | None], kind: pa.DataType) -> pa.Array:
    if len(texts) > _FEW:
        return pa.array(texts, pa.string()).cast(kind)
    return pa.array([None if text is None else int(text) for text in texts], kind)


def _list_reader(kind: pa.DataType) -> Reader:
    """Reads `[1, 2, null]`."""
    inner = _reader(kind.value_type)

    def read(texts: list[str | None]) -> pa.Array:
        found: list[Any] = []
        for text in texts:
            if text is None:
                found.append(None)
                continue
            bare = text.strip()[1:-1]
            values = [None if one == "null" else one for one in bare.split(", ")] if bare else []
            found.append(inner(values).to_pylist())
        return pa.array(found, kind)

    return read


def _instant(text: str) -> datetime:
    found = _ZONE.fullmatch(text)
    if found is None:
        raise _unreadable()
    zone = found["zone"]
    if zone in ("UTC", "Z"):
        return datetime.fromisoformat(f"{found['at']}+00:00")
    if _OFFSET.fullmatch(zone):
        return datetime.fromisoformat(f"{found['at']}{zone}")
    try:
        return datetime.fromisoformat(found["at"]).replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise _unreadable() from error


def _unreadable() -> Exception:
    return refused("On Athena a result has an instant in a time zone that is not known here.")
