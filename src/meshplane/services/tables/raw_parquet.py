"""The rows of a file of Parquet, as record batches of bounded size.

A file may hold a value once to which very many rows refer, or of each value only what differs from
the one before it, so that little of it unpacks into very much. Hence texts are read into
dictionaries, as whatever comes twice is there once, and stay in them until a batch is known to be
small enough. Where pyarrow cannot (`DELTA_BYTE_ARRAY`), a batch has so few rows that each could
have a value as large as its group.

Of a group, its size and its rows are asked for and nothing else: pyarrow ends the process where it
is asked for a column of a damaged one.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from meshplane.kit.errors import TooLarge

BATCH_BYTES = 16 * 1024 * 1024
"""Of a record batch of several rows, once its texts are taken out of their dictionaries."""

_LARGEST_GROUP_BYTES = 1024 * 1024 * 1024
_LARGEST_ROW_BYTES = 64 * 1024 * 1024
_SPREAD_BYTES = 256 * 1024 * 1024
"""Of a batch without dictionaries, if each value is as large as it can be."""

_BATCH_ROWS = 8_192
_NO_DICTIONARY = "Not yet implemented"
"""In what pyarrow says of texts that it cannot read into a dictionary."""

_TEXTS: tuple[Callable[[pa.DataType], bool], ...] = (
    *(pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view),
    *(pa.types.is_binary, pa.types.is_large_binary, pa.types.is_binary_view),
)


def batches_of(
    opened: Callable[[], Any], path: str, names: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """The rows of a file with some of its columns; texts may come in dictionaries.

    Args:
        opened: opens it.
        path: for errors.
        names: of columns that are there, and not nested.

    Raises:
        TooLarge: FILES_TOO_LARGE, a group of rows, or a row, takes too much.
    """
    with opened() as source, pq.ParquetFile(source) as file:
        told, wanted = file.metadata, frozenset(names)
        kinds = {field.name: field.type for field in file.schema_arrow if field.name in wanted}
        texts = [name for name, kind in kinds.items() if _is_text(kind)]
        width = sum(width_of(kind) for kind in kinds.values())
        with pq.ParquetFile(source, metadata=told, read_dictionary=texts) as sparing:
            for number, (size, rows) in enumerate(_groups(told, path)):
                each = BATCH_BYTES // max(1, width + size // max(1, rows))
                few = _SPREAD_BYTES // max(1, size)
                yield from _read(
                    (sparing, _at_most(each)), (file, _at_most(min(each, few))), number, names, path
                )


def rows_in(opened: Callable[[], Any]) -> int:
    """How many rows a file has."""
    with opened() as source, pq.ParquetFile(source) as file:
        rows: int = file.metadata.num_rows
        return rows


def _groups(told: Any, path: str) -> list[tuple[int, int]]:
    """The bytes and the rows of each group of rows.

    Raises:
        TooLarge: FILES_TOO_LARGE.
    """
    groups = [told.row_group(number) for number in range(told.num_row_groups)]
    if any(group.total_byte_size > _LARGEST_GROUP_BYTES for group in groups):
        raise TooLarge(
            "FILES_TOO_LARGE",
            f"{path}: a row group takes more than {_LARGEST_GROUP_BYTES:,} bytes when it is "
            "unpacked. Write the file with smaller ones.",
            field="found",
        )
    return [(max(0, group.total_byte_size), max(0, group.num_rows)) for group in groups]


def _at_most(rows: int) -> int:
    return max(1, min(rows, _BATCH_ROWS))


def _read(
    sparing: tuple[Any, int], plain: tuple[Any, int], number: int, names: Sequence[str], path: str
) -> Iterator[pa.RecordBatch]:
    """A group of rows, with texts in dictionaries as far as that goes.

    Args:
        sparing: reads texts into dictionaries; and how many rows at once.
        plain: reads them as they are; and how many rows at once.
        number: of the group.
        names: of the columns.
        path: for errors.
    """
    done = 0
    try:
        for batch in _batches(*sparing, number, names):
            done += batch.num_rows
            yield from _cut(batch, path)
    except (pa.ArrowException, OSError) as error:
        if _NO_DICTIONARY not in str(error):
            raise
        for batch in _batches(*plain, number, names):
            # What came before is not told again.
            new = batch.slice(min(done, batch.num_rows))
            done -= batch.num_rows - new.num_rows
            yield from _cut(new, path)


def _batches(file: Any, rows: int, number: int, names: Sequence[str]) -> Iterator[pa.RecordBatch]:
    for batch in file.iter_batches(
        rows, row_groups=[number], columns=list(names), use_threads=False
    ):
        batch.validate(full=True)
        yield batch


def _cut(batch: pa.RecordBatch, path: str) -> Iterator[pa.RecordBatch]:
    """A batch in pieces that are small enough, also without dictionaries.

    Raises:
        TooLarge: FILES_TOO_LARGE.
    """
    if sum(_most_bytes(column) for column in batch.columns) <= BATCH_BYTES:
        yield batch
        return
    sizes = [_sizes(column) for column in batch.columns]
    begin = taken = 0
    for row in range(batch.num_rows):
        size = sum(column[row] for column in sizes)
        if size > _LARGEST_ROW_BYTES:
            largest = max(range(len(sizes)), key=lambda position: sizes[position][row])
            raise _too_wide(path, batch.schema.names[largest], size)
        if taken > 0 and taken + size > BATCH_BYTES:
            yield batch.slice(begin, row - begin)
            begin, taken = row, 0
        taken += size
    yield batch.slice(begin)


def _most_bytes(column: pa.Array) -> int:
    """No less than a column takes without its dictionary."""
    if not pa.types.is_dictionary(column.type):
        return int(column.nbytes)
    lengths = _lengths(column.dictionary)
    longest = pc.max(lengths).as_py() if lengths is not None else None
    return len(column) * int(longest or width_of(column.type.value_type))


def _sizes(column: pa.Array) -> list[int]:
    """How many bytes each value of a column takes."""
    if pa.types.is_dictionary(column.type):
        lengths = _lengths(column.dictionary)
        if lengths is not None:
            lengths = lengths.take(column.indices)
    else:
        lengths = _lengths(column)
    if lengths is None:
        return [width_of(column.type)] * len(column)
    return [length or 0 for length in lengths.to_pylist()]


def _lengths(values: pa.Array) -> pa.Array | None:
    """How long texts are, in bytes; None of other values."""
    if not _is_text(values.type):
        return None
    if str(values.type).endswith("_view"):
        whole = pa.large_string() if pa.types.is_string_view(values.type) else pa.large_binary()
        values = values.cast(whole)
    return pc.binary_length(values)


def _is_text(kind: pa.DataType) -> bool:
    return any(is_it(kind) for is_it in _TEXTS)


def width_of(kind: pa.DataType) -> int:
    """The bytes of a value, where its type says how many; 0 otherwise.

    Args:
        kind: Arrow's type.
    """
    storage = getattr(kind, "storage_type", kind)
    try:
        return int(storage.bit_width) // 8
    except ValueError:
        return 0


def _too_wide(path: str, column: str, size: int) -> TooLarge:
    return TooLarge(
        "FILES_TOO_LARGE",
        f"{path}: a row takes {size:,} bytes, most of them in its column {column!r}, and at most "
        f"{_LARGEST_ROW_BYTES:,} go. Name the columns to take without this one, or write shorter "
        "values.",
        field="columns",
    )
