"""Places where a store keeps its state, one for each adapter. A new adapter joins in `PLACES`."""

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import pytest

from meshplane.kit.clock import Clock, FixedClock
from meshplane.kit.ids import id_maker
from meshplane.platform.events import NewEvent
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.store import Store
from meshplane.platform.tables import Index, Table

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)

THINGS = Table(
    "Things",
    "group",
    "name",
    indexes=(Index("byOwner", "owner", "rank"), Index("byColour", "colour")),
)
NUMBERS = Table("Numbers", "group", "number")
SINGLES = Table("Singles", "id")
LEASES = Table("Leases", "id", expires="endsAt", indexes=(Index("byHolder", "holder"),))
PAPERS = Table("Papers", "id", search=("title", "text"))
NOTES = Table("Notes", "id", expires="endsAt", search=("text",))
TABLES = (THINGS, NUMBERS, SINGLES, LEASES, PAPERS, NOTES)


class Place(Protocol):
    """Somewhere that keeps a store's state while no store is open."""

    clock: FixedClock

    def open(self, clock: Clock | None = None) -> Store:
        """A store on that state; several may be open at once."""
        ...


class SqlitePlace:
    """A file in a folder."""

    def __init__(self, folder: Path, tables: Iterable[Table] = TABLES) -> None:
        self.clock = FixedClock(NOON)
        self.file = folder / "meshplane.db"
        self._tables = tuple(tables)

    def open(self, clock: Clock | None = None) -> SqliteStore:
        """A store on the file, by default on this place's clock."""
        clock = clock or self.clock
        return SqliteStore(self.file, self._tables, clock, id_maker(clock))


def _dynamodb(folder: Path) -> Place:
    """Tables in DynamoDB as moto plays it."""
    pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")
    from tests.builders.dynamodb_place import dynamodb_place

    return dynamodb_place(TABLES, FixedClock(NOON), folder)


PLACES: dict[str, Callable[[Path], Place]] = {"sqlite": SqlitePlace, "dynamodb": _dynamodb}
"""By adapter: makes a place that has nothing in it, given an empty folder."""


def event(entity: str = "thing-1", kind: str = "ThingChanged", **detail: object) -> NewEvent:
    """An event with little in it."""
    return NewEvent(kind, "test.things", entity, dict(detail))
