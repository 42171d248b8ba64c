"""Stages new versions of a table: data files, manifests, manifest list, metadata.

pyiceberg builds the manifests of a snapshot and hands over the changes to the metadata; here they
are applied to the base and written under a new name. Nothing is swapped, nothing of the base is
removed and nothing is retried: that is the caller's.
"""

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.serializers import ToOutputFile
from pyiceberg.table import Table, TableProperties, Transaction
from pyiceberg.table.locations import SimpleLocationProvider
from pyiceberg.table.metadata import TableMetadata, new_table_metadata
from pyiceberg.table.snapshots import Operation, SnapshotLogEntry
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER
from pyiceberg.table.update import (
    AddSchemaUpdate,
    AddSnapshotUpdate,
    RemoveSnapshotsUpdate,
    SetCurrentSchemaUpdate,
    TableUpdate,
    update_table_metadata,
)
from pyiceberg.table.update.snapshot import UpdateSnapshot

from meshplane.kit.errors import Invalid
from meshplane.services.tables.lake_files import LakeFiles
from meshplane.services.tables.local_filter import RowFilter
from meshplane.services.tables.local_load import (
    DELETED_ROWS,
    as_table,
    current_rows,
    refuse_equality_deletes,
    to_milliseconds,
)
from meshplane.services.tables.local_rows import fit_table
from meshplane.services.tables.local_schema import to_columns, to_schema
from meshplane.services.tables.local_write import WriteLimits, write_data_files
from meshplane.services.tables.ports import ColumnSpec, StagedCommit

_PROPERTIES = {
    TableProperties.FORMAT_VERSION: "2",
    # Many small appends would otherwise leave as many manifests to read at each scan.
    TableProperties.MANIFEST_MERGE_ENABLED: "true",
}
# With these a table says where its files go, or which code decides it.
_REFUSED_PROPERTIES = (
    TableProperties.WRITE_PY_LOCATION_PROVIDER_IMPL,
    TableProperties.WRITE_DATA_PATH,
    TableProperties.WRITE_METADATA_PATH,
)
_NEWEST_WRITABLE_FORMAT = 2


def stage_create(
    files: LakeFiles, location: str, schema: Schema, spec: PartitionSpec, now: datetime
) -> StagedCommit:
    """Writes the metadata of an empty table."""
    metadata = new_table_metadata(
        schema=schema,
        partition_spec=spec,
        sort_order=UNSORTED_SORT_ORDER,
        location=location,
        properties=dict(_PROPERTIES),
    ).model_copy(update={"last_updated_ms": to_milliseconds(now)})
    written = _write_metadata(files, metadata, version=0)
    return StagedCommit(written, None, 0, 0, 0, to_columns(metadata.schema()), _instant(metadata))


def stage_append(
    files: LakeFiles,
    table: Table,
    batches: Iterable[pa.RecordBatch],
    limits: WriteLimits,
    now: datetime,
) -> StagedCommit:
    """Writes rows and the one snapshot that adds them; without rows, nothing."""
    _refuse_unwritable(table)
    data_files = write_data_files(table, batches, limits)
    if not data_files:
        return unchanged(table)
    update = _Base(table).update_snapshot()
    merges = table.properties.get(TableProperties.MANIFEST_MERGE_ENABLED) == "true"
    snapshot = update.merge_append() if merges else update.fast_append()
    for data_file in data_files:
        snapshot.append_data_file(data_file)
    updates, _ = snapshot._commit()
    metadata, location = _write_version(files, table, updates, now)
    added = sum(data_file.record_count for data_file in data_files)
    return _staged(files, metadata, location, added=added, deleted=0)


