"""The history keeps the newest of each principal, however many he sends, and each for 90 days."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshplane.kit.clock import SystemClock, to_text
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.services.query import history
from meshplane.services.query.history import Ran, has_ended
from meshplane.services.query.store import HISTORY, TABLES

NOON = datetime(2999, 1, 31, 12, tzinfo=UTC)


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[SqliteStore]:
    clock = SystemClock()
    store = SqliteStore(tmp_path / "meshplane.db", TABLES, clock, id_maker(clock))
    yield store
    await store.close()


def ran(number: int, principal: str = "user:ann", sql: str = "SELECT 1") -> Ran:
    started = to_text(NOON + timedelta(seconds=number))
    return Ran(principal, f"qry-{number}", "runQuery", sql, None, started)


async def write(store: SqliteStore, one: Ran, code: str | None = None) -> None:
    work = store.begin()
    await one.write(work, code)
    await work.commit()


async def kept(store: SqliteStore, principal: str = "user:ann") -> list[str]:
    page = await store.begin().query(HISTORY, principal, limit=200)
    return [row.item["queryId"] for row in page.rows]


async def test_history__keeps_the_newest_of_each_principal(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "MOST_KEPT", 20)
    await write(store, ran(1, "user:ben"))
    for number in range(75):
        await write(store, ran(number))
        assert len(await kept(store)) <= 20
    assert await kept(store) == [f"qry-{number}" for number in range(55, 75)]
    assert await kept(store, "user:ben") == ["qry-1"]


async def test_history__comes_down_to_its_bound_where_there_is_more(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        await write(store, ran(number))
    monkeypatch.setattr(history, "MOST_KEPT", 20)
    for number in range(40, 60):
        await write(store, ran(number))
    assert len(await kept(store)) == 20


async def test_entry__ends_after_90_days(store: SqliteStore) -> None:
    await write(store, ran(0))
    page = await store.begin().query(HISTORY, "user:ann")
    ends = datetime.fromtimestamp(page.rows[0].item["expiresEpoch"], UTC)
    assert ends - NOON == timedelta(days=90)


async def test_entry__of_a_query_that_goes_on_is_written_when_it_has_ended(
    store: SqliteStore,
) -> None:
    one = ran(1)
    one.goes_on = True
    await write(store, one)
    assert not await has_ended(store.begin(), "user:ann", "qry-1")
    one.goes_on = False
    await write(store, one)
    assert await has_ended(store.begin(), "user:ann", "qry-1")
    assert not await has_ended(store.begin(), "user:ben", "qry-1")
    assert not await has_ended(store.begin(), "user:ann", "qry")


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (None, "succeeded"),
        ("SQL_CANCELLED", "cancelled"),
        ("CANCELLED", "cancelled"),
        ("ACCESS_REQUIRED", "refused"),
        ("SQL_LIMIT", "failed"),
        ("INTERNAL", "failed"),
    ],
)
async def test_status__follows_from_the_code(
    store: SqliteStore, code: str | None, status: str
) -> None:
    await write(store, ran(1), code)
    page = await store.begin().query(HISTORY, "user:ann")
    assert (page.rows[0].item["status"], page.rows[0].item["code"]) == (status, code)


async def test_text__that_no_store_could_hold_is_mended(store: SqliteStore) -> None:
    await write(store, ran(1, sql="SELECT '\ud800\0'"))
    page = await store.begin().query(HISTORY, "user:ann")
    assert page.rows[0].item["sql"] == "SELECT '?\ufffd'"
