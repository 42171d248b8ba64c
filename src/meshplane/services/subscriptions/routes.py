"""HTTP of the subscriptions service."""

from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import IfMatch, OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.subscriptions.bulk import Bulk
from meshplane.services.subscriptions.changing import Changing
from meshplane.services.subscriptions.deciding import Deciding
from meshplane.services.subscriptions.fulfilment import Fulfilment
from meshplane.services.subscriptions.notices import Notices
from meshplane.services.subscriptions.reading import Reading
from meshplane.services.subscriptions.renewing import Renewing
from meshplane.services.subscriptions.requesting import Requesting
from meshplane.services.subscriptions.revoking import Revoking
from meshplane.services.subscriptions.schemas import (
    Approval,
    BulkApproval,
    BulkRequest,
    BulkView,
    Decision,
    FulfilmentView,
    GrantPreview,
    NewSubscription,
    Notice,
    NoticeView,
    Rejection,
    Renewal,
    SubscriptionChange,
    SubscriptionQuery,
    SubscriptionView,
)


class Settled:
    """Carries out what was decided before the answer is given.

    Args:
        fulfilment: writes and ends grants.
        reading: reads what came of it.
        boundary: runs the reads.
    """

    def __init__(self, fulfilment: Fulfilment, reading: Reading, boundary: Boundary) -> None:
        self._fulfilment = fulfilment
        self._reading = reading
        self._boundary = boundary

    async def one(self, actor: Actor, request_id: str) -> SubscriptionView:
        """A subscription as it is once its decision is carried out."""
        await self._fulfilment.settle(actor, request_id)
        return await self.read(actor, request_id)

    async def read(self, actor: Actor, request_id: str) -> SubscriptionView:
        """As anybody reads it: a stored answer may be repeated long after a role was lost."""
        return await self._boundary.read(
            "getSubscription", actor, lambda call: self._reading.get(call, request_id)
        )

    async def answered(self, actor: Actor, answer: dict[str, Any]) -> SubscriptionView:
        """The answer to a request; where the policies approved it, as it is once it is granted."""
        if answer["status"] == "approved":
            return await self.one(actor, answer["requestId"])
        return SubscriptionView.model_validate(answer)

    async def bulk(self, actor: Actor, answer: dict[str, Any]) -> BulkView:
        """The answer to a request in bulk, as its subscriptions are once they are granted."""
        settled = [await self.answered(actor, one) for one in answer["subscriptions"]]
        return BulkView.model_validate({**answer, "subscriptions": settled})

    async def progress(self, call: Call, request_id: str) -> FulfilmentView:
        """How far a decision is carried out."""
        return await self._reading.fulfilment(call, request_id)

    async def fulfilled(self, actor: Actor, request_id: str) -> FulfilmentView:
        """How far a decision is carried out, once it was tried."""
        await self._fulfilment.settle(actor, request_id)
        return await self._boundary.read(
            "fulfilSubscription", actor, lambda call: self.progress(call, request_id)
        )


