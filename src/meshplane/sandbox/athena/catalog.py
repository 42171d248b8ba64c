"""Which table of whose Glue a name in a query means, resource links followed.

A resource link is a database with a `TargetDatabase`, or a table with a `TargetTable`: what is
asked of Lake Formation, and what is read, is the target (Lake Formation guide, "How resource links
work").
"""

from dataclasses import dataclass
from typing import Any

from sqlglot import exp

from meshplane.sandbox.athena.refusals import QueryFailed, no_schema, no_table
from meshplane.sandbox.lake_state import database_input, table_of

DEFAULT_CATALOG = "awsdatacatalog"
_MOST_LINKS = 4


@dataclass(frozen=True, slots=True)
class FoundTable:
    """A table that a query names.

    Args:
        account, region: whose Glue it is in.
        database, name: of the table itself, links followed.
        glue: as `get_table` gives it.
        suffix: `snapshots` of `"t$snapshots"`, else empty.
    """

    account: str
    region: str
    database: str
    name: str
    glue: dict[str, Any]
    suffix: str = ""

    @property
    def metadata_location(self) -> str | None:
        """Of an Iceberg table, where its metadata is."""
        parameters = self.glue.get("Parameters") or {}
        if str(parameters.get("table_type", "")).upper() != "ICEBERG":
            return None
        return str(parameters.get("metadata_location", "")) or None

    @property
    def columns(self) -> tuple[str, ...]:
        """What Glue says the columns are, partition keys last, in lower case."""
        listed = self.glue.get("StorageDescriptor", {}).get("Columns") or []
        keys = self.glue.get("PartitionKeys") or []
        return tuple(one["Name"].lower() for one in [*listed, *keys])


@dataclass(frozen=True, slots=True)
class Context:
    """From where names are looked up.

    Args:
        account, region: the caller's.
        catalogs: by lower-case name, the account whose Glue it is.
        catalog, database: that a bare name is in.
    """

    account: str
    region: str
    catalogs: dict[str, str]
    catalog: str = DEFAULT_CATALOG
    database: str | None = None


def find(context: Context, node: exp.Table) -> FoundTable:
    """The table that a node names.

    Raises:
        QueryFailed: there is none, or no database was given.
    """
    catalog = (node.catalog or context.catalog).lower()
    database = (node.db or context.database or "").lower()
    if not database:
        raise QueryFailed(
            "MISSING_SCHEMA_NAME: line 1:1: Schema must be specified when session schema is not set"
        )
    account = context.catalogs.get(catalog)
    if account is None:
        raise QueryFailed(f"CATALOG_NOT_FOUND: line 1:1: Catalog '{catalog}' does not exist")
    name, _, suffix = node.name.lower().partition("$")
    held, home = account, database
    for _ in range(_MOST_LINKS):
        schema = database_input(held, context.region, home)
        if schema is None:
            raise no_schema(database, node)
        if target := schema.get("TargetDatabase"):
            held, home = target["CatalogId"], target["DatabaseName"]
            continue
        glue = table_of(held, context.region, home, name)
        if glue is None:
            raise no_table(catalog, database, name, node)
        if target := glue.get("TargetTable"):
            held, home, name = target["CatalogId"], target["DatabaseName"], target["Name"]
            continue
        return FoundTable(held, context.region, home, name, glue, suffix)
    raise QueryFailed("GENERIC_USER_ERROR: a resource link leads to too many others")
