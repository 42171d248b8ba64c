"""Bodies of the subscriptions service."""

from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, StringConstraints, model_serializer

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, PrincipalName, Text

Status = Literal[
    "requested", "approved", "active", "rejected", "withdrawn", "revoking", "revoked", "renewed",
    "expired",
]  # fmt: skip
Level = Literal["public", "internal", "confidential", "restricted"]
Reason = Annotated[Text, StringConstraints(min_length=1)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=4000)]
Instant = Annotated[str, StringConstraints(max_length=64)]
Version = Annotated[int, Field(ge=1, le=10**15)]


class MaskChoice(ApiModel):
    """How to mask a column.

    `hash` is keyed: equal values stay equal and nothing leads back. `partial` shows the ends of a
    text, `truncate` a date to its unit, `round` a number to its digits (2 is cents, -3 thousands).
    `none` shows the column plainly though a tag would mask it.
    """

    kind: Literal["none", "round", "truncate", "partial", "hash", "constant", "null"]
    value: Line | None = None
    keep_first: int | None = Field(default=None, ge=0, le=1000)
    keep_last: int | None = Field(default=None, ge=0, le=1000)
    fill: Annotated[Line, StringConstraints(max_length=1)] | None = None
    unit: Literal["year", "quarter", "month", "week", "day", "hour"] | None = None
    digits: int | None = Field(default=None, ge=-30, le=30)


class MaskView(MaskChoice):
    """A mask as it was chosen: only what belongs to its kind."""

    @model_serializer(mode="wrap")
    def _without_gaps(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        shown: dict[str, Any] = handler(self)
        return {name: part for name, part in shown.items() if part is not None or name == "value"}


class NewSubscription(ApiModel):
    """A wish to read an asset, for a project, or without one for the caller himself."""

    asset_id: Id
    project_id: Id | None = None
    purpose: Reason
    columns: list[str] | None = Field(default=None, min_length=1, max_length=2000)
    row_filter: Expression | None = None
    expires_at: Instant | None = None


class SubscriptionChange(ApiModel):
    """What the one who asked wants changed; what is left out stays, null takes it away."""

    purpose: Reason | None = None
    columns: list[str] | None = Field(default=None, min_length=1, max_length=2000)
    row_filter: Expression | None = None
    expires_at: Instant | None = None


class Renewal(ApiModel):
    """A wish to go on after the end, with what was granted."""

    expires_at: Instant | None = None
    purpose: Reason


class Approval(ApiModel):
    """A yes, and to how much of it. What is left out here is granted as it was asked for.

    `version` is that of the request that was read; a request that was changed needs it here or as
    If-Match, so that nobody approves what he has not seen.
    """

    reason: Reason
    row_filter: Expression | None = None
    masks: dict[str, MaskChoice] = Field(default_factory=dict, max_length=2000)
    excluded_columns: list[str] = Field(default_factory=list, max_length=2000)
    expires_at: Instant | None = None
    version: Version | None = None


class Rejection(ApiModel):
    """A no; `version` as in an approval."""

    reason: Reason
    version: Version | None = None


class Decision(ApiModel):
    """The end of a request or of a yes."""

    reason: Reason


class WantedTag(ApiModel):
    """A tag of which an asset must carry one of these values."""

    key: Annotated[Line, StringConstraints(max_length=128)]
    values: list[Line] = Field(min_length=1, max_length=50)


Tags = Annotated[list[WantedTag], Field(min_length=1, max_length=50)]


class BulkRequest(ApiModel):
    """A wish to read each listed asset whose tags match; all keys must."""

    tags: Tags
    project_id: Id | None = None
    purpose: Reason
    expires_at: Instant | None = None


class BulkApproval(ApiModel):
    """A yes to each open request for the domain's assets whose tags match.

    `versions` names the version that was read of each request that was changed.
    """

    domain_id: Id
    tags: Tags
    reason: Reason
    expires_at: Instant | None = None
    versions: dict[str, Version] = Field(default_factory=dict, max_length=100)


class SubscriptionQuery(PageQuery):
    """Which subscriptions to list: of an asset, a project, a domain, or one's own as a person."""

    asset_id: Id | None = None
    project_id: Id | None = None
    domain_id: Id | None = None
    subscriber: PrincipalName | None = None


class ScopeView(ApiModel):
    """The rows and columns that were granted."""

    row_filter: str | None
    masks: dict[str, MaskView]
    excluded_columns: list[str]


class ApprovalView(ApiModel):
    """What one approver decided. One that `lapsed` counts no more: his role was taken from him."""

    by: str
    at: str
    reason: str
    roles: list[str]
    lapsed: bool
    row_filter: str | None
    masks: dict[str, MaskView]
    excluded_columns: list[str]
    expires_at: str | None


class RouteView(ApiModel):
    """Who must decide, a step each; no step: the mesh approves by itself."""

    level: Level
    steps: list[str]
    waits_for: list[str]


class SubscriptionView(ApiModel):
    """A subscription."""

    request_id: str
    asset_id: str
    asset_name: str
    domain_id: str
    project_id: str | None
    project_name: str | None
    requested_by: str
    purpose: str
    status: Status
    requested_at: str
    requested_columns: list[str] | None
    requested_row_filter: str | None
    scope: ScopeView | None
    expires_at: str | None
    decided_by: str | None
    decided_at: str | None
    decision_reason: str | None
    revoked_by: str | None
    revoked_at: str | None
    revocation_reason: str | None
    grant_id: str | None
    subscriber: str
    route: RouteView | None
    approvals: list[ApprovalView]
    changed_version: int
    requested_expires_at: str | None
    renewal_of: str | None
    renewed_by: str | None
    version: int


class LeftOut(ApiModel):
    """What a request in bulk left out, and why."""

    id: str
    name: str | None
    code: str
    why: str


class BulkView(ApiModel):
    """What came of a request or an approval in bulk; `more`: not all was looked at, ask again."""

    subscriptions: list[SubscriptionView]
    left_out: list[LeftOut]
    more: bool


class PreviewTarget(ApiModel):
    """What the grant would be on."""

    kind: Literal["rows"]
    asset_id: str


class PreviewColumn(ApiModel):
    """A column that would be granted."""

    name: str
    mask: MaskView | None = None
    field_id: int | None = None


class PreviewFilterColumn(ApiModel):
    """A column that the row filter names."""

    name: str
    field_id: int
    sql_type: str


class PreviewFilter(ApiModel):
    """The rows that would be granted."""

    text: str
    columns: list[PreviewFilterColumn]


class GrantPreview(ApiModel):
    """The grant that an approval would write, if it were the last that is needed."""

    grant_id: str
    principal: str
    target: PreviewTarget
    permissions: list[str]
    grantable: list[str]
    domain_id: str
    row_filter: PreviewFilter | None
    columns: list[PreviewColumn]
    excluded_columns: list[str]
    masks: dict[str, MaskView]
    expires_at: str | None
    subscription_id: str
    granted_by: str
    granted_at: str
    reason: str
    on_aws: Literal["exclude", "view"]
    lake_state: str
    lake_reason: str | None


class Notice(ApiModel):
    """Something that the subscribers of an asset shall know."""

    asset_id: Id
    message: Reason


class NoticeView(ApiModel):
    """How many projects were told, and people who read by themselves."""

    asset_id: str
    projects: int
    people: int


class FulfilmentView(ApiModel):
    """Whether what was decided on a request is true by now: its grant written, or gone."""

    request_id: str
    status: Status
    grant_id: str | None
    fulfilled: bool
