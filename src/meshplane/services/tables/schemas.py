"""Bodies of the tables service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, SqlName, Text

TypeName = Annotated[str, StringConstraints(min_length=1, max_length=64)]


class NewColumn(ApiModel):
    """A column to be created; `type` is an Iceberg type such as `long` or `timestamptz`."""

    name: SqlName
    type: TypeName
    required: bool = False
    doc: Text | None = None


class PartitionField(ApiModel):
    """One part of the partitioning; `transform` is Iceberg's: `month`, `bucket[16]`."""

    column: SqlName
    transform: TypeName


class NewTable(ApiModel):
    """A table to be created."""

    project_id: Id
    name: SqlName
    columns: list[NewColumn] = Field(min_length=1, max_length=2000)
    partition_by: list[PartitionField] = Field(default_factory=list, max_length=10)


RedshiftName = Annotated[Line, StringConstraints(min_length=1, max_length=127)]


class RedshiftSource(ApiModel):
    """A table in Redshift: in a workgroup of Redshift Serverless, or in a cluster."""

    kind: Literal["redshift"]
    workgroup: str | None = Field(default=None, pattern=r"^[a-z0-9-]{3,64}$")
    cluster: str | None = Field(default=None, pattern=r"^[a-z][a-z0-9-]{0,62}$")
    database: RedshiftName
    schema_name: RedshiftName = Field(alias="schema")
    table: RedshiftName

    @model_validator(mode="after")
    def _is_in_one_place(self) -> "RedshiftSource":
        if (self.workgroup is None) == (self.cluster is None):
            raise PydanticCustomError("place", "name either a workgroup or a cluster")
        return self


class NewExternalTable(ApiModel):
    """A table to be registered whose rows stay where they are."""

    project_id: Id
    name: SqlName
    source: RedshiftSource


class RowsToDelete(ApiModel):
    """Which rows to delete: a condition such as `dep_time IS NULL`."""

    where: Line


class TableQuery(PageQuery):
    """Which tables to list."""

    project_id: Id


class ColumnView(ApiModel):
    """A column; `type` is Iceberg's, `sqlType` what queries see."""

    name: str
    field_id: int
    type: str
    sql_type: str
    required: bool
    doc: str | None


class TableView(ApiModel):
    """A table. Snapshot ids are text: they do not fit into JavaScript's numbers.

    Of an external table `format` is the engine that keeps it, `formatVersion` 0, and `rows` 0: they
    are not counted here.
    """

    table_id: str
    project_id: str
    domain_id: str
    domain_name: str
    name: str
    columns: list[ColumnView]
    partition_by: list[PartitionField]
    format: str
    format_version: int
    location: str
    snapshot_id: str | None
    rows: int
    source: RedshiftSource | None = None
    version: int
    created_by: str
    created_at: str


class CommitView(ApiModel):
    """A new snapshot."""

    table_id: str
    snapshot_id: str | None
    added_rows: int
    deleted_rows: int
    total_rows: int
    committed_at: str


class SnapshotView(ApiModel):
    """A version of a table's rows."""

    snapshot_id: str
    parent_id: str | None
    committed_at: str
    operation: str
    added_rows: int
    deleted_rows: int
    total_rows: int | None


class Expiry(ApiModel):
    """Which versions of a table to forget: older than so many days, and not among the last."""

    older_than_days: float = Field(default=7, ge=0, le=36_500)
    keep_last: int = Field(default=5, ge=1, le=100_000)


class ExpiryView(ApiModel):
    """What was forgotten. `snapshotId` is the current version, which stays."""

    table_id: str
    expired_snapshots: int
    removed_files: int
    snapshot_id: str | None
