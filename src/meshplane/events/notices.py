"""What is told to people of what happened, and on which topic. Pure.

What a workflow has to say comes as `NotificationPublished`, with its topic: that a subscription is
active or was rejected, that a promotion, a publication or a share went well or did not. Where
workflows run on Step Functions, these publish it themselves, and there is no such event.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.platform.events import StoredEvent

_PROJECTS, _ASSETS = "project-notifications", "asset-notifications"
_SUBSCRIPTIONS, _APPROVALS = "subscription-notifications", "approval-notifications"
TOPICS = (
    _PROJECTS,
    _ASSETS,
    _SUBSCRIPTIONS,
    "promotion-notifications",
    "share-notifications",
    _APPROVALS,
)
"""The topics, without the mesh's prefix."""

_ATTRIBUTES = ("assetId", "projectId", "requestId", "requestedBy", "subscriber", "environment")
"""Members of an event by which whoever listens may choose."""


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told.

    Args:
        topic: on which, without the mesh's prefix.
        subject: one line.
        message: the text.
        attributes: by which whoever listens may choose.
    """

    topic: str
    subject: str
    message: str
    attributes: Mapping[str, str]


def notice_of(event: StoredEvent) -> Notice | None:
    """What an event has people told; None where they are told nothing.

    The text is for people. Programs go by the attributes: `eventId` is the same however often a
    notice comes.
    """
    made = _TELLERS.get((event.source, event.type))
    told = made(event.detail) if made is not None else None
    if told is None:
        return None
    topic, subject, message = told
    named = {name: event.detail.get(name) for name in _ATTRIBUTES}
    attributes = {name: value for name, value in named.items() if isinstance(value, str) and value}
    marks = {"eventId": event.event_id, "eventType": event.type}
    return Notice(topic, subject, message, {**attributes, **marks})


_Detail = Mapping[str, Any]
_Told = tuple[str, str, str] | None


def _published(detail: _Detail) -> _Told:
    topic = detail["topic"]
    if topic not in TOPICS:
        return None  # a person's own topic: rules of the bus reach it
    return topic, detail["subject"] or "Notice", detail["message"]


def _requested(detail: _Detail) -> _Told:
    waits = f"It waits for: {', '.join(detail['route'])}." if detail["route"] else ""
    message = (
        f"{detail['requestedBy']} asks to read asset {detail['assetId']} ({detail['level']}), "
        f"request {detail['requestId']}. {waits}"
    )
    return _SUBSCRIPTIONS, "Data was asked for", message.strip()


def _expiring(detail: _Detail) -> _Told:
    message = (
        f"Request {detail['requestId']} of {detail['requestedBy']} for asset {detail['assetId']} "
        f"ends at {detail['expiresAt']}: renew it in time."
    )
    return _SUBSCRIPTIONS, "A subscription ends soon", message


def _notified(detail: _Detail) -> _Told:
    message = f"To {detail['subscriber']}, of asset {detail['assetId']}: {detail['message']}"
    return _SUBSCRIPTIONS, "About data that you read", message


def _asked(detail: _Detail) -> _Told:
    until = f" until {detail['deadline']}" if detail["deadline"] else ""
    message = (
        f"{detail['title']}: {detail['stepName']} waits for a decision{until}. "
        f"Approval {detail['workflowId']}, step {detail['stepNumber']}."
    )
    return _APPROVALS, "A decision is asked for", message


def _escalated(detail: _Detail) -> _Told:
    told = _asked(detail)
    return (_APPROVALS, "A decision is overdue", told[2]) if told is not None else None


def _alert(detail: _Detail) -> _Told:
    message = (
        f"Asset {detail['assetId']}: {detail['failedRules']} rules do not hold, the score is "
        f"{detail['score']:.1%}. Run {detail['runId']}."
    )
    return _ASSETS, "Data quality alert", message


def _deployed(detail: _Detail) -> _Told:
    if detail["status"] != "FAILED":
        return None
    message = (
        f"Project {detail['projectId']}: deployment {detail['deploymentId']} to "
        f"{detail['environment']} failed."
    )
    return _PROJECTS, "Deployment failed", message


_OF_SUBSCRIPTIONS, _OF_WORKFLOWS = "management-app.subscriptions", "management-app.workflows"
_TELLERS: Mapping[tuple[str, str], Callable[[_Detail], _Told]] = {
    (_OF_WORKFLOWS, "NotificationPublished"): _published,
    (_OF_WORKFLOWS, "ApprovalRequested"): _asked,
    (_OF_WORKFLOWS, "ApprovalEscalated"): _escalated,
    (_OF_SUBSCRIPTIONS, "SubscriptionRequested"): _requested,
    (_OF_SUBSCRIPTIONS, "SubscriptionExpiring"): _expiring,
    (_OF_SUBSCRIPTIONS, "SubscriberNotified"): _notified,
    ("management-app.data-quality", "DataQualityAlert"): _alert,
    ("management-app.blueprints", "DeploymentCompleted"): _deployed,
}
TOLD: Mapping[str, frozenset[str]] = {
    source: frozenset(kind for origin, kind in _TELLERS if origin == source)
    for source, _ in _TELLERS
}
"""The types of events that are told, by their source."""
