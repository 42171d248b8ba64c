"""Takes rows from the engine as they come, and has them encoded."""

from typing import Any

import duckdb

from meshplane.services.query.sandbox.encoding import Answer, Send, encode_batches
from meshplane.services.query.sandbox.engine import identifier
from meshplane.services.query.sandbox.job import Limits, Output

__all__ = ["Answer", "Send", "answer", "encode_batches"]

_BATCH_ROWS = 2048
# Arrow has no honest form for these: the zone of a time is lost, big numbers lose digits or come as
# bytes, the member of a union is not named. They are sent as the engine's text of them.
_SENT_AS_TEXT = frozenset(
    {"time with time zone", "bit", "bignum", "uhugeint", "variant", "union", "geometry"}
)


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
