"""The disk fails at COMMIT, and at the ROLLBACK after it: all get an answer, and on it goes."""

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from meshplane.kit.errors import Unavailable
from meshplane.platform.local.sqlite import SqliteStore
from tests.builders.stores import SINGLES, SqlitePlace


class FailingConnection:
    """The connection that writes, whose named statements fail as those on a failing disk do."""

    def __init__(self, real: sqlite3.Connection) -> None:
        self._real = real
        self.failing: set[str] = set()
        self.failed: list[str] = []

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        """Runs a statement, or fails it."""
        if sql in self.failing:
            self.failed.append(sql)
            raise sqlite3.OperationalError("disk I/O error")
        return self._real.execute(sql, *rest)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)


def failing(store: SqliteStore) -> FailingConnection:
    """Puts such a connection in front of the store's own."""
    connection = FailingConnection(store._writer._connection)
    store._writer._connection = connection  # type: ignore[assignment]
    return connection


async def put(store: SqliteStore, id_: str) -> str:
    """Puts a row; `kept`, or the code of the refusal. Either comes soon."""
    work = store.begin()
    work.put(SINGLES, {"id": id_})
    try:
        async with asyncio.timeout(10):
            await work.commit()
    except Unavailable as error:
        return error.code
    return "kept"


async def test_rollback_that_fails_too__answers_everybody_who_waits(tmp_path: Path) -> None:
    store = SqlitePlace(tmp_path).open()
    connection = failing(store)
    connection.failing = {"COMMIT", "ROLLBACK"}
    # More than one group of at most 256: the second one finds the transaction of the first open.
    ends = await asyncio.gather(*(put(store, f"lost-{number}") for number in range(300)))
    assert set(ends) == {"STORE_UNAVAILABLE"}
    assert connection.failed.count("ROLLBACK") >= 2
    await store.close()


async def test_rollback_that_failed__keeps_nothing_of_it_once_the_disk_is_well_again(
    tmp_path: Path,
) -> None:
    place = SqlitePlace(tmp_path)
    store = place.open()
    connection = failing(store)
    assert await put(store, "before") == "kept"
    connection.failing = {"COMMIT", "ROLLBACK"}
    assert await put(store, "lost") == "STORE_UNAVAILABLE"
    connection.failing = set()
    # The first may meet the transaction that was left open, and ends it.
    assert await put(store, "first") in ("kept", "STORE_UNAVAILABLE")
    assert await put(store, "after") == "kept"
    await store.close()
    again = place.open()
    work = again.begin()
    found = [await work.get(SINGLES, id_) is not None for id_ in ("before", "lost", "after")]
    await again.close()
    assert found == [True, False, True]
