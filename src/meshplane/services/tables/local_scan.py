"""Plans which files to read for a version of a table."""

import uuid
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq
from pyiceberg.expressions import AlwaysTrue
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.manifest import FileFormat
from pyiceberg.schema import Schema
from pyiceberg.table import FileScanTask, Table
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from meshplane.services.tables.lake_files import LakeFiles
from meshplane.services.tables.local_load import refuse_equality_deletes
from meshplane.services.tables.local_rows import fit_table
from meshplane.services.tables.local_schema import to_columns
from meshplane.services.tables.ports import ScanPlan


def plan_current(files: LakeFiles, table: Table, scratch: Path) -> ScanPlan:
    """Plans the current version, with the current columns."""
    return _plan(files, table, table.current_snapshot(), table.schema(), scratch)


def plan_snapshot(
    files: LakeFiles, table: Table, snapshot: IcebergSnapshot, scratch: Path
) -> ScanPlan:
    """Plans a past version, with the columns of its time."""
    schema = _schema_of(table, snapshot)
    return _plan(files, table, snapshot, schema, scratch)


def version_of(table: Table, snapshot: IcebergSnapshot | None) -> ScanPlan:
    """A version without its files: the current one, or that of a snapshot."""
    if snapshot is None:
        current = table.current_snapshot()
        schema = table.schema()
    else:
        current, schema = snapshot, _schema_of(table, snapshot)
    return ScanPlan(current.snapshot_id if current else None, (), to_columns(schema), 0)


def _schema_of(table: Table, snapshot: IcebergSnapshot) -> Schema:
    return table.schemas().get(snapshot.schema_id or 0, table.schema())


def _plan(
    files: LakeFiles,
    table: Table,
    snapshot: IcebergSnapshot | None,
    schema: Schema,
    scratch: Path,
) -> ScanPlan:
    columns = to_columns(schema)
    if snapshot is None:
        return ScanPlan(None, (), columns, 0)
    refuse_equality_deletes(table, snapshot)
    tasks = list(table.scan(snapshot_id=snapshot.snapshot_id).plan_files())
    plain = [task for task in tasks if _is_plain(task, table, schema)]
    others = [task for task in tasks if not _is_plain(task, table, schema)]
    paths, residue = files.readable([task.file.file_path for task in plain], scratch)
    total = sum(task.file.record_count for task in plain)
    if others:
        try:
            made, rows = _materialise(table, others, schema, scratch)
        except BaseException:
            for path in residue:
                Path(path).unlink(missing_ok=True)
            raise
        paths, residue, total = (*paths, made), (*residue, made), total + rows
    return ScanPlan(snapshot.snapshot_id, paths, columns, total, residue)


def _is_plain(task: FileScanTask, table: Table, schema: Schema) -> bool:
    """Whether whoever reads the file by field ids alone sees exactly the rows of the version.

    Not so if rows of it are deleted elsewhere; if it may lack field ids, which tables with a name
    mapping allow; or if a column has a default for files older than itself.
    """
    return (
        not task.delete_files
        and task.file.file_format == FileFormat.PARQUET
        and table.name_mapping() is None
        and all(column.initial_default is None for column in schema.fields)
    )


def _materialise(
    table: Table, tasks: Sequence[FileScanTask], schema: Schema, scratch: Path
) -> tuple[str, int]:
    """Writes the rows that are left of some files into one file; its path, and how many.

    One file is read at a time, so that memory is bounded by the largest.
    """
    scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = scratch.resolve() / f"{uuid.uuid4()}.parquet"
    reader = ArrowScan(table.metadata, table.io, schema, AlwaysTrue())
    rows = 0
    try:
        with pq.ParquetWriter(path, schema_to_pyarrow(schema), compression="zstd") as writer:
            for task in tasks:
                left = fit_table(reader.to_table([task]), schema)
                rows += left.num_rows
                writer.write_table(left)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return str(path), rows
