"""What the projects service needs of the outside: a place in the lake, and a repository."""

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


class ProjectWorkspaces(Protocol):
    """Makes ready where a project keeps its files and its code. Calls block."""

    def prepare(self, bucket: str, project_id: str) -> Workspace:
        """Makes the folders and the repository; what is there already stays as it is.

        Raises:
            Unavailable: LAKE_UNAVAILABLE, the storage fails.
        """
        ...
