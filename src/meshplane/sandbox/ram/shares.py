"""What RAM keeps: shares, what and who is in them, invitations, organizations.

From the AWS RAM User Guide: *Terms and concepts*, *Creating a resource share* (an organization or
a unit of one only from within it, with sharing enabled), *Accepting and rejecting resource share
invitations* (no invitation within an organization that shares; 12 hours to accept, after which the
invitation is EXPIRED and its principal leaves the share; Glue's types are not among those that have
seven days), *Using shared resources* (no invitation for the account that owns the resource).
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from meshplane.sandbox.fake import FakeError

ACCEPT_WITHIN = timedelta(hours=12)
"""How long an invitation can be accepted."""

_ACCOUNT = re.compile(r"[0-9]{12}")
_IAM = re.compile(r"arn:aws:iam::([0-9]{12}):(?:role|user)/\S+")
_EVERYBODY = re.compile(r"([0-9]{12}):IAMPrincipals")
_ORGANIZATION = re.compile(
    r"arn:aws:organizations::([0-9]{12}):(?:organization|ou)/(o-[a-z0-9]+)\S*"
)


@dataclass
class Membership:
    """An account's place in an organization.

    Args:
        organization: the organization's ARN, `arn:aws:organizations::MANAGER:organization/o-…`.
        units: the ARNs of the units that it lies in, all levels.
    """

    organization: str
    units: tuple[str, ...] = ()


@dataclass
class Part:
    """A principal or a resource of a share.

    Args:
        entity: a principal, or a resource's ARN.
        kind: `PRINCIPAL` or `RESOURCE`.
        external: whether it is of another organization than the owner.
        added: when.
        changed: when it was last added, accepted or removed.
        waits: whether its invitation has not been accepted.
        removed: whether it is gone.
    """

    entity: str
    kind: str
    external: bool
    added: datetime
    changed: datetime
    waits: bool = False
    removed: bool = False

    def status(self, now: datetime, lag: timedelta) -> str:
        """ASSOCIATING, ASSOCIATED, DISASSOCIATING or DISASSOCIATED."""
        settled = now >= self.changed + lag
        if self.removed:
            return "DISASSOCIATED" if settled else "DISASSOCIATING"
        return "ASSOCIATED" if settled and not self.waits else "ASSOCIATING"


@dataclass
class Invitation:
    """Asks an account whether it takes part in a share."""

    arn: str
    share: str
    receiver: str
    principal: str
    sent: datetime
    status: str = "PENDING"


@dataclass
class Share:
    """A resource share.

    Args:
        arn: its own.
        name: need not be the only one of its kind.
        owner: the account.
        region: where it is.
        external: whether accounts outside the owner's organization may be in it.
        made: when.
        changed: when it was last changed.
        tags: as they were given.
        deleted: when, if it is.
        parts: by kind and entity.
    """

    arn: str
    name: str
    owner: str
    region: str
    external: bool
    made: datetime
    changed: datetime
    tags: list[dict[str, str]] = field(default_factory=list)
    deleted: datetime | None = None
    parts: dict[tuple[str, str], Part] = field(default_factory=dict)

    def of(self, kind: str) -> Iterator[Part]:
        """Its principals, or its resources; those that were removed, too."""
        return iter([part for part in self.parts.values() if part.kind == kind])


def refused(code: str, message: str) -> FakeError:
    """An error of RAM's."""
    return FakeError(code, message)


