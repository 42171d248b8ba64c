"""Use case of the subscriber: to go on reading after the end, with what was granted."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict
from meshplane.platform.tables import Row
from meshplane.services.assets.api import AssetsApi, no_such_asset
from meshplane.services.permissions.api import Grant
from meshplane.services.subscriptions.finding import allowed
from meshplane.services.subscriptions.narrowing import Narrowing
from meshplane.services.subscriptions.opening import Opening, ends_too_soon, renewed_is_gone
from meshplane.services.subscriptions.records import asked_by, is_past, new_item, noted, view
from meshplane.services.subscriptions.schemas import Renewal, SubscriptionView
from meshplane.services.subscriptions.scope import expiry, grant_of, subscriber_of


class Renewing:
    """Takes renewals: requests like any other, for what is granted already.

    Args:
        assets: the service below.
        opening: sends a request on its way.
    """

    def __init__(self, assets: AssetsApi, opening: Opening) -> None:
        self._assets = assets
        self._opening = opening

    async def renew(self, call: Call, request_id: str, body: Renewal) -> SubscriptionView:
        """Asks for a later end. It takes the route that its columns ask for today.

        Raises:
            Conflict: NOT_RENEWABLE, RENEWED_IS_GONE.
            Missing: ASSET_NOT_FOUND.
            Invalid: EXPIRY_INVALID, NOTHING_GRANTED, ROW_FILTER_INVALID.
        """
        before = await allowed(call, request_id)
        item = before.item
        if item["status"] in {"renewed", "revoked", "revoking"}:
            raise renewed_is_gone()
        if item["status"] not in {"active", "expired"} or item["expiresAt"] is None:
            raise Conflict(
                "NOT_RENEWABLE",
                "Only a subscription that was granted until a date can be renewed.",
                field="requestId",
            )
        asset = await self._assets.find(call.actor, item["assetId"])
        if asset is None or not asset.is_published:
            raise no_such_asset()
        ends = expiry(body.expires_at, call.clock.now())
        runs = item["status"] == "active" and not is_past(item["expiresAt"], call.clock)
        if runs and ends is not None and ends <= item["expiresAt"]:
            raise ends_too_soon()
        grant = grant_of(item)
        asked = {
            **new_item(call, asset, item.get("projectId"), item.get("projectName"), body.purpose),
            "subscriber": subscriber_of(item),
            "askedBy": list(dict.fromkeys((call.actor.name, *asked_by(item)))),
            "requestedColumns": [column.name for column in grant.columns],
            "requestedRowFilter": grant.row_filter.text if grant.row_filter else None,
            "requestedExpiresAt": ends,
            "expiresAt": ends,
            "renewalOf": request_id,
            "base": _base(grant).to_json(),
        }
        product = await self._opening.checks.product(call.actor, asset)
        row: Row = await self._opening.open(call, asked, product)
        call.resource = f"Subscription:{row.item['requestId']}"
        call.note(**noted(row.item), renewalOf=request_id)
        return view(row, call.clock)


def _base(grant: Grant) -> Narrowing:
    """What was taken away already and stays so: masks, and columns that were left out."""
    masks = {column.name: column.mask for column in grant.columns if column.mask is not None}
    return Narrowing(masks=masks, excluded_columns=frozenset(grant.excluded_columns))
