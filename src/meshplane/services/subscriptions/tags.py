"""Which listed assets carry some tags; see `permissions.tag_expressions` for what tags mean."""

from collections.abc import Awaitable, Callable

from meshplane.boundary.actor import Actor
from meshplane.services.assets.api import AssetsApi, AssetSummary
from meshplane.services.permissions.api import (
    AssetTags,
    Expression,
    GovernedAsset,
    PermissionsApi,
    TagAssignment,
    matches,
    table_tags,
)

_PAGE = 200
_MOST_LOOKED_AT = 10_000


class TaggedAssets:
    """Finds assets by tags.

    Args:
        assets, permissions: the services below.
    """

    def __init__(self, assets: AssetsApi, permissions: PermissionsApi) -> None:
        self._assets = assets
        self._permissions = permissions

    async def each(
        self,
        actor: Actor,
        expression: Expression,
        limit: int,
        take: Callable[[AssetSummary], Awaitable[bool]],
    ) -> bool:
        """Hands over the listed assets whose tags match, by name; whether there may be more.

        Args:
            actor: who looks.
            expression: of tags.
            limit: how many are taken at most.
            take: says whether it took the asset; one that it did not take takes no place.
        """
        databases: dict[str, dict[str, str]] = {}
        cursor, looked_at, taken = None, 0, 0
        while looked_at < _MOST_LOOKED_AT:
            page = await self._assets.listed(actor, _PAGE, cursor)
            for asset in page.assets:
                if await self._matches(actor, expression, asset, databases):
                    if taken == limit:
                        return True
                    taken += await take(asset)
            looked_at, cursor = looked_at + len(page.assets), page.cursor
            if cursor is None:
                return False
        return True

    async def matches(self, actor: Actor, expression: Expression, asset: AssetSummary) -> bool:
        """Whether an asset's tags match."""
        return await self._matches(actor, expression, asset, {})

    async def _matches(
        self,
        actor: Actor,
        expression: Expression,
        asset: AssetSummary,
        databases: dict[str, dict[str, str]],
    ) -> bool:
        if asset.domain_id not in databases:
            assigned = await self._permissions.assigned(actor, f"domain:{asset.domain_id}")
            databases[asset.domain_id] = _whole(assigned)
        own = _whole(await self._permissions.assigned(actor, f"asset:{asset.asset_id}"))
        governed = GovernedAsset(
            asset.asset_id, asset.name, asset.domain_id, asset.domain_name, asset.project_id,
            asset.table_id, asset.classification, (),
        )  # fmt: skip
        tags = AssetTags(database=databases[asset.domain_id], table=own)
        return matches(expression, table_tags(governed, tags))


def _whole(assigned: list[TagAssignment]) -> dict[str, str]:
    """The tags of the whole resource, without those of its columns."""
    return {one.key: one.value for one in assigned if one.column == ""}
