"""Use cases of who asked: he changes or withdraws a request while it is open."""

from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.etags import expected_version, stale
from meshplane.events.subscriptions import SubscriptionChanged, SubscriptionWithdrawn
from meshplane.kit.errors import BaseMoved, Conflict, Invalid
from meshplane.platform.tables import Row
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.subscriptions.finding import allowed, demand_open
from meshplane.services.subscriptions.opening import Opening
from meshplane.services.subscriptions.records import noted, view
from meshplane.services.subscriptions.route import route_text
from meshplane.services.subscriptions.schemas import (
    Decision,
    SubscriptionChange,
    SubscriptionView,
)
from meshplane.services.subscriptions.scope import demand_columns, expiry
from meshplane.services.subscriptions.store import SUBSCRIPTIONS


class Changing:
    """Changes open requests.

    Args:
        assets: the service below.
        opening: sends a changed request on its way anew.
    """

    def __init__(self, assets: AssetsApi, opening: Opening) -> None:
        self._assets = assets
        self._opening = opening

    async def change(
        self, call: Call, request_id: str, body: SubscriptionChange, if_match: str | None
    ) -> SubscriptionView:
        """Asks for something else. What was approved of it so far counts no more.

        Raises:
            ConditionRequired: IF_MATCH_REQUIRED.
            Stale: STALE.
            Conflict: ALREADY_DECIDED, REQUEST_EXPIRED, RENEWAL_FIXED.
            Invalid: COLUMN_UNKNOWN, ROW_FILTER_INVALID, EXPIRY_INVALID, REQUEST_INVALID.
        """
        row = await allowed(call, request_id)
        version = expected_version(if_match)
        demand_open(call, row)
        if version != row.version:
            raise stale()
        given = body.model_fields_set
        if "purpose" in given and body.purpose is None:
            raise Invalid("REQUEST_INVALID", "A request has a purpose.", field="purpose")
        if row.item.get("renewalOf") is not None and given & {"columns", "row_filter"}:
            raise Conflict(
                "RENEWAL_FIXED",
                "A renewal goes on with what was granted: to have other rows or columns, ask anew.",
                field="columns" if "columns" in given else "rowFilter",
            )
        asset = await self._assets.find(call.actor, row.item["assetId"])
        if asset is None or not asset.is_published:
            raise no_such_asset()
        checks = self._opening.checks
        product = await checks.product(call.actor, asset)
        item = {**row.item, "changedVersion": row.version + 1, "approvals": []}
        if "purpose" in given:
            item["purpose"] = body.purpose
        if "columns" in given:
            demand_columns(body.columns or (), asset, "columns")
            item["requestedColumns"] = body.columns
        if "row_filter" in given:
            row_filter = await checks.wished_filter(call.actor, body.row_filter, product)
            item["requestedRowFilter"] = row_filter.text if row_filter else None
        if "expires_at" in given:
            ends = expiry(body.expires_at, call.clock.now())
            item |= {"expiresAt": ends, "requestedExpiresAt": ends}
        item, route = await self._opening.routed(call, item, product)
        fields = sorted(SubscriptionChange.model_fields[name].alias or name for name in given)
        call.work.emit(
            SubscriptionChanged(
                request_id=request_id,
                asset_id=item["assetId"],
                changed_by=call.actor.name,
                changed_at=call.now,
                fields=tuple(fields),
                level=item["level"],
                route=route_text(route),
            ).event()
        )
        if not route:
            item = await self._opening.by_itself(call, item, product)
        call.note(**noted(item), changed=fields)
        _put(call, row, item)
        return view(Row(item, row.version + 1), call.clock)

    async def withdraw(self, call: Call, request_id: str, body: Decision) -> SubscriptionView:
        """Takes a request back.

        Raises:
            Conflict: ALREADY_DECIDED, REQUEST_EXPIRED.
        """
        row = await allowed(call, request_id)
        demand_open(call, row)
        item = {
            **row.item,
            "status": "withdrawn",
            "decidedBy": call.actor.name,
            "decidedAt": call.now,
            "decisionReason": body.reason,
        }
        call.work.emit(
            SubscriptionWithdrawn(
                request_id=request_id,
                asset_id=item["assetId"],
                withdrawn_by=call.actor.name,
                withdrawn_at=call.now,
                reason=body.reason,
            ).event()
        )
        call.note(**noted(item))
        _put(call, row, item)
        return view(Row(item, row.version + 1), call.clock)


def _put(call: Call, row: Row, item: dict[str, Any]) -> None:
    """Writes it over what was read; if that has moved, the call is made again on what is there."""
    moved = BaseMoved("SUBSCRIPTION_MOVED", "The request has changed meanwhile: try again.")
    call.work.put(SUBSCRIPTIONS, item, expected=row.version, otherwise=moved)
