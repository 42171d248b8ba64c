"""Events of the subscriptions service."""

from dataclasses import replace
from typing import ClassVar

from meshplane.events.payload import Payload
from meshplane.platform.events import NewEvent

_SOURCE = "management-app.subscriptions"


class SubscriptionRequested(Payload):
    """A project, or a person for himself, asked to read an asset.

    `level` is the strictest classification of what is asked for; `route` says who must decide, a
    step each: `["steward"]`; it is empty where the mesh itself approves at once.
    """

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    project_id: str | None
    subscriber: str
    requested_by: str
    requested_at: str
    purpose: str
    level: str
    route: tuple[str, ...]
    renewal_of: str | None = None


class SubscriptionChanged(Payload):
    """The one who asked changed what he asks for; approvals given before count no more."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    changed_by: str
    changed_at: str
    fields: tuple[str, ...]
    level: str
    route: tuple[str, ...]


class SubscriptionWithdrawn(Payload):
    """A request was taken back before it was decided."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    withdrawn_by: str
    withdrawn_at: str
    reason: str


class SubscriptionApprovalGiven(Payload):
    """One of several approvers said yes; `waits_for` names the roles that still must."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    approved_by: str
    approved_at: str
    reason: str
    waits_for: tuple[str, ...]


class SubscriptionApproved(Payload):
    """A request was approved, for good; the grant follows."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    project_id: str | None
    subscriber: str
    approved_by: str
    approved_at: str
    reason: str


class SubscriptionRejected(Payload):
    """A request was turned down, or nobody decided it in time."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    rejected_by: str
    rejected_at: str
    reason: str


class SubscriptionActivated(Payload):
    """An approved subscription has its grant."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    grant_id: str


class SubscriptionRenewed(Payload):
    """The renewal of a subscription was approved: `renewed_by` goes on from here."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    renewed_by: str
    renewed_at: str


class SubscriptionExpiring(Payload):
    """A subscription ends soon; said once, in time to renew it."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    subscriber: str
    requested_by: str
    expires_at: str


class SubscriptionExpired(Payload):
    """A subscription has reached its end; its grant ended with it."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    subscriber: str
    grant_id: str
    expired_at: str


class SubscriptionRevocationStarted(Payload):
    """A subscription was revoked; its grant goes now."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    revoked_by: str
    reason: str


class SubscriptionRevoked(Payload):
    """A subscription has ended: its grant is gone."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    revoked_by: str
    revoked_at: str
    reason: str


class SubscriberNotified(Payload):
    """A project that reads an asset, or a person who does, is told something about it."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "project_id"

    project_id: str | None
    subscriber: str
    asset_id: str
    request_id: str
    message: str
    notified_at: str

    def event(self) -> NewEvent:
        """The event; what it happened to is the project, or the person who reads by himself."""
        return replace(super().event(), entity=self.project_id or self.subscriber)
