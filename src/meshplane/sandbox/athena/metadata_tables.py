"""`"t$snapshots"` and the like: what Trino's Iceberg connector shows of a table's metadata."""

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from meshplane.sandbox.athena.refusals import QueryFailed

_INSTANT = pa.timestamp("ms", "UTC")
_TEXTS = pa.map_(pa.string(), pa.string())


def metadata_rows(table: Any, which: str) -> Any:
    """The rows of a metadata table.

    Args:
        table: PyIceberg's.
        which: `snapshots`, `history`, `refs` or `files`.

    Raises:
        QueryFailed: there is no such metadata table here.
    """
    makers = {"snapshots": _snapshots, "history": _history, "refs": _refs, "files": _files}
    if which not in makers:
        raise QueryFailed(f"TABLE_NOT_FOUND: line 1:1: Table '{which}' does not exist")
    return makers[which](table)


def _moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def _snapshots(table: Any) -> Any:
    rows = [
        {
            "committed_at": _moment(one.timestamp_ms),
            "snapshot_id": one.snapshot_id,
            "parent_id": one.parent_snapshot_id,
            "operation": one.summary.operation.value if one.summary else None,
            "manifest_list": one.manifest_list,
            "summary": list((one.summary.additional_properties if one.summary else {}).items()),
        }
        for one in table.metadata.snapshots
    ]
    schema = pa.schema(
        [
            ("committed_at", _INSTANT),
            ("snapshot_id", pa.int64()),
            ("parent_id", pa.int64()),
            ("operation", pa.string()),
            ("manifest_list", pa.string()),
            ("summary", _TEXTS),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _history(table: Any) -> Any:
    parents = {one.snapshot_id: one.parent_snapshot_id for one in table.metadata.snapshots}
    ancestors, at = set(), table.metadata.current_snapshot_id
    while at is not None and at not in ancestors:
        ancestors.add(at)
        at = parents.get(at)
    rows = [
        {
            "made_current_at": _moment(one.timestamp_ms),
            "snapshot_id": one.snapshot_id,
            "parent_id": parents.get(one.snapshot_id),
            "is_current_ancestor": one.snapshot_id in ancestors,
        }
        for one in table.metadata.snapshot_log
    ]
    schema = pa.schema(
        [
            ("made_current_at", _INSTANT),
            ("snapshot_id", pa.int64()),
            ("parent_id", pa.int64()),
            ("is_current_ancestor", pa.bool_()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)


def _refs(table: Any) -> Any:
    rows = [
        {"name": name, "type": ref.snapshot_ref_type.value.upper(), "snapshot_id": ref.snapshot_id}
        for name, ref in table.metadata.refs.items()
    ]
    schema = pa.schema([("name", pa.string()), ("type", pa.string()), ("snapshot_id", pa.int64())])
    return pa.Table.from_pylist(rows, schema)


def _files(table: Any) -> Any:
    tasks = table.scan().plan_files() if table.metadata.current_snapshot_id is not None else []
    rows = [
        {
            "content": int(task.file.content.value),
            "file_path": task.file.file_path,
            "file_format": task.file.file_format.value.upper(),
            "record_count": task.file.record_count,
            "file_size_in_bytes": task.file.file_size_in_bytes,
        }
        for task in tasks
    ]
    schema = pa.schema(
        [
            ("content", pa.int32()),
            ("file_path", pa.string()),
            ("file_format", pa.string()),
            ("record_count", pa.int64()),
            ("file_size_in_bytes", pa.int64()),
        ]
    )
    return pa.Table.from_pylist(rows, schema)
