"""HTTP of the subscriptions service."""

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.subscriptions.fulfilment import Fulfilment
from meshplane.services.subscriptions.notices import Notices
from meshplane.services.subscriptions.schemas import (
    Approval,
    Decision,
    FulfilmentView,
    NewSubscription,
    Notice,
    NoticeView,
    SubscriptionQuery,
    SubscriptionView,
)
from meshplane.services.subscriptions.service import Subscriptions


def routes(
    subscriptions: Subscriptions, notices: Notices, fulfilment: Fulfilment, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/subscriptions."""
    operations = Operations(boundary)

    async def settle(actor: Actor, request_id: str) -> SubscriptionView:
        await fulfilment.settle(actor, request_id)
        # Read as anybody reads it: a stored answer may be repeated long after a role was lost.
        return await boundary.read(
            "getSubscription", actor, lambda call: subscriptions.get(call, request_id)
        )

    @operations.write("POST", "/subscriptions", "requestSubscription", status=201)
    async def request_subscription(call: Call, body: NewSubscription) -> SubscriptionView:
        return await subscriptions.request(call, body)

    @operations.read("/subscriptions", "listSubscriptions")
    async def list_subscriptions(call: Call, query: SubscriptionQuery) -> Page[SubscriptionView]:
        return await subscriptions.list(call, query)

    @operations.read("/subscriptions/{request_id}", "getSubscription")
    async def get_subscription(call: Call, request_id: str) -> SubscriptionView:
        return await subscriptions.get(call, request_id)

    @operations.write(
        "POST", "/subscriptions/{request_id}/approve", "approveSubscription", settle=settle
    )
    async def approve_subscription(call: Call, request_id: str, body: Approval) -> SubscriptionView:
        return await subscriptions.approve(call, request_id, body)

    @operations.write("POST", "/subscriptions/{request_id}/reject", "rejectSubscription")
    async def reject_subscription(call: Call, request_id: str, body: Decision) -> SubscriptionView:
        return await subscriptions.reject(call, request_id, body)

    @operations.write(
        "POST", "/subscriptions/{request_id}/revoke", "revokeSubscription", settle=settle
    )
    async def revoke_subscription(call: Call, request_id: str, body: Decision) -> SubscriptionView:
        return await subscriptions.revoke(call, request_id, body)

    @operations.write("POST", "/subscriptions/notify", "notifySubscribers")
    async def notify_subscribers(call: Call, body: Notice) -> NoticeView:
        return await notices.notify(call, body)

    async def fulfilled(actor: Actor, request_id: str) -> FulfilmentView:
        await fulfilment.settle(actor, request_id)
        return await boundary.read(
            "fulfilSubscription", actor, lambda call: subscriptions.fulfilment(call, request_id)
        )

    @operations.write(
        "POST", "/subscriptions/{request_id}/fulfil", "fulfilSubscription", settle=fulfilled
    )
    async def fulfil_subscription(call: Call, request_id: str) -> FulfilmentView:
        return await subscriptions.fulfilment(call, request_id)

    return operations.routes