def stage_delete(
    files: LakeFiles, table: Table, row_filter: RowFilter, limits: WriteLimits, now: datetime
) -> StagedCommit:
    """Writes the one snapshot without the matching rows; when none matches, nothing.

    Files that may hold matching rows are read, with row deletes of other engines applied, and
    written again without them. Only what is read decides: file statistics follow other rules for
    nulls than SQL does, and are used to leave files out, never to drop them.
    """
    _refuse_unwritable(table)
    refuse_equality_deletes(table, table.current_snapshot())
    reader = ArrowScan(table.metadata, table.io, table.schema(), AlwaysTrue())
    replaced: list[tuple[DataFile, list[DataFile]]] = []
    deleted = 0
    for task in table.scan().plan_files():
        if not row_filter.may_match(task.file):
            continue
        rows = fit_table(reader.to_table([task]), table.schema())
        kept = row_filter.without_matches(rows)
        if kept.num_rows == rows.num_rows:
            continue
        deleted += rows.num_rows - kept.num_rows
        batches = kept.to_batches() if kept.num_rows else []
        replaced.append((task.file, write_data_files(table, batches, limits)))
    if not deleted:
        return unchanged(table)
    snapshot = UpdateSnapshot(
        _Base(table), table.io, snapshot_properties={DELETED_ROWS: str(deleted)}
    ).overwrite()
    if not any(remaining for _, remaining in replaced):
        snapshot._operation = Operation.DELETE
    # All manifests are looked through for the files, rather than those that a filter made from
    # partition values would find: such a filter cannot express every value (NaN).
    snapshot.delete_by_predicate(AlwaysTrue())
    for gone, remaining in replaced:
        snapshot.delete_data_file(gone)
        for data_file in remaining:
            snapshot.append_data_file(data_file)
    updates, _ = snapshot._commit()
    metadata, location = _write_version(files, table, updates, now)
    return _staged(files, metadata, location, added=0, deleted=deleted)


def stage_replace(
    files: LakeFiles,
    table: Table,
    columns: Sequence[ColumnSpec],
    rows_of: Callable[[Schema], Iterable[pa.RecordBatch]],
    *,
    limits: WriteLimits,
    now: datetime,
) -> StagedCommit:
    """Writes the one snapshot that has these rows, and no other; the columns may be others too.

    Args:
        files: of the lake.
        table: the base.
        columns: of the new rows. A column that keeps its name and type keeps its field id.
        rows_of: gives the rows, fitted to a schema.
        limits: see `WriteLimits`.
        now: when.
    """
    _refuse_unwritable(table)
    changes = _schema_changes(table, columns)
    base = table
    if changes:
        base = as_table(
            files, update_table_metadata(table.metadata, changes), table.metadata_location
        )
    data_files = write_data_files(base, rows_of(base.schema()), limits)
    gone = [task.file for task in table.scan().plan_files()]
    if not (data_files or gone or changes):
        return unchanged(table)
    updates: tuple[TableUpdate, ...] = ()
    if data_files or gone:
        snapshot = UpdateSnapshot(_Base(base), base.io).overwrite()
        snapshot.delete_by_predicate(AlwaysTrue())
        for file in gone:
            snapshot.delete_data_file(file)
        for file in data_files:
            snapshot.append_data_file(file)
        updates, _ = snapshot._commit()
    metadata, location = _write_version(files, table, (*changes, *updates), now)
    added = sum(file.record_count for file in data_files)
    return _staged(files, metadata, location, added=added, deleted=current_rows(table))


def _schema_changes(table: Table, columns: Sequence[ColumnSpec]) -> tuple[TableUpdate, ...]:
    """What makes these the table's columns; nothing when they are."""
    wished = to_schema(columns).fields
    known = {(field.name, field.field_type): field.field_id for field in table.schema().fields}
    if [(one.name, one.field_type) for one in wished] == list(known):
        return ()
    last = table.metadata.last_column_id
    fields = []
    for field in wished:
        field_id = known.get((field.name, field.field_type))
        if field_id is None:
            last += 1
            field_id = last
        fields.append(field.model_copy(update={"field_id": field_id}))
    number = max(schema.schema_id for schema in table.metadata.schemas) + 1
    schema = Schema(*fields, schema_id=number)
    return (
        AddSchemaUpdate(schema=schema),
        SetCurrentSchemaUpdate.model_validate({"schema-id": number}),
    )


