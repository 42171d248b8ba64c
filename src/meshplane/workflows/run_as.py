"""In whose name the tasks of an execution act."""

from dataclasses import dataclass
from typing import Any

from meshplane.boundary.actor import Actor


@dataclass(frozen=True, slots=True)
class RunAs:
    """Who answers for an execution.

    Args:
        subject: the user who started it, or the name of the service.
        groups: the user's groups when he started it.
        is_service: whether the mesh itself runs it.
    """

    subject: str
    groups: tuple[str, ...] = ()
    is_service: bool = False

    @staticmethod
    def of(actor: Actor) -> "RunAs":
        """The one who sent a request."""
        return RunAs(actor.subject, tuple(sorted(actor.groups)), actor.is_service)

    @staticmethod
    def from_json(value: dict[str, Any]) -> "RunAs":
        """As a row holds it."""
        return RunAs(value["subject"], tuple(value["groups"]), value["isService"])

    def to_json(self) -> dict[str, Any]:
        """As a row holds it."""
        return {
            "subject": self.subject,
            "groups": list(self.groups),
            "isService": self.is_service,
        }

    def actor(self, trace_id: str = "") -> Actor:
        """The actor for the boundary; `trace_id` names what it acts for."""
        return Actor(
            self.subject, frozenset(self.groups), is_service=self.is_service, trace_id=trace_id
        )


WORKFLOWS_SERVICE = RunAs("workflows", is_service=True)
"""The mesh itself, in whose name the built-in state machines run."""
