"""Rows of the store: how they begin, and as the type that leaves the service.

Rows of earlier versions lack `subscriber`, `level`, `route`, `approvals` and `changedVersion`: they
are requests of projects that were never changed.
"""

from collections.abc import Mapping
from typing import Any

from meshplane.boundary.call import Call
from meshplane.kit.clock import Clock, from_text
from meshplane.platform.tables import Row
from meshplane.services.assets.api import AssetSummary
from meshplane.services.subscriptions.people import same_person
from meshplane.services.subscriptions.route import Route, route_text, waits_for
from meshplane.services.subscriptions.schemas import ApprovalView, RouteView, SubscriptionView
from meshplane.services.subscriptions.scope import scope_view, subscriber_of


def new_item(
    call: Call, asset: AssetSummary, project_id: str | None, project_name: str | None, purpose: str
) -> dict[str, Any]:
    """The row of a request that asks for all of an asset, for as long as it likes."""
    item = {
        "requestId": call.new_id("sub-req"),
        "assetId": asset.asset_id,
        "assetName": asset.name,
        "domainId": asset.domain_id,
        "projectId": project_id,
        "projectName": project_name,
        "subscriber": f"project:{project_id}" if project_id else call.actor.name,
        "requestedBy": call.actor.name,
        "askedBy": [call.actor.name],
        "purpose": purpose,
        "status": "requested",
        "requestedAt": call.now,
        "requestedColumns": None,
        "requestedRowFilter": None,
        "requestedExpiresAt": None,
        "changedVersion": 1,
        "approvals": [],
        "base": None,
        "renewalOf": None,
        "renewedBy": None,
        "grant": None,
        "grantId": None,
        "replaces": None,
        "expiresAt": None,
        "decidedBy": None,
        "decidedAt": None,
        "decisionReason": None,
        "revokedBy": None,
        "revokedAt": None,
        "revocationReason": None,
    }
    if project_id is None:
        del item["projectId"]  # so that it stands in no project's list
    return item


def route_of(item: Mapping[str, Any]) -> Route | None:
    """The steps that a row holds; None for one of a version that had none."""
    steps = item.get("route")
    return None if steps is None else tuple(frozenset(step) for step in steps)


def route_json(route: Route) -> list[list[str]]:
    """The steps as a row holds them."""
    return [sorted(step) for step in route]


def asked_by(item: Mapping[str, Any]) -> list[str]:
    """All who had a part in asking: who asked, and who had asked for what this renews."""
    found: list[str] = list(item.get("askedBy") or ())
    if not any(same_person(name, item["requestedBy"]) for name in found):
        found.append(item["requestedBy"])
    return found


def changed_version(item: Mapping[str, Any]) -> int:
    """The version of the row in which the request was last changed; 1 if it never was."""
    version: int = item.get("changedVersion") or 1
    return version


def noted(item: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit record of a change says of a subscription."""
    found = {"asset": item["assetId"], "subscriber": subscriber_of(item), "status": item["status"]}
    return found if item.get("projectId") is None else {**found, "project": item["projectId"]}


def is_past(ends: str | None, clock: Clock) -> bool:
    """Whether an end has come."""
    return ends is not None and clock.now() >= from_text(ends)


def view(row: Row, clock: Clock) -> SubscriptionView:
    """A subscription for HTTP."""
    item = row.item
    ends = item["expiresAt"]
    expired = item["status"] == "active" and is_past(ends, clock)
    return SubscriptionView(
        request_id=item["requestId"],
        asset_id=item["assetId"],
        asset_name=item["assetName"],
        domain_id=item["domainId"],
        project_id=item.get("projectId"),
        project_name=item.get("projectName"),
        requested_by=item["requestedBy"],
        purpose=item["purpose"],
        status="expired" if expired else item["status"],
        requested_at=item["requestedAt"],
        requested_columns=item["requestedColumns"],
        requested_row_filter=item["requestedRowFilter"],
        scope=scope_view(item),
        expires_at=ends,
        decided_by=item["decidedBy"],
        decided_at=item["decidedAt"],
        decision_reason=item["decisionReason"],
        revoked_by=item["revokedBy"],
        revoked_at=item["revokedAt"],
        revocation_reason=item["revocationReason"],
        grant_id=item["grantId"],
        subscriber=subscriber_of(item),
        route=_route_view(item),
        approvals=[_approval_view(one) for one in item.get("approvals") or ()],
        changed_version=changed_version(item),
        requested_expires_at=item.get("requestedExpiresAt"),
        renewal_of=item.get("renewalOf"),
        renewed_by=item.get("renewedBy"),
        version=row.version,
    )


def _route_view(item: Mapping[str, Any]) -> RouteView | None:
    route = route_of(item)
    if route is None:
        return None
    held = [frozenset(one["roles"]) for one in item["approvals"] if not one["lapsed"]]
    left = waits_for(route, held) if item["status"] == "requested" else ()
    return RouteView(
        level=item["level"], steps=list(route_text(route)), waits_for=list(route_text(left))
    )


def _approval_view(approval: Mapping[str, Any]) -> ApprovalView:
    scope = approval["scope"]
    return ApprovalView.model_validate(
        {
            **{name: approval[name] for name in ("by", "at", "reason", "roles", "lapsed")},
            **{name: scope[name] for name in ("rowFilter", "masks", "excludedColumns")},
            "expiresAt": scope["expiresAt"],
        }
    )
