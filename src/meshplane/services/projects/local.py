"""Workspaces of projects in directories of this machine.

Importing this is cheap; the git library is loaded by the first call.
"""

import os
import shutil
import tempfile
from pathlib import Path

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Unavailable
from meshplane.services.projects.ports import FOLDERS, Workspace

_AUTHOR = b"Meshplane <meshplane@localhost>"
_README = """\
# {project_id}

The code of the project {project_id}: what it runs, and the templates of its environments.
"""


class LocalWorkspaces:
    """`ProjectWorkspaces` over directories; used by many threads at once.

    Args:
        lake: where buckets lie.
        repositories: where git repositories lie, bare, as `{projectId}.git`.
        clock: dates the first commit.
    """

    def __init__(self, lake: Path, repositories: Path, clock: Clock) -> None:
        self._lake = lake
        self._repositories = repositories
        self._clock = clock

    def prepare(self, bucket: str, project_id: str) -> Workspace:
        """See `ProjectWorkspaces.prepare`."""
        keys = tuple(f"projects/{project_id}/{name}/" for name in FOLDERS)
        repository = self._repositories / f"{project_id}.git"
        try:
            for key in keys:
                (self._lake / bucket / key).mkdir(parents=True, exist_ok=True)
            _sync_folder(self._lake / bucket / "projects" / project_id)
            if not repository.exists():
                self._make_repository(repository, project_id)
        except OSError:
            raise Unavailable(
                "LAKE_UNAVAILABLE", "The storage of the mesh fails: try again."
            ) from None
        return Workspace(keys, f"{self._repositories.name}/{repository.name}")

    def _make_repository(self, repository: Path, project_id: str) -> None:
        """Makes it beside its place and moves it there whole: of two at once, one wins."""
        self._repositories.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(dir=self._repositories, prefix=".new-"))
        try:
            self._fill(made, project_id)
            _sync_tree(made)
            made.rename(repository)
        except OSError:
            if not repository.exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        _sync_folder(self._repositories)

    def _fill(self, folder: Path, project_id: str) -> None:
        """A bare repository with a branch `main` and one commit that holds README.md."""
        from dulwich.objects import Blob, Commit, Tree
        from dulwich.refs import Ref
        from dulwich.repo import Repo

        with Repo.init_bare(folder, default_branch=b"main") as repository:
            readme = Blob.from_string(_README.format(project_id=project_id).encode())
            tree = Tree()
            tree.add(b"README.md", 0o100644, readme.id)
            commit = Commit()
            commit.tree = tree.id
            commit.author = commit.committer = _AUTHOR
            commit.author_time = commit.commit_time = int(self._clock.now().timestamp())
            commit.author_timezone = commit.commit_timezone = 0
            commit.encoding = b"UTF-8"
            commit.message = b"The repository of the project\n"
            for thing in (readme, tree, commit):
                repository.object_store.add_object(thing)
            repository.refs[Ref(b"refs/heads/main")] = commit.id


def _sync_tree(folder: Path) -> None:
    for here, _, names in os.walk(folder):
        for name in names:
            _sync(Path(here, name))
        _sync(Path(here))


def _sync_folder(folder: Path) -> None:
    """Makes the folder's entries, and its own in the folder above, outlive a power cut."""
    _sync(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
