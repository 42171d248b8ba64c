"""Events of the permissions service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class PermissionGranted(Payload):
    """A principal may now read some rows and columns of a resource."""

    source: ClassVar[str] = "management-app.permissions"
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]


class PermissionRevoked(Payload):
    """A principal may no longer do so by that grant."""

    source: ClassVar[str] = "management-app.permissions"
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]
