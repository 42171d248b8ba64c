"""The share in RAM: its invitation, whether it was accepted, and making an expired one anew.

An invitation to what Lake Formation shares can be accepted for 12 hours. Then its principal leaves
the share; he is invited again by being put into it again. Who rejects it leaves the share at once.

Needs AWS: that the owner sees of a rejection what he sees of an expiry, but earlier.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.services.shares.aws_grants import rows_on, table_of
from meshplane.services.shares.ports import Acceptance, SharedTable

_NOT_YET = frozenset({"UnknownResourceException", "InvalidStateTransitionException"})
_ACCEPTED = "ResourceShareInvitationAlreadyAcceptedException"
_EXPIRED = "ResourceShareInvitationExpiredException"
_REJECTED = "ResourceShareInvitationAlreadyRejectedException"
_OUT = frozenset({"FAILED", "DISASSOCIATED"})
_EXPIRES_AFTER = timedelta(hours=12)
_LENIENCY = timedelta(minutes=5)  # how exactly RAM keeps to the 12 hours
_CLOCKS = timedelta(seconds=10)  # by which ours may be ahead of AWS's


async def arns_of(owner: Aws, shared: SharedTable) -> tuple[str, ...] | None:
    """The ARNs of the shares by which the table goes; None while Lake Formation tells of none.

    Args:
        owner: the owner's account.
        shared: what was granted.
    """
    found = {
        arn
        for row in await rows_on(owner, table_of(shared))
        if row["Principal"]["DataLakePrincipalIdentifier"] == shared.account
        for arn in (row.get("AdditionalDetails") or {}).get("ResourceShare") or ()
    }
    return tuple(sorted(found)) or None


async def answered(
    owner: Aws, there: Aws, shared: SharedTable, arns: Sequence[str]
) -> Acceptance | None:
    """Accepts what is pending, and tells how the share stands; None: look again.

    Args:
        owner: the owner's account.
        there: the other account.
        shared: what was offered.
        arns: of its shares.
    """
    open_ones = {
        share["resourceShareArn"]
        async for share in _shares_from_others(there)
        if share["status"] == "ACTIVE"
    }
    waiting = [arn for arn in arns if arn not in open_ones]
    if not waiting:
        return "ACCEPTED"
    for arn in waiting:
        invitation = await _latest_invitation(there, arn)
        if invitation is None:
            return None
        rejected = invitation["status"] == "REJECTED"
        if rejected and _is_of(shared, invitation["invitationTimestamp"]):
            return "REJECTED"
        if rejected or invitation["status"] == "EXPIRED":
            await _invite_again(owner, shared, arn, invitation["resourceShareInvitationArn"])
        if invitation["status"] == "PENDING":
            await _accept(there, invitation["resourceShareInvitationArn"])
    return None


async def seen_by_owner(owner: Aws, shared: SharedTable, arns: Sequence[str]) -> Acceptance:
    """How the share stands, told from the owner's side alone; an expired one is made anew.

    Args:
        owner: the owner's account.
        shared: what was offered.
        arns: of its shares.
    """
    found = {arn: await _association(owner, shared, arn) for arn in arns}
    if any(one is not None and _was_rejected(shared, one) for one in found.values()):
        return "REJECTED"
    statuses = {arn: "" if one is None else str(one["status"]) for arn, one in found.items()}
    for arn, status in statuses.items():
        if not status or status in _OUT:
            await _put_in(owner, shared, arn, token=None)
    return "ACCEPTED" if set(statuses.values()) == {"ASSOCIATED"} else "PENDING"


def _is_of(shared: SharedTable, at: datetime) -> bool:
    """Whether something of that time is about this share, and not about one before it."""
    return shared.begun_at is None or at > shared.begun_at - _CLOCKS


def _was_rejected(shared: SharedTable, association: dict[str, Any]) -> bool:
    """Whether the account left a share before its invitation could have expired."""
    began, changed = association.get("creationTime"), association.get("lastUpdatedTime")
    if association["status"] != "DISASSOCIATED" or began is None or changed is None:
        return False
    return _is_of(shared, began) and changed - began < _EXPIRES_AFTER - _LENIENCY


async def _shares_from_others(there: Aws) -> Any:
    async for page in there.pages("ram", "get_resource_shares", resourceOwner="OTHER-ACCOUNTS"):
        for share in page["resourceShares"]:
            yield share


async def _latest_invitation(there: Aws, arn: str) -> dict[str, Any] | None:
    found: list[dict[str, Any]] = []
    try:
        async for page in there.pages(
            "ram", "get_resource_share_invitations", resourceShareArns=[arn]
        ):
            found += page["resourceShareInvitations"]
    except AwsRejected as error:
        if error.aws_code not in _NOT_YET:
            raise
    return max(found, key=lambda one: one["invitationTimestamp"], default=None)


async def _accept(there: Aws, arn: str) -> None:
    """Accepts an invitation; one that was answered meanwhile is looked at anew."""
    try:
        await there.call(
            "ram",
            "accept_resource_share_invitation",
            resourceShareInvitationArn=arn,
            clientToken=_token("accept", arn),
        )
    except AwsRejected as error:
        if error.aws_code not in {_ACCEPTED, _EXPIRED, _REJECTED}:
            raise


async def _invite_again(owner: Aws, shared: SharedTable, arn: str, expired: str) -> None:
    found = await _association(owner, shared, arn)
    if found is None or found["status"] in _OUT:
        await _put_in(owner, shared, arn, token=_token("again", expired))


async def _put_in(owner: Aws, shared: SharedTable, arn: str, *, token: str | None) -> None:
    """Puts the account into the share, which invites it.

    Args:
        owner: the owner's account.
        shared: with whom.
        arn: of the share.
        token: so that a request that was carried out is not carried out again.
    """
    more = {"clientToken": token} if token is not None else {}
    try:
        await owner.call(
            "ram",
            "associate_resource_share",
            resourceShareArn=arn,
            principals=[shared.account],
            **more,
        )
    except AwsRejected as error:
        if error.aws_code not in _NOT_YET:
            raise


async def _association(owner: Aws, shared: SharedTable, arn: str) -> dict[str, Any] | None:
    """How the account stands in a share, as its owner sees it; None if it is not in."""
    found: list[dict[str, Any]] = []
    async for page in owner.pages(
        "ram",
        "get_resource_share_associations",
        associationType="PRINCIPAL",
        resourceShareArns=[arn],
        principal=shared.account,
    ):
        found += page["resourceShareAssociations"]
    return found[-1] if found else None


def _token(what: str, arn: str) -> str:
    return f"{what}-{arn.rpartition('/')[2]}"
