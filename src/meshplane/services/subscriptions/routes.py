"""HTTP of the subscriptions service."""

from typing import Annotated

from fastapi import APIRouter, Query

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import CallArgument, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.subscriptions.fulfilment import Fulfilment
from meshplane.services.subscriptions.schemas import (
    Approval,
    Decision,
    NewSubscription,
    SubscriptionQuery,
    SubscriptionView,
)
from meshplane.services.subscriptions.service import Subscriptions


def router(
    subscriptions: Subscriptions, fulfilment: Fulfilment, boundary: Boundary
) -> APIRouter:
    """The routes under /api/v1/subscriptions."""
    operations = Operations(boundary, "subscriptions")
    settle = fulfilment.settle

    @operations.write("POST", "/subscriptions", "requestSubscription", status=201)
    async def request_subscription(
        call: CallArgument, body: NewSubscription
    ) -> SubscriptionView:
        return await subscriptions.request(call, body)

    @operations.read("/subscriptions", "listSubscriptions")
    async def list_subscriptions(
        call: CallArgument, query: Annotated[SubscriptionQuery, Query()]
    ) -> Page[SubscriptionView]:
        return await subscriptions.list(call, query)

    @operations.read("/subscriptions/{request_id}", "getSubscription")
    async def get_subscription(call: CallArgument, request_id: str) -> SubscriptionView:
        return await subscriptions.get(call, request_id)

    @operations.write(
        "POST", "/subscriptions/{request_id}/approve", "approveSubscription", settle=settle
    )
    async def approve_subscription(
        call: CallArgument, request_id: str, body: Approval
    ) -> SubscriptionView:
        return await subscriptions.approve(call, request_id, body)

    @operations.write("POST", "/subscriptions/{request_id}/reject", "rejectSubscription")
    async def reject_subscription(
        call: CallArgument, request_id: str, body: Decision
    ) -> SubscriptionView:
        return await subscriptions.reject(call, request_id, body)

    @operations.write(
        "POST", "/subscriptions/{request_id}/revoke", "revokeSubscription", settle=settle
    )
    async def revoke_subscription(
        call: CallArgument, request_id: str, body: Decision
    ) -> SubscriptionView:
        return await subscriptions.revoke(call, request_id, body)

    return operations.router