class Shares:
    """All shares of all accounts.

    Args:
        now: the present instant.
        lag: how long what is changed stays unsettled.
        number: the next number of a kind, from 1.
    """

    def __init__(
        self,
        now: Callable[[], datetime],
        lag: Callable[[], timedelta],
        number: Callable[[str], int],
    ) -> None:
        self.now, self.lag, self._number = now, lag, number
        self.members: dict[str, Membership] = {}
        self.enabled: set[str] = set()
        self.shares: dict[str, Share] = {}
        self.invitations: dict[str, Invitation] = {}

    def groups(self, account: str) -> tuple[str, ...]:
        """The organization of an account and its units; nothing outside any."""
        place = self.members.get(account)
        return (place.organization, *place.units) if place is not None else ()

    def together(self, account: str, other: str) -> bool:
        """Whether two accounts are of one organization that shares."""
        mine, theirs = self.members.get(account), self.members.get(other)
        return (
            mine is not None
            and theirs is not None
            and mine.organization == theirs.organization
            and mine.organization in self.enabled
        )

    def new(self, owner: str, region: str, name: str, *, external: bool) -> Share:
        """Makes an empty share."""
        number = self._number("ram resource share")
        arn = f"arn:aws:ram:{region}:{owner}:resource-share/{_id(number)}"
        share = Share(arn, name, owner, region, external, self.now(), self.now())
        self.shares[arn] = share
        return share

    def check_principal(self, owner: str, principal: str, *, external: bool = True) -> None:
        """Refuses principals that cannot be in a share.

        Args:
            owner: the account that shares.
            principal: with whom.
            external: whether the share takes accounts outside the owner's organization.

        Raises:
            FakeError: MalformedArnException, or OperationNotPermittedException.
        """
        found = _ORGANIZATION.fullmatch(principal)
        if found:
            mine = self.members.get(owner)
            inside = mine is not None and f"/{found[2]}" in mine.organization
            if mine is None or not inside or mine.organization not in self.enabled:
                raise refused(
                    "OperationNotPermittedException",
                    "Sharing with the organization is not enabled, or the account is not in it.",
                )
            return
        account = account_of(principal)
        if account != owner and not external and not self.together(owner, account):
            raise refused(
                "OperationNotPermittedException",
                "The share is for the owner's organization, and the principal is outside.",
            )

    def add_principal(self, share: Share, principal: str) -> Part:
        """Puts a principal into a share, with an invitation if he needs one."""
        self.check_principal(share.owner, principal, external=share.external)
        there = share.parts.get(("PRINCIPAL", principal))
        if there is not None and not there.removed:
            return there
        organization = bool(_ORGANIZATION.fullmatch(principal))
        account = "" if organization else account_of(principal)
        at_home = organization or account == share.owner or self.together(share.owner, account)
        waits = not at_home and not self._accepted(share, account)
        part = Part(principal, "PRINCIPAL", not at_home, self.now(), self.now(), waits)
        share.parts["PRINCIPAL", principal] = part
        share.changed = self.now()
        if waits:
            number = self._number("ram invitation")
            arn = (
                f"arn:aws:ram:{share.region}:{share.owner}:resource-share-invitation/{_id(number)}"
            )
            self.invitations[arn] = Invitation(arn, share.arn, account, principal, self.now())
        return part

    def add_resource(self, share: Share, arn: str) -> Part:
        """Puts a resource into a share."""
        check_resource(share.owner, share.region, arn)
        there = share.parts.get(("RESOURCE", arn))
        if there is not None and not there.removed:
            return there
        part = Part(arn, "RESOURCE", False, self.now(), self.now())
        share.parts["RESOURCE", arn] = part
        share.changed = self.now()
        return part

    def remove(self, share: Share, kind: str, entity: str) -> Part | None:
        """Takes a principal or a resource out of a share; None: it was not in."""
        part = share.parts.get((kind, entity))
        if part is None or part.removed:
            return None
        part.removed, part.waits, part.changed = True, False, self.now()
        share.changed = self.now()
        for one in self.invitations.values():
            mine = one.share == share.arn and one.principal == entity
            if kind == "PRINCIPAL" and mine and one.status == "PENDING":
                one.status = "EXPIRED"
        return part

    def delete(self, share: Share) -> None:
        """Ends a share and all that is in it."""
        for kind, entity in list(share.parts):
            self.remove(share, kind, entity)
        share.deleted = share.changed = self.now()

    def expire(self) -> None:
        """Ends the invitations that nobody accepted in time, and takes their principals out."""
        for one in self.invitations.values():
            if one.status == "PENDING" and self.now() >= one.sent + ACCEPT_WITHIN:
                one.status = "EXPIRED"
                self.remove(self.shares[one.share], "PRINCIPAL", one.principal)

    def answer(self, one: Invitation, status: str) -> None:
        """Accepts or rejects an invitation."""
        one.status = status
        share = self.shares[one.share]
        if status == "REJECTED":
            self.remove(share, "PRINCIPAL", one.principal)
            return
        part = share.parts["PRINCIPAL", one.principal]
        part.waits, part.changed = False, self.now()

    def _accepted(self, share: Share, account: str) -> bool:
        """Whether the account takes part already, by another principal of it."""
        return any(
            not part.removed
            and not part.waits
            and not _ORGANIZATION.fullmatch(part.entity)
            and account_of(part.entity) == account
            for part in share.of("PRINCIPAL")
        )

    def takes_part(self, share: Share, account: str) -> str:
        """How an account is in a share: ``, `PENDING` or `ACTIVE`."""
        groups, found = self.groups(account), ""
        for part in share.of("PRINCIPAL"):
            if part.removed or share.owner == account:
                continue
            if _ORGANIZATION.fullmatch(part.entity):
                mine = part.entity in groups
            else:
                mine = account_of(part.entity) == account
            if mine and not part.waits:
                return "ACTIVE"
            found = "PENDING" if mine else found
        return found


def account_of(principal: str) -> str:
    """The account that a principal is of.

    Raises:
        FakeError: MalformedArnException, it is none.
    """
    if _ACCOUNT.fullmatch(principal):
        return principal
    for form in (_IAM, _EVERYBODY):
        found = form.fullmatch(principal)
        if found:
            return found[1]
    raise refused("MalformedArnException", "The principal is no account, role, user or ARN.")


def check_resource(owner: str, region: str, arn: str) -> None:
    """Refuses resources that the account does not own here.

    Raises:
        FakeError: MalformedArnException, or OperationNotPermittedException.
    """
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or not parts[5]:  # an ARN has six parts
        raise refused("MalformedArnException", "The resource is named by no valid ARN.")
    if parts[4] != owner or parts[3] not in ("", region):
        raise refused(
            "OperationNotPermittedException", "A resource is shared by its owner, in its region."
        )


def shown_share(share: Share, status: str) -> dict[str, Any]:
    """A share as the API shows it."""
    return {
        "resourceShareArn": share.arn,
        "name": share.name,
        "owningAccountId": share.owner,
        "allowExternalPrincipals": share.external,
        "status": status,
        "tags": list(share.tags),
        "creationTime": share.made,
        "lastUpdatedTime": share.changed,
        "featureSet": "STANDARD",
    }


def _id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012x}"
