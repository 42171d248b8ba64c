"""What Glue holds of a table, against what it should: in step, behind, ahead, or astray."""

from dataclasses import dataclass
from typing import Literal

from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.services.tables.aws_glue_shapes import GlueEntry, GlueTable, columns_of
from meshplane.services.tables.ports import StagedCommit, TableFiles

Standing = Literal["in-step", "gone", "behind", "ahead", "diverged", "schema", "foreign"]
"""How Glue's table stands to ours.

- `in-step`: the same.
- `gone`: it is not there.
- `behind`: it points to a version that ours was made from.
- `ahead`: it points to a version of another engine, made from ours.
- `diverged`: it points to a version that was not made from ours, or that cannot be read.
- `schema`: the pointer is ours, and the columns were changed by hand.
- `foreign`: by this name goes what is no table of ours.

What has diverged or is foreign waits for somebody to choose; nothing is lost in mending the rest.
"""


@dataclass(frozen=True, slots=True)
class Compared:
    """What was found; `theirs` is the version to adopt of one that is ahead."""

    standing: Standing
    theirs: StagedCommit | None = None


def compare(
    files: TableFiles, entry: GlueEntry, there: GlueTable | None, last_put: str | None
) -> Compared:
    """Compares; blocks, and reads metadata files only where the pointers differ.

    Args:
        files: the lake.
        entry: what Glue should hold.
        there: what it holds.
        last_put: the pointer that we left there last.
    """
    if there is None:
        return Compared("gone")
    if there.metadata_location is None or there.table_id not in (None, entry.table_id):
        return Compared("foreign")
    if there.metadata_location == entry.metadata_location:
        return Compared("in-step" if there.columns == columns_of(entry) else "schema")
    if there.metadata_location == last_put:
        return Compared("behind")
    return _read(files, entry, there.metadata_location)


def _read(files: TableFiles, entry: GlueEntry, theirs: str) -> Compared:
    try:
        return Compared("ahead", files.adopt(theirs, entry.metadata_location))
    except (Missing, Invalid):
        return Compared("diverged")
    except Conflict:
        try:
            files.adopt(entry.metadata_location, theirs)
        except (Missing, Invalid, Conflict):
            return Compared("diverged")
        return Compared("behind")
