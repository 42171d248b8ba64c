"""Puts the shares service together."""

from uuid import uuid4

from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.shares.ports import Sharing
from meshplane.services.shares.routes import routes
from meshplane.services.shares.service import Shares

NEEDS = ("assets",)

_WORKGROUP = "meshplane"


def build(ground: Ground, needs: Needs) -> Built[None]:
    """The service on that ground."""
    sharing: Sharing | None = None
    account = ""
    aws = ground.aws_for("shares")
    if aws is not None:
        from meshplane.services.shares.aws_sharing import AwsSharing

        workgroup = f"{aws.place.prefix}{_WORKGROUP}"
        sharing = AwsSharing(aws, workgroup=workgroup, new_token=lambda: uuid4().hex)
        account = aws.place.account
    return Built(routes(Shares(needs["assets"], sharing, account), ground.boundary), None)