def asking(
    operations: Operations,
    settled: Settled,
    *,
    requesting: Requesting,
    changing: Changing,
    renewing: Renewing,
    reading: Reading,
) -> None:
    """Declares what subscribers do, and what both sides read."""

    @operations.write(
        "POST", "/subscriptions", "requestSubscription", status=201, settle=settled.answered
    )
    async def request_subscription(call: Call, body: NewSubscription) -> SubscriptionView:
        return await requesting.request(call, body)

    @operations.read("/subscriptions", "listSubscriptions")
    async def list_subscriptions(call: Call, query: SubscriptionQuery) -> Page[SubscriptionView]:
        return await reading.list(call, query)

    @operations.read("/subscriptions/{request_id}", "getSubscription")
    async def get_subscription(call: Call, request_id: str) -> SubscriptionView:
        return await reading.get(call, request_id)

    @operations.write(
        "PATCH", "/subscriptions/{request_id}", "changeSubscription", settle=settled.one
    )
    async def change_subscription(
        call: Call, request_id: str, body: SubscriptionChange, if_match: IfMatch
    ) -> SubscriptionView:
        return await changing.change(call, request_id, body, if_match)

    @operations.write("POST", "/subscriptions/{request_id}/withdraw", "withdrawSubscription")
    async def withdraw_subscription(
        call: Call, request_id: str, body: Decision
    ) -> SubscriptionView:
        return await changing.withdraw(call, request_id, body)

    async def renewed(actor: Actor, request_id: str, answer: dict[str, Any]) -> SubscriptionView:
        return await settled.answered(actor, answer)

    @operations.write(
        "POST", "/subscriptions/{request_id}/renew", "renewSubscription", status=201, settle=renewed
    )
    async def renew_subscription(call: Call, request_id: str, body: Renewal) -> SubscriptionView:
        return await renewing.renew(call, request_id, body)


def deciding_routes(
    operations: Operations, settled: Settled, deciding: Deciding, revoking: Revoking
) -> None:
    """Declares what the data's domain does."""

    @operations.write(
        "POST", "/subscriptions/{request_id}/approve", "approveSubscription", settle=settled.one
    )
    async def approve_subscription(
        call: Call, request_id: str, body: Approval, if_match: IfMatch = None
    ) -> SubscriptionView:
        return await deciding.approve(call, request_id, body, if_match)

    @operations.write("POST", "/subscriptions/{request_id}/reject", "rejectSubscription")
    async def reject_subscription(
        call: Call, request_id: str, body: Rejection, if_match: IfMatch = None
    ) -> SubscriptionView:
        return await deciding.reject(call, request_id, body, if_match)

    @operations.write("POST", "/subscriptions/{request_id}/preview", "previewApproval")
    async def preview_approval(call: Call, request_id: str, body: Approval) -> GrantPreview:
        return await deciding.preview(call, request_id, body)

    @operations.write(
        "POST", "/subscriptions/{request_id}/revoke", "revokeSubscription", settle=settled.one
    )
    async def revoke_subscription(call: Call, request_id: str, body: Decision) -> SubscriptionView:
        return await revoking.revoke(call, request_id, body)

    @operations.write(
        "POST", "/subscriptions/{request_id}/fulfil", "fulfilSubscription", settle=settled.fulfilled
    )
    async def fulfil_subscription(call: Call, request_id: str) -> FulfilmentView:
        return await settled.progress(call, request_id)


def routes(
    *,
    requesting: Requesting,
    changing: Changing,
    renewing: Renewing,
    reading: Reading,
    deciding: Deciding,
    revoking: Revoking,
    bulk: Bulk,
    notices: Notices,
    fulfilment: Fulfilment,
    boundary: Boundary,
) -> list[OperationRoute]:
    """The routes under /api/v1/subscriptions."""
    operations = Operations(boundary)
    settled = Settled(fulfilment, reading, boundary)

    # Before those with an id in their place, which would take `bulk` for one.
    @operations.write("POST", "/subscriptions/bulk", "requestSubscriptions", settle=settled.bulk)
    async def request_subscriptions(call: Call, body: BulkRequest) -> BulkView:
        return await bulk.request(call, body)

    @operations.write(
        "POST", "/subscriptions/bulk/approve", "approveSubscriptions", settle=settled.bulk
    )
    async def approve_subscriptions(call: Call, body: BulkApproval) -> BulkView:
        return await bulk.approve(call, body)

    @operations.write("POST", "/subscriptions/notify", "notifySubscribers")
    async def notify_subscribers(call: Call, body: Notice) -> NoticeView:
        return await notices.notify(call, body)

    asking(
        operations,
        settled,
        requesting=requesting,
        changing=changing,
        renewing=renewing,
        reading=reading,
    )
    deciding_routes(operations, settled, deciding, revoking)
    return operations.routes
