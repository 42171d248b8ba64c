"""What the tables service needs of a lake: Iceberg files, staged and read.

The pointer to a table's current metadata lives in the transactional store, not in the lake. So
these calls only *stage*: they write files that nothing refers to yet and name the new metadata
file. The caller swaps its pointer with a compare-and-swap, in one commit with its events; whoever
loses that race stages again from the metadata that won. The files of the loser stay as orphans.

All calls block; all locations are those of metadata files (`…/metadata/00001-….metadata.json`).
The format is Apache Iceberg, https://iceberg.apache.org/spec/.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol, TypeAlias

ArrowStreamFile: TypeAlias = Path
"""A file that holds one Arrow IPC *stream*: schema, record batches, end-of-stream marker."""


@dataclass(frozen=True, slots=True)
class ColumnSpec:
    """A column to create.

    Args:
        name: its name, matched exactly when rows arrive.
        type: an Iceberg primitive type as the specification writes it: `long`, `decimal(9,2)`.
        required: it holds no nulls.
        doc: what it means, for people.
    """

    name: str
    type: str
    required: bool = False
    doc: str | None = None


@dataclass(frozen=True, slots=True)
class PartitionBy:
    """One part of the partitioning: `month` of `time_hour`, `bucket[16]` of `customer_id`."""

    column: str
    transform: str


@dataclass(frozen=True, slots=True)
class TableColumn:
    """A column as it stands in a table; `field_id` stays with it through renames.

    `sql_type` is the type that DuckDB gives it: `BIGINT`, `TIMESTAMP WITH TIME ZONE`.
    """

    name: str
    field_id: int
    iceberg_type: str
    sql_type: str
    required: bool
    doc: str | None


@dataclass(frozen=True, slots=True)
class StagedCommit:
    """A new version of a table, durable in the lake and not yet current.

    Args:
        metadata_location: its metadata file; the base's own when there was nothing to change.
        snapshot_id: the snapshot that would be current; none while the table is empty.
        added_rows: rows that this commit adds.
        deleted_rows: rows that this commit removes; rows that only move to another file count
            neither as added nor as deleted.
        total_rows: rows in the table after it.
        columns: the current columns, in order.
        committed_at: the instant from which `as_of` finds this version, to the millisecond.
    """

    metadata_location: str
    snapshot_id: int | None
    added_rows: int
    deleted_rows: int
    total_rows: int
    columns: tuple[TableColumn, ...]
    committed_at: datetime


@dataclass(frozen=True, slots=True)
class StagedExpiry:
    """A new version of a table that keeps fewer snapshots.

    Args:
        commit: the version; the base itself when nothing may go.
        expired: how many snapshots it keeps no longer.
        files: where the files lie that only those had. They may be removed (`remove`) once the
            version is current, and not before.
    """

    commit: StagedCommit
    expired: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A version of a table's rows.

    `total_rows` is unknown when files of row deletes written by another engine lie beside it, or
    when the engine that wrote it recorded no totals; a scan counts them.
    """

    snapshot_id: int
    parent_snapshot_id: int | None
    committed_at: datetime
    operation: str
    added_rows: int
    deleted_rows: int
    total_rows: int | None


@dataclass(frozen=True, slots=True)
class ScanPlan:
    """What to read for one version of a table.

    Args:
        snapshot_id: the version; none for an empty table.
        files: absolute local paths of Parquet files whose columns carry the field ids of
            `columns`. Their rows are exactly those of the version. Match columns by field id,
            never by name, and do not derive columns from paths.
        columns: the columns of that version, in order.
        total_rows: how many rows the files hold together.
        residue: those of `files` that were made for this plan alone; the caller removes them when
            it has read them.
    """

    snapshot_id: int | None
    files: tuple[str, ...]
    columns: tuple[TableColumn, ...]
    total_rows: int
    residue: tuple[str, ...] = ()


