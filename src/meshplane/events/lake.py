"""Events of the lake service."""

from typing import ClassVar, Literal

from meshplane.events.payload import Payload

_SOURCE = "management-app.lake"


class LakeDriftFound(Payload):
    """The lake differs from what was granted, otherwise than when it was looked at before.

    `critical` counts what lets somebody do more than was granted. `scope` is `mesh`.
    """

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "scope"

    scope: str
    missing: int
    excess: int
    changed: int
    critical: int
    found_at: str


class LakeReconciled(Payload):
    """A reconciliation of the lake has come to its end; `failed` counts what it could not mend."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "reconciliation_id"

    reconciliation_id: str
    domain_id: str | None
    repaired: int
    removed: int
    adopted: int
    reported: int
    failed: int
    completed_at: str


class LakeGrantFailed(Payload):
    """The lake does not hold a grant, which lets nothing through until it does."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    code: str
    reason: str
    failed_at: str


class LakeGrantEdited(Payload):
    """An administrator changed a grant of the lake by hand."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "key"

    key: str
    principal: str
    resource: str
    change: Literal["put", "removed"]
    grant_id: str | None
    by: str
    at: str


class LakeExcessAdopted(Payload):
    """A right that was found in the lake was made a grant, as its domain's policy says."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    made_by: str | None
    adopted_at: str


class LakeLocationRegistered(Payload):
    """A path below a domain's bucket may be granted as a location."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "location_id"

    location_id: str
    domain_id: str
    path: str
    by: str
    at: str


class LakeLocationRemoved(Payload):
    """A path below a domain's bucket may be granted as a location no more."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "location_id"

    location_id: str
    domain_id: str
    path: str
    by: str
    at: str
