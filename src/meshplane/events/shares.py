"""Events of shares with other accounts."""

from typing import ClassVar

from meshplane.events.payload import Payload


class CrossAccountShareInitiated(Payload):
    """An asset is to be shared with another account, which has yet to accept.

    `readerRole` is the role there that is to read it, on AWS; null where none was named.
    """

    source: ClassVar[str] = "management-app.shares"
    entity_field: ClassVar[str] = "share_id"

    share_id: str
    asset_id: str
    asset_name: str
    target_account: str
    permissions: tuple[str, ...]
    reader_role: str | None
    initiated_by: str
    initiated_at: str


class CrossAccountShareCompleted(Payload):
    """A share has become active or has failed; `status` is `ACTIVE` or `FAILED`."""

    source: ClassVar[str] = "management-app.shares"
    entity_field: ClassVar[str] = "share_id"

    share_id: str
    asset_id: str
    target_account: str
    status: str
    reason: str | None
    completed_at: str
