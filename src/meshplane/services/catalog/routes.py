"""HTTP of the catalog service."""

import re

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.policy.model import MESH
from meshplane.services.assets.api import AssetColumn, AssetsApi, AssetSummary
from meshplane.services.catalog.schemas import FoundAsset, SearchQuery


def routes(assets: AssetsApi, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/catalog."""
    operations = Operations(boundary)

    @operations.read("/catalog/search", "searchCatalog")
    async def search_catalog(call: Call, query: SearchQuery) -> Page[FoundAsset]:
        await call.allow(MESH)
        found = await assets.search(call.actor, query.q, query.limit)
        words = [word.casefold() for word in re.findall(r"\w+", query.q)]
        return Page[FoundAsset](items=[_found(asset, words) for asset in found])

    return operations.routes


def _found(asset: AssetSummary, words: list[str]) -> FoundAsset:
    def holds(column: AssetColumn) -> bool:
        text = f"{column.name} {column.description}".casefold()
        return any(word in text for word in words)

    return FoundAsset(
        asset_id=asset.asset_id,
        name=asset.name,
        domain_name=asset.domain_name,
        project_id=asset.project_id,
        project_name=asset.project_name,
        description=asset.description,
        classification=asset.classification,
        quality_score=asset.quality_score,
        columns=[column.name for column in asset.columns if holds(column)],
        requestable=True,
    )
