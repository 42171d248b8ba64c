"""Arrow streams with damage that still reads as Arrow: refused or taken, and never a crash.

Each test reads in a process of its own, because what goes wrong in the library ends the process.
"""

import datetime
import decimal
import io
import multiprocessing
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random

import pyarrow as pa
import pytest
from pyiceberg.schema import Schema
from pyiceberg.types import DecimalType, LongType, NestedField, StringType, TimestamptzType

from meshplane.kit.errors import MeshplaneError
from meshplane.services.tables.local_rows import fitted_rows
from meshplane.services.tables.local_stream import StreamLimits

SEED = 20_261_121
STREAMS = 6_000
_LONGEST_SECONDS = 120

SCHEMA = Schema(
    NestedField(1, "station", StringType(), required=False),
    NestedField(2, "level", LongType(), required=False),
    NestedField(3, "depth", DecimalType(9, 2), required=False),
    NestedField(4, "seen", TimestamptzType(), required=False),
)
_SEEN = datetime.datetime(2026, 1, 31, tzinfo=datetime.UTC)
ROWS = pa.table(
    {
        "station": ["a", "a station with a long name", None],
        "level": [1, 2, 3],
        "depth": pa.array([decimal.Decimal("1.25"), None, None], pa.decimal128(9, 2)),
        "seen": pa.array([_SEEN, _SEEN, None], pa.timestamp("us", "UTC")),
    }
)


def stream(rows: pa.Table, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, rows.schema, options=options) as writer:
        writer.write_table(rows)
    return sink.getvalue()


def as_views() -> pa.Table:
    return ROWS.set_column(0, "station", ROWS["station"].cast(pa.string_view()))


def outcome(content: bytes, path: Path) -> str:
    """The code of the refusal, or `taken`."""
    path.write_bytes(content)
    try:
        for _ in fitted_rows(path, SCHEMA, StreamLimits()):
            pass
    except MeshplaneError as error:
        return error.code
    return "taken"


def damaged(content: bytes, chance: Random) -> bytes:
    body = bytearray(content)
    for _ in range(chance.randint(1, 4)):
        at, way = chance.randrange(len(body)), chance.random()
        if way < 0.7:
            body[at] = chance.choice((0, 1, 127, 128, 255, chance.randrange(256)))
        elif way < 0.85:
            del body[at : at + chance.randint(1, 8)]
        else:
            body[at:at] = chance.randbytes(chance.randint(1, 8))
    return bytes(body)


def read_damaged(seed: int, streams: int, path: Path) -> Counter[str]:
    """How often each outcome came of so many damaged streams."""
    chance = Random(seed)
    good = [
        stream(ROWS),
        stream(ROWS, "zstd"),
        stream(ROWS, "lz4"),
        stream(as_views()),
        stream(ROWS.set_column(0, "station", ROWS["station"].dictionary_encode())),
        stream(pa.table({"station": [{"x": 1}], "other": [[1]]})),
    ]
    return Counter(outcome(damaged(chance.choice(good), chance), path) for _ in range(streams))


def apart(function: Callable[..., object], *arguments: object) -> object:
    """What the function gives in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        # A process that crashed never answers; the timeout then tells.
        return pool.apply_async(function, arguments).get(_LONGEST_SECONDS)


def test_damaged_streams__are_refused_or_taken_and_never_crash(tmp_path: Path) -> None:
    found = apart(read_damaged, SEED, STREAMS, tmp_path / "rows")
    assert isinstance(found, Counter)
    assert found.total() == STREAMS, f"seed {SEED}"
    assert set(found) <= {
        "taken",
        "NOT_ARROW",
        "ROWS_DAMAGED",
        "ROWS_TRUNCATED",
        "ROWS_DO_NOT_FIT",
        "ROWS_BATCH_TOO_LARGE",
        "ROWS_TOO_MANY",
    }
    assert min(found["taken"], found["ROWS_DAMAGED"], found["NOT_ARROW"]) > 0


def _view_behind_a_null() -> bytes:
    content = stream(as_views())
    # The last of three views is null and holds nothing: 16 bytes of zeros after the second.
    second = content.index(b"\x1a\x00\x00\x00a st")
    return content[: second + 16] + b"\x00\x00\x00\x80" + content[second + 20 :]


CRAFTED: dict[str, tuple[bytes, str]] = {
    "a name that is no text": (
        stream(ROWS).replace(b"station\x00", b"stat\x9con\x00"),
        "NOT_ARROW",
    ),
    "a time zone that is no text": (stream(ROWS).replace(b"UTC\x00", b"U\xffC\x00"), "NOT_ARROW"),
    "a scale beyond all digits": (
        stream(ROWS.set_column(2, "depth", pa.array([None] * 3, pa.decimal128(9, 8_323_074)))),
        "ROWS_DO_NOT_FIT",
    ),
    "a view behind a null that points nowhere": (_view_behind_a_null(), "taken"),
}


@pytest.mark.parametrize("what", CRAFTED)
def test_damaged_streams__that_once_crashed_the_reader(tmp_path: Path, what: str) -> None:
    content, expected = CRAFTED[what]
    assert apart(outcome, content, tmp_path / "rows") == expected
