"""What a decision is about: who asks, and the resource that he asks for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Membership:
    """A role that somebody holds in a domain or a project.

    Args:
        kind: `Domain` or `Project`.
        id: of the domain or project.
        role: `owner`, `steward`, `contributor`, `viewer`.
    """

    kind: str
    id: str
    role: str


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks.

    Args:
        kind: `User`, or `Service` for a part of the mesh itself.
        id: the subject of the token, or the service's name.
        groups: names of the groups that the user is in.
        mesh_roles: roles in the mesh as a whole: `administrator`, `auditor`.
        memberships: the roles that bear on the resource.
    """

    kind: str
    id: str
    groups: frozenset[str] = frozenset()
    mesh_roles: frozenset[str] = frozenset()
    memberships: frozenset[Membership] = frozenset()


@dataclass(frozen=True, slots=True)
class Resource:
    """What is asked for.

    Args:
        kind: a Cedar entity type: `Mesh`, `Domain`, `Project`, `Table`, `Asset`, `Subscription`…
        id: its id.
        domain_id: the domain it lies in, if any.
        project_id: the project it lies in, if any.
        attributes: (name, value) of attributes that policies read, such as `requestedBy`; a value
            is text, or a set of texts.
    """

    kind: str
    id: str
    domain_id: str | None = None
    project_id: str | None = None
    attributes: tuple[tuple[str, str | tuple[str, ...]], ...] = ()


MESH = Resource("Mesh", "mesh")
"""The mesh as a whole, for what lies in no domain."""


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether it is allowed, and the ids (`@id`) of the policies that decided."""

    allowed: bool
    policies: tuple[str, ...]
