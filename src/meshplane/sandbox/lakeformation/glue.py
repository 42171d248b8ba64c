"""What the Glue catalogue holds, read from moto in this process."""

from collections.abc import Iterator
from typing import Any

from meshplane.sandbox.fake import FakeError


class Glue:
    """One account's Glue catalogue in one region; names are in lower case, as Glue keeps them."""

    def __init__(self, account: str, region: str) -> None:
        self._account, self._region = account, region

    def database(self, name: str) -> dict[str, Any] | None:
        """A database as Glue shows it, or None."""
        found = self._backend().databases.get(name)
        return found.as_dict() if found is not None else None

    def table(self, database: str, name: str) -> dict[str, Any] | None:
        """A table as Glue shows it, or None."""
        there = self._backend().databases.get(database)
        found = there.tables.get(name) if there is not None else None
        return found.as_dict() if found is not None else None

    def databases(self) -> list[str]:
        """The names of all databases."""
        return sorted(self._backend().databases)

    def tables(self, database: str) -> list[str]:
        """The names of all tables of a database; none if there is no such database."""
        there = self._backend().databases.get(database)
        return sorted(there.tables) if there is not None else []

    def columns(self, database: str, name: str) -> dict[str, str] | None:
        """The types of a table's columns by their names, partition keys last; None: no table."""
        table = self.table(database, name)
        if table is None:
            return None
        return {one["Name"].lower(): one.get("Type", "") for one in _columns(table)}

    def is_link(self, database: str, name: str) -> bool:
        """Whether a table is a resource link, to a table elsewhere."""
        return bool((self.table(database, name) or {}).get("TargetTable"))

    def need_database(self, name: str) -> None:
        """Raises EntityNotFoundException if there is no such database."""
        if self.database(name) is None:
            raise FakeError("EntityNotFoundException", f"Database {name} not found.")

    def need_columns(self, database: str, name: str) -> dict[str, str]:
        """As `columns`; raises EntityNotFoundException if there is no such table."""
        self.need_database(database)
        columns = self.columns(database, name)
        if columns is None:
            raise FakeError("EntityNotFoundException", f"Table {database}.{name} not found.")
        return columns

    def _backend(self) -> Any:
        from moto.backends import get_backend

        return get_backend("glue")[self._account][self._region]


def _columns(table: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Of an Iceberg table, those of its present schema alone.

    Iceberg's own Glue catalogue lists the columns of former schemas too, and marks them so.
    """
    for one in (
        *(table.get("StorageDescriptor") or {}).get("Columns", ()),
        *(table.get("PartitionKeys") or ()),
    ):
        if (one.get("Parameters") or {}).get("iceberg.field.current") != "false":
            yield one
