"""Access that looks into views: to what lies below them, by the rights that each runs with.

A view that runs as its reader shows of the tables below it what the reader may see of them
himself. One that runs as its owner shows what the project sees that made it, for as long as that
project owns each of these tables, or holds SELECT on it with grant option; only what it may pass
on counts. Below a view that runs as its owner, all is read with that project's rights, also by
views that run as their reader: their reader is the project then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from meshplane.kit.errors import Invalid, MeshplaneError, Refused, Unavailable
from meshplane.services.assets.api import AssetSummary
from meshplane.services.permissions.api import AssetAccess, GovernedAsset
from meshplane.services.query.access import Access, Opened
from meshplane.services.query.sandbox import Relation, RelationName
from meshplane.services.query.sandbox.job import Body
from meshplane.services.query.versions import VersionedAccess, Versions
from meshplane.services.query.view_rows import DEEPEST, OWNER, View, ViewBook
from meshplane.services.tables.api import Scan, TablesApi


@dataclass(slots=True)
class ViewedAccess(VersionedAccess):
    """The access of a query that may read views.

    Args:
        views: finds them.
        below: filled with what lies below the views that were opened.
        passes_on: whether what is opened is shown to somebody else.
        depth: how many views this is below.
    """

    views: ViewBook = field(default_factory=ViewBook)
    below: list[Opened] = field(default_factory=list)
    passes_on: bool = False
    depth: int = 0

    async def _open(self, name: RelationName, projects: Sequence[str]) -> Relation:
        relation = await Access._open(self, name, projects)
        place = next(i for i, one in enumerate(self.opened) if one.relation is relation)
        opened = self.opened[place]
        view = await self.views.find(opened.asset.table_id)
        if view is None or relation.body is not None:
            return relation
        relation = replace(relation, files=(), body=await self._body(opened.asset, view))
        self.opened[place] = replace(opened, relation=relation)
        return relation

    async def _body(self, asset: AssetSummary, view: View) -> Body:
        if self.depth >= DEEPEST:
            raise closed(asset, "it lies below too many others")
        runs_as_owner = view.runs_as == OWNER
        inner = replace(
            self,
            project_id=view.project_id if runs_as_owner else self.project_id,
            opened=[],
            versions=Versions(instant=self.versions.instant),
            passes_on=self.passes_on or runs_as_owner,
            depth=self.depth + 1,
        )
        names = [RelationName(one.domain_name, one.asset_name) for one in view.reads]
        try:
            relations = await Access.resolve(inner, names)
        except Unavailable:
            raise
        except MeshplaneError as error:
            if not runs_as_owner:
                raise
            # What its owner reads is not for the reader to learn.
            why = "its owner may not pass on, or no longer see, what it is made of"
            raise closed(asset, why) from error
        finally:
            self.below += inner.opened
        found = {(it.asset.domain_name, it.asset.name): it.asset.asset_id for it in inner.opened}
        if any(found[one.domain_name, one.asset_name] != one.asset_id for one in view.reads):
            raise closed(asset, "what it is made of is another now")
        written = tuple(RelationName(one.schema, one.name) for one in view.reads)
        return Body(view.sql, written, tuple(relations))

    async def _granted(self, governed: GovernedAsset, projects: Sequence[str]) -> AssetAccess:
        access = await Access._granted(self, governed, projects)
        if not self.passes_on:
            return access
        may_pass_on = set(access.grantable.get("SELECT", ()))
        scopes = tuple(scope for scope in access.scopes if scope.grant_id in may_pass_on)
        return replace(access, scopes=scopes)

    async def _scan(self, asset: AssetSummary) -> Scan:
        if await self.views.find(asset.table_id) is None:
            return await VersionedAccess._scan(self, asset)
        name = f"{asset.domain_name}.{asset.name}".lower()
        if name in self.versions.snapshots or self.versions.snapshot_id is not None:
            raise Invalid(
                "AS_OF_INVALID",
                f"{asset.domain_name}.{asset.name} is a view and has no snapshots: give an instant "
                "in asOf, at which all that lies below it is read.",
                field="asOf" if name not in self.versions.snapshots else f"snapshots.{name}",
            )
        # What the view looks like; its rows are those of its body.
        return await self.tables.scan(self.actor, asset.table_id, None)


def closed(asset: AssetSummary, why: str) -> Refused:
    """The refusal of a view that shows nothing as things stand."""
    return Refused(
        "VIEW_CLOSED",
        f"{asset.domain_name}.{asset.name} is a view that is closed: {why}. Ask its owner.",
        field="sql",
        details={"assetId": asset.asset_id, "assetName": asset.name},
    )


def anew(access: Access, tables: TablesApi) -> Access:
    """The same access with nothing opened yet, over these tables."""
    if isinstance(access, ViewedAccess):
        return replace(access, opened=[], below=[], tables=tables)
    return replace(access, opened=[], tables=tables)


def all_opened(access: Access) -> tuple[Opened, ...]:
    """All that was opened: what the statement names, and what lies below views."""
    below = access.below if isinstance(access, ViewedAccess) else []
    return (*access.opened, *below)
