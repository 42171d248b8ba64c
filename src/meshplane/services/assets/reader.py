"""What other services may read of assets; see `AssetsApi`."""

from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.portal_links import link_of
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import StartsWith
from meshplane.services.assets import records
from meshplane.services.assets.api import (
    PUBLISHED,
    AssetInPortal,
    AssetMetadata,
    AssetPage,
    AssetSummary,
)
from meshplane.services.assets.metadata import kept, places
from meshplane.services.assets.store import (
    ALL,
    ASSET_NAMES,
    ASSET_PORTAL_LINKS,
    ASSET_TABLES,
    ASSET_TERMS,
    ASSETS,
)

_MOST_OF_ONE_NAME = 100
_MOST_LOOKED_AT = 10_000
_USES = StartsWith("asset-")


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
        self, actor: Actor, words: str, limit: int, term_id: str | None = None
    ) -> list[AssetSummary]:
        """See `AssetsApi.search`."""
        if term_id is not None and not words:
            return await self._with_term(term_id, limit)
        work, looked_at = self._store.begin(), limit
        while True:
            rows = await work.search(ASSETS, words, looked_at)
            listed = [row for row in rows if _is_found(row.item, term_id)][:limit]
            # What waits to be listed stands between; where it took the place of others, look on.
            if len(listed) == limit or len(rows) < looked_at or looked_at >= _MOST_LOOKED_AT:
                return [records.summary(row.item) for row in listed]
            looked_at = min(looked_at * 8, _MOST_LOOKED_AT)

    async def metadata(self, actor: Actor, asset_id: str) -> AssetMetadata | None:
        """See `AssetsApi.metadata`."""
        row = await self._store.begin().get(ASSETS, asset_id)
        return kept(row.item) if row else None

    async def _with_term(self, term_id: str, limit: int) -> list[AssetSummary]:
        work, cursor = self._store.begin(), None
        found: list[AssetSummary] = []
        while True:
            page = await work.query(
                ASSET_TERMS, term_id, where=_USES, limit=_MOST_OF_ONE_NAME, cursor=cursor
            )
            several = await _summaries(work, [row.item["assetId"] for row in page.rows])
            found += [one for one in several if one.is_published]
            cursor = page.cursor
            if cursor is None or len(found) >= limit:
                return found[:limit]

    async def in_portal(self, actor: Actor, asset_id: str) -> AssetInPortal | None:
        """See `AssetsApi.in_portal`."""
        link = await link_of(self._store.begin(), ASSET_PORTAL_LINKS, asset_id)
        if link is None or not link.facts.get("listingId"):
            return None
        return AssetInPortal(link.portal_id, link.facts["listingId"])


def _is_found(item: Mapping[str, Any], term_id: str | None) -> bool:
    """Whether everybody may find it, and it has the term that is asked for."""
    return item["status"] == PUBLISHED and (term_id is None or term_id in places(kept(item)))


async def _summaries(work: UnitOfWork, asset_ids: Sequence[str]) -> list[AssetSummary]:
    rows = [await work.get(ASSETS, asset_id) for asset_id in asset_ids]
    return [records.summary(row.item) for row in rows if row is not None]
