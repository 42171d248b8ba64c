"""Takes over a version of a table that another engine has committed to a catalogue beside us."""

from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot, ancestors_of

from meshplane.kit.errors import Conflict
from meshplane.services.tables.local_commit import told
from meshplane.services.tables.local_load import rows_of
from meshplane.services.tables.ports import StagedCommit


def adopted(other: Table, base: Table) -> StagedCommit:
    """The other version, if it was made from the base; the base itself if they are one.

    It was, if it is the same table at the same place and its log of metadata files names the base
    (Iceberg specification, "Table Metadata Fields": `metadata-log`). Old entries leave that log; so
    it also was if the base's current snapshot is an ancestor of its own.

    Raises:
        Conflict: `METADATA_DIVERGED`.
    """
    if other.metadata_location == base.metadata_location:
        return told(base)
    is_same = (other.metadata.table_uuid, other.location().rstrip("/")) == (
        base.metadata.table_uuid,
        base.location().rstrip("/"),
    )
    if not is_same or not _descends(other, base):
        raise Conflict(
            "METADATA_DIVERGED",
            "Another engine committed a version of this table that was not made from its current "
            "one. Choose which to keep.",
        )
    changes = [rows_of(one) for one in _since(other, base)]
    return told(other, sum(added for added, _ in changes), sum(gone for _, gone in changes))


def _descends(other: Table, base: Table) -> bool:
    if any(entry.metadata_file == base.metadata_location for entry in other.metadata.metadata_log):
        return True
    current = base.current_snapshot()
    return current is not None and any(
        one.snapshot_id == current.snapshot_id
        for one in ancestors_of(other.current_snapshot(), other.metadata)
    )


def _since(other: Table, base: Table) -> list[Snapshot]:
    """The snapshots of the other's line that the base does not have."""
    known = {snapshot.snapshot_id for snapshot in base.snapshots()}
    line = ancestors_of(other.current_snapshot(), other.metadata)
    return [one for one in line if one.snapshot_id not in known]
