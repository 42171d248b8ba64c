"""HTTP of the catalog service."""

import re

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.kit.errors import Invalid, Unavailable
from meshplane.policy.model import MESH, Resource
from meshplane.services.assets.api import AssetColumn, AssetsApi, AssetSummary, no_such_asset
from meshplane.services.catalog.schemas import FoundAsset, IndexedAsset, IndexView, SearchQuery

_MOST_NAMESAKES = 100


def routes(assets: AssetsApi, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/catalog."""
    operations = Operations(boundary)

    @operations.read("/catalog/search", "searchCatalog")
    async def search_catalog(call: Call, query: SearchQuery) -> Page[FoundAsset]:
        await call.allow(MESH)
        if not query.q and query.term is None:
            raise Invalid("REQUEST_INVALID", "Say words to look for, or a term.", field="q")
        found = await assets.search(call.actor, query.q, query.limit, query.term)
        words = [word.casefold() for word in re.findall(r"\w+", query.q)]
        return Page[FoundAsset](items=[_found(asset, words) for asset in found])

    @operations.write("POST", "/catalog/index", "indexAsset")
    async def index_asset(call: Call, body: IndexedAsset) -> IndexView:
        asset = await assets.find(call.actor, body.asset_id)
        if asset is None or not asset.is_published:
            await call.allow(Resource("Asset", body.asset_id), hide=no_such_asset())
            raise no_such_asset()
        await call.allow(Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id))
        # What is listed is indexed in the same commit; this makes sure of it, for the workflow
        # that says so to others.
        found = await assets.search(call.actor, asset.name, _MOST_NAMESAKES)
        is_found = any(one.asset_id == asset.asset_id for one in found)
        if not is_found and len(found) < _MOST_NAMESAKES:
            raise Unavailable(
                "NOT_INDEXED", "The search does not find the asset yet: try again.", field="assetId"
            )
        return IndexView(asset_id=asset.asset_id, indexed=True)

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
        terms=list(asset.terms),
        requestable=True,
    )
