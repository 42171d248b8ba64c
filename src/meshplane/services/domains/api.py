"""What the domains service offers to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Missing


@dataclass(frozen=True, slots=True)
class DomainSummary:
    """A domain, for others."""

    domain_id: str
    name: str
    bucket: str


class DomainsApi(Protocol):
    """Reads domains and the roles held in them."""

    async def find(self, actor: Actor, domain_id: str) -> DomainSummary | None:
        """The domain with that id."""
        ...

    async def named(self, actor: Actor, name: str) -> DomainSummary | None:
        """The domain of that name."""
        ...

    async def of_bucket(self, actor: Actor, bucket: str) -> DomainSummary | None:
        """The domain that owns a bucket."""
        ...

    async def roles(self, actor: Actor, domain_id: str, principals: Sequence[str]) -> list[str]:
        """The roles that these principals (`user:…`, `group:…`) hold in the domain."""
        ...

    async def portal_id(self, actor: Actor, domain_id: str) -> str | None:
        """The portal's id of the domain; None while it is not shown there."""
        ...


def no_such_domain() -> Missing:
    """The error for an id that no domain has, the same wherever one is named."""
    return Missing("DOMAIN_NOT_FOUND", "There is no domain with this id.", field="domainId")
