"""Events of the subscriptions service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class SubscriptionRequested(Payload):
    """A project asked to read an asset."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    project_id: str
    requested_by: str
    requested_at: str


class SubscriptionApproved(Payload):
    """A request was approved; the grant follows."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    project_id: str
    approved_by: str
    approved_at: str


class SubscriptionRejected(Payload):
    """A request was turned down."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    rejected_by: str
    rejected_at: str


class SubscriptionActivated(Payload):
    """An approved subscription has its grant."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    grant_id: str


class SubscriptionRevocationStarted(Payload):
    """A subscription was revoked; its grant goes now."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    revoked_by: str


class SubscriptionRevoked(Payload):
    """A subscription has ended: its grant is gone."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "request_id"

    request_id: str
    asset_id: str
    revoked_by: str
    revoked_at: str


class SubscriberNotified(Payload):
    """A project that reads an asset is told something about it."""

    source: ClassVar[str] = "management-app.subscriptions"
    entity_field: ClassVar[str] = "project_id"

    project_id: str
    asset_id: str
    request_id: str
    message: str
    notified_at: str
