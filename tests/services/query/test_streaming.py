"""Rows that go out while they are made: few of them in memory, and no half answer for a whole."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from typing import Any

import pyarrow as pa
import pytest

from meshplane.kit.errors import LimitReached, MeshplaneError
from meshplane.services.query.sandbox import Limits, Outcome, Sandbox, Statement
from meshplane.services.query.streaming import LiveResponse, Spill
from tests.builders.sandbox_world import KEY, Grants

MIB = 1024 * 1024
NOTHING = Grants({})
# 120 MB, a row a kilobyte.
MUCH = "SELECT i, repeat('x', 1000) AS t FROM range(120000) r(i)"
FAILS_LATE = f"{MUCH} UNION ALL SELECT 1, CAST(CAST('no number' AS INTEGER) AS VARCHAR)"
ARROW_LIMITS = Limits(timeout_seconds=30, max_rows=1_000_000, max_bytes=1024 * MIB)


@pytest.fixture(scope="module")
async def sandbox(anyio_backend: str) -> AsyncIterator[Sandbox]:
    sandbox = Sandbox(pool_size=1)
    await sandbox.start()
    yield sandbox
    await sandbox.stop()


async def run(sandbox: Sandbox, spill: Spill, sql: str, limits: Limits = ARROW_LIMITS) -> Outcome:
    outcome = await sandbox.run(
        Statement(sql, output="arrow", limits=limits), NOTHING.resolve(), KEY, spill.take
    )
    await spill.end()
    return outcome


class Connection:
    """What a server's connection sees of an answer."""

    def __init__(self) -> None:
        self.hung_up = asyncio.Event()
        self.body = bytearray()
        self.ended = False
        self.status = 0

    async def receive(self) -> MutableMapping[str, Any]:
        await self.hung_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        self.body += message["body"]
        self.ended = not message["more_body"]


async def answered(
    sandbox: Sandbox, sql: str, connection: Connection
) -> tuple[Connection, BaseException | None]:
    """The connection once the answer is over, and the error with which it ended."""
    spill, ends = Spill(), []

    async def finish(error: BaseException | None) -> None:
        ends.append(error)

    making = asyncio.create_task(run(sandbox, spill, sql))
    await spill.overflowed.wait()
    response = LiveResponse(spill, making, finish, {"Query-Id": "qry-1"})
    await response({"type": "http"}, connection.receive, connection.send)
    [error] = ends
    return connection, error


async def test_reader_who_stops__makes_the_statement_wait_and_not_the_memory_grow(
    sandbox: Sandbox,
) -> None:
    spill = Spill()
    making = asyncio.create_task(run(sandbox, spill, MUCH))
    await spill.overflowed.wait()
    await asyncio.sleep(1.0)
    assert not making.done()
    assert spill.size < 4 * MIB + 5 * MIB  # kept back, two ahead, one on its way
    read = b"".join([piece async for piece in spill.pieces()])
    outcome = await making
    assert (outcome.row_count, len(read)) == (120_000, spill.size)
    assert pa.ipc.open_stream(read).read_all().num_rows == 120_000


async def test_small_answer__does_not_overflow_and_is_whole(sandbox: Sandbox) -> None:
    spill = Spill()
    outcome = await run(sandbox, spill, "SELECT 1 AS one")
    assert not spill.overflowed.is_set()
    assert pa.ipc.open_stream(spill.whole()).read_all().to_pylist() == [{"one": 1}]
    assert (outcome.body, outcome.row_count) == (b"", 1)


async def test_stream__tells_at_its_end_how_many_rows_there_were_and_whether_all(
    sandbox: Sandbox,
) -> None:
    for most, truncated in ((10, b"true"), (1000, b"false")):
        spill = Spill()
        limits = Limits(max_rows=most)
        await run(sandbox, spill, "SELECT i FROM range(500) r(i)", limits)
        reader, last = pa.ipc.open_stream(spill.whole()), None
        while last is None or last.custom_metadata is None:
            last = reader.read_next_batch_with_custom_metadata()
        told = dict(last.custom_metadata)
        assert (last.batch.num_rows, told[b"truncated"]) == (0, truncated)
        assert told[b"rowCount"] == str(min(most, 500)).encode()


async def test_answer__that_is_whole_is_ended(sandbox: Sandbox) -> None:
    connection, error = await answered(sandbox, MUCH, Connection())
    assert (connection.status, connection.ended, error) == (200, True, None)
    assert pa.ipc.open_stream(bytes(connection.body)).read_all().num_rows == 120_000


async def test_answer__that_fails_after_its_first_byte_is_never_ended(sandbox: Sandbox) -> None:
    connection, error = await answered(sandbox, FAILS_LATE, Connection())
    assert connection.status == 200
    assert len(connection.body) > 4 * MIB
    assert not connection.ended
    assert isinstance(error, MeshplaneError)
    assert error.code == "SQL_RUNTIME"
    # The error itself is no part of what was sent: a code in it would be data to a careless reader.
    assert b"SQL_RUNTIME" not in connection.body
    with pytest.raises((pa.ArrowInvalid, OSError)):
        pa.ipc.open_stream(bytes(connection.body[: len(connection.body) - 10])).read_all()


async def test_client_who_hangs_up__ends_the_statement(sandbox: Sandbox) -> None:
    connection = Connection()
    connection.hung_up.set()
    connection, error = await answered(sandbox, MUCH, connection)
    assert isinstance(error, asyncio.CancelledError)
    assert not connection.ended


async def test_reader_who_never_reads__is_let_go_when_the_time_is_over(sandbox: Sandbox) -> None:
    spill = Spill()
    limits = Limits(timeout_seconds=1.0, max_rows=1_000_000, max_bytes=1024 * MIB)
    with pytest.raises(LimitReached):
        await run(sandbox, spill, MUCH, limits)
