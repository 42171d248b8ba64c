"""Which version of each relation a statement reads: the newest, that of an instant, a snapshot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from meshplane.kit.clock import from_text
from meshplane.kit.errors import Invalid, Missing
from meshplane.services.assets.api import AssetSummary
from meshplane.services.query.access import Access
from meshplane.services.query.sandbox import Relation, RelationName
from meshplane.services.tables.api import Scan

_LONGEST_ID = 19  # digits of a signed whole number of 64 bits


@dataclass(frozen=True, slots=True)
class Versions:
    """What a caller asked for.

    Args:
        instant: every relation as it was then.
        snapshot_id: of the one relation that the statement reads.
        snapshots: `domain.asset`, in lower case, → a snapshot's id; it goes before the others.
    """

    instant: datetime | None = None
    snapshot_id: str | None = None
    snapshots: Mapping[str, str] = field(default_factory=dict)


def versions_of(as_of: str | None, snapshots: Mapping[str, str]) -> Versions:
    """The versions that a request names.

    Args:
        as_of: an RFC 3339 instant, or a snapshot's id.
        snapshots: a snapshot's id for relations by `domain.asset`.

    Raises:
        Invalid: AS_OF_INVALID.
    """
    named = {name.lower(): snapshot_id for name, snapshot_id in snapshots.items()}
    if as_of is None:
        return Versions(snapshots=named)
    if as_of.isascii() and as_of.isdigit() and len(as_of) <= _LONGEST_ID:
        return Versions(snapshot_id=as_of, snapshots=named)
    try:
        return Versions(instant=from_text(as_of), snapshots=named)
    except ValueError:
        raise Invalid(
            "AS_OF_INVALID",
            "Write the instant as RFC 3339 with its offset, such as 2026-01-31T12:00:00Z, or name "
            "a snapshot by its id.",
            field="asOf",
        ) from None


@dataclass(slots=True)
class VersionedAccess(Access):
    """The access of a query that may name versions.

    Args:
        versions: that it names.
    """

    versions: Versions = field(default_factory=Versions)

    async def resolve(self, names: Sequence[RelationName]) -> list[Relation]:
        """See `Access.resolve`.

        Raises:
            Invalid: SNAPSHOT_UNUSED, a snapshot is named of a relation that is not read;
                AS_OF_INVALID, one snapshot is named for several relations.
            Missing: SNAPSHOT_NOT_FOUND, and of which relation.
        """
        relations = await Access.resolve(self, names)
        read = {_name(opened.asset) for opened in self.opened}
        for name in self.versions.snapshots:
            if name not in read:
                raise Invalid(
                    "SNAPSHOT_UNUSED",
                    "A snapshot is named of a relation that the statement does not read. Write "
                    "relations as domain.asset.",
                    field=f"snapshots.{name}",
                )
        return relations

    async def _scan(self, asset: AssetSummary) -> Scan:
        name, versions = _name(asset), self.versions
        snapshot_id = versions.snapshots.get(name)
        where = f"snapshots.{name}"
        if snapshot_id is None and versions.snapshot_id is not None:
            if self.opened:
                raise Invalid(
                    "AS_OF_INVALID",
                    "One snapshot is named, and the statement reads several relations: name one "
                    "for each in snapshots, as domain.asset.",
                    field="asOf",
                )
            snapshot_id, where = versions.snapshot_id, "asOf"
        instant = versions.instant if snapshot_id is None else None
        try:
            return await self.tables.scan(self.actor, asset.table_id, instant, snapshot_id)
        except Missing as error:
            if error.code != "SNAPSHOT_NOT_FOUND":
                raise
            shown = f"{asset.domain_name}.{asset.name}"
            if snapshot_id is None:
                told = f"{shown} has no version at that instant: choose a later asOf."
                where = "asOf"
            else:
                told = f"{shown} has no snapshot of that id, or keeps it no longer."
            raise Missing(error.code, told, field=where) from None


def _name(asset: AssetSummary) -> str:
    return f"{asset.domain_name}.{asset.name}".lower()
