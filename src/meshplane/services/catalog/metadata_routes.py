"""HTTP of what the catalog's words say of an asset."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.services.catalog.metadata_schemas import AssetMetadataBody, AssetMetadataView
from meshplane.services.catalog.metadata_service import Sayings

_PATH = "/catalog/assets/{asset_id}/metadata"


def routes(sayings: Sayings, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/catalog/assets."""
    operations = Operations(boundary)

    @operations.read(_PATH, "getAssetMetadata")
    async def get_asset_metadata(call: Call, asset_id: str) -> AssetMetadataView:
        return await sayings.get(call, asset_id)

    @operations.write("PUT", _PATH, "putAssetMetadata")
    async def put_asset_metadata(
        call: Call, asset_id: str, if_match: IfMatch, body: AssetMetadataBody
    ) -> AssetMetadataView:
        return await sayings.put(call, asset_id, if_match, body)

    return operations.routes
