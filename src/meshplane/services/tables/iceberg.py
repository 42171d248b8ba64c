"""Iceberg tables over any storage: what the adapters of `TableFiles` have in common.

Importing this is cheap; pyarrow and pyiceberg are loaded by the first call.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.services.tables.ports import (
    ArrowStreamFile,
    ColumnSpec,
    PartitionBy,
    ScanPlan,
    Snapshot,
    StagedCommit,
    StagedExpiry,
)

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

    from meshplane.services.tables.lake_files import LakeFiles

_MEBIBYTE = 1024 * 1024


class IcebergTableFiles(ABC):
    """`TableFiles` over a storage. Holds no state: it may be used by many threads at once.

    Args:
        scratch: a directory for the residue of scans; it may be emptied when nothing runs.
        clock: stamps the snapshots.
        chunk_bytes: rows gathered before they are split and written; see `WriteLimits`.
        most_rows: rows of one append.
    """

    _writes_at_once = 1

    def __init__(
        self,
        scratch: Path,
        clock: Clock,
        *,
        chunk_bytes: int = 128 * _MEBIBYTE,
        most_rows: int = 200_000_000,
    ) -> None:
        self._scratch = scratch
        self._clock = clock
        self._chunk_bytes = chunk_bytes
        self._most_rows = most_rows

    @abstractmethod
    def _files(self) -> "LakeFiles":
        """Files for one staging or one scan."""

    @abstractmethod
    def _check_location(self, location: str) -> None:
        """Raises `Invalid("LOCATION_INVALID")` for what cannot be the location of a table."""

    def create(
        self, location: str, columns: Sequence[ColumnSpec], partition_by: Sequence[PartitionBy]
    ) -> StagedCommit:
        """Stages an empty table, of Iceberg format version 2. See `TableFiles.create`."""
        from meshplane.services.tables.lake_files import staging
        from meshplane.services.tables.local_commit import stage_create
        from meshplane.services.tables.local_schema import to_partition_spec, to_schema

        self._check_location(location)
        schema = to_schema(columns)
        spec = to_partition_spec(schema, partition_by)
        with staging(self._files()) as files:
            files.checked(location)
            return stage_create(files, location.rstrip("/"), schema, spec, self._clock.now())

    def append(self, metadata_location: str, rows: ArrowStreamFile) -> StagedCommit:
        """Stages one snapshot that adds rows. See `TableFiles.append`."""
        from meshplane.services.tables.lake_files import staging
        from meshplane.services.tables.local_commit import stage_append
        from meshplane.services.tables.local_load import load_table
        from meshplane.services.tables.local_rows import fitted_rows
        from meshplane.services.tables.local_stream import StreamLimits
        from meshplane.services.tables.local_write import WriteLimits

        with staging(self._files()) as files:
            table = load_table(files, metadata_location)
            limits = StreamLimits(batch_bytes=4 * self._chunk_bytes, rows=self._most_rows)
            batches = fitted_rows(rows, table.schema(), limits)
            return stage_append(
                files,
                table,
                batches,
                WriteLimits(self._chunk_bytes, at_once=self._writes_at_once),
                self._clock.now(),
            )

    def replace(
        self, metadata_location: str, columns: Sequence[ColumnSpec], rows: ArrowStreamFile
    ) -> StagedCommit:
        """Stages one snapshot with other rows and columns. See `TableFiles.replace`."""
        from meshplane.services.tables.lake_files import staging
        from meshplane.services.tables.local_commit import stage_replace
        from meshplane.services.tables.local_load import load_table
        from meshplane.services.tables.local_rows import fitted_rows
        from meshplane.services.tables.local_stream import StreamLimits
        from meshplane.services.tables.local_write import WriteLimits

        limits = StreamLimits(batch_bytes=4 * self._chunk_bytes, rows=self._most_rows)
        with staging(self._files()) as files:
            return stage_replace(
                files,
                load_table(files, metadata_location),
                columns,
                lambda schema: fitted_rows(rows, schema, limits),
                limits=WriteLimits(self._chunk_bytes, at_once=self._writes_at_once),
                now=self._clock.now(),
            )

    def delete(self, metadata_location: str, where: str) -> StagedCommit:
        """Stages one snapshot without the matching rows. See `TableFiles.delete`."""
        from meshplane.services.tables.lake_files import staging
        from meshplane.services.tables.local_commit import stage_delete
        from meshplane.services.tables.local_filter import RowFilter
        from meshplane.services.tables.local_load import load_table
        from meshplane.services.tables.local_write import WriteLimits

        with staging(self._files()) as files:
            table = load_table(files, metadata_location)
            row_filter = RowFilter(where, table.schema())
            return stage_delete(
                files,
                table,
                row_filter,
                WriteLimits(self._chunk_bytes, at_once=self._writes_at_once),
                self._clock.now(),
            )

    def expire(self, metadata_location: str, before: datetime, keep_last: int) -> StagedExpiry:
        """Stages a version without its old snapshots. See `TableFiles.expire`."""
        from meshplane.services.tables.lake_files import staging
        from meshplane.services.tables.local_expiry import stage_expire
        from meshplane.services.tables.local_load import load_table

        with staging(self._files()) as files:
            table = load_table(files, metadata_location)
            return stage_expire(files, table, before, keep_last, self._clock.now())

    def adopt(self, metadata_location: str, base_location: str) -> StagedCommit:
        """A version that another engine made from ours. See `TableFiles.adopt`."""
        from meshplane.services.tables.lake_files import reading
        from meshplane.services.tables.local_adopt import adopted
        from meshplane.services.tables.local_load import load_table

        with reading(self._files()) as files:
            base = load_table(files, base_location)
            return adopted(load_table(files, metadata_location), base)

    def snapshots(self, metadata_location: str) -> list[Snapshot]:
        """All snapshots that are kept, oldest first."""
        from meshplane.services.tables.lake_files import reading
        from meshplane.services.tables.local_load import list_snapshots, load_table

        with reading(self._files()) as files:
            return list_snapshots(load_table(files, metadata_location))

    def scan(
        self,
        metadata_location: str,
        as_of: datetime | None = None,
        snapshot_id: int | None = None,
    ) -> ScanPlan:
        """Plans the reading of a version. See `TableFiles.scan`."""
        from meshplane.services.tables.lake_files import reading
        from meshplane.services.tables.local_load import load_table
        from meshplane.services.tables.local_scan import plan_current, plan_snapshot

        _check_version(as_of, snapshot_id)
        with reading(self._files()) as files:
            table = load_table(files, metadata_location)
            snapshot = _past(table, as_of, snapshot_id)
            if snapshot is None:
                return plan_current(files, table, self._scratch)
            return plan_snapshot(files, table, snapshot, self._scratch)

    def version(
        self,
        metadata_location: str,
        as_of: datetime | None = None,
        snapshot_id: int | None = None,
    ) -> ScanPlan:
        """Which version that is, and its columns. See `TableFiles.version`."""
        from meshplane.services.tables.lake_files import reading
        from meshplane.services.tables.local_load import load_table
        from meshplane.services.tables.local_scan import version_of

        _check_version(as_of, snapshot_id)
        with reading(self._files()) as files:
            table = load_table(files, metadata_location)
            return version_of(table, _past(table, as_of, snapshot_id))


def _past(
    table: "Table", as_of: datetime | None, snapshot_id: int | None
) -> "IcebergSnapshot | None":
    """The snapshot that is asked for; None where it is the current one."""
    from meshplane.services.tables.local_load import snapshot_at, snapshot_of_id

    if as_of is not None:
        return snapshot_at(table, as_of)
    return snapshot_of_id(table, snapshot_id) if snapshot_id is not None else None


def _check_version(as_of: datetime | None, snapshot_id: int | None) -> None:
    if as_of is not None and snapshot_id is not None:
        raise Invalid(
            "SNAPSHOT_AMBIGUOUS",
            "Name either an instant or a snapshot, not both.",
            field="snapshotId",
        )
    if as_of is not None and as_of.tzinfo is None:
        raise Invalid(
            "AS_OF_INVALID",
            "The instant has no time zone; write it with one, such as 2024-05-01T00:00:00Z.",
            field="asOf",
        )
