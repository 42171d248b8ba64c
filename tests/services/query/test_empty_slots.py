"""What an Arrow answer carries where there is no value: zeros, and none of the engine's memory."""

import struct

import duckdb
import pyarrow as pa
import pytest

from meshplane.services.query.sandbox.empty_slots import cleared

LEFT = 0x4341_4E41_5259_2121  # what lay there before


def with_leftovers(values: list[int | None]) -> pa.Array:
    """Integers, with something left over under each NULL."""
    raw = b"".join(struct.pack("<q", LEFT if cell is None else cell) for cell in values)
    valid = sum(1 << place for place, cell in enumerate(values) if cell is not None)
    bits = valid.to_bytes(8, "little")
    buffers = [pa.py_buffer(bits), pa.py_buffer(raw)]
    return pa.Array.from_buffers(pa.int64(), len(values), buffers)


def bytes_of(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("nested", ["plain", "struct", "list"])
def test_cleared__leaves_nothing_under_a_null(nested: str) -> None:
    column = with_leftovers([1, None, 3, None])
    if nested == "struct":
        column = pa.StructArray.from_arrays([column], ["inner"])
    elif nested == "list":
        column = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), column)
    batch = pa.RecordBatch.from_arrays([column], names=["x"])
    left = struct.pack("<q", LEFT)
    assert left in bytes_of(batch)
    found = cleared(batch)
    assert left not in bytes_of(found)
    assert found.equals(batch)


TYPES = """
NULL::TINYINT, nullif(i, 2)::HUGEINT, CASE WHEN i = 1 THEN INTERVAL 3 DAY END,
CASE WHEN i = 1 THEN uuid() END, CASE WHEN i = 1 THEN 'x' END, CASE WHEN i = 1 THEN 'x'::BLOB END,
CASE WHEN i = 1 THEN [1, NULL] END, CASE WHEN i = 1 THEN {'a': 1, 'b': NULL} END,
CASE WHEN i = 1 THEN map {'a': NULL} END, CASE WHEN i = 1 THEN array_value(1, NULL) END,
CASE WHEN i = 1 THEN true END, CASE WHEN i = 1 THEN TIME '10:00:00' END,
CASE WHEN i = 1 THEN 'a'::ENUM('a', 'b') END, CASE WHEN i = 1 THEN TIMESTAMPTZ '2020-01-01' END,
CASE WHEN i = 1 THEN 1.5::DECIMAL(4, 1) END, CASE WHEN i = 1 THEN '{}'::JSON END
"""


def test_cleared__keeps_every_value_of_every_type() -> None:
    relation = duckdb.connect().sql(f"SELECT {TYPES} FROM range(1, 4) AS t(i)")
    for batch in relation.to_arrow_table().to_batches():
        found = cleared(batch)
        found.validate(full=True)
        assert found.schema == batch.schema
        assert found.equals(batch)


def test_cleared__a_batch_without_nulls_is_passed_on() -> None:
    batch = pa.RecordBatch.from_arrays([pa.array([1, 2])], names=["x"])
    assert cleared(batch) is batch
