"""Splits rows by a table's partitioning."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import TimeTransform
from pyiceberg.typedef import Record


def partitions(
    rows: pa.Table, spec: PartitionSpec, schema: Schema
) -> list[tuple[Record, pa.Array | None]]:
    """Each partition's key, and which rows are its own, in the order in which they came.

    Args:
        rows: rows with the table's Arrow schema, in one chunk.
        spec: the partitioning.
        schema: the table's schema.

    Returns:
        Keys, with the numbers of their rows; None for all of them.
    """
    if spec.is_unpartitioned():
        return [(Record(), None)]
    keys = [_key(rows, field, schema) for field in spec.fields]
    names = [f"k{number}" for number in range(len(keys))]
    numbered = pa.table(
        [codes for codes, _ in keys] + [pa.arange(0, rows.num_rows)],
        names=[*names, "row"],
    )
    # One thread: the order of rows within a group stays that of their arrival.
    groups = numbered.group_by(names, use_threads=False).aggregate([("row", "list")])
    found: list[tuple[Record, pa.Array | None]] = []
    for position in range(groups.num_rows):
        key = Record(
            *(
                values[groups[name][position].as_py()]
                for name, (_, values) in zip(names, keys, strict=True)
            )
        )
        chosen = groups["row_list"][position].values
        found.append((key, None if len(chosen) == rows.num_rows else chosen))
    return found


def _key(rows: pa.Table, field: PartitionField, schema: Schema) -> tuple[pa.Array, list[Any]]:
    """For each row the number of its partition value, and the values in the order of numbers.

    The transforms' own definition is applied once per distinct value of the column.
    """
    source = schema.find_field(field.source_id)
    column = _reduced(rows.column(source.name), field)
    encoded = column.combine_chunks().dictionary_encode(null_encoding="encode")
    transform = field.transform.transform(source.field_type)
    numbers: dict[Any, int] = {}
    codes: list[int] = []
    for value in encoded.dictionary.to_pylist():
        codes.append(numbers.setdefault(transform(value), len(numbers)))
    return pa.array(codes, pa.int32()).take(encoded.indices), list(numbers)


def _reduced(column: pa.ChunkedArray, field: PartitionField) -> pa.ChunkedArray:
    """The column in the form that partition values have: plain numbers for dates and times.

    Instants are first cut to their unit, which leaves a handful of distinct values where there
    might be as many as rows.
    """
    if pa.types.is_timestamp(column.type):
        utc = column.cast(pa.timestamp("us"))
        if isinstance(field.transform, TimeTransform):
            utc = pc.floor_temporal(utc, unit=str(field.transform))
        return utc.cast(pa.int64())
    if pa.types.is_date32(column.type):
        return column.cast(pa.int32())
    if pa.types.is_time64(column.type):
        return column.cast(pa.int64())
    if isinstance(column.type, pa.UuidType):
        return column.cast(column.type.storage_type)
    return column
