"""Takes rows from the engine as they come and sends them as JSON or Arrow, within the limits.

No more than a few batches are held here: what is encoded is handed on as soon as it fills a frame.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from meshplane.services.query.sandbox.cells import encode
from meshplane.services.query.sandbox.empty_slots import cleared
from meshplane.services.query.sandbox.engine import identifier
from meshplane.services.query.sandbox.faults import limit
from meshplane.services.query.sandbox.job import Limits, Output

Send = Callable[[bytes], None]
"""Takes the next bytes of the answer's body."""

_BATCH_ROWS = 2048
_FRAME_BYTES = 1024 * 1024
# Arrow has no honest form for these: the zone of a time is lost, big numbers lose digits or come as
# bytes, the member of a union is not named. They are sent as the engine's text of them.
_SENT_AS_TEXT = frozenset(
    {"time with time zone", "bit", "bignum", "uhugeint", "variant", "union", "geometry"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What is to be told of rows that were sent."""

    columns: list[dict[str, str]]
    row_count: int
    truncated: bool


def _sent_as_text(kind: Any) -> bool:
    if kind.id in _SENT_AS_TEXT:
        return True
    if kind.id in ("struct", "list", "array", "map", "tuple", "row"):
        return any(_sent_as_text(child) for _, child in kind.children if hasattr(child, "id"))
    return False


def answer(relation: duckdb.DuckDBPyRelation, output: Output, limits: Limits, send: Send) -> Answer:
    """Runs a bound statement and sends what it gives.

    What was sent before an error is no answer.

    Raises:
        LimitReached: the rows are larger than `limits.max_bytes`.
        Exception: whatever the engine raises, through Arrow's stream or directly.
    """
    names, kinds = relation.columns, relation.types
    columns = [{"name": name, "type": str(kind)} for name, kind in zip(names, kinds, strict=True)]
    as_text = [_sent_as_text(kind) for kind in kinds]
    if any(as_text):
        cells = [
            (f"CAST(#{number} AS VARCHAR)" if text else f"#{number}") + f" AS {identifier(name)}"
            for number, (name, text) in enumerate(zip(names, as_text, strict=True), 1)
        ]
        relation = relation.project(", ".join(cells))
    reader = relation.to_arrow_reader(min(_BATCH_ROWS, limits.max_rows + 1))
    return encode_batches(columns, reader.schema, reader, output, limits, send=send)


def encode_batches(
    columns: list[dict[str, str]],
    schema: pa.Schema,
    batches: Any,
    output: Output,
    limits: Limits,
    *,
    send: Send,
) -> Answer:
    """Sends record batches until a limit is met; `truncated` says that rows were left."""
    writer = _JsonRows(columns) if output == "json" else _ArrowStream(schema)
    count, truncated = 0, False
    for batch in _until(batches, limits.max_rows + 1):
        room = limits.max_rows - count
        kept = batch.slice(0, room) if batch.num_rows > room else batch
        truncated = kept.num_rows < batch.num_rows
        if kept.num_rows:
            writer.add(kept)
        count += kept.num_rows
        if writer.size > limits.max_bytes:
            raise limit(
                f"The rows are larger than {limits.max_bytes} bytes. "
                "Read fewer rows or columns, or aggregate."
            )
        if writer.waiting >= _FRAME_BYTES:
            _send_in_frames(writer.take(), send)
    writer.finish(count, truncated)
    _send_in_frames(writer.take(), send)
    return Answer(columns, count, truncated)


def _send_in_frames(body: bytes, send: Send) -> None:
    view = memoryview(body)
    for start in range(0, len(view), _FRAME_BYTES):
        send(bytes(view[start : start + _FRAME_BYTES]))


def _until(batches: Any, rows: int) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in batches:
        seen += batch.num_rows
        yield batch
        if seen >= rows:
            return


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
