"""A home that an older layout wrote is brought to the present one, with all that it holds."""

import sqlite3
from pathlib import Path

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.platform.local.sqlite_schema import FORMAT
from meshplane.platform.tables import Between, Index, Table
from tests.builders.stores import SINGLES, SqlitePlace, event

LAYOUT_1 = """
CREATE TABLE Outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, type TEXT NOT NULL,
    source TEXT NOT NULL, entity TEXT NOT NULL, time TEXT NOT NULL, detail TEXT NOT NULL);
CREATE TABLE AuditTrail (
    sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, hash TEXT NOT NULL);
CREATE TABLE "Singles" (pk NOT NULL, sk NOT NULL, version, body, expires, PRIMARY KEY (pk, sk))
    WITHOUT ROWID;
INSERT INTO Outbox (event_id, type, source, entity, time, detail) VALUES
    ('evt-1', 'ThingChanged', 'test.things', 'a', '2024-05-01T12:00:00.000000Z', '{"n":1}');
INSERT INTO "Singles" VALUES ('x', '', 3, '{"id":"x","kept":true}', NULL);
PRAGMA user_version = 1;
"""


def old_home(folder: Path) -> SqlitePlace:
    place = SqlitePlace(folder)
    connection = sqlite3.connect(place.file)
    connection.executescript(LAYOUT_1)
    connection.close()
    return place


async def test_home_of_layout_1__keeps_its_rows_and_events_and_counts_hops(
    tmp_path: Path,
) -> None:
    place = old_home(tmp_path)
    store = place.open()
    (old,) = await store.events_after(0, 10)
    assert (old.event_id, old.detail, old.hops) == ("evt-1", {"n": 1}, 0)
    row = await store.begin().get(SINGLES, "x")
    assert row is not None
    assert (row.item, row.version) == ({"id": "x", "kept": True}, 3)
    work = store.begin(hops=4)
    work.emit(event("b"))
    await work.commit()
    await store.close()
    again = place.open()
    hops = [each.hops for each in await again.events_after(0, 10)]
    await again.close()
    assert hops == [0, 4]


async def test_migration__is_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = old_home(tmp_path)
    broken = "CREATE TABLE IF NOT EXISTS Broken (;"
    monkeypatch.setattr("meshplane.platform.local.sqlite_schema.SYSTEM_TABLES", broken)
    with pytest.raises(sqlite3.OperationalError):
        place.open()
    monkeypatch.undo()
    connection = sqlite3.connect(place.file)
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    connection.close()
    store = place.open()
    assert len(await store.events_after(0, 10)) == 1
    await store.close()


def test_home_of_a_newer_layout__is_refused(tmp_path: Path) -> None:
    place = old_home(tmp_path)
    connection = sqlite3.connect(place.file)
    connection.execute(f"PRAGMA user_version = {FORMAT + 1}")
    connection.close()
    with pytest.raises(Unavailable) as caught:
        place.open()
    assert caught.value.code == "HOME_TOO_NEW"


async def test_table_that_got_an_index__has_its_older_items_in_it(tmp_path: Path) -> None:
    before = Table("Things", "group", "name", indexes=(Index("byColour", "colour"),))
    place = SqlitePlace(tmp_path, [before])
    store = place.open()
    work = store.begin()
    work.put(before, {"group": "a", "name": "x", "colour": "red", "owner": "ada", "rank": 3})
    work.put(before, {"group": "a", "name": "y", "colour": "red"})
    await work.commit()
    await store.close()
    after = Table(
        "Things",
        "group",
        "name",
        indexes=(Index("byColour", "colour"), Index("byOwner", "owner", "rank")),
    )
    for _ in range(2):  # the second time, there is nothing left to add
        store = SqlitePlace(tmp_path, [after]).open()
        found = await store.begin().query(after, "ada", index="byOwner", where=Between(3, 3))
        assert [(row.item["name"], row.version) for row in found.rows] == [("x", 1)]
        coloured = await store.begin().query(after, "red", index="byColour")
        assert [row.item["name"] for row in coloured.rows] == ["x", "y"]
        await store.close()
