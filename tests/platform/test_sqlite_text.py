"""The text index beside its table in SQLite: one entry for each row, whatever happens to rows."""

import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import pytest

from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from tests.builders import seeds
from tests.builders.stores import NOON, NOTES, PAPERS, SqlitePlace


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return SqlitePlace(tmp_path)


@pytest.fixture
async def store(place: SqlitePlace) -> AsyncIterator[SqliteStore]:
    store = place.open()
    yield store
    await store.close()


def entries(file: Path, table: str) -> tuple[set[int], set[int]]:
    """The row ids of a table and of its text index."""
    with closing(sqlite3.connect(file)) as connection:
        rows, texts = (
            {row for (row,) in connection.execute(f'SELECT rowid FROM "{name}"')}
            for name in (table, f"{table}_search")
        )
    return rows, texts


async def found(store: Store, words: str) -> set[str]:
    return {row.item["id"] for row in await store.begin().search(PAPERS, words, 1000)}


async def test_text_index__has_one_entry_for_each_row_after_many_changes(
    place: SqlitePlace, store: SqliteStore
) -> None:
    chance = random.Random(seeds.fresh())
    for number in range(300):
        work = store.begin()
        name = f"p{chance.randrange(30)}"
        if chance.random() < 0.4:
            work.delete(PAPERS, name)
        else:
            work.put(PAPERS, {"id": name, "title": f"word{number}", "text": "all"})
        await work.commit()
    rows, texts = entries(place.file, "Papers")
    assert rows == texts


async def test_text_index__loses_the_entries_of_expired_rows(
    place: SqlitePlace, store: SqliteStore
) -> None:
    work = store.begin()
    for number in range(6):
        ends = int(NOON.timestamp()) + 10
        work.put(NOTES, {"id": f"n{number}", "text": "old", "endsAt": ends})
    await work.commit()
    place.clock.advance(10)
    work = store.begin()
    work.put(NOTES, {"id": "n1", "text": "new"})
    await work.commit()
    assert await store.remove_expired() == 5
    rows, texts = entries(place.file, "Notes")
    assert rows == texts
    assert len(rows) == 1


async def test_text_index__belongs_to_its_rows_after_the_file_was_packed_and_copied(
    place: SqlitePlace, tmp_path: Path
) -> None:
    store = place.open()
    work = store.begin()
    for number in range(50):
        work.put(PAPERS, {"id": f"p{number}", "title": f"word{number}", "text": "all"})
    await work.commit()
    for number in range(0, 50, 3):
        work = store.begin()
        work.delete(PAPERS, f"p{number}")
        await work.commit()
    await store.close()
    other = tmp_path / "copy"
    other.mkdir()
    with closing(sqlite3.connect(place.file, isolation_level=None)) as connection:
        connection.execute("VACUUM INTO ?", (str(other / "meshplane.db"),))
        connection.execute("VACUUM")
    for folder in (tmp_path, other):
        store = SqlitePlace(folder).open()
        for number in range(50):
            wanted = set() if number % 3 == 0 else {f"p{number}"}
            assert await found(store, f"word{number}") == wanted
        await store.close()
