"""HTTP of the assets service."""

from typing import Any

from starlette.responses import Response

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.assets.publication import Publication
from meshplane.services.assets.schemas import (
    ApprovalView,
    AssetChange,
    AssetQuery,
    AssetView,
    MetadataView,
    NewAsset,
    Rejection,
)
from meshplane.services.assets.service import Assets
from meshplane.services.assets.settling import Settling


def routes(
    assets: Assets, publication: Publication, settling: Settling, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/assets."""
    operations = Operations(boundary)

    async def settle(actor: Actor, answer: dict[str, Any]) -> AssetView:
        asset_id = answer["assetId"]
        await settling.settle(actor, asset_id)
        # Read as anybody reads it: a stored answer may be repeated long after a role was lost.
        return await boundary.read("getAsset", actor, lambda call: assets.get(call, asset_id))

    @operations.write("POST", "/assets", "publishAsset", status=201, settle=settle)
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

    @operations.read("/assets/{asset_id}/metadata", "validateAssetMetadata")
    async def validate_asset_metadata(call: Call, asset_id: str) -> MetadataView:
        return await publication.validate(call, asset_id)

    @operations.read("/assets/{asset_id}/approval", "checkApprovalRequired")
    async def check_approval_required(call: Call, asset_id: str) -> ApprovalView:
        return await publication.approval(call, asset_id)

    @operations.write("POST", "/assets/{asset_id}/list", "listAssetInCatalog")
    async def list_asset_in_catalog(call: Call, asset_id: str) -> AssetView:
        return await publication.list_in_catalog(call, asset_id)

    @operations.write("POST", "/assets/{asset_id}/reject", "rejectAssetPublication")
    async def reject_asset_publication(call: Call, asset_id: str, body: Rejection) -> AssetView:
        return await publication.reject(call, asset_id, body)

    return operations.routes