def stage_removal(
    files: LakeFiles, table: Table, gone: set[int], log: list[SnapshotLogEntry], now: datetime
) -> StagedCommit:
    """Writes the metadata without some snapshots, none of them current, and with that log."""
    _refuse_unwritable(table)
    metadata = update_table_metadata(
        table.metadata,
        (RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(gone)}),),
        metadata_location=table.metadata_location,
    ).model_copy(
        update={
            "snapshot_log": log,
            "last_updated_ms": max(to_milliseconds(now), table.metadata.last_updated_ms + 1),
        }
    )
    location = _write_metadata(files, metadata, _version(table.metadata_location) + 1)
    return _staged(files, metadata, location, added=0, deleted=0)


class _Base(Transaction):
    """The base that a snapshot is built upon.

    pyiceberg's own copies the whole metadata each time it is looked at, a dozen times a snapshot,
    to apply the changes that a transaction has gathered; here it never has any.
    """

    @property
    def table_metadata(self) -> TableMetadata:
        return self._table.metadata


def _write_version(
    files: LakeFiles, table: Table, updates: Sequence[TableUpdate], now: datetime
) -> tuple[TableMetadata, str]:
    """Applies the changes to the base and writes the result as the next metadata file.

    Each version is later than the one before by at least a millisecond, even if the clock was set
    back, so that every version can be asked for by its instant.
    """
    instant = max(to_milliseconds(now), table.metadata.last_updated_ms + 1)
    timed = tuple(
        AddSnapshotUpdate(snapshot=update.snapshot.model_copy(update={"timestamp_ms": instant}))
        if isinstance(update, AddSnapshotUpdate)
        else update
        for update in updates
    )
    metadata = update_table_metadata(
        table.metadata, timed, metadata_location=table.metadata_location
    )
    return metadata, _write_metadata(files, metadata, _version(table.metadata_location) + 1)


def _write_metadata(files: LakeFiles, metadata: TableMetadata, version: int) -> str:
    provider = SimpleLocationProvider(metadata.location, metadata.properties)
    location = provider.new_table_metadata_file_location(version)
    ToOutputFile.table_metadata(metadata, files.new_output(location))
    return location


def _version(metadata_location: str) -> int:
    """The number that a metadata file's name starts with."""
    number = metadata_location.rsplit("/", 1)[-1].split("-", 1)[0]
    return int(number) if number.isdecimal() else 0


def _staged(
    files: LakeFiles, metadata: TableMetadata, location: str, added: int, deleted: int
) -> StagedCommit:
    return StagedCommit(
        metadata_location=location,
        snapshot_id=metadata.current_snapshot_id,
        added_rows=added,
        deleted_rows=deleted,
        total_rows=current_rows(as_table(files, metadata, location)),
        columns=to_columns(metadata.schema()),
        committed_at=_instant(metadata),
    )


def _instant(metadata: TableMetadata) -> datetime:
    """When the current version was made: its snapshot's time, as time travel compares it."""
    snapshot = metadata.current_snapshot()
    milliseconds = snapshot.timestamp_ms if snapshot else metadata.last_updated_ms
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def unchanged(table: Table) -> StagedCommit:
    """The base itself, where there was nothing to change."""
    return told(table)


def told(table: Table, added: int = 0, deleted: int = 0) -> StagedCommit:
    """A version that is there already, with the rows that it added and removed."""
    return StagedCommit(
        metadata_location=table.metadata_location,
        snapshot_id=table.metadata.current_snapshot_id,
        added_rows=added,
        deleted_rows=deleted,
        total_rows=current_rows(table),
        columns=to_columns(table.schema()),
        committed_at=_instant(table.metadata),
    )


def _refuse_unwritable(table: Table) -> None:
    refused = [name for name in _REFUSED_PROPERTIES if name in table.properties]
    if refused:
        raise Invalid(
            "TABLE_UNSUPPORTED",
            f"The table sets {', '.join(refused)}, which would place files elsewhere; remove it "
            "from the table's properties.",
        )
    if table.format_version > _NEWEST_WRITABLE_FORMAT:
        raise Invalid(
            "TABLE_UNSUPPORTED",
            f"The table has Iceberg format version {table.format_version}; rows can be written to "
            f"versions up to {_NEWEST_WRITABLE_FORMAT}.",
        )
