"""HTTP of the assets service."""

from starlette.responses import Response

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.assets.schemas import AssetChange, AssetQuery, AssetView, NewAsset
from meshplane.services.assets.service import Assets


def routes(assets: Assets, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/assets."""
    operations = Operations(boundary)

    @operations.write("POST", "/assets", "publishAsset", status=201)
    async def publish_asset(call: Call, body: NewAsset) -> AssetView:
        return await assets.publish(call, body)

    @operations.read("/assets", "listAssets")
    async def list_assets(call: Call, query: AssetQuery) -> Page[AssetView]:
        return await assets.list(call, query)

    @operations.read("/assets/{asset_id}", "getAsset")
    async def get_asset(call: Call, asset_id: str) -> AssetView:
        return await assets.get(call, asset_id)

    @operations.read("/assets/{asset_id}/contract", "getAssetContract", {"application/yaml": None})
    async def get_asset_contract(call: Call, asset_id: str) -> Response:
        text = await assets.contract(call, asset_id)
        return Response(text, media_type="application/yaml")

    @operations.write("PATCH", "/assets/{asset_id}", "updateAsset")
    async def update_asset(
        call: Call, asset_id: str, if_match: IfMatch, body: AssetChange
    ) -> AssetView:
        return await assets.update(call, asset_id, if_match, body)

    return operations.routes
