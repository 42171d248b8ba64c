"""Events of the domains service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class DomainCreated(Payload):
    """A domain was created."""

    source: ClassVar[str] = "management-app.domains"
    entity_field: ClassVar[str] = "domain_id"

    domain_id: str
    domain_name: str
    created_by: str
    created_at: str


class DomainMembersChanged(Payload):
    """Somebody got, changed or lost a role in a domain; `role` is null when it was taken away."""

    source: ClassVar[str] = "management-app.domains"
    entity_field: ClassVar[str] = "domain_id"

    domain_id: str
    principal: str
    role: str | None
    changed_by: str
