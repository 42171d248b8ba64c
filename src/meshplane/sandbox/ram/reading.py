"""RAM's operations that read.

A list may give an empty page with a token of the next one, as RAM's lists do; every fourth that
begins does here.
"""

from collections.abc import Callable, Sequence
from typing import Any

from meshplane.sandbox.fake import Caller, Handler
from meshplane.sandbox.paging import page, token_of
from meshplane.sandbox.ram.operations import Changing, check_share_arn
from meshplane.sandbox.ram.shares import Part, Share, Shares, refused, shown_share

_PAGE = 100
_EMPTY_EVERY = 4
_TYPES = {"catalog": "glue:Catalog", "database": "glue:Database", "table": "glue:Table"}


class Reading:
    """Lists of shares, of what is in them, and of invitations.

    Args:
        shares: all of them.
        changing: shows associations and invitations as its own answers do.
        number: the next number of a kind, from 1.
    """

    def __init__(self, shares: Shares, changing: Changing, number: Callable[[str], int]) -> None:
        self._shares, self._changing, self._number = shares, changing, number

    def handlers(self) -> dict[str, Handler]:
        """By the operation's name."""
        return {
            "GetResourceShares": self._get_shares,
            "GetResourceShareAssociations": self._associations,
            "GetResourceShareInvitations": self._invitations,
            "ListPendingInvitationResources": self._pending_resources,
            "ListResources": self._resources,
            "ListPrincipals": self._principals,
        }

    def _get_shares(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        found = []
        for share in self._named(caller, given):
            status = self._status(caller, share, given["resourceOwner"])
            wanted = given.get("resourceShareStatus")
            if status and (wanted is None or status == wanted):
                found.append(shown_share(share, status))
        if given.get("name"):
            found = [one for one in found if one["name"] == given["name"]]
        for tag in given.get("tagFilters") or ():
            found = [one for one in found if _tagged(one["tags"], tag)]
        return self._page("resourceShares", found, given)

    def _associations(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        kind = given["associationType"]
        if kind == "PRINCIPAL" and given.get("resourceArn"):
            raise refused("InvalidParameterException", "Principals are not listed by a resource.")
        if kind == "RESOURCE" and given.get("principal"):
            raise refused("InvalidParameterException", "Resources are not listed by a principal.")
        wanted = given.get("resourceArn") or given.get("principal")
        found = [
            self._changing.shown(share, (kind, part.entity))
            for share in self._named(caller, given)
            if share.owner == caller.account
            for part in share.of(kind)
            if wanted in (None, part.entity) and self._is_seen(part)
        ]
        status = given.get("associationStatus")
        found = [one for one in found if status in (None, one["status"])]
        return self._page("resourceShareAssociations", found, given)

    def _invitations(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        self._shares.expire()
        arns = given.get("resourceShareInvitationArns")
        mine = {
            one.arn: one
            for one in self._shares.invitations.values()
            if one.receiver == caller.account
            and self._shares.shares[one.share].region == caller.region
        }
        if arns and not set(arns) <= mine.keys():
            raise refused(
                "ResourceShareInvitationArnNotFoundException", "There is no such invitation."
            )
        for arn in given.get("resourceShareArns") or ():
            check_share_arn(arn)
        of = given.get("resourceShareArns")
        found = [
            self._changing.shown_invitation(one)
            for arn, one in mine.items()
            if (not arns or arn in arns)
            and (not of or one.share in of)
            and self._shares.now() >= one.sent + self._shares.lag()
        ]
        return self._page("resourceShareInvitations", found, given)

    def _pending_resources(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        self._shares.expire()
        one = self._shares.invitations.get(given["resourceShareInvitationArn"])
        if one is None or one.receiver != caller.account:
            raise refused(
                "ResourceShareInvitationArnNotFoundException", "There is no such invitation."
            )
        if one.status != "PENDING":
            raise refused(
                "ResourceShareInvitationExpiredException"
                if one.status == "EXPIRED"
                else "ResourceShareInvitationAlreadyRejectedException",
                "The invitation is not pending.",
            )
        share = self._shares.shares[one.share]
        found = [self._resource(share, part) for part in share.of("RESOURCE") if not part.removed]
        return self._page("resources", found, given)

    def _resources(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        arns = given.get("resourceArns")
        found = [
            self._resource(share, part)
            for share in self._of(caller, given)
            if not given.get("principal") or _has(share, given["principal"])
            for part in share.of("RESOURCE")
            if part.status(self._shares.now(), self._shares.lag()) == "ASSOCIATED"
            and (not arns or part.entity in arns)
            and _of_type(part.entity, given.get("resourceType"))
        ]
        return self._page("resources", found, given)

    def _principals(self, caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        wanted, arn = given.get("principals"), given.get("resourceArn")
        found = []
        for share in self._of(caller, given):
            resources = [part.entity for part in share.of("RESOURCE") if not part.removed]
            if arn and arn not in resources:
                continue
            kind = given.get("resourceType")
            if kind and not any(_of_type(one, kind) for one in resources):
                continue
            if given["resourceOwner"] == "OTHER-ACCOUNTS":
                parts = [Part(share.owner, "PRINCIPAL", True, share.made, share.changed)]
            else:
                parts = [
                    part
                    for part in share.of("PRINCIPAL")
                    if not part.removed and self._is_seen(part)
                ]
            found += [
                {
                    "id": part.entity,
                    "resourceShareArn": share.arn,
                    "creationTime": part.added,
                    "lastUpdatedTime": part.changed,
                    "external": part.external,
                }
                for part in parts
                if not wanted or part.entity in wanted
            ]
        return self._page("principals", found, given)

    def _of(self, caller: Caller, given: dict[str, Any]) -> list[Share]:
        """The shares that a list is about: one's own, or those that one takes part in."""
        return [
            share
            for share in self._named(caller, given)
            if self._status(caller, share, given["resourceOwner"]) == "ACTIVE"
        ]

    def _named(self, caller: Caller, given: dict[str, Any]) -> list[Share]:
        self._shares.expire()
        arns = given.get("resourceShareArns")
        for arn in arns or ():
            check_share_arn(arn)
            if arn not in self._shares.shares:
                raise refused("UnknownResourceException", "There is no such resource share.")
        return [
            share
            for share in self._shares.shares.values()
            if share.region == caller.region and (not arns or share.arn in arns)
        ]

    def _status(self, caller: Caller, share: Share, owner: str) -> str:
        """The status of a share as the caller sees it; nothing if he does not."""
        now, lag = self._shares.now(), self._shares.lag()
        if (share.owner == caller.account) != (owner == "SELF") or now < share.made + lag:
            return ""
        if share.deleted is not None:
            deleted = "DELETED" if now >= share.deleted + lag else "DELETING"
            return deleted if owner == "SELF" else ""
        return "ACTIVE" if owner == "SELF" else self._shares.takes_part(share, caller.account)

    def _is_seen(self, part: Part) -> bool:
        return self._shares.now() >= part.added + self._shares.lag()

    def _resource(self, share: Share, part: Part) -> dict[str, Any]:
        return {
            "arn": part.entity,
            "type": _type(part.entity),
            "resourceShareArn": share.arn,
            "status": "AVAILABLE",
            "creationTime": part.added,
            "lastUpdatedTime": part.changed,
            "resourceRegionScope": "REGIONAL",
        }

    def _page(
        self, member: str, found: Sequence[dict[str, Any]], given: dict[str, Any]
    ) -> dict[str, Any]:
        begins = not given.get("nextToken")
        if begins and self._number("ram list") % _EMPTY_EVERY == 0:
            return {member: [], "nextToken": token_of(0)}
        shown, token = page(
            found,
            given,
            size=_PAGE,
            token="nextToken",  # noqa: S106 - the name of a parameter
            most="maxResults",
            wrong="InvalidNextTokenException",
        )
        answer: dict[str, Any] = {member: shown}
        return {**answer, "nextToken": token} if token else answer


def _tagged(tags: list[dict[str, str]], wanted: dict[str, Any]) -> bool:
    values = wanted.get("tagValues")
    return any(
        tag["key"] == wanted.get("tagKey") and (not values or tag["value"] in values)
        for tag in tags
    )


def _has(share: Share, principal: str) -> bool:
    part = share.parts.get(("PRINCIPAL", principal))
    return part is not None and not part.removed


def _type(arn: str) -> str:
    service, resource = arn.split(":")[2], arn.split(":", 5)[5]
    kind = resource.split("/")[0].split(":")[0]
    return _TYPES.get(kind, f"{service}:{kind}") if service == "glue" else f"{service}:{kind}"


def _of_type(arn: str, kind: str | None) -> bool:
    return kind is None or _type(arn).lower() == kind.lower()
