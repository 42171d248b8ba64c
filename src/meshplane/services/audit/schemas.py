"""Bodies of the audit service."""

from typing import Any

from pydantic import Field

from meshplane.boundary.schemas import ApiModel


class AuditQuery(ApiModel):
    """Which records to list: those after `cursor`."""

    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=20)


class AuditRecordView(ApiModel):
    """A record of the trail. `outcome` is allowed, refused or failed."""

    sequence: int
    time: str
    operation: str
    actor: str
    on_behalf_of: str | None
    outcome: str
    code: str | None
    resource: str | None
    detail: dict[str, Any]
    trace_id: str
    previous_hash: str
    hash: str


class VerificationView(ApiModel):
    """What checking the whole chain found; `firstBroken` is the first bad record's number.

    `anchors` is how many heads were noted outside the database, `anchorsValid` whether the chain
    still holds each of them.
    """

    valid: bool
    records: int
    head: str
    first_broken: int | None
    anchors: int
    anchors_valid: bool
