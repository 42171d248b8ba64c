"""RAM, put together."""

from collections.abc import Mapping, Sequence
from datetime import timedelta

from meshplane.sandbox.fake import Handler, World
from meshplane.sandbox.ram.operations import Changing
from meshplane.sandbox.ram.reading import Reading
from meshplane.sandbox.ram.shares import Membership, Shares
from meshplane.sandbox.ram.tokens import Tokens


class RamFake:
    """RAM of all accounts.

    Args:
        world: what it shares with other fakes.
    """

    service = "ram"

    def __init__(self, world: World) -> None:
        def lag() -> timedelta:
            return timedelta(seconds=world.visibility_seconds)

        self._shares = Shares(world.clock.now, lag, world.number)
        changing = Changing(self._shares, Tokens(world.number))
        reading = Reading(self._shares, changing, world.number)
        self.handlers: Mapping[str, Handler] = {**changing.handlers(), **reading.handlers()}
        world.services[self.service] = self

    def join(self, account: str, organization: str, units: tuple[str, ...] = ()) -> None:
        """Makes an account a member of an organization.

        Args:
            account: 12 digits.
            organization: its ARN, `arn:aws:organizations::MANAGER:organization/o-…`.
            units: the ARNs of the units that the account lies in, of all levels.
        """
        self._shares.members[account] = Membership(organization, units)

    def groups(self, account: str) -> tuple[str, ...]:
        """The ARNs of the organization and the units that an account belongs to."""
        return self._shares.groups(account)

    def arns(self, owner: str, region: str, names: Sequence[str]) -> tuple[str, ...]:
        """The ARNs of an account's shares by their names, without those that were deleted."""
        return tuple(
            share.arn
            for share in self._shares.shares.values()
            if (share.owner, share.region) == (owner, region)
            and share.name in names
            and share.deleted is None
        )

    def check_principal(self, owner: str, principal: str) -> None:
        """Refuses principals with whom an account cannot share.

        Args:
            owner: the account that shares.
            principal: with whom.

        Raises:
            FakeError: MalformedArnException, or OperationNotPermittedException.
        """
        self._shares.check_principal(owner, principal)

    def keep(
        self, owner: str, region: str, name: str, principal: str, resources: frozenset[str]
    ) -> None:
        """Makes a share of that name have exactly these resources; without any it is deleted.

        A principal who left it, or whose invitation ran out, is put in again.

        Args:
            owner: the account that shares.
            region: where.
            name: of the share; the owner has no other by it.
            principal: with whom.
            resources: their ARNs.
        """
        shares = self._shares
        shares.expire()
        share = next(
            (
                one
                for one in shares.shares.values()
                if (one.owner, one.region, one.name) == (owner, region, name)
                and one.deleted is None
            ),
            None,
        )
        if not resources:
            if share is not None:
                shares.delete(share)
            return
        if share is None:
            share = shares.new(owner, region, name, external=True)
        shares.add_principal(share, principal)
        for part in share.of("RESOURCE"):
            if part.entity not in resources:
                shares.remove(share, "RESOURCE", part.entity)
        for arn in sorted(resources):
            shares.add_resource(share, arn)

    def reaches(self, owner: str, region: str, account: str, principal: str, resource: str) -> bool:
        """Whether a resource is shared with a principal, and its account has accepted.

        Args:
            owner: the account that shares.
            region: where.
            account: where the principal is.
            principal: an account, an organization or a unit of it, or a role or user.
            resource: the ARN by which it is shared.
        """
        shares = self._shares
        shares.expire()
        now, lag = shares.now(), shares.lag()
        for share in shares.shares.values():
            if (share.owner, share.region) != (owner, region) or share.deleted is not None:
                continue
            who = share.parts.get(("PRINCIPAL", principal))
            what = share.parts.get(("RESOURCE", resource))
            if who is None or what is None or not self._is_in(account, principal):
                continue
            if {who.status(now, lag), what.status(now, lag)} == {"ASSOCIATED"}:
                return True
        return False

    def _is_in(self, account: str, principal: str) -> bool:
        groups = self._shares.groups(account)
        return account in principal or principal in groups
