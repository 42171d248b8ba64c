"""Whom grants concern: what a reader or a writer of them is asked to have a role in."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Missing
from meshplane.policy.model import MESH, Resource
from meshplane.services.permissions.model import GovernedAsset, Target
from meshplane.services.permissions.ports import DescribedAsset, Schemas

ANY = "any"


def no_such_asset() -> Missing:
    """The error for an id that no asset has, or none that the caller may know of."""
    return Missing("ASSET_NOT_FOUND", "There is no asset with this id.", field="assetId")


def of_grants(
    asset_id: str | None = None, domain_id: str | None = None, principal: str | None = None
) -> Resource:
    """Grants on an asset, in a domain, or of a principal, for those who read them.

    The asset's domain answers for grants on it; and whoever holds a grant may see it: the project's
    members, the person, the group's members.
    """
    kind, _, name = (principal or "").partition(":")
    attributes: tuple[tuple[str, str], ...] = ()
    if kind == "user":
        attributes = (("holder", name),)
    elif kind == "group":
        attributes = (("holderGroup", name),)
    return Resource(
        "Asset",
        asset_id or ANY,
        domain_id=domain_id or None,
        project_id=name if kind == "project" else None,
        attributes=attributes,
    )


def of_target(target: Target, domain_id: str, *, is_covered: bool) -> Resource:
    """What a grant is on, for those who write it.

    Args:
        target: what it is on.
        domain_id: the domain that answers for it; "" for tags of the whole mesh.
        is_covered: whether the caller may pass on what is granted, by a grant of his own.
    """
    if not domain_id:
        return MESH
    covered = (("coveredByCaller", "yes"),) if is_covered else ()
    if target.asset_id is not None:
        return Resource("Asset", target.asset_id, domain_id=domain_id, attributes=covered)
    return Resource("Domain", domain_id, domain_id=domain_id, attributes=covered)


async def described(call: Call, schemas: Schemas, asset_id: str) -> DescribedAsset:
    """An asset, for those who may know of it.

    Raises:
        Missing: ASSET_NOT_FOUND.
    """
    found = await schemas.asset(call.actor, asset_id)
    if found is None or not (found.is_published or await _knows(call, found.asset)):
        raise no_such_asset()
    return found


async def _knows(call: Call, asset: GovernedAsset) -> bool:
    resource = Resource("Asset", asset.asset_id, asset.domain_id, asset.project_id)
    return await call.judge.allows(call.actor, "seeUnpublishedAssets", resource)
