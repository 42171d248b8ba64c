"""Takes rows from the engine as they come and writes them as JSON or Arrow, within the limits."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import duckdb
import orjson
import pyarrow as pa

from meshplane.services.query.sandbox.cells import encode
from meshplane.services.query.sandbox.engine import identifier
from meshplane.services.query.sandbox.faults import limit
from meshplane.services.query.sandbox.job import Limits, Output

_BATCH_ROWS = 2048
# Arrow has no honest form for these: the zone of a time is lost, big numbers lose digits or come as
# bytes, the member of a union is not named. They are sent as the engine's text of them.
_SENT_AS_TEXT = frozenset(
    {"time with time zone", "bit", "bignum", "uhugeint", "variant", "union", "geometry"}
)


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows as they will be sent."""

    columns: list[dict[str, str]]
    row_count: int
    truncated: bool
    body: bytes


def _sent_as_text(kind: Any) -> bool:
    if kind.id in _SENT_AS_TEXT:
        return True
    if kind.id in ("struct", "list", "array", "map", "tuple", "row"):
        return any(_sent_as_text(child) for _, child in kind.children if hasattr(child, "id"))
    return False


def answer(relation: duckdb.DuckDBPyRelation, output: Output, limits: Limits) -> Answer:
    """Runs a bound statement and encodes what it gives.

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
    return encode_batches(columns, reader.schema, reader, output, limits)


def encode_batches(
    columns: list[dict[str, str]],
    schema: pa.Schema,
    batches: Any,
    output: Output,
    limits: Limits,
) -> Answer:
    """Encodes record batches until a limit is met; `truncated` says that rows were left."""
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
    return Answer(columns, count, truncated, writer.finish())


def _until(batches: Any, rows: int) -> Iterator[pa.RecordBatch]:
    seen = 0
    for batch in batches:
        seen += batch.num_rows
        yield batch
        if seen >= rows:
            return


class _JsonRows:
    """A JSON array of rows, each an array."""

    def __init__(self, columns: list[dict[str, str]]) -> None:
        self._types = [column["type"] for column in columns]
        self._parts: list[bytes] = []
        self.size = 2

    def add(self, batch: pa.RecordBatch) -> None:
        cells = [encode(*pair) for pair in zip(batch.columns, self._types, strict=True)]
        text = orjson.dumps(list(zip(*cells, strict=True)))[1:-1]
        self._parts.append(text)
        self.size += len(text) + 1

    def finish(self) -> bytes:
        return b"[" + b",".join(self._parts) + b"]"


class _ArrowStream:
    """An Arrow IPC stream."""

    def __init__(self, schema: pa.Schema) -> None:
        self._sink = io.BytesIO()
        self._writer = pa.ipc.new_stream(self._sink, schema)

    @property
    def size(self) -> int:
        return self._sink.tell()

    def add(self, batch: pa.RecordBatch) -> None:
        self._writer.write_batch(batch)

    def finish(self) -> bytes:
        self._writer.close()
        return self._sink.getvalue()
