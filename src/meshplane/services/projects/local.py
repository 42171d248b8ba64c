"""Workspaces of projects in directories of this machine.

Importing this is cheap; the git library is loaded by the first call.
"""

from pathlib import Path

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Unavailable
from meshplane.services.projects.ports import Workspace, folders_of
from meshplane.services.projects.repositories import Repositories, sync_folder


class LocalWorkspaces:
    """`ProjectWorkspaces` over directories; used by many threads at once.

    Args:
        lake: where buckets lie.
        repositories: where git repositories lie, bare, as `{projectId}.git`.
        clock: dates the first commit.
    """

    def __init__(self, lake: Path, repositories: Path, clock: Clock) -> None:
        self._lake = lake
        self._repositories = Repositories(repositories, clock)

    def prepare(self, bucket: str, project_id: str) -> Workspace:
        """See `ProjectWorkspaces.prepare`."""
        folders = folders_of(project_id)
        try:
            for folder in folders:
                (self._lake / bucket / folder).mkdir(parents=True, exist_ok=True)
            sync_folder(self._lake / bucket / "projects" / project_id)
            repository = self._repositories.ensure(project_id)
        except OSError:
            raise Unavailable(
                "LAKE_UNAVAILABLE", "The storage of the mesh fails: try again."
            ) from None
        return Workspace(folders, repository)
