"""RAM's operations that change something."""

from typing import Any

from meshplane.sandbox.fake import Caller, Handler
from meshplane.sandbox.ram.shares import (
    Invitation,
    Share,
    Shares,
    check_resource,
    refused,
    shown_share,
)
from meshplane.sandbox.ram.tokens import Tokens

_MOST_TAGS = 50


class Changing:
    """Create, change, delete; accept and reject.

    Args:
        shares: all of them.
        tokens: the requests that were carried out under a token.
    """

    def __init__(self, shares: Shares, tokens: Tokens) -> None:
        self._shares, self._tokens = shares, tokens

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        once = self._tokens.once
        return {
            "CreateResourceShare": once("CreateResourceShare", self._create),
            "UpdateResourceShare": once("UpdateResourceShare", self._update),
            "DeleteResourceShare": once("DeleteResourceShare", self._delete),
            "AssociateResourceShare": once("AssociateResourceShare", self._associate),
            "DisassociateResourceShare": once("DisassociateResourceShare", self._disassociate),
            "AcceptResourceShareInvitation": once("AcceptResourceShareInvitation", self._accept),
            "RejectResourceShareInvitation": once("RejectResourceShareInvitation", self._reject),
            "EnableSharingWithAwsOrganization": self._enable,
        }

    def _create(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        tags = given.get("tags") or []
        if len(tags) > _MOST_TAGS:
            raise refused("TagLimitExceededException", "A share has at most 50 tags.")
        external = given.get("allowExternalPrincipals", True)
        # Nothing is made of a request that is refused.
        for arn in given.get("resourceArns") or ():
            check_resource(caller.account, caller.region, arn)
        for one in given.get("principals") or ():
            self._shares.check_principal(caller.account, one, external=external)
        share = self._shares.new(caller.account, caller.region, given["name"], external=external)
        share.tags = [dict(tag) for tag in tags]
        self._put(share, given)
        return {"resourceShare": shown_share(share, "ACTIVE")}

    def _update(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        share = self._own(caller, given)
        external = given.get("allowExternalPrincipals", share.external)
        if not external and any(
            part.external and not part.removed for part in share.of("PRINCIPAL")
        ):
            raise refused("OperationNotPermittedException", "The share has external principals.")
        share.external, share.name = external, given.get("name", share.name)
        share.changed = self._shares.now()
        return {"resourceShare": shown_share(share, "ACTIVE")}

    def _delete(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        self._shares.delete(self._own(caller, given))
        return {"returnValue": True}

    def _associate(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        share = self._own(caller, given)
        if not given.get("principals") and not given.get("resourceArns"):
            raise refused("InvalidParameterException", "Say principals, or resources.")
        for arn in given.get("resourceArns") or ():
            check_resource(share.owner, share.region, arn)
        for one in given.get("principals") or ():
            self._shares.check_principal(share.owner, one, external=share.external)
        return {"resourceShareAssociations": self._put(share, given)}

    def _disassociate(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        share = self._shares.shares.get(given["resourceShareArn"])
        principals = given.get("principals") or []
        leaves = (
            share is not None
            and self._shares.takes_part(share, caller.account) == "ACTIVE"
            and principals == [caller.account]
            and not given.get("resourceArns")
        )
        if share is None or not leaves:
            share = self._own(caller, given)
        wanted = [("PRINCIPAL", one) for one in principals]
        wanted += [("RESOURCE", arn) for arn in given.get("resourceArns") or ()]
        if not wanted:
            raise refused("InvalidParameterException", "Say principals, or resources.")
        there = [share.parts.get(one) for one in wanted]
        if any(part is None or part.removed for part in there):
            raise refused("UnknownResourceException", "The share does not have all of these.")
        for kind, entity in wanted:
            self._shares.remove(share, kind, entity)
        return {"resourceShareAssociations": [self.shown(share, one) for one in wanted]}

    def _accept(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        one = self._pending(caller, given)
        self._shares.answer(one, "ACCEPTED")
        return {"resourceShareInvitation": self.shown_invitation(one)}

    def _reject(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        one = self._pending(caller, given)
        self._shares.answer(one, "REJECTED")
        return {"resourceShareInvitation": self.shown_invitation(one)}

    def _enable(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        place = self._shares.members.get(caller.account)
        if place is None or place.organization.split(":")[4] != caller.account:
            raise refused(
                "OperationNotPermittedException",
                "Sharing is enabled by the management account of an organization.",
            )
        self._shares.enabled.add(place.organization)
        return {"returnValue": True}

    def _put(self, share: Share, given: dict[str, Any]) -> list[dict[str, Any]]:
        keys = []
        for arn in dict.fromkeys(given.get("resourceArns") or ()):
            self._shares.add_resource(share, arn)
            keys.append(("RESOURCE", arn))
        for one in dict.fromkeys(given.get("principals") or ()):
            self._shares.add_principal(share, one)
            keys.append(("PRINCIPAL", one))
        return [self.shown(share, key) for key in keys]

    def _own(self, caller: Caller, given: dict[str, Any]) -> Share:
        self._shares.expire()
        arn = given["resourceShareArn"]
        check_share_arn(arn)
        share = self._shares.shares.get(arn)
        if share is None or share.owner != caller.account or share.region != caller.region:
            raise refused("UnknownResourceException", "The account has no such resource share.")
        if share.deleted is not None:
            raise refused("InvalidStateTransitionException", "The resource share is deleted.")
        return share

    def _pending(self, caller: Caller, given: dict[str, Any]) -> Invitation:
        self._shares.expire()
        arn = given["resourceShareInvitationArn"]
        if ":resource-share-invitation/" not in arn:
            raise refused("MalformedArnException", "That is no ARN of an invitation.")
        one = self._shares.invitations.get(arn)
        if one is None or one.receiver != caller.account:
            raise refused(
                "ResourceShareInvitationArnNotFoundException", "There is no such invitation."
            )
        ended = {
            "ACCEPTED": "ResourceShareInvitationAlreadyAcceptedException",
            "REJECTED": "ResourceShareInvitationAlreadyRejectedException",
            "EXPIRED": "ResourceShareInvitationExpiredException",
        }.get(one.status)
        if ended is not None:
            raise refused(ended, f"The invitation is {one.status.lower()}.")
        return one

    def shown(self, share: Share, key: tuple[str, str]) -> dict[str, Any]:
        """A principal or resource of a share as the API shows it."""
        part = share.parts[key]
        return {
            "resourceShareArn": share.arn,
            "resourceShareName": share.name,
            "associatedEntity": part.entity,
            "associationType": part.kind,
            "status": part.status(self._shares.now(), self._shares.lag()),
            "creationTime": part.added,
            "lastUpdatedTime": part.changed,
            "external": part.external,
        }

    def shown_invitation(self, one: Invitation) -> dict[str, Any]:
        """An invitation as the API shows it."""
        share = self._shares.shares[one.share]
        return {
            "resourceShareInvitationArn": one.arn,
            "resourceShareName": share.name,
            "resourceShareArn": share.arn,
            "senderAccountId": share.owner,
            "receiverAccountId": one.receiver,
            "invitationTimestamp": one.sent,
            "status": one.status,
        }


def check_share_arn(arn: str) -> None:
    """Refuses what is no ARN of a share.

    Raises:
        FakeError: MalformedArnException.
    """
    if not arn.startswith("arn:aws:ram:") or ":resource-share/" not in arn:
        raise refused("MalformedArnException", "That is no ARN of a resource share.")
