"""Bodies of the shares service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Cause, Id, PageQuery

Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
Permission = Literal["SELECT", "DESCRIBE"]
Status = Literal["PENDING", "SHARED", "GRANTED", "ACCEPTED", "VERIFIED", "ACTIVE", "FAILED"]


class NewShare(ApiModel):
    """A wish to share a data product with an account, named by its 12 digits."""

    asset_id: Id
    target_account: Account
    permissions: list[Permission] = Field(min_length=1, max_length=2)


class ShareFailure(ApiModel):
    """Why a share could not be carried out."""

    reason: Cause


class ShareQuery(PageQuery):
    """Whose shares to list."""

    asset_id: Id


class ShareView(ApiModel):
    """A share."""

    share_id: str
    asset_id: str
    asset_name: str
    domain_id: str
    target_account: str
    permissions: list[Permission]
    status: Status
    initiated_by: str
    initiated_at: str
    changed_at: str
    accepted_by: str | None
    failure_reason: str | None
    version: int


class AcceptanceView(ApiModel):
    """Whether the other side has accepted a share."""

    share_id: str
    accepted: bool
    status: Status
