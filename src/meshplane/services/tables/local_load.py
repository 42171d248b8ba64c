"""Loads a version of a table and answers questions about it without reading its rows."""

from datetime import UTC, datetime, timedelta

from pydantic import ValidationError as InvalidDocument
from pyiceberg.catalog.noop import NoopCatalog
from pyiceberg.exceptions import ValidationError
from pyiceberg.manifest import DataFileContent, ManifestContent
from pyiceberg.serializers import FromInputFile
from pyiceberg.table import Table
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot as IcebergSnapshot

from meshplane.kit.errors import Invalid, Missing
from meshplane.services.tables.lake_files import LakeFiles
from meshplane.services.tables.ports import Snapshot

DELETED_ROWS = "meshplane.deleted-rows"
"""A snapshot's summary says here how many rows went, as its own counts include rows that moved."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def load_table(files: LakeFiles, metadata_location: str) -> Table:
    """The table that a metadata file describes.

    Raises:
        Missing: `METADATA_NOT_FOUND`.
        Invalid: `METADATA_UNREADABLE`, `FILE_OUTSIDE_LAKE`.
    """
    try:
        metadata = FromInputFile.table_metadata(files.new_input(metadata_location))
    except FileNotFoundError as error:
        raise Missing(
            "METADATA_NOT_FOUND", "The table's metadata file is not in the lake; restore it."
        ) from error
    except (ValidationError, InvalidDocument, ValueError, KeyError, TypeError) as error:
        raise Invalid(
            "METADATA_UNREADABLE",
            "The table's metadata file is not valid Iceberg metadata; restore it.",
        ) from error
    files.checked(metadata.location)
    return as_table(files, metadata, metadata_location)


def as_table(files: LakeFiles, metadata: TableMetadata, metadata_location: str) -> Table:
    """A pyiceberg table over metadata, with no catalog that could commit."""
    return Table(("table",), metadata, metadata_location, files, NoopCatalog("none"))


def to_milliseconds(instant: datetime) -> int:
    """Whole milliseconds since 1970, the unit of Iceberg's instants; no float loses one."""
    return (instant - _EPOCH) // _MILLISECOND


def list_snapshots(table: Table) -> list[Snapshot]:
    """All snapshots that are kept, oldest first."""
    kept = sorted(table.snapshots(), key=lambda one: (one.sequence_number or 0, one.timestamp_ms))
    return [_told(snapshot) for snapshot in kept]


def snapshot_at(table: Table, instant: datetime) -> IcebergSnapshot:
    """The snapshot that was current at an instant.

    Raises:
        Missing: `SNAPSHOT_NOT_FOUND`.
    """
    latest = to_milliseconds(instant)
    past = [entry for entry in table.history() if entry.timestamp_ms <= latest]
    snapshot = table.snapshot_by_id(past[-1].snapshot_id) if past else None
    if snapshot is None:
        raise Missing(
            "SNAPSHOT_NOT_FOUND",
            "The table has no snapshot as old as that; list its snapshots and name a later "
            "instant.",
            field="asOf",
        )
    return snapshot


def snapshot_of_id(table: Table, snapshot_id: int) -> IcebergSnapshot:
    """The snapshot with an id.

    Raises:
        Missing: `SNAPSHOT_NOT_FOUND`.
    """
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise Missing(
            "SNAPSHOT_NOT_FOUND",
            f"The table has no snapshot {snapshot_id}, or keeps it no longer; list its snapshots.",
            field="snapshotId",
        )
    return snapshot


def current_rows(table: Table) -> int:
    """How many rows the current version has."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return 0
    counted = _total(snapshot)
    return table.scan().count() if counted is None else counted


def refuse_equality_deletes(table: Table, snapshot: IcebergSnapshot | None) -> None:
    """Raises when rows were deleted by value, which pyiceberg cannot apply.

    Raises:
        Invalid: `EQUALITY_DELETES_UNREADABLE`.
    """
    for manifest in snapshot.manifests(table.io) if snapshot else ():
        if manifest.content == ManifestContent.DELETES and any(
            entry.data_file.content == DataFileContent.EQUALITY_DELETES
            for entry in manifest.fetch_manifest_entry(table.io)
        ):
            raise Invalid(
                "EQUALITY_DELETES_UNREADABLE",
                "Another engine has deleted rows of this table by value (equality deletes), which "
                "cannot be applied here. Rewrite its data files with that engine, then try again.",
            )


def rows_of(snapshot: IcebergSnapshot) -> tuple[int, int]:
    """How many rows a snapshot added and removed, as it says itself."""
    own = _count(snapshot, DELETED_ROWS)
    if own is not None:
        return 0, own
    return _count(snapshot, "added-records") or 0, _count(snapshot, "deleted-records") or 0


def _told(snapshot: IcebergSnapshot) -> Snapshot:
    summary = snapshot.summary
    added, deleted = rows_of(snapshot)
    return Snapshot(
        snapshot_id=snapshot.snapshot_id,
        parent_snapshot_id=snapshot.parent_snapshot_id,
        committed_at=_EPOCH + snapshot.timestamp_ms * _MILLISECOND,
        operation=summary.operation.value if summary else "unknown",
        added_rows=added,
        deleted_rows=deleted,
        total_rows=_total(snapshot),
    )


def _total(snapshot: IcebergSnapshot) -> int | None:
    """The rows of a snapshot as its summary has them; none when they must be counted.

    Row deletes that lie beside the data files may concern files that are gone, or one row twice,
    so that no subtraction gives the rows that are left.
    """
    if _count(snapshot, "total-delete-files") != 0:
        return None
    return _count(snapshot, "total-records")


def _count(snapshot: IcebergSnapshot, name: str) -> int | None:
    text = snapshot.summary.additional_properties.get(name) if snapshot.summary else None
    return int(text) if text is not None and text.isdecimal() else None
