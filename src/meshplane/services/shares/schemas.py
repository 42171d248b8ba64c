"""Bodies of the shares service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Cause, Id, PageQuery

Account = Annotated[str, StringConstraints(pattern=r"^[0-9]{12}$")]
Permission = Literal["SELECT", "DESCRIBE"]
Status = Literal["PENDING", "SHARED", "GRANTED", "ACCEPTED", "VERIFIED", "ACTIVE", "FAILED"]


RoleArn = Annotated[
    str,
    StringConstraints(
        pattern=r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$", max_length=600
    ),
]
DatabaseName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]


class NewShare(ApiModel):
    """A wish to share a data product with an account, named by its 12 digits.

    On AWS, `readerRole` is the role of that account that is to read the product, and
    `linkDatabase` the database there that gets a link to it.
    """

    asset_id: Id
    target_account: Account
    permissions: list[Permission] = Field(min_length=1, max_length=2)
    reader_role: RoleArn | None = None
    link_database: DatabaseName | None = None


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
    reader_role: str | None
    link_database: str
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
