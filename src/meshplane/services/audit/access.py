"""Use case: who had access to what on a date."""

from datetime import datetime
from typing import Any

from meshplane.boundary.call import Call
from meshplane.kit.clock import from_text
from meshplane.kit.errors import Invalid, Missing
from meshplane.policy.model import MESH, Resource
from meshplane.services.audit.schemas import (
    AccessAtView,
    AccessQuery,
    HeldGrantView,
    HeldTagView,
)
from meshplane.services.permissions.api import HeldAt, PermissionsApi, TagMask


class AccessOnDate:
    """Tells what was so.

    Args:
        permissions: keeps the history.
    """

    def __init__(self, permissions: PermissionsApi) -> None:
        self._permissions = permissions

    async def at(self, call: Call, query: AccessQuery) -> AccessAtView:
        """Who had what on a resource at an instant, for those who answer for it.

        Raises:
            Missing: RESOURCE_NOT_FOUND.
            Invalid: AT_INVALID, no RFC 3339 instant, or one to come.
        """
        instant = _instant(query.at, call.clock.now())
        try:
            domain_id = await self._permissions.domain_of(call.actor, query.resource)
        except Missing:
            # Only who may see everything learns what there is not.
            await call.allow(MESH)
            raise
        await call.allow(_resource(query.resource, domain_id))
        found = await self._permissions.access_at(call.actor, query.resource, instant)
        return AccessAtView(
            resource=found.resource,
            at=found.at,
            grants=[_held(one) for one in found.grants],
            tags=[
                HeldTagView(resource=tag.resource, column=tag.column, key=tag.key, value=tag.value)
                for tag in found.tags
            ],
            tag_masks=[_tag_mask(mask) for mask in found.tag_masks],
            filters=[one.to_json() for one in found.filters],
        )


def _instant(text: str | None, now: datetime) -> datetime:
    if text is None:
        return now
    try:
        instant = from_text(text)
    except ValueError:
        instant = None
    if instant is None or instant > now:
        raise Invalid(
            "AT_INVALID",
            "Write the date as an RFC 3339 instant that has come, such as 2026-01-31T00:00:00Z.",
            field="at",
        )
    return instant


def _resource(resource: str, domain_id: str) -> Resource:
    kind, _, name = resource.partition(":")
    if kind == "asset":
        return Resource("Asset", name, domain_id=domain_id)
    return Resource("Domain", domain_id, domain_id=domain_id) if kind == "domain" else MESH


def _held(one: HeldAt) -> HeldGrantView:
    grant = one.grant
    stored = grant.to_json()
    own = {
        column.name: column.mask.to_json() for column in grant.columns if column.mask is not None
    }
    is_rows = grant.target.kind == "rows"
    return HeldGrantView(
        grant_id=grant.grant_id,
        principal=grant.principal,
        target=grant.target.key,
        resource=stored["target"],
        permissions=stored["permissions"],
        permissions_with_grant_option=stored["grantable"],
        row_filter=grant.row_filter.text if grant.row_filter else None,
        columns=[column.name for column in grant.columns] if is_rows else [],
        masks=own if is_rows else stored["masks"],
        expires_at=grant.expires_at,
        subscription_id=grant.subscription_id,
        lake_state=grant.lake_state,
        how=one.how,
        by=one.changed_by,
        at=one.changed_at,
        reason=grant.reason,
    )


def _tag_mask(mask: TagMask) -> dict[str, Any]:
    return {
        "key": mask.key,
        "value": mask.value,
        "domainId": mask.domain_id,
        "mask": mask.mask.to_json(),
    }
