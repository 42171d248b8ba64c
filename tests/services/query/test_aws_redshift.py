"""Statements on Redshift, against the sandbox's Data API."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from meshplane.kit.errors import Invalid, LimitReached, MeshplaneError, Refused
from meshplane.platform.aws.redshift import RedshiftPlace
from meshplane.sandbox.redshift_data import RedshiftDataFake
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.query.aws_redshift import RedshiftQueries
from meshplane.services.query.aws_redshift_sql import translate
from meshplane.services.query.sandbox import Limits, RelationName, Statement
from tests.builders.aws_sandbox import aws_of, sandbox_in

PLACE = RedshiftPlace("dev", workgroup="analytics")


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def running() -> AsyncIterator[AwsSandbox]:
    with sandbox_in(fakes={"redshift": RedshiftDataFake}) as sandbox:
        with sandbox.world.lock:
            fake = sandbox.world.services["redshift-data"]
            database = fake.database(sandbox.accounts[0], "eu-central-1", "analytics")
            database.execute(
                "CREATE TABLE sales AS SELECT i::BIGINT AS id, 'shop ' || i AS shop, "
                "(i * 1.25)::DECIMAL(10, 2) AS amount, DATE '2026-01-01' + i::INTEGER AS day, "
                "TIMESTAMPTZ '2026-01-01 10:00:00.5+00' AS at, i % 2 = 0 AS even, "
                "CASE WHEN i > 1 THEN i / 2 END AS half FROM range(1, 2501) AS t(i)"
            )
        yield sandbox


@pytest.fixture(scope="module")
def redshift(running: AwsSandbox) -> RedshiftQueries:
    return RedshiftQueries(aws_of(running), PLACE)


async def rows_of(redshift: RedshiftQueries, sql: str, parameters: Any = None) -> list[Any]:
    outcome = await redshift.run(Statement(sql, parameters))
    rows: list[Any] = json.loads(outcome.body)
    return rows


@pytest.mark.anyio
async def test_select__gives_rows_in_their_types(redshift: RedshiftQueries) -> None:
    sql = "SELECT * FROM sales WHERE id < 3 ORDER BY id"
    outcome = await redshift.run(Statement(sql))
    assert [one["type"] for one in outcome.columns] == [
        "BIGINT",
        "VARCHAR",
        "DECIMAL(10,2)",
        "DATE",
        "TIMESTAMP WITH TIME ZONE",
        "BOOLEAN",
        "DOUBLE",
    ]
    first, second = json.loads(outcome.body)
    assert first[:4] == [1, "shop 1", "1.25", "2026-01-02"]
    assert first[5:] == [False, None]
    assert second[5:] == [True, 1.0]
    assert outcome.relations == (RelationName(None, "sales"),)
    assert outcome.row_count == 2


@pytest.mark.anyio
async def test_pages__are_read_to_the_end_or_to_the_limit(redshift: RedshiftQueries) -> None:
    all_of_them = await redshift.run(Statement("SELECT id FROM sales ORDER BY id"))
    assert (all_of_them.row_count, all_of_them.truncated) == (2500, False)
    some = await redshift.run(
        Statement("SELECT id FROM sales ORDER BY id", limits=Limits(max_rows=1200))
    )
    assert (some.row_count, some.truncated) == (1200, True)
    pieces: list[bytes] = []

    async def sink(piece: bytes) -> None:
        pieces.append(piece)

    streamed = await redshift.run(Statement("SELECT id FROM sales ORDER BY id"), sink)
    assert streamed.body == b""
    assert len(json.loads(b"".join(pieces))) == 2500


@pytest.mark.parametrize(
    ("sql", "parameters"),
    [
        (
            "SELECT id FROM sales WHERE id = $wanted AND shop = $shop",
            {"wanted": 7, "shop": "shop 7"},
        ),
        ("SELECT id FROM sales WHERE id = ? AND shop = ?", [7, "shop 7"]),
        ("SELECT id FROM sales WHERE shop = $2 AND id = $1", [7, "shop 7"]),
        ("SELECT id FROM sales WHERE id = 7 AND shop <> ? AND ? IS NULL", ["", None]),
        ("SELECT id FROM sales WHERE shop = 'shop 7' AND shop <> ?", ["x'; DROP TABLE sales --"]),
    ],
)
@pytest.mark.anyio
async def test_parameters__are_bound_and_never_become_sql(
    redshift: RedshiftQueries, sql: str, parameters: Any
) -> None:
    assert await rows_of(redshift, sql, parameters) == [[7]]
    told = translate(sql, parameters)
    assert "%(" not in told.sql
    assert all(f":{one['name']}" in told.sql for one in told.parameters)


@pytest.mark.parametrize(
    ("sql", "parameters", "code"),
    [
        ("DROP TABLE sales", None, "SQL_REFUSED"),
        ("SELECT 1; SELECT 2", None, "SQL_REFUSED"),
        ("SELECT * INTO other FROM sales", None, "SQL_REFUSED"),
        ("SELECT id FROM sales WHERE id = $a", None, "SQL_INVALID"),
        ("SELECT 1", {"a": 1}, "SQL_INVALID"),
        ("SELECT ?", [[1, 2]], "SQL_REFUSED"),
        ("SELEC 1", None, "SQL_INVALID"),
        ("SELECT * FROM nothing", None, "SQL_INVALID"),
        ("SELECT CAST(shop AS INTEGER) FROM sales", None, "SQL_RUNTIME"),
    ],
)
@pytest.mark.anyio
async def test_error__is_the_products_own_and_holds_no_data(
    redshift: RedshiftQueries, sql: str, parameters: Any, code: str
) -> None:
    with pytest.raises(MeshplaneError) as told:
        await rows_of(redshift, sql, parameters)
    assert told.value.code == code
    assert "shop" not in str(told.value)


@pytest.mark.anyio
async def test_statement__that_takes_too_long_or_is_not_waited_for_is_cancelled(
    running: AwsSandbox, redshift: RedshiftQueries
) -> None:
    fake = running.world.services["redshift-data"]
    fake.polls_before_end = 1000
    try:
        with pytest.raises(LimitReached):
            await redshift.run(Statement("SELECT 1", limits=Limits(timeout_seconds=0.3)))
        waiting = asyncio.create_task(redshift.run(Statement("SELECT 2")))
        await asyncio.sleep(0.3)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
    finally:
        fake.polls_before_end = 1
    listed = aws_of(running).run("redshift-data", "list_statements", Status="ABORTED")
    assert {one["QueryString"] for one in listed["Statements"]} == {"SELECT 1", "SELECT 2"}


@pytest.mark.anyio
async def test_place__that_redshift_does_not_take_is_told(running: AwsSandbox) -> None:
    nowhere = RedshiftQueries(aws_of(running), RedshiftPlace("dev"))
    with pytest.raises((Invalid, Refused)):
        await nowhere.run(Statement("SELECT 1"))
