"""What subscriptions need of the outside: a place in the portal for requests and what they gave."""

from dataclasses import dataclass
from typing import Protocol

PENDING, ACCEPTED, REJECTED = "PENDING", "ACCEPTED", "REJECTED"
"""The states of a request there."""

APPROVED, REVOKED, CANCELLED = "APPROVED", "REVOKED", "CANCELLED"
"""The states of a subscription there: in force, ended by the publisher, by the subscriber."""


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A project that asks.

    Args:
        project_id: ours.
        portal_id: the portal's.
    """

    project_id: str
    portal_id: str


@dataclass(frozen=True, slots=True)
class RequestThere:
    """A request as the portal has it.

    Args:
        request_id: the portal's.
        status: `PENDING`, `ACCEPTED` or `REJECTED`.
        subscription_id, subscription: what came of an accepted one, and its state; empty otherwise.
    """

    request_id: str
    status: str
    subscription_id: str = ""
    subscription: str = ""


class SubscriptionPortal(Protocol):
    """Shows requests, decisions and grants in the portal.

    Access itself is the lake's business: the portal is told that it was given. Every method may
    raise `Unavailable`, and then it is called again; done again, each is done.
    """

    async def ask(
        self, subscriber: Subscriber, listing_id: str, own_id: str, reason: str
    ) -> RequestThere:
        """The project's request for a listing; a pending one for the same is it.

        Args:
            subscriber: who asks; it is asked in its own name.
            listing_id: the portal's.
            own_id: of our request: the same request is made once.
            reason: for people.
        """
        ...

    async def look(self, request_id: str) -> RequestThere | None:
        """The request as it is there now; None if it was taken back."""
        ...

    async def request_of(self, subscription_id: str) -> str | None:
        """The request that a subscription came of; None if there is no such subscription."""
        ...

    async def reword(self, subscriber: Subscriber, request_id: str, reason: str) -> None:
        """Gives a pending request another reason."""
        ...

    async def withdraw(self, subscriber: Subscriber, request_id: str) -> None:
        """Takes a pending request back."""
        ...

    async def accept(self, request_id: str, comment: str) -> RequestThere:
        """Accepts a pending request."""
        ...

    async def reject(self, request_id: str, comment: str) -> RequestThere:
        """Turns a pending request down."""
        ...

    async def grant(self, subscriber: Subscriber, subscription_id: str) -> str:
        """Shows that the subscriber has access now; the portal's id of that grant."""
        ...

    async def revoke(self, subscription_id: str, grant_id: str = "") -> None:
        """Ends a subscription, and shows that its access is gone.

        Args:
            subscription_id: the portal's.
            grant_id: what `grant` gave, if it did: the portal's lists may not show it yet.
        """
        ...
