"""Git repositories of projects, bare, in a directory of this machine.

Importing this is cheap; the git library is loaded by the first call.
"""

import os
import shutil
import tempfile
from pathlib import Path

from meshplane.kit.clock import Clock

_AUTHOR = b"Meshplane <meshplane@localhost>"
_README = """\
# {project_id}

The code of the project {project_id}: what it runs, and the templates of its environments.
"""


class Repositories:
    """Makes repositories; used by many threads at once.

    Args:
        folder: where they lie, as `{projectId}.git`.
        clock: dates the first commit.
    """

    def __init__(self, folder: Path, clock: Clock) -> None:
        self._folder = folder
        self._clock = clock

    def ensure(self, project_id: str) -> str:
        """Makes the repository of a project, unless it is there; its place below the home folder.

        Raises:
            OSError: the disk refuses.
        """
        repository = self._folder / f"{project_id}.git"
        if not repository.exists():
            self._make(repository, project_id)
        return f"{self._folder.name}/{repository.name}"

    def _make(self, repository: Path, project_id: str) -> None:
        """Makes it beside its place and moves it there whole: of two at once, one wins."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = Path(tempfile.mkdtemp(dir=self._folder, prefix=".new-"))
        try:
            self._fill(made, project_id)
            _sync_tree(made)
            made.rename(repository)
        except OSError:
            if not repository.exists():
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        sync_folder(self._folder)

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


def sync_folder(folder: Path) -> None:
    """Makes the folder's entries, and its own in the folder above, outlive a power cut."""
    _sync(folder)
    _sync(folder.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
