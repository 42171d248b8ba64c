"""Use case of the domain: it ends a subscription before its time."""

from meshplane.boundary.call import Call
from meshplane.events.subscriptions import SubscriptionRevocationStarted
from meshplane.kit.errors import BaseMoved
from meshplane.platform.tables import Row
from meshplane.services.subscriptions.finding import allowed, demand_status
from meshplane.services.subscriptions.records import noted, view
from meshplane.services.subscriptions.schemas import Decision, SubscriptionView
from meshplane.services.subscriptions.store import SUBSCRIPTIONS


class Revoking:
    """Revokes subscriptions."""

    async def revoke(self, call: Call, request_id: str, body: Decision) -> SubscriptionView:
        """Ends an approved or active subscription.

        Raises:
            Conflict: ALREADY_DECIDED.
        """
        row = await allowed(call, request_id)
        if row.item["status"] == "revoking":
            return view(row, call.clock)  # begun before: what follows tries its end again
        demand_status(row, "approved", "active")
        item = {
            # Nobody is told any more that its end comes.
            **{name: part for name, part in row.item.items() if name != "notice"},
            "status": "revoking",
            "revokedBy": call.actor.name,
            "revokedAt": call.now,
            "revocationReason": body.reason,
        }
        call.note(**noted(item))
        moved = BaseMoved("SUBSCRIPTION_MOVED", "It has changed meanwhile: try again.")
        call.work.put(SUBSCRIPTIONS, item, expected=row.version, otherwise=moved)
        call.work.emit(
            SubscriptionRevocationStarted(
                request_id=request_id,
                asset_id=item["assetId"],
                revoked_by=call.actor.name,
                reason=body.reason,
            ).event()
        )
        return view(Row(item, row.version + 1), call.clock)
