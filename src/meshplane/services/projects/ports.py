"""What the projects service needs of the outside: folders, a repository, a place in the portal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

FOLDERS = ("raw", "processed", "metadata")
"""What every project has in the bucket of its domain."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """What was made ready for a project.

    Args:
        folders: keys in the bucket, each with its closing slash.
        repository: where the project's git repository lies, below the home folder.
    """

    folders: tuple[str, ...]
    repository: str


def folders_of(project_id: str) -> tuple[str, ...]:
    """Keys of a project's folders in the bucket, each with its closing slash."""
    return tuple(f"projects/{project_id}/{name}/" for name in FOLDERS)


class ProjectWorkspaces(Protocol):
    """Makes ready where a project keeps its files and its code. Calls block."""

    def prepare(self, bucket: str, project_id: str) -> Workspace:
        """Makes the folders and the repository; what is there already stays as it is.

        Raises:
            Unavailable: LAKE_UNAVAILABLE, the storage fails; BOUNDARY_MISSING, on AWS: what bounds
                roles of projects is not there.
            Conflict: ROLE_TRUST_DIFFERS, on AWS: the project's role is there and trusts others.
        """
        ...


@dataclass(frozen=True, slots=True)
class ProjectThere:
    """A project as the portal has it; `portal_id` is the portal's name for it."""

    portal_id: str
    name: str
    description: str


class ProjectPortal(Protocol):
    """Shows projects and their members in the portal.

    Members are `user:…` and `group:…` of single sign-on, and `role:` before the ARN of a role.
    Every method may raise `Unavailable`, and then it is called again.
    """

    async def ensure(self, domain: str, name: str, description: str) -> ProjectThere:
        """The project of that name; made in that domain of the portal where there is none.

        Raises:
            Conflict: PORTAL_NAME_TAKEN, a project of that name is in another domain.
        """
        ...

    async def look(self, portal_id: str) -> ProjectThere | None:
        """The project as it is there now; None if it is gone."""
        ...

    async def change(self, portal_id: str, name: str, description: str) -> ProjectThere:
        """Changes what is said of it."""
        ...

    async def members(self, portal_id: str) -> Mapping[str, str]:
        """Who is in it, and as what: `owner`, `contributor`, `viewer`; without the mesh itself."""
        ...

    async def put_member(self, portal_id: str, member: str, role: str) -> None:
        """Gives somebody a role, in place of the one that he may have; done again, it is done.

        Raises:
            Missing: PORTAL_MEMBER_UNKNOWN, the portal does not know him.
        """
        ...

    async def remove_member(self, portal_id: str, member: str) -> None:
        """Takes somebody out; who is not in it stays out."""
        ...
