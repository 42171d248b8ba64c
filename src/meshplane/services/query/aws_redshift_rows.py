"""Records of Redshift's Data API, which are tagged values, as columns of their types."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pyarrow as pa

_PLAIN: dict[str, tuple[str, pa.DataType]] = {
    "bool": ("BOOLEAN", pa.bool_()),
    "int2": ("SMALLINT", pa.int16()),
    "int4": ("INTEGER", pa.int32()),
    "int8": ("BIGINT", pa.int64()),
    "float4": ("FLOAT", pa.float32()),
    "float8": ("DOUBLE", pa.float64()),
    "date": ("DATE", pa.date32()),
    "time": ("TIME", pa.time64("us")),
    "timestamp": ("TIMESTAMP", pa.timestamp("us")),
    "timestamptz": ("TIMESTAMP WITH TIME ZONE", pa.timestamp("us", "UTC")),
    "varbyte": ("BLOB", pa.binary()),
}
_TEXT = ("VARCHAR", pa.string())


class RedshiftColumns:
    """The columns of a result.

    Args:
        told: `ColumnMetadata`. A type that is not known here is shown as text.
    """

    def __init__(self, told: Sequence[Mapping[str, Any]]) -> None:
        kinds = [_kind(one) for one in told]
        names = [str(one.get("label") or one["name"]) for one in told]
        self.columns = [
            {"name": name, "type": sql_type}
            for name, (sql_type, _) in zip(names, kinds, strict=True)
        ]
        self.schema = pa.schema(
            [pa.field(name, kind) for name, (_, kind) in zip(names, kinds, strict=True)]
        )

    def batch(self, records: Sequence[Sequence[Mapping[str, Any]]]) -> pa.RecordBatch:
        """Rows, each a list of tagged values."""
        arrays = [
            _array([_value(row[place]) for row in records], field.type)
            for place, field in enumerate(self.schema)
        ]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _kind(told: Mapping[str, Any]) -> tuple[str, pa.DataType]:
    name = str(told.get("typeName", "")).lower()
    if name == "numeric":
        precision, scale = int(told["precision"]), int(told["scale"])
        return f"DECIMAL({precision},{scale})", pa.decimal128(precision, scale)
    return _PLAIN.get(name, _TEXT)


def _value(tagged: Mapping[str, Any]) -> Any:
    if tagged.get("isNull"):
        return None
    return next(iter(tagged.values()))


def _array(values: list[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(kind) and kind.tz is not None:
        # Redshift ends its instants with `+00`.
        return pa.array(
            [None if one is None else datetime.fromisoformat(one) for one in values], kind
        )
    if any(isinstance(one, str) for one in values):
        return pa.array(values, pa.string()).cast(kind)
    return pa.array(values, kind)
