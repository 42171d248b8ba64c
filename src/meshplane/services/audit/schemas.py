"""Bodies of the audit service."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, in_words


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


class AccessQuery(ApiModel):
    """Of what, and on which date: `asset:asset-…`, `domain:dzd-…`, or `tags` of the whole mesh.

    `at` is an RFC 3339 instant; without it, it is now.
    """

    resource: Annotated[
        str,
        StringConstraints(max_length=120, pattern=r"^((asset|domain):[a-z0-9-]+|tags)$"),
        in_words("Write asset:ID, domain:ID or tags, such as asset:asset-1a2b."),
    ]
    at: Annotated[str, StringConstraints(max_length=64)] | None = None


class HeldGrantView(ApiModel):
    """A grant as it was then, and who made it so, when and why.

    `target` is what it was on, in short, and `resource` the same in parts. `how` is `changed` where
    it had been another before. A grant that the lake was known not to hold (`lakeState`) let
    nothing through.
    """

    grant_id: str
    principal: str
    target: str
    resource: dict[str, Any]
    permissions: list[str]
    permissions_with_grant_option: list[str]
    row_filter: str | None
    columns: list[str]
    masks: dict[str, dict[str, Any]]
    expires_at: str | None
    subscription_id: str | None
    lake_state: Literal["pending", "applied", "missing", "changed", "failed"]
    how: Literal["granted", "changed"]
    by: str
    at: str
    reason: str


class HeldTagView(ApiModel):
    """A tag that a resource, or a column of it, carried then."""

    resource: str
    column: str
    key: str
    value: str


class AccessAtView(ApiModel):
    """Who had what on a resource at an instant."""

    resource: str
    at: str
    grants: list[HeldGrantView]
    tags: list[HeldTagView]
    tag_masks: list[dict[str, Any]]
    filters: list[dict[str, Any]]
