"""Finds an asset for a call, for those who may know of it."""

from meshplane.boundary.call import Call
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.assets.api import PUBLISHED, no_such_asset
from meshplane.services.assets.store import ASSETS

SEE_UNPUBLISHED = "seeUnpublishedAssets"
"""What lets somebody know of assets that are not listed; an action of the policies alone."""


def resource_of(row: Row) -> Resource:
    """The asset, as policies speak of it."""
    item = row.item
    return Resource("Asset", item["assetId"], item["domainId"], item["projectId"])


async def allowed(call: Call, asset_id: str) -> Row:
    """The asset, if the call may be made on it. One that is not listed is there for few.

    Raises:
        Missing: ASSET_NOT_FOUND.
        Refused: FORBIDDEN.
    """
    row = await call.work.get(ASSETS, asset_id)
    if row is None:
        raise no_such_asset()
    resource = resource_of(row)
    if row.item["status"] != PUBLISHED and not await sees_unpublished(call, resource):
        await call.allow(Resource("Asset", asset_id), hide=no_such_asset())
        call.denied = True
        raise no_such_asset()
    await call.allow(resource)
    return row


async def sees_unpublished(call: Call, resource: Resource) -> bool:
    """Whether the caller may know of assets there that are not listed."""
    return await call.judge.allows(call.actor, SEE_UNPUBLISHED, resource)
