"""What the built-in classifiers of a crawler make of files: Parquet, CSV, and JSON lines.

Names are folded to lower case. A first line of CSV counts as names only where one of its columns
has other values than text further down; otherwise columns are `col0`, `col1`. Folders such as
`year=2024` become partition keys, which are strings. Files below a target whose columns do not
agree make a table each.

Sources: Glue Developer Guide, "Built-in classifiers" and "How does a crawler determine when to
create partitions?".
"""

import csv
import gzip
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet

from meshplane.sandbox.hive_types import hive_type_of_arrow
from meshplane.sandbox.lake_state import StoredObject

Columns = dict[str, str]
"""The types of columns, by name."""

_HIVE = "org.apache.hadoop.hive.ql.io"
_FORMATS: Mapping[str, tuple[str, str, str]] = {
    "parquet": (
        f"{_HIVE}.parquet.MapredParquetInputFormat",
        f"{_HIVE}.parquet.MapredParquetOutputFormat",
        f"{_HIVE}.parquet.serde.ParquetHiveSerDe",
    ),
    "csv": (
        "org.apache.hadoop.mapred.TextInputFormat",
        f"{_HIVE}.HiveIgnoreKeyTextOutputFormat",
        "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
    ),
    "json": (
        "org.apache.hadoop.mapred.TextInputFormat",
        f"{_HIVE}.HiveIgnoreKeyTextOutputFormat",
        "org.openx.data.jsonserde.JsonSerDe",
    ),
}
_UNKNOWN = "UNKNOWN"
_KEY = re.compile(r"/([^/=]+)=[^/]*(?=/)")
_WHOLE, _NUMBER = re.compile(r"[+-]?\d{1,18}"), re.compile(r"[+-]?(\d+\.\d*|\.?\d+)([eE][+-]?\d+)?")
_WIDER = ("int", "bigint", "double")


def table_inputs(target: str, objects: Sequence[StoredObject]) -> dict[str, dict[str, Any]]:
    """The tables that a target makes, by their location; none where it is empty.

    Args:
        target: `s3://BUCKET/FOLDER/`, or one object.
        objects: below it.
    """
    if not objects:
        return {}
    files = [(one, *_classified(one.body)) for one in objects]
    kinds = {kind for _, kind, _ in files}
    merged = _merged(columns for _, _, columns in files)
    if len(kinds) == 1 and merged is not None:
        first = objects[0].location.removeprefix(target.rstrip("/"))
        keys = _KEY.findall(first)
        return {target: _input(target, next(iter(kinds)), merged, keys)}
    return {one.location: _input(one.location, kind, columns, []) for one, kind, columns in files}


def _input(location: str, kind: str, columns: Columns, keys: Sequence[str]) -> dict[str, Any]:
    storage: dict[str, Any] = {
        "Columns": [{"Name": name, "Type": type_} for name, type_ in columns.items()],
        "Location": location,
    }
    if kind in _FORMATS:
        takes, gives, serde = _FORMATS[kind]
        storage |= {
            "InputFormat": takes,
            "OutputFormat": gives,
            "SerdeInfo": {"SerializationLibrary": serde},
        }
    return {
        "TableType": "EXTERNAL_TABLE",
        "Parameters": {"classification": kind, "EXTERNAL": "TRUE"},
        "StorageDescriptor": storage,
        "PartitionKeys": [{"Name": key.lower(), "Type": "string"} for key in keys],
    }


def _classified(body: bytes) -> tuple[str, Columns]:
    if body[:4] == b"PAR1":
        return _parquet(body)
    if body[:2] == b"\x1f\x8b":
        try:
            body = gzip.decompress(body)
        except (OSError, EOFError):
            return _UNKNOWN, {}
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return _UNKNOWN, {}
    return _json(text) or _csv(text) or (_UNKNOWN, {})


def _parquet(body: bytes) -> tuple[str, Columns]:
    try:
        schema = pyarrow.parquet.read_schema(io.BytesIO(body))
    except (pa.ArrowException, OSError):
        return _UNKNOWN, {}
    return "parquet", {one.name.lower(): hive_type_of_arrow(one.type) for one in schema}


def _json(text: str) -> tuple[str, Columns] | None:
    rows = []
    for line in filter(str.strip, text.splitlines()):
        try:
            row = json.loads(line)
        except ValueError:
            return None
        if not isinstance(row, dict):
            return None
        rows.append({name.lower(): _of_json(value) for name, value in row.items()})
    merged = _merged(rows)
    return ("json", {name: kind or "string" for name, kind in merged.items()}) if merged else None


def _of_json(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "int" if -(2**31) <= value < 2**31 else "bigint"
    if isinstance(value, float):
        return "double"
    if isinstance(value, list):
        return f"array<{_of_json(value[0]) if value else 'string'}>"
    if isinstance(value, dict):
        inner = ",".join(f"{name.lower()}:{_of_json(one)}" for name, one in value.items())
        return f"struct<{inner}>"
    return "string"


def _csv(text: str) -> tuple[str, Columns] | None:
    sign = max(",;\t|", key=text.partition("\n")[0].count)
    rows = [row for row in csv.reader(io.StringIO(text), delimiter=sign) if row]
    if len(rows) < 2 or len(rows[0]) < 2 or any(len(row) != len(rows[0]) for row in rows):
        return None
    below = [_of_text(column) for column in zip(*rows[1:], strict=True)]
    has_names = all(_of_text([one]) == "string" for one in rows[0])
    if has_names and any(kind != "string" for kind in below):
        names = [name.lower() for name in rows[0]]
    else:
        names = [f"col{number}" for number in range(len(rows[0]))]
    return "csv", dict(zip(names, below, strict=True))


def _of_text(values: Iterable[str]) -> str:
    held = [value for value in values if value]
    if held and all(_WHOLE.fullmatch(value) for value in held):
        return "bigint"
    return "double" if held and all(_NUMBER.fullmatch(value) for value in held) else "string"


def _merged(all_columns: Iterable[Columns]) -> Columns | None:
    """One set of columns for all; None where they do not agree."""
    merged: Columns = {}
    for columns in all_columns:
        for name, kind in columns.items():
            before = merged.get(name) or kind
            if before != kind and kind:
                if before not in _WIDER or kind not in _WIDER:
                    return None
                before = max(before, kind, key=_WIDER.index)
            merged[name] = before
    return merged
