"""Use case: showing what a lake must hold for a grant."""

from dataclasses import replace

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call
from meshplane.kit.errors import Missing
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.checking import itself
from meshplane.services.lake.compiling import Compiled, compile_embedded
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.lake_formation import compile_for_lake_formation
from meshplane.services.lake.schemas import CompiledQuery, CompiledView, ViewStatement
from meshplane.services.lake.tag_masking import masked_by_tags, masked_tags, with_masks
from meshplane.services.lake.views import entry_view
from meshplane.services.permissions.api import (
    AssetTags,
    GovernedAsset,
    GovernedColumn,
    Grant,
    PermissionsApi,
    TagMask,
)
from meshplane.services.tables.api import TablesApi

_PAGE = 200


class CompiledGrants:
    """Compiles grants for people to see.

    Args:
        permissions, assets, tables: the services below.
        desired: knows where grants apply.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        tables: TablesApi,
        desired: DesiredGrants,
    ) -> None:
        self._permissions = permissions
        self._assets = assets
        self._tables = tables
        self._desired = desired

    async def show(self, call: Call, grant_id: str, query: CompiledQuery) -> CompiledView:
        """What a lake must hold for a grant, and what it cannot do.

        Raises:
            Missing: GRANT_NOT_FOUND.
        """
        missing = Missing("GRANT_NOT_FOUND", "There is no grant with this id.", field="grantId")
        actor = itself(call)
        grant = await self._permissions.find(actor, grant_id)
        domain_id = grant.domain_id if grant is not None else ""
        resource = Resource("Domain", domain_id, domain_id) if domain_id else MESH
        await call.allow(resource, hide=missing)
        if grant is None:
            raise missing
        compiled = await self._compile(call, grant, query.target)
        return CompiledView(
            grant_id=grant_id,
            target=query.target,
            entries=[entry_view(one) for one in compiled.entries],
            views=[
                ViewStatement(
                    database=view.database, name=view.name, sql=view.sql, columns=list(view.shows)
                )
                for view in compiled.views
            ],
            notes=list(compiled.notes),
            problems=list(compiled.problems),
        )

    async def _compile(self, call: Call, grant: Grant, target: str) -> Compiled:
        actor = itself(call)
        place = await self._desired.place(actor, grant)
        if isinstance(place, str):
            return Compiled((), problems=(place,))
        asset_id = grant.target.asset_id
        filters = {}
        if asset_id is not None and grant.target.kind == "filter":
            filters = dict(await self._desired.filters(actor, asset_id))
        if target == "embedded":
            return compile_embedded(grant, place, filters)
        masks = await self._tag_masks(actor) if "SELECT" in grant.permissions else []
        if asset_id is None:
            return compile_for_lake_formation(
                grant, place, filters, masked=masked_tags(grant, masks)
            )
        asset = await self._described(actor, asset_id)
        if asset is None:
            return Compiled((), problems=("The asset of the grant is not there.",))
        if masks:
            by_tags = masked_by_tags(asset, await self._tags(actor, asset), masks)
            grant = with_masks(grant, by_tags, filters.get(grant.target.filter_name or ""))
        return compile_for_lake_formation(grant, replace(place, columns=asset.columns), filters)

    async def _described(self, actor: Actor, asset_id: str) -> GovernedAsset | None:
        """The asset as it is now; None if it, or its table, is not there."""
        asset = await self._assets.find(actor, asset_id)
        table = await self._tables.find(actor, asset.table_id) if asset is not None else None
        if asset is None or table is None:
            return None
        classes = {column.name: column.classification for column in asset.columns}
        columns = tuple(
            GovernedColumn(
                column.name,
                column.field_id,
                column.sql_type,
                classes.get(column.name, asset.classification),
            )
            for column in table.columns
        )
        return GovernedAsset(
            asset.asset_id,
            asset.name,
            asset.domain_id,
            asset.domain_name,
            asset.project_id,
            asset.table_id,
            asset.classification,
            columns,
        )

    async def _tags(self, actor: Actor, asset: GovernedAsset) -> AssetTags:
        """The tags that were assigned to an asset, its columns and its database."""
        database = await self._permissions.assigned(actor, f"domain:{asset.domain_id}")
        table: dict[str, str] = {}
        columns: dict[str, dict[str, str]] = {}
        for one in await self._permissions.assigned(actor, f"asset:{asset.asset_id}"):
            place = columns.setdefault(one.column, {}) if one.column else table
            place[one.key] = one.value
        return AssetTags({one.key: one.value for one in database}, table, columns)

    async def _tag_masks(self, actor: Actor) -> list[TagMask]:
        """The masks of tags, of the whole mesh and of all domains."""
        found: list[TagMask] = []
        cursor: str | None = None
        while True:
            page = await self._permissions.tag_masks(actor, _PAGE, cursor)
            found += page.masks
            cursor = page.cursor
            if cursor is None:
                return found
