"""Events of the permissions service."""

from typing import ClassVar, Literal

from meshplane.events.payload import Payload

_SOURCE = "management-app.permissions"


class PermissionGranted(Payload):
    """A principal may now do something with a resource.

    `resource` is the asset's id where the grant is on one asset, and else the same as `target`;
    `target` is what it is on exactly: `asset:…`, `asset:…#columns(+a,b)`, `tags:…`.
    """

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]
    target: str = ""
    domain_id: str = ""
    by: str = ""
    at: str = ""


class PermissionChanged(Payload):
    """What a grant permits was changed: permissions, columns, masks, or its end."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]
    target: str
    domain_id: str
    by: str
    at: str


class PermissionRevoked(Payload):
    """A principal may no longer do so by that grant."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]
    target: str = ""
    domain_id: str = ""
    by: str = ""
    at: str = ""


class PermissionExpired(Payload):
    """A grant has come to its end, which was `expires_at`."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "grant_id"

    grant_id: str
    principal: str
    resource: str
    permissions: tuple[str, ...]
    target: str
    domain_id: str
    expires_at: str
    at: str


class TagAssigned(Payload):
    """A resource, or a column of it, carries an LF-tag with this value now."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "resource"

    resource: str
    column: str
    key: str
    value: str
    by: str
    at: str


class TagRemoved(Payload):
    """A resource, or a column of it, carries an LF-tag no more."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "resource"

    resource: str
    column: str
    key: str
    by: str
    at: str


class TagMaskChanged(Payload):
    """A mask was put on an LF-tag, or taken off; without a domain it is of the whole mesh."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "key"

    key: str
    value: str
    domain_id: str | None
    change: Literal["put", "deleted"]
    by: str
    at: str


class DataFilterChanged(Payload):
    """A data filter of an asset was made, changed or removed."""

    source: ClassVar[str] = _SOURCE
    entity_field: ClassVar[str] = "asset_id"

    asset_id: str
    name: str
    change: Literal["put", "deleted"]
    by: str
    at: str
