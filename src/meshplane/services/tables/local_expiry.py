"""Stages a version of a table without its old snapshots, and finds the files that they leave."""

from collections.abc import Iterable
from datetime import datetime

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, SnapshotLogEntry

from meshplane.services.tables.lake_files import LakeFiles
from meshplane.services.tables.local_commit import stage_removal, unchanged
from meshplane.services.tables.local_load import to_milliseconds
from meshplane.services.tables.ports import StagedExpiry


def stage_expire(
    files: LakeFiles, table: Table, before: datetime, keep_last: int, now: datetime
) -> StagedExpiry:
    """Writes the metadata without the snapshots that may go; none written when none may.

    Kept are what branches and tags name, the last ones of the current line, and what is younger
    (Iceberg specification, "Snapshot Retention Policy").
    """
    expired = _expired(table, before, keep_last)
    if not expired:
        return StagedExpiry(unchanged(table), 0, ())
    gone = {snapshot.snapshot_id for snapshot in expired}
    kept = [snapshot for snapshot in table.snapshots() if snapshot.snapshot_id not in gone]
    commit = stage_removal(files, table, gone, _log_after(table, gone), now)
    return StagedExpiry(commit, len(expired), _left(files, table, expired, kept))


def _expired(table: Table, before: datetime, keep_last: int) -> list[Snapshot]:
    kept = {reference.snapshot_id for reference in table.metadata.refs.values()}
    current = table.current_snapshot()
    for _ in range(keep_last):
        if current is None:
            break
        kept.add(current.snapshot_id)
        parent = current.parent_snapshot_id
        current = table.snapshot_by_id(parent) if parent is not None else None
    limit = to_milliseconds(before)
    return [
        snapshot
        for snapshot in table.snapshots()
        if snapshot.snapshot_id not in kept and snapshot.timestamp_ms < limit
    ]


def _log_after(table: Table, gone: set[int]) -> list[SnapshotLogEntry]:
    """The log from after the last snapshot that goes.

    With a gap in it, an instant inside of the gap would find an older snapshot, and read wrong
    rows; so what lies before a gap is not found by its instant any more.
    """
    log = list(table.metadata.snapshot_log)
    last = max((place for place, entry in enumerate(log) if entry.snapshot_id in gone), default=-1)
    return [*log[last + 1 :]]


def _left(
    files: LakeFiles, table: Table, expired: Iterable[Snapshot], kept: Iterable[Snapshot]
) -> tuple[str, ...]:
    """Where files of the expired snapshots lie that no kept one needs."""
    needed = _files_of(table, kept, live_alone=True)
    home = files.checked(table.metadata.location).rstrip("/") + "/"
    paths = (files.checked(one) for one in _files_of(table, expired, live_alone=False) - needed)
    # A table's metadata may name files of others; only those in its own directory are its own.
    return tuple(sorted(path for path in paths if path.startswith(home)))


def _files_of(table: Table, snapshots: Iterable[Snapshot], *, live_alone: bool) -> set[str]:
    """Manifest lists, manifests, and the data and delete files that they name."""
    found: set[str] = set()
    for snapshot in snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path in found:
                continue
            found.add(manifest.manifest_path)
            entries = manifest.fetch_manifest_entry(table.io, discard_deleted=live_alone)
            found.update(entry.data_file.file_path for entry in entries)
    return found
