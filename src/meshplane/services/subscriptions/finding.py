"""Finds a subscription for a call, for those who may know of it."""

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, Missing, Refused
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.subscriptions.people import is_among
from meshplane.services.subscriptions.records import asked_by, is_past
from meshplane.services.subscriptions.store import SUBSCRIPTIONS

REQUEST_EXPIRED_BY = "policy:request-expired"
"""Who turned down a request whose own end came before a decision."""

_DECIDING = frozenset({"approveSubscription", "rejectSubscription"})


async def allowed(call: Call, request_id: str) -> Row:
    """The subscription; for those who may not know of it, it is not there.

    Raises:
        Missing: SUBSCRIPTION_NOT_FOUND.
        Refused: FORBIDDEN; SELF_APPROVAL, he asked for it himself and would decide.
    """
    row = await call.work.get(SUBSCRIPTIONS, request_id)
    missing = Missing(
        "SUBSCRIPTION_NOT_FOUND", "There is no subscription with this id.", field="requestId"
    )
    if row is None:
        # Asked all the same, so that this answer takes the way of the other.
        await call.allow(
            Resource("Subscription", request_id), hide=missing, known_by="getSubscription"
        )
        raise missing
    item = row.item
    resource = Resource(
        "Subscription",
        request_id,
        item["domainId"],
        item.get("projectId"),
        (("requestedBy", item["requestedBy"].removeprefix("user:")),),
    )
    deciding = call.operation in _DECIDING
    try:
        await call.allow(resource, hide=missing, known_by="getSubscription")
    except Refused as error:
        if deciding and item["requestedBy"] == call.actor.name:
            raise _self_approval() from error
        raise
    if deciding and is_among(call.actor, asked_by(item)):
        raise _self_approval()
    return row


def demand_open(call: Call, row: Row) -> None:
    """Demands that a request still waits for its decision.

    Raises:
        Conflict: ALREADY_DECIDED; REQUEST_EXPIRED, the end that it asks for has come.
    """
    item = row.item
    if item["status"] == "rejected" and item["decidedBy"] == REQUEST_EXPIRED_BY:
        raise request_expired()
    demand_status(row, "requested")
    if is_past(item["expiresAt"], call.clock):
        raise request_expired()


def demand_status(row: Row, *statuses: str) -> None:
    """Demands that a subscription is in one of these states.

    Raises:
        Conflict: ALREADY_DECIDED.
    """
    if row.item["status"] not in statuses:
        raise _already_decided(row)


def _already_decided(row: Row) -> Conflict:
    """The error for one that is not in the state which it would have to be in."""
    status, renewed_by = row.item["status"], row.item.get("renewedBy")
    if status == "renewed" and renewed_by is not None:
        message = f"It was renewed, and goes on as {renewed_by}: see that."
    elif status == "requested":
        message = "It is not decided yet: approve or reject it."
    else:
        message = f"It is {status} already: read it again."
    return Conflict("ALREADY_DECIDED", message, field="requestId")


def request_expired() -> Conflict:
    """The error for a request whose own end has come."""
    return Conflict(
        "REQUEST_EXPIRED",
        "The end that it asks for has come before it was decided: ask anew, with a later end.",
        field="expiresAt",
    )


def _self_approval() -> Refused:
    return Refused(
        "SELF_APPROVAL",
        "You made this request, so another steward must decide it.",
        field="requestId",
    )
