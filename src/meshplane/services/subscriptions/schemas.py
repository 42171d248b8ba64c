"""Bodies of the subscriptions service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, Text

Status = Literal["requested", "approved", "active", "rejected", "revoking", "revoked", "expired"]
Reason = Annotated[Text, StringConstraints(min_length=1)]
Expression = Annotated[str, StringConstraints(min_length=1, max_length=4000)]


class MaskChoice(ApiModel):
    """How to mask a column: `hash` is keyed, equal values stay equal and nothing leads back."""

    kind: Literal["null", "hash", "constant"]
    value: Line | None = None


class NewSubscription(ApiModel):
    """A wish to read an asset."""

    asset_id: Id
    project_id: Id
    purpose: Reason
    columns: list[str] | None = Field(default=None, min_length=1, max_length=2000)
    row_filter: Expression | None = None
    expires_at: str | None = Field(default=None, max_length=64)


class Approval(ApiModel):
    """A yes, and to how much of it. What is left out here is granted as it was asked for."""

    reason: Reason
    row_filter: Expression | None = None
    masks: dict[str, MaskChoice] = Field(default_factory=dict, max_length=2000)
    excluded_columns: list[str] = Field(default_factory=list, max_length=2000)
    expires_at: str | None = Field(default=None, max_length=64)


class Decision(ApiModel):
    """A no, or the end of a yes."""

    reason: Reason


class SubscriptionQuery(PageQuery):
    """Which subscriptions to list; one of asset, project and domain."""

    asset_id: Id | None = None
    project_id: Id | None = None
    domain_id: Id | None = None


class ScopeView(ApiModel):
    """The rows and columns that were granted."""

    row_filter: str | None
    masks: dict[str, MaskChoice]
    excluded_columns: list[str]


class SubscriptionView(ApiModel):
    """A subscription."""

    request_id: str
    asset_id: str
    asset_name: str
    domain_id: str
    project_id: str
    project_name: str
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
    version: int


class Notice(ApiModel):
    """Something that the subscribers of an asset shall know."""

    asset_id: Id
    message: Reason


class NoticeView(ApiModel):
    """How many projects were told."""

    asset_id: str
    projects: int


class FulfilmentView(ApiModel):
    """Whether what was decided on a request is true by now: its grant written, or gone."""

    request_id: str
    status: Status
    grant_id: str | None
    fulfilled: bool
