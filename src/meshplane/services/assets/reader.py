"""What other services may read of assets; see `AssetsApi`."""

from collections.abc import Sequence

from meshplane.boundary.actor import Actor
from meshplane.boundary.portal_links import link_of
from meshplane.platform.store import Store, UnitOfWork
from meshplane.services.assets import records
from meshplane.services.assets.api import PUBLISHED, AssetInPortal, AssetPage, AssetSummary
from meshplane.services.assets.store import (
    ALL,
    ASSET_NAMES,
    ASSET_PORTAL_LINKS,
    ASSET_TABLES,
    ASSETS,
)

_MOST_OF_ONE_NAME = 100
_MOST_LOOKED_AT = 10_000


class AssetsReader:
    """Reads what is committed."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        """See `AssetsApi.find`."""
        row = await self._store.begin().get(ASSETS, asset_id)
        return records.summary(row.item) if row else None

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> AssetPage:
        """See `AssetsApi.listed`."""
        work = self._store.begin()
        page = await work.query(ASSETS, ALL, index="byName", limit=limit, cursor=cursor)
        return AssetPage(tuple(records.summary(row.item) for row in page.rows), page.cursor)

    async def named(
        self,
        actor: Actor,
        name: str,
        domain_name: str | None,
    ) -> list[AssetSummary]:
        """See `AssetsApi.named`."""
        work = self._store.begin()
        if domain_name is not None:
            row = await work.get(ASSET_NAMES, domain_name, name)
            rows = [row] if row else []
        else:
            page = await work.query(ASSET_NAMES, name, index="byName", limit=_MOST_OF_ONE_NAME)
            rows = list(page.rows)
        return await _summaries(work, [row.item["assetId"] for row in rows])

    async def of_tables(
        self,
        actor: Actor,
        table_ids: Sequence[str],
    ) -> list[AssetSummary]:
        """See `AssetsApi.of_tables`."""
        work = self._store.begin()
        rows = [await work.get(ASSET_TABLES, table_id) for table_id in table_ids]
        return await _summaries(work, [row.item["assetId"] for row in rows if row is not None])

    async def search(
        self,
        actor: Actor,
        words: str,
        limit: int,
    ) -> list[AssetSummary]:
        """See `AssetsApi.search`."""
        work, looked_at = self._store.begin(), limit
        while True:
            rows = await work.search(ASSETS, words, looked_at)
            listed = [row for row in rows if row.item["status"] == PUBLISHED][:limit]
            # What waits to be listed stands between; where it took the place of others, look on.
            if len(listed) == limit or len(rows) < looked_at or looked_at >= _MOST_LOOKED_AT:
                return [records.summary(row.item) for row in listed]
            looked_at = min(looked_at * 8, _MOST_LOOKED_AT)

    async def in_portal(self, actor: Actor, asset_id: str) -> AssetInPortal | None:
        """See `AssetsApi.in_portal`."""
        link = await link_of(self._store.begin(), ASSET_PORTAL_LINKS, asset_id)
        if link is None or not link.facts.get("listingId"):
            return None
        return AssetInPortal(link.portal_id, link.facts["listingId"])


async def _summaries(work: UnitOfWork, asset_ids: Sequence[str]) -> list[AssetSummary]:
    rows = [await work.get(ASSETS, asset_id) for asset_id in asset_ids]
    return [records.summary(row.item) for row in rows if row is not None]
