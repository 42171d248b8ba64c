"""Clears what lies in memory where an Arrow array has no value.

Under each NULL the engine leaves whatever its memory held before: addresses, and perhaps cells of
rows that the caller may not see. JSON never shows it; an Arrow stream would carry it along.
"""

import pyarrow as pa


def cleared(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The same batch, with zeros in every slot that has no value."""
    if all(_is_full(column) for column in batch.columns):
        return batch
    # A taken array is written anew, and nothing but values is copied into it.
    every = pa.array(range(batch.num_rows), pa.int64())
    columns = [column if _is_full(column) else column.take(every) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _is_full(column: pa.Array) -> bool:
    """Has it a value in every slot, and no inner arrays that may lack some?"""
    return column.null_count == 0 and not pa.types.is_nested(_storage(column.type))


def _storage(kind: pa.DataType) -> pa.DataType:
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind
