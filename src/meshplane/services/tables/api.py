"""What the tables service offers to others."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from meshplane.boundary.actor import Actor


@dataclass(frozen=True, slots=True)
class ColumnSummary:
    """A column of a table; `type` is Iceberg's, `sql_type` DuckDB's."""

    name: str
    field_id: int
    type: str
    sql_type: str
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class ExternalSource:
    """Where the rows of a table lie that another engine keeps.

    Args:
        kind: `redshift`.
        database, schema, table: its names there.
        workgroup, cluster: where the database is; exactly one of them.
        types: the types of its columns in the words of that engine, by name.
    """

    kind: str
    database: str
    schema: str
    table: str
    workgroup: str | None = None
    cluster: str | None = None
    types: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class TableSummary:
    """A table, for others. One with a `source` has its rows there: no files, no snapshots."""

    table_id: str
    name: str
    project_id: str
    domain_id: str
    domain_name: str
    location: str
    columns: tuple[ColumnSummary, ...]
    snapshot_id: str | None
    rows: int
    source: ExternalSource | None = None


@dataclass(frozen=True, slots=True)
class Scan:
    """What to read for one version of a table.

    `files` are Parquet files whose columns carry the field ids of `columns`; `residue` are those
    of them that were made for this scan, to be removed by whoever asked for it. A table whose rows
    lie elsewhere has a `source` in place of files.
    """

    table_id: str
    snapshot_id: str | None
    files: tuple[str, ...]
    columns: tuple[ColumnSummary, ...]
    rows: int
    residue: tuple[str, ...]
    source: ExternalSource | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """A column of a result, and a column that it was made from, in OpenLineage's terms."""

    column: str
    from_table_id: str
    from_column: str
    type: str
    subtype: str


@dataclass(frozen=True, slots=True)
class QueryResult:
    """The result of a query, to become a table.

    Args:
        project_id, name: of the table to be.
        columns: (name, Iceberg type) of its columns.
        rows_file: an Arrow IPC stream on this machine.
        query_id: of the query that made it.
        from_table_ids: tables that the query read.
        origins: of its columns.
        once: names the request, so that a repeated one gives the same table.
        sample_of: the table that this is a sample of, if it is one; an earlier sample of that
            table gets these rows in place of its own.
    """

    project_id: str
    name: str
    columns: tuple[tuple[str, str], ...]
    rows_file: str
    query_id: str
    from_table_ids: tuple[str, ...]
    origins: tuple[Origin, ...]
    once: str
    sample_of: str | None = None


def remove_residue(scan: Scan) -> None:
    """Removes the files that were made for a scan alone; blocks."""
    for file in scan.residue:
        Path(file).unlink(missing_ok=True)


class TablesApi(Protocol):
    """Reads tables, and makes one of a query's result."""

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        """The table with that id."""
        ...

    async def scan(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        """What to read for the current version, for that of an instant, or for a snapshot.

        Args:
            actor: who asks.
            table_id: the table.
            as_of: the instant whose version is wanted, if one is.
            snapshot_id: the snapshot that is wanted, if one is; then `as_of` is None.

        Raises:
            Missing: TABLE_NOT_FOUND, SNAPSHOT_NOT_FOUND.
            Invalid: SNAPSHOT_AMBIGUOUS, both are given.
            Refused: TABLE_EXTERNAL, its rows lie in another engine.
        """
        ...

    async def version(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        """As `scan`, without files: for whoever lets another engine read them.

        An external table has a `source`, and no version but that of now: else, TABLE_EXTERNAL.
        """
        ...

    async def create_from_query(self, actor: Actor, result: QueryResult) -> TableSummary:
        """Makes a table of a query's result, in one commit with where it came from."""
        ...
