"""Declarations of tables: partition key, sort key, indexes, expiry, full text.

A table says what DynamoDB could hold, so that SQLite, PostgreSQL and DynamoDB adapters agree.
Items are JSON objects. Keys are text or whole numbers, of 64 bits at most.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Item = dict[str, Any]
KeyValue = str | int


@dataclass(frozen=True, slots=True)
class Index:
    """Another way to find the items of a table; `sort` orders those of one partition."""

    name: str
    partition: str
    sort: str | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table and its keys.

    Args:
        name: as it is called everywhere (`Projects`).
        partition: the attribute that is the partition key.
        sort: the attribute that is the sort key, or None.
        indexes: other ways in. An item without the index's attributes is not in that index.
        expires: the attribute that holds when an item ends, in epoch seconds. Reads do not show
            an ended item, and the store removes it some time later.
        search: the attributes, text or lists of text, that `UnitOfWork.search` looks in, the most
            telling first: a hit in an earlier one weighs more.
        numbers: the keys, of the table and of its indexes, that are whole numbers in every item.
            DynamoDB wants a type for each key: it shows these as numbers, and all others as text.
    """

    name: str
    partition: str
    sort: str | None = None
    indexes: tuple[Index, ...] = ()
    expires: str | None = None
    search: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()

    def key_of(self, item: Mapping[str, Any]) -> tuple[KeyValue, KeyValue]:
        """Partition and sort key of an item; the sort key is "" where the table has none."""
        return item[self.partition], item[self.sort] if self.sort else ""

    def index(self, name: str) -> Index:
        """The index of that name.

        Raises:
            KeyError: the table has none of that name.
        """
        for index in self.indexes:
            if index.name == name:
                return index
        raise KeyError(f"table {self.name} has no index {name}")


@dataclass(frozen=True, slots=True)
class Row:
    """An item as it is stored, with its version: 1 when created, one more at each change."""

    item: Item
    version: int


@dataclass(frozen=True, slots=True)
class Between:
    """A condition on the sort key: `low` ≤ key ≤ `high`; an open end is None."""

    low: KeyValue | None = None
    high: KeyValue | None = None


@dataclass(frozen=True, slots=True)
class StartsWith:
    """A condition on the sort key: it is text that starts with `prefix`."""

    prefix: str


SortCondition = Between | StartsWith


@dataclass(frozen=True, slots=True)
class RowPage:
    """A page of rows; `cursor` is where the next one starts, None at the end."""

    rows: tuple[Row, ...]
    cursor: str | None


def by_name(tables: Iterable[Table]) -> dict[str, Table]:
    """The tables by name.

    Raises:
        ValueError: two tables have one name.
    """
    named: dict[str, Table] = {}
    for table in tables:
        if table.name in named and named[table.name] != table:
            raise ValueError(f"two tables are called {table.name}")
        named[table.name] = table
    return named
