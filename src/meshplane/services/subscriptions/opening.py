"""Puts a request where the policies send it: to its approvers, or straight to its grant.

The route is chosen when the request is made, again when it is changed, and stands in it.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from meshplane.boundary.call import Call
from meshplane.events.subscriptions import (
    SubscriptionApproved,
    SubscriptionRenewed,
    SubscriptionRequested,
)
from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import BaseMoved, Conflict, Invalid
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.services.permissions.api import GrantedColumn, RowFilter
from meshplane.services.subscriptions.narrowing import Narrowing, all_of, both_filters, sooner
from meshplane.services.subscriptions.records import is_past, route_json
from meshplane.services.subscriptions.route import BY_ITSELF, Route, Routes, route_text
from meshplane.services.subscriptions.scope import Checks, Product, granted_columns, level_of
from meshplane.services.subscriptions.store import NOTICE_DUE, SUBSCRIPTIONS

_AUTOMATIC = "All of what is asked for is public, so that nobody needs to decide."


@dataclass(frozen=True, slots=True)
class Granting:
    """The grant that an approval comes to: rows, columns and masks as a row holds them; its end."""

    scope: dict[str, Any]
    expires_at: str | None


class Opening:
    """Opens requests, and concludes those that are approved.

    Args:
        checks: of what is asked for and granted.
        routes: which way a request takes, by level.
        notice: how long before its end a subscriber is told.
    """

    def __init__(self, checks: Checks, routes: Routes, notice: timedelta) -> None:
        self.checks = checks
        self._routes = routes
        self._notice = notice

    async def routed(
        self, call: Call, item: dict[str, Any], product: Product
    ) -> tuple[dict[str, Any], Route]:
        """The row with the level of what it asks for and the route that this takes."""
        row_filter = await self.checks.row_filter(call.actor, item["requestedRowFilter"], product)
        level = level_of(product, item["requestedColumns"], row_filter)
        route = self._routes.of(level)
        return {**item, "level": level, "route": route_json(route)}, route

    def route_at(self, level: str) -> Route:
        """The route of a level."""
        return self._routes.of(level)

    async def open(self, call: Call, item: dict[str, Any], product: Product) -> Row:
        """Stores a new request, and approves it where nobody must."""
        routed, route = await self.routed(call, item, product)
        # What cannot be granted is refused before anything is told of it.
        granting = None if route else await self.granting(call, routed, product, [])
        call.work.emit(
            SubscriptionRequested(
                request_id=item["requestId"],
                asset_id=item["assetId"],
                project_id=item.get("projectId"),
                subscriber=item["subscriber"],
                requested_by=item["requestedBy"],
                requested_at=call.now,
                purpose=item["purpose"],
                level=routed["level"],
                route=route_text(route),
                renewal_of=item["renewalOf"],
            ).event()
        )
        if granting is not None:
            routed = await self.approved(call, routed, granting, BY_ITSELF, _AUTOMATIC)
        call.work.put(SUBSCRIPTIONS, routed, expected=ABSENT)
        return Row(routed, 1)

    async def by_itself(self, call: Call, item: dict[str, Any], product: Product) -> dict[str, Any]:
        """The row of a request whose route has no step, approved."""
        granting = await self.granting(call, item, product, [])
        return await self.approved(call, item, granting, BY_ITSELF, _AUTOMATIC)

    async def granting(
        self, call: Call, item: dict[str, Any], product: Product, given: list[Narrowing]
    ) -> Granting:
        """What is granted of a request once these approvals narrowed it.

        Raises:
            Invalid: NOTHING_GRANTED, ROW_FILTER_INVALID.
        """
        base = item.get("base")
        narrowing = all_of([Narrowing.from_json(base), *given] if base else given)
        text = both_filters(item["requestedRowFilter"], narrowing.row_filter)
        row_filter = await self.checks.row_filter(call.actor, text, product)
        columns = granted_columns(product, item["requestedColumns"], narrowing)
        excluded = {*narrowing.excluded_columns} - {column.name for column in columns}
        scope = _scope(row_filter, columns, sorted(excluded))
        return Granting(scope, sooner(item["expiresAt"], narrowing.expires_at))

    async def approved(
        self, call: Call, item: dict[str, Any], granting: Granting, by: str, reason: str
    ) -> dict[str, Any]:
        """The row of a request that is approved for good; what it renews is told in this commit.

        Raises:
            Conflict: RENEWED_IS_GONE, what it renews was revoked, or renewed by another request.
        """
        own = f"grant-{item['requestId']}"
        decided = {
            **item,
            "status": "approved",
            "grantId": own,
            "grant": granting.scope,
            "expiresAt": granting.expires_at,
            "decidedBy": by,
            "decidedAt": call.now,
            "decisionReason": reason,
            **self._notice_of(granting.expires_at),
        }
        if item.get("renewalOf") is not None:
            decided |= await self._taking_over(call, decided)
        call.work.emit(
            SubscriptionApproved(
                request_id=item["requestId"],
                asset_id=item["assetId"],
                project_id=item.get("projectId"),
                subscriber=item["subscriber"],
                approved_by=by,
                approved_at=call.now,
                reason=reason,
            ).event()
        )
        return decided

    async def _taking_over(self, call: Call, decided: dict[str, Any]) -> dict[str, Any]:
        """Ends what is renewed, and says which grant goes on.

        The same grant, if it is in force and grants the same; otherwise one of its own, which is
        there before the other goes.
        """
        row = await call.work.get(SUBSCRIPTIONS, decided["renewalOf"])
        if row is None or row.item["status"] not in {"active", "expired"}:
            raise renewed_is_gone()
        before = row.item
        runs = before["status"] == "active" and not is_past(before["expiresAt"], call.clock)
        if runs and not _is_later(decided["expiresAt"], before["expiresAt"]):
            raise ends_too_soon()
        call.work.put(
            SUBSCRIPTIONS,
            {
                **{name: part for name, part in before.items() if name != "notice"},
                "status": "renewed",
                "renewedBy": decided["requestId"],
            },
            expected=row.version,
            otherwise=BaseMoved("SUBSCRIPTION_MOVED", "What is renewed has changed: try again."),
        )
        call.work.emit(
            SubscriptionRenewed(
                request_id=before["requestId"],
                asset_id=before["assetId"],
                renewed_by=decided["requestId"],
                renewed_at=call.now,
            ).event()
        )
        if not runs:
            return {}
        if before["grant"] == decided["grant"]:
            return {"grantId": before["grantId"]}
        return {"replaces": before["grantId"]}

    def _notice_of(self, ends: str | None) -> dict[str, Any]:
        if ends is None:
            return {}
        return {"notice": NOTICE_DUE, "noticeAt": to_text(from_text(ends) - self._notice)}


def renewed_is_gone() -> Conflict:
    """The error for a renewal of what cannot be renewed any more."""
    return Conflict(
        "RENEWED_IS_GONE",
        "The subscription that this renews was revoked, or renewed by another request: ask anew.",
        field="requestId",
    )


def ends_too_soon() -> Invalid:
    """The error for a renewal that would end before what it renews."""
    return Invalid(
        "EXPIRY_INVALID",
        "What this renews lasts at least as long: name a later end, or revoke it to end it sooner.",
        field="expiresAt",
    )


def _is_later(ends: str | None, than: str | None) -> bool:
    return ends is None or (than is not None and ends > than)


def _scope(
    row_filter: RowFilter | None, columns: tuple[GrantedColumn, ...], excluded: list[str]
) -> dict[str, Any]:
    return {
        "rowFilter": row_filter.to_json() if row_filter else None,
        "columns": [column.to_json() for column in columns],
        "excludedColumns": excluded,
    }