class TableFiles(Protocol):
    """A lake that holds Iceberg tables.

    Every staging call returns only when all files that it wrote, and the directory entries that
    name them, would survive a power failure. Beside the errors named below, each call raises
    `Missing("METADATA_NOT_FOUND")`, `Invalid("METADATA_UNREADABLE")`,
    `Invalid("TABLE_UNSUPPORTED")` for a table that this lake cannot handle,
    `Invalid("FILE_OUTSIDE_LAKE")` for a table that names files elsewhere, and
    `Unavailable("LAKE_UNAVAILABLE")` when the storage fails.
    """

    def create(
        self, location: str, columns: Sequence[ColumnSpec], partition_by: Sequence[PartitionBy]
    ) -> StagedCommit:
        """Stages an empty table.

        Args:
            location: its directory, which belongs to it alone.
            columns: at least one.
            partition_by: how rows are split into files; empty for no partitioning.

        Raises:
            Invalid: `LOCATION_INVALID`, `COLUMNS_MISSING`, `COLUMN_NAME_INVALID`,
                `COLUMN_NAME_TAKEN`, `COLUMN_TYPE_UNKNOWN`, `PARTITION_INVALID`.
        """
        ...

    def append(self, metadata_location: str, rows: ArrowStreamFile) -> StagedCommit:
        """Stages one snapshot that adds rows; none when the stream holds no rows.

        Columns are matched by name. An optional column that the rows lack is null in them.

        Args:
            metadata_location: the version to build upon.
            rows: the rows, as an Arrow IPC stream.

        Raises:
            Missing: `ROWS_NOT_FOUND`.
            Invalid: `NOT_ARROW`, `ROWS_TRUNCATED`, `ROWS_DAMAGED`, `ROWS_DO_NOT_FIT`.
            TooLarge: `ROWS_TOO_MANY`, `ROWS_BATCH_TOO_LARGE`, `PARTITIONS_TOO_MANY`.
        """
        ...

    def replace(
        self, metadata_location: str, columns: Sequence[ColumnSpec], rows: ArrowStreamFile
    ) -> StagedCommit:
        """Stages one snapshot that has these rows and these columns, and no others.

        Raises:
            Missing, Invalid, TooLarge: as `create` and `append`.
        """
        ...

    def delete(self, metadata_location: str, where: str) -> StagedCommit:
        """Stages one snapshot without the rows for which a condition is true.

        As in SQL, a row for which the condition is unknown (it compares a null) stays. When no
        row matches, nothing is written and the base is returned.

        Args:
            metadata_location: the version to build upon.
            where: comparisons, `IS [NOT] NULL`, `[NOT] IN`, `BETWEEN`, `LIKE 'prefix%'`, joined by
                `AND`, `OR`, `NOT`; names of columns are matched exactly.

        Raises:
            Invalid: `ROW_FILTER_INVALID`, `EQUALITY_DELETES_UNREADABLE`.
        """
        ...

    def expire(self, metadata_location: str, before: datetime, keep_last: int) -> StagedExpiry:
        """Stages a version without the snapshots that were made before an instant.

        The last `keep_last` ones up to the current one stay, and those that a branch or a tag
        names.
        """
        ...

    def adopt(self, metadata_location: str, base_location: str) -> StagedCommit:
        """A version that another engine has committed elsewhere, as if it were staged here.

        Its rows are counted from the base on.

        Args:
            metadata_location: the other engine's metadata file.
            base_location: the version that is current here.

        Raises:
            Conflict: `METADATA_DIVERGED`, it was not made from the base.
        """
        ...

    def remove(self, files: Sequence[str]) -> None:
        """Removes files that `expire` named; one that is gone already is no error."""
        ...

    def snapshots(self, metadata_location: str) -> list[Snapshot]:
        """All snapshots that are kept, oldest first."""
        ...

    def scan(
        self,
        metadata_location: str,
        as_of: datetime | None = None,
        snapshot_id: int | None = None,
    ) -> ScanPlan:
        """Plans the reading of a version: the current one, that of an instant, or a given one.

        Args:
            metadata_location: the metadata to look in.
            as_of: an instant with time zone; the snapshot that was current then is read, with
                the columns of that time.
            snapshot_id: the snapshot to read.

        Raises:
            Missing: `SNAPSHOT_NOT_FOUND`, also for an instant before the first snapshot.
            Invalid: `SNAPSHOT_AMBIGUOUS` when both are given, `AS_OF_INVALID`,
                `EQUALITY_DELETES_UNREADABLE`.
        """
        ...

    def version(
        self,
        metadata_location: str,
        as_of: datetime | None = None,
        snapshot_id: int | None = None,
    ) -> ScanPlan:
        """As `scan`, for whoever lets another engine read: the files are left out, and not counted.

        Raises:
            Missing, Invalid: as `scan`.
        """
        ...
