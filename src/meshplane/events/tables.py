"""Events of the tables service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class TableCreated(Payload):
    """An Iceberg table was created."""

    source: ClassVar[str] = "management-app.tables"
    entity_field: ClassVar[str] = "table_id"

    table_id: str
    table_name: str
    project_id: str
    domain_id: str
    created_by: str
    created_at: str


class ColumnOrigin(Payload):
    """A column of a table, and one column that it was made from, in OpenLineage's terms."""

    source: ClassVar[str] = "management-app.tables"
    entity_field: ClassVar[str] = "column"

    column: str
    from_table_id: str
    from_column: str
    type: str
    subtype: str


class TableSnapshotCommitted(Payload):
    """A table has a new snapshot. `origins` is filled where a query made its rows."""

    source: ClassVar[str] = "management-app.tables"
    entity_field: ClassVar[str] = "table_id"

    table_id: str
    snapshot_id: str | None
    operation: str
    added_rows: int
    deleted_rows: int
    total_rows: int
    committed_by: str
    committed_at: str
    query_id: str | None = None
    from_table_ids: tuple[str, ...] = ()
    origins: tuple[ColumnOrigin, ...] = ()


class TableSnapshotsExpired(Payload):
    """Old versions of a table were forgotten, with the files that only they had."""

    source: ClassVar[str] = "management-app.tables"
    entity_field: ClassVar[str] = "table_id"

    table_id: str
    expired_snapshots: int
    removed_files: int
    expired_by: str
    expired_at: str


class CrawlCompleted(Payload):
    """A crawl of a project's raw area has ended. `status` is `SUCCEEDED` or `FAILED`."""

    source: ClassVar[str] = "management-app.tables"
    entity_field: ClassVar[str] = "project_id"

    crawl_id: str
    project_id: str
    domain_id: str
    status: str
    found_tables: int
    skipped_files: int
    started_by: str
    completed_at: str
