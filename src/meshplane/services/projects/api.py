"""What the projects service offers to others."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Missing
from meshplane.services.projects.ports import folders_of


@dataclass(frozen=True, slots=True)
class ProjectSummary:
    """A project, for others."""

    project_id: str
    name: str
    domain_id: str
    domain_name: str
    bucket: str


@dataclass(frozen=True, slots=True)
class ProjectPage:
    """A page of projects; `cursor` is where the next one starts, None at the end."""

    projects: tuple[ProjectSummary, ...]
    cursor: str | None


class ProjectsApi(Protocol):
    """Reads projects and the roles held in them."""

    async def find(self, actor: Actor, project_id: str) -> ProjectSummary | None:
        """The project with that id."""
        ...

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> ProjectPage:
        """A page of all projects, by name."""
        ...

    async def roles(self, actor: Actor, project_id: str, principals: Sequence[str]) -> list[str]:
        """The roles that these principals (`user:…`, `group:…`) hold in the project."""
        ...

    async def of_principals(self, actor: Actor, principals: Sequence[str]) -> list[str]:
        """Ids of the projects in which one of these principals holds any role."""
        ...

    async def portal_id(self, actor: Actor, project_id: str) -> str | None:
        """The portal's id of the project; None while it is not shown there."""
        ...


def raw_folder(project_id: str) -> str:
    """Key of the folder in the bucket of its domain for files that a project brings, with its `/`.

    Args:
        project_id: the project.
    """
    return next(one for one in folders_of(project_id) if one.endswith("/raw/"))


def no_such_project() -> Missing:
    """The error for an id that no project has, the same wherever one is named."""
    return Missing("PROJECT_NOT_FOUND", "There is no project with this id.", field="projectId")
