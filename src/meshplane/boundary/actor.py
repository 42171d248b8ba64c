"""Who acts: a person with groups, or a part of the mesh, perhaps on behalf of a person."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Actor:
    """Who sent a request.

    Args:
        subject: of a user's token; for a service, the service's name.
        groups: the groups of the user, or of the user on whose behalf a service acts.
        is_service: whether this is a part of the mesh itself.
        on_behalf_of: the user for whom a service acts, if any.
        trace_id: of the request that started it, for logs and answers.
        via: the execution that acts in somebody's name, for the audit trail.
        hops: how many rules and workflows led here from what a person or a clock began; the events
            of what the actor does carry them.
    """

    subject: str
    groups: frozenset[str] = frozenset()
    is_service: bool = False
    on_behalf_of: str | None = None
    trace_id: str = ""
    via: str | None = None
    hops: int = 0

    @property
    def kind(self) -> str:
        """The Cedar entity type: `User` or `Service`."""
        return "Service" if self.is_service else "User"

    @property
    def name(self) -> str:
        """As it stands in rows and in the audit trail: `user:ada@aviation`, `service:query`."""
        return f"{self.kind.lower()}:{self.subject}"

    @property
    def principals(self) -> tuple[str, ...]:
        """The names under which memberships are looked up: the user, then his groups."""
        if self.is_service:
            return ()
        return (self.name, *(f"group:{group}" for group in sorted(self.groups)))


def service_actor(name: str, on_behalf_of: str | None = None, trace_id: str = "") -> Actor:
    """The actor that a service is when it works by itself."""
    return Actor(name, is_service=True, on_behalf_of=on_behalf_of, trace_id=trace_id)
