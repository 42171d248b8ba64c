"""Reads Arrow IPC streams that come from outside: whole, sound, and of a bounded size.

The format: https://arrow.apache.org/docs/format/Columnar.html#ipc-streaming-format.
"""

import contextlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from meshplane.kit.errors import Invalid, Missing, TooLarge

_END_OF_STREAM = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_FILE_MAGIC = b"ARROW1"
_RECORD_BATCH_HEADER, _DICTIONARY_HEADER = 3, 2  # the union MessageHeader in Message.fbs


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """What one stream may hold.

    Args:
        batch_bytes: bytes of one record batch once its compression and encodings are undone.
        rows: rows of the whole stream.
        piece_rows: rows handed on at a time.
    """

    batch_bytes: int = 512 * 1024 * 1024
    rows: int = 200_000_000
    piece_rows: int = 1_000_000


@contextlib.contextmanager
def read_stream(
    path: Path, limits: StreamLimits
) -> Iterator[tuple[pa.Schema, Iterator[pa.RecordBatch]]]:
    """Opens a stream: its schema, and its record batches in pieces of bounded length.

    Every buffer is checked before it is handed on, since an offset or length that lies would
    otherwise be followed into foreign memory.

    Args:
        path: the file.
        limits: what it may hold.

    Raises:
        Missing: `ROWS_NOT_FOUND`.
        Invalid: `NOT_ARROW`; `ROWS_TRUNCATED` when the end-of-stream marker is missing;
            `ROWS_DAMAGED`, also while iterating.
        TooLarge: `ROWS_TOO_MANY` and `ROWS_BATCH_TOO_LARGE` while iterating.
    """
    if not path.is_file():
        raise Missing("ROWS_NOT_FOUND", "The file of rows is gone; send the rows again.")
    if path.stat().st_size <= len(_END_OF_STREAM):
        raise _not_arrow()
    with pa.memory_map(str(path)) as source:
        schema = _schema(source)
        size = source.size()
        if source.read_at(len(_END_OF_STREAM), size - len(_END_OF_STREAM)) != _END_OF_STREAM:
            raise Invalid(
                "ROWS_TRUNCATED",
                "The Arrow stream ends without its end-of-stream marker, so rows may be missing. "
                "Close the writer before sending, and send it again.",
                field="rows",
            )
        yield schema, _batches(source, limits)


def _schema(source: pa.NativeFile) -> pa.Schema:
    if source.read_at(len(_FILE_MAGIC), 0) == _FILE_MAGIC:
        raise Invalid(
            "NOT_ARROW",
            "This is the Arrow file format; send the Arrow stream format (`new_stream`).",
            field="rows",
        )
    try:
        with pa.ipc.open_stream(source) as reader:
            schema: pa.Schema = reader.schema
        # Names are read only when they are asked for, and may be no text; `str` forgives it.
        str(schema)
        _check_texts(schema)
    except (pa.ArrowException, OSError, EOFError, UnicodeDecodeError) as error:
        raise _not_arrow() from error
    return schema


def _check_texts(schema: pa.Schema) -> None:
    """Reads every text that a stream's schema may hold; a UnicodeDecodeError says it is none."""
    kinds = [field.type for field in schema if field.name is not None]
    while kinds:
        kind = kinds.pop()
        if pa.types.is_timestamp(kind):
            _ = kind.tz
        elif pa.types.is_dictionary(kind):
            kinds.append(kind.value_type)
        else:
            kinds += [kind.field(at).type for at in range(kind.num_fields) if kind.field(at).name]


def _batches(source: pa.NativeFile, limits: StreamLimits) -> Iterator[pa.RecordBatch]:
    try:
        _check_expanded_sizes(source, limits.batch_bytes)
        source.seek(0)
        total = 0
        with pa.ipc.open_stream(source) as reader:
            for batch in reader:
                total += batch.num_rows
                if total > limits.rows:
                    raise TooLarge(
                        "ROWS_TOO_MANY",
                        f"One append takes at most {limits.rows:,} rows; split them.",
                        field="rows",
                    )
                batch.validate(full=True)
                for start in range(0, batch.num_rows, limits.piece_rows):
                    yield batch.slice(start, limits.piece_rows)
        if source.tell() != source.size():
            raise _damaged()
    except (pa.ArrowException, OSError, EOFError) as error:
        raise _damaged() from error


def _check_expanded_sizes(source: pa.NativeFile, most_bytes: int) -> None:
    """Refuses compressed buffers that would grow beyond all bounds when they are read."""
    source.seek(0)
    messages = pa.ipc.MessageReader.open_stream(source)
    while True:
        try:
            message = messages.read_next_message()
        except StopIteration:
            return
        try:
            expanded = _expanded_bytes(memoryview(message.metadata), message.body)
        except (struct.error, IndexError, ValueError) as error:
            raise _damaged() from error
        if expanded > most_bytes:
            raise TooLarge(
                "ROWS_BATCH_TOO_LARGE",
                f"A record batch takes more than {most_bytes:,} bytes when it is unpacked; send "
                "smaller batches.",
                field="rows",
            )


def _expanded_bytes(header: memoryview, body: pa.Buffer | None) -> int:
    """What the compressed buffers of a message say they expand to; 0 when none is compressed.

    Reads the flatbuffer `Message` of Arrow's Message.fbs: a table starts with the distance back
    to its vtable, which holds the offset of each field. A compressed buffer starts with its
    length unpacked, as a little-endian 64-bit number, −1 when it is stored as it is.
    """
    message = struct.unpack_from("<I", header, 0)[0]
    kind_at = _field(header, message, 1)
    batch_at = _field(header, message, 2)
    kind = header[kind_at] if kind_at else 0
    if kind not in (_RECORD_BATCH_HEADER, _DICTIONARY_HEADER) or not batch_at or body is None:
        return 0
    batch = batch_at + struct.unpack_from("<I", header, batch_at)[0]
    if kind == _DICTIONARY_HEADER:
        data_at = _field(header, batch, 1)
        if not data_at:
            return 0
        batch = data_at + struct.unpack_from("<I", header, data_at)[0]
    buffers_at = _field(header, batch, 2)
    if not _field(header, batch, 3) or not buffers_at:
        return 0
    first = buffers_at + struct.unpack_from("<I", header, buffers_at)[0]
    content = memoryview(body)
    total = 0
    for number in range(struct.unpack_from("<I", header, first)[0]):
        offset, length = struct.unpack_from("<qq", header, first + 4 + 16 * number)
        if length >= 8:
            total += max(length, struct.unpack_from("<q", content, offset)[0])
    return total


def _field(header: memoryview, table: int, index: int) -> int:
    """Where a field of a flatbuffer table lies; 0 when it is absent."""
    vtable = table - struct.unpack_from("<i", header, table)[0]
    slot = 4 + 2 * index
    if vtable < 0 or slot >= struct.unpack_from("<H", header, vtable)[0]:
        return 0
    offset: int = struct.unpack_from("<H", header, vtable + slot)[0]
    return table + offset if offset else 0


def _not_arrow() -> Invalid:
    return Invalid(
        "NOT_ARROW",
        "The rows are not an Arrow IPC stream; send the Arrow stream format (`new_stream`).",
        field="rows",
    )


def _damaged() -> Invalid:
    return Invalid(
        "ROWS_DAMAGED",
        "The Arrow stream is damaged or something follows its end; write it anew and send it "
        "again.",
        field="rows",
    )
