"""Compiles the mesh's grants for Lake Formation, with all that must be known of their tables."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from meshplane.boundary.actor import Actor
from meshplane.services.assets.api import AssetsApi
from meshplane.services.lake.compiling import Compiled, Place
from meshplane.services.lake.lake_formation import compile_for_lake_formation
from meshplane.services.lake.names_now import BrokenGrantError, NamesNow
from meshplane.services.lake.tag_masking import masked_by_tags, masked_tags, with_masks
from meshplane.services.permissions.api import (
    AssetTags,
    DataFilter,
    GovernedAsset,
    GovernedColumn,
    Grant,
    MaskRule,
    PermissionsApi,
    TagMask,
)
from meshplane.services.tables.api import TablesApi

_PAGE = 200
_NO_ASSET = "The asset of the grant is not there."


@dataclass(frozen=True, slots=True)
class _Table:
    """A table as it is now, and what its tags mask."""

    asset: GovernedAsset
    by_tags: Mapping[str, MaskRule]


@dataclass(slots=True)
class Seen:
    """What was looked up for some grants; it is as old as the first of them."""

    tables: dict[str, _Table | None] = field(default_factory=dict)
    masks: list[TagMask] | None = None


class LakeFormationGrants:
    """Compiles grants.

    Args:
        permissions, assets, tables: the services below.
        account: of the mesh, 12 digits.
    """

    def __init__(
        self,
        permissions: PermissionsApi,
        assets: AssetsApi,
        tables: TablesApi,
        account: str = "000000000000",
    ) -> None:
        self._permissions = permissions
        self._assets = assets
        self._tables = tables
        self._account = account

    async def compile(
        self,
        actor: Actor,
        grant: Grant,
        place: Place,
        filters: Mapping[str, DataFilter] | None = None,
        seen: Seen | None = None,
    ) -> Compiled:
        """What Lake Formation must hold for a grant as things are now.

        Args:
            actor: the lake service.
            grant: in force.
            place: where it applies.
            filters: the asset's data filters by name, for a grant on one.
            seen: remembers what was looked up, where many grants are compiled at once.
        """
        seen = seen if seen is not None else Seen()
        asset_id = grant.target.asset_id
        if asset_id is None:
            masked = masked_tags(grant, await self._masks(actor, seen))
            return compile_for_lake_formation(grant, place, account=self._account, masked=masked)
        if asset_id not in seen.tables:
            seen.tables[asset_id] = await self._table(actor, asset_id, seen)
        table = seen.tables[asset_id]
        if table is None:
            return Compiled((), problems=(_NO_ASSET,))
        now, columns = NamesNow(table.asset.columns), table.asset.columns
        wanted = (filters or {}).get(grant.target.filter_name or "")
        try:
            grant = now.grant(grant)
            data_filter = None if wanted is None else now.data_filter(wanted)
        except BrokenGrantError as broken:
            return Compiled((), problems=(str(broken),))
        known = {} if data_filter is None else {data_filter.name: data_filter}
        there = with_masks(grant, table.by_tags, data_filter)
        return compile_for_lake_formation(
            there, replace(place, columns=columns), known, account=self._account
        )

    async def _table(self, actor: Actor, asset_id: str, seen: Seen) -> _Table | None:
        asset = await self._described(actor, asset_id)
        if asset is None:
            return None
        masks = await self._masks(actor, seen)
        if not masks:
            return _Table(asset, {})
        return _Table(asset, masked_by_tags(asset, await self._tags(actor, asset), masks))

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

    async def _masks(self, actor: Actor, seen: Seen) -> list[TagMask]:
        """The masks of tags, of the whole mesh and of all domains."""
        if seen.masks is None:
            found: list[TagMask] = []
            cursor: str | None = None
            while True:
                page = await self._permissions.tag_masks(actor, _PAGE, cursor)
                found += page.masks
                cursor = page.cursor
                if cursor is None:
                    break
            seen.masks = found
        return seen.masks
