"""What the domains service needs of the outside: a place in the portal for each domain."""

from collections.abc import Set
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class DomainThere:
    """A domain as the portal has it; `portal_id` is the portal's name for it."""

    portal_id: str
    name: str
    description: str


class DomainPortal(Protocol):
    """Shows domains and their owners in the portal.

    Owners are `user:…` and `group:…` of single sign-on, and `role:` before the ARN of a role. Every
    method may raise `Unavailable`, and then it is called again.
    """

    async def ensure(self, name: str, description: str) -> DomainThere:
        """The domain of that name; made where there is none, and as it is where there is one."""
        ...

    async def look(self, portal_id: str) -> DomainThere | None:
        """The domain as it is there now; None if it is gone."""
        ...

    async def change(self, portal_id: str, name: str, description: str) -> DomainThere:
        """Changes what is said of it."""
        ...

    async def owners(self, portal_id: str) -> Set[str]:
        """Who owns it; without the mesh itself."""
        ...

    async def add_owner(self, portal_id: str, member: str) -> None:
        """Makes somebody an owner; done again, it is done.

        Raises:
            Missing: PORTAL_MEMBER_UNKNOWN, the portal does not know him.
        """
        ...

    async def remove_owner(self, portal_id: str, member: str) -> None:
        """Takes an owner away; who is none stays none."""
        ...
