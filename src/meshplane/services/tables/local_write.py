"""Writes rows into the data files of a table."""

import itertools
import uuid
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import pyarrow as pa
from pyiceberg.io.pyarrow import ParquetFormatWriter
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat
from pyiceberg.schema import sanitize_column_names
from pyiceberg.table import Table
from pyiceberg.typedef import Record

from meshplane.kit.errors import TooLarge
from meshplane.services.tables.local_partition import partitions


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How rows are cut into files.

    Args:
        chunk_bytes: rows gathered in memory before they are split and written; a data file holds
            at most this much, unpacked. An append needs about three times this in memory.
        files: data files of one append.
        at_once: files that are written at the same time, where a write is waiting above all.
    """

    chunk_bytes: int = 128 * 1024 * 1024
    files: int = 4_000
    at_once: int = 1


def write_data_files(
    table: Table, batches: Iterable[pa.RecordBatch], limits: WriteLimits
) -> list[DataFile]:
    """Writes rows as Parquet files of the table.

    A file's name is a random UUID beneath `data/`, and says nothing of what the file holds: paths
    get into logs and errors.

    Args:
        table: the table; files go through its `io`.
        batches: rows with the table's Arrow schema.
        limits: how they are cut.

    Raises:
        TooLarge: `PARTITIONS_TOO_MANY`.
    """
    written: list[DataFile] = []
    with ThreadPoolExecutor(limits.at_once, thread_name_prefix="write") as pool:
        for chunk in _chunks(batches, limits.chunk_bytes):
            rows = chunk if table.spec().is_unpartitioned() else chunk.combine_chunks()
            parts = partitions(rows, table.spec(), table.schema())
            if len(written) + len(parts) > limits.files:
                raise TooLarge(
                    "PARTITIONS_TOO_MANY",
                    f"These rows fall into more than {limits.files:,} files. Partition the table "
                    "more coarsely, or send fewer partitions at a time.",
                    field="rows",
                )
            written += pool.map(partial(_write, table, rows), parts)
    return written


def _chunks(batches: Iterable[pa.RecordBatch], most_bytes: int) -> Iterator[pa.Table]:
    gathered: list[pa.RecordBatch] = []
    size = 0
    for batch in itertools.chain.from_iterable(_halved(one, most_bytes) for one in batches):
        if gathered and size + batch.nbytes > most_bytes:
            yield pa.Table.from_batches(gathered)
            gathered, size = [], 0
        gathered.append(batch)
        size += batch.nbytes
    if gathered:
        yield pa.Table.from_batches(gathered)


def _halved(batch: pa.RecordBatch, most_bytes: int) -> Iterator[pa.RecordBatch]:
    if batch.nbytes <= most_bytes or batch.num_rows < 2:
        yield batch
        return
    middle = batch.num_rows // 2
    yield from _halved(batch.slice(0, middle), most_bytes)
    yield from _halved(batch.slice(middle), most_bytes)


def _write(table: Table, chunk: pa.Table, part: tuple[Record, pa.Array | None]) -> DataFile:
    key, chosen = part
    rows = chunk if chosen is None else chunk.take(chosen)
    location = f"{table.location().rstrip('/')}/data/{uuid.uuid4()}.parquet"
    schema = sanitize_column_names(table.schema())
    output = table.io.new_output(location)
    with ParquetFormatWriter(output, schema, table.properties) as writer:
        writer.write(rows.rename_columns([column.name for column in schema.fields]))
    return DataFile.from_args(
        content=DataFileContent.DATA,
        file_path=location,
        file_format=FileFormat.PARQUET,
        partition=key,
        file_size_in_bytes=len(output),
        sort_order_id=None,
        spec_id=table.spec().spec_id,
        equality_ids=None,
        key_metadata=None,
        **writer.result().to_serialized_dict(),
    )
