"""The shares that Lake Formation makes in RAM for what is granted to other accounts.

From the Developer Guide: *Cross-account data sharing in Lake Formation* (a grant shares by itself),
*Updating cross-account data sharing version settings* (version 1: a share for each grant; from 2 on
one share carries many grants to a principal; LF-tags use RAM from 3 on, and go without before),
*Accessing and viewing shared Data Catalog tables and databases* (an invitation, but within an
organization). From RAM's guide: an invitation that ran out is made anew by sharing again.
"""

import hashlib
from collections.abc import Sequence
from typing import Protocol

from meshplane.sandbox.fake import FakeError
from meshplane.sandbox.lakeformation.atoms import ALL_TABLES, IAM_ALLOWED, Atom, invalid
from meshplane.sandbox.lakeformation.permissions import account_of
from meshplane.sandbox.lakeformation.state import State

_FIRST_VERSION_OF_TAGS_BY_RAM = 3
_FIRST_VERSION_OF_JOINED_SHARES = 2


class Ram(Protocol):
    """What is asked of RAM."""

    def keep(
        self, owner: str, region: str, name: str, principal: str, resources: frozenset[str]
    ) -> None:
        """Makes a share of that name have exactly these resources; without any it is deleted."""
        ...

    def reaches(self, owner: str, region: str, account: str, principal: str, resource: str) -> bool:
        """Whether a resource is shared with a principal, and its account has accepted."""
        ...

    def groups(self, account: str) -> tuple[str, ...]:
        """The organizations and units that an account belongs to."""
        ...

    def arns(self, owner: str, region: str, names: Sequence[str]) -> tuple[str, ...]:
        """The ARNs of an account's shares by their names."""
        ...

    def check_principal(self, owner: str, principal: str) -> None:
        """Refuses principals with whom an account cannot share."""
        ...


class Sharing:
    """Keeps the shares of one account in line with its grants.

    Args:
        ram: None where there is none: then nothing arrives in other accounts.
    """

    def __init__(self, ram: Ram | None) -> None:
        self._ram = ram

    def share(self, owner: State, principal: str) -> None:
        """Makes the shares for a principal be what is granted to him by the account.

        Args:
            owner: the account that granted, or revoked.
            principal: to or from whom.
        """
        if self._ram is None or principal == IAM_ALLOWED or account_of(principal) == owner.account:
            return
        wanted: dict[str, set[str]] = {}
        made = self._made(owner, principal)
        joined = owner.version() >= _FIRST_VERSION_OF_JOINED_SHARES
        for atom, _ in owner.of(principal):
            if atom.catalog == owner.account and _by_ram(owner, atom):
                # A share outlives a change of the version: what was accepted stays accepted.
                kept = min(made) if made and joined else None
                name = kept or _share_name(owner, principal, atom)
                wanted.setdefault(name, set()).update(resources_of(owner.region, atom))
        for name in sorted({*wanted, *made}):
            resources = frozenset(wanted.get(name, ()))
            self._ram.keep(owner.account, owner.region, name, principal, resources)
        owner.shares[principal] = frozenset(wanted)

    def share_arns(self, owner: State, principal: str) -> tuple[str, ...]:
        """The ARNs of the shares by which a principal gets what is granted to him.

        Args:
            owner: the account that granted.
            principal: to whom.
        """
        if self._ram is None:
            return ()
        names = sorted(self._made(owner, principal))
        return self._ram.arns(owner.account, owner.region, names)

    def may_share(self, owner: State, principal: str) -> None:
        """Refuses principals of other accounts with whom RAM does not share.

        Args:
            owner: the account that wants to share.
            principal: with whom.

        Raises:
            FakeError: InvalidInputException.
        """
        if self._ram is None:
            return
        try:
            self._ram.check_principal(owner.account, principal)
        except FakeError as error:
            raise invalid(error.message) from error

    def shared(self, owner: State, account: str, principal: str, atom: Atom) -> bool:
        """Whether an atom has come to a principal in another account.

        Args:
            owner: the account that it is of.
            account: where the principal is.
            principal: to whom it was granted.
            atom: what.
        """
        if not _by_ram(owner, atom):
            return True
        return self._ram is not None and all(
            self._ram.reaches(owner.account, owner.region, account, principal, resource)
            for resource in resources_of(owner.region, atom)
        )

    def groups(self, account: str) -> tuple[str, ...]:
        """The organizations and units that an account belongs to."""
        return self._ram.groups(account) if self._ram is not None else ()

    def _made(self, owner: State, principal: str) -> frozenset[str]:
        return owner.shares.get(principal, frozenset())


def resources_of(region: str, atom: Atom) -> tuple[str, ...]:
    """The ARNs by which RAM shares an atom.

    Args:
        region: of the catalogue.
        atom: what is shared.
    """
    base = f"arn:aws:glue:{region}:{atom.catalog}"
    if not atom.database:
        return (f"{base}:catalog",)
    database = f"{base}:database/{atom.database}"
    if not atom.table:
        return (f"{base}:catalog", database)
    table = "*" if atom.table == ALL_TABLES else atom.table
    return (f"{base}:catalog", database, f"{base}:table/{atom.database}/{table}")


def _by_ram(owner: State, atom: Atom) -> bool:
    return atom.kind not in {"policy", "tag"} or owner.version() >= _FIRST_VERSION_OF_TAGS_BY_RAM


def _share_name(owner: State, principal: str, atom: Atom) -> str:
    """The name that Lake Formation gives a share, which does not change while the grant lasts."""
    version = owner.version()
    about = principal if version >= _FIRST_VERSION_OF_JOINED_SHARES else f"{principal} {atom!r}"
    digest = hashlib.sha256(f"{owner.account} {owner.region} {about}".encode()).hexdigest()
    prefix = "LakeFormation" if version == 1 else f"LakeFormation-V{version}"
    return f"{prefix}-{digest[:10].upper()}"
