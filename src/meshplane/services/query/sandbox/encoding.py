"""Rows as JSON or Arrow, within the limits, whichever engine they come from.

No more than a few batches are held here: what is encoded is handed on as soon as it fills a frame.
"""

import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa

from meshplane.services.query.sandbox.cells import encode
from meshplane.services.query.sandbox.empty_slots import cleared
from meshplane.services.query.sandbox.faults import limit
from meshplane.services.query.sandbox.job import Limits, Output

Send = Callable[[bytes], None]
"""Takes the next bytes of the answer's body."""

_FRAME_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be told of rows that were sent."""

    columns: list[dict[str, str]]
    row_count: int
    truncated: bool


class Encoding:
    """An answer while its rows come.

    Args:
        columns: name and type of each.
        schema: of the batches.
        output: JSON or Arrow.
        limits: what it may be.
        send: takes the body, frame by frame.
    """

    def __init__(
        self,
        columns: list[dict[str, str]],
        schema: pa.Schema,
        output: Output,
        limits: Limits,
        send: Send,
    ) -> None:
        self._columns = columns
        self._writer = _JsonRows(columns) if output == "json" else _ArrowStream(schema)
        self._limits = limits
        self._send = send
        self._count = 0
        self._truncated = False

    @property
    def is_full(self) -> bool:
        """Whether it takes no more rows, as there were more than it may have."""
        return self._truncated

    def add(self, batch: pa.RecordBatch) -> None:
        """Takes the next rows, as far as there is room for them.

        Raises:
            LimitReached: the rows are larger than `limits.max_bytes`.
        """
        room = self._limits.max_rows - self._count
        kept = batch.slice(0, room) if batch.num_rows > room else batch
        self._truncated = kept.num_rows < batch.num_rows
        if kept.num_rows:
            self._writer.add(kept)
        self._count += kept.num_rows
        if self._writer.size > self._limits.max_bytes:
            raise limit(
                f"The rows are larger than {self._limits.max_bytes} bytes. "
                "Read fewer rows or columns, or aggregate."
            )
        if self._writer.waiting >= _FRAME_BYTES:
            _send_in_frames(self._writer.take(), self._send)

    def finish(self) -> Answer:
        """Sends what is left, and tells what there was."""
        self._writer.finish(self._count, self._truncated)
        _send_in_frames(self._writer.take(), self._send)
        return Answer(self._columns, self._count, self._truncated)


def encode_batches(
    columns: list[dict[str, str]],
    schema: pa.Schema,
    batches: Iterable[pa.RecordBatch],
    output: Output,
    limits: Limits,
    *,
    send: Send,
) -> Answer:
    """Sends record batches until a limit is met; `truncated` says that rows were left."""
    encoding = Encoding(columns, schema, output, limits, send)
    for batch in batches:
        encoding.add(batch)
        if encoding.is_full:
            break
    return encoding.finish()


def _send_in_frames(body: bytes, send: Send) -> None:
    view = memoryview(body)
    for start in range(0, len(view), _FRAME_BYTES):
        send(bytes(view[start : start + _FRAME_BYTES]))


class _Parts(io.RawIOBase):
    """What was written and not yet taken; `size` counts all that was ever written."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.size = 0
        self.waiting = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self.size += len(part)
        self.waiting += len(part)
        return len(part)

    def take(self) -> bytes:
        parts, self._parts, self.waiting = self._parts, [], 0
        return b"".join(parts)


class _Rows:
    """Rows on their way out, in some form."""

    def __init__(self) -> None:
        self._out = _Parts()

    @property
    def size(self) -> int:
        return self._out.size

    @property
    def waiting(self) -> int:
        return self._out.waiting

    def take(self) -> bytes:
        return self._out.take()


class _JsonRows(_Rows):
    """A JSON array of rows, each an array."""

    def __init__(self, columns: list[dict[str, str]]) -> None:
        super().__init__()
        self._types = [column["type"] for column in columns]
        self._before = b"["

    def add(self, batch: pa.RecordBatch) -> None:
        cells = [encode(*pair) for pair in zip(batch.columns, self._types, strict=True)]
        self._out.write(self._before + orjson.dumps(list(zip(*cells, strict=True)))[1:-1])
        self._before = b","

    def finish(self, count: int, truncated: bool) -> None:
        self._out.write(b"]" if count else b"[]")


class _ArrowStream(_Rows):
    """An Arrow IPC stream.

    It ends with a batch of no rows whose own metadata says how many rows there were and whether
    some were left off: whoever reads a stream as it comes has no other place to learn it from.
    """

    def __init__(self, schema: pa.Schema) -> None:
        super().__init__()
        self._schema = schema
        self._writer = pa.ipc.new_stream(pa.PythonFile(self._out, mode="w"), schema)

    def add(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(cleared(batch))

    def finish(self, count: int, truncated: bool) -> None:
        [empty] = self._schema.empty_table().to_batches() or [
            pa.RecordBatch.from_pylist([], schema=self._schema)
        ]
        told = {"rowCount": str(count), "truncated": str(truncated).lower()}
        self._writer.write_batch(empty, custom_metadata=told)
        self._writer.close()
