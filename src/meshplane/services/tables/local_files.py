"""Files of the lake on this machine: kept inside one directory, and made durable before use."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from pyiceberg.io import InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO

from meshplane.kit.errors import Invalid, MeshplaneError, Unavailable


class LakeFiles(PyArrowFileIO):
    """Reads and writes files of one staging or one scan.

    It refuses every path outside the lake, symbolic links resolved, because a table's metadata
    may come from elsewhere and name any file. It remembers what it has written.

    Args:
        root: the directory of the lake.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root.resolve()
        self._written: list[Path] = []

    def local_path(self, location: str) -> str:
        """The absolute path of a location in the lake.

        Raises:
            Invalid: `FILE_OUTSIDE_LAKE`.
        """
        path = path_of(location)
        if path is None or self._root not in path.resolve().parents:
            raise Invalid(
                "FILE_OUTSIDE_LAKE",
                "The table names a file outside the lake. Only files inside the lake are read "
                "or written.",
            )
        return str(path)

    def new_input(self, location: str) -> PyArrowFile:
        """A file of the lake, to read."""
        return super().new_input(self.local_path(location))

    def new_output(self, location: str) -> PyArrowFile:
        """A file of the lake, to write."""
        path = self.local_path(location)
        self._written.append(Path(path))
        return super().new_output(path)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Removes a file of the lake."""
        name = location if isinstance(location, str) else location.location
        super().delete(self.local_path(name))

    def make_durable(self) -> None:
        """Forces what was written, and the directories that name it, to the disk.

        A file's content can be on the disk while its name is not; so each directory on the way
        up to the lake is forced too.
        """
        directories = {self._root, self._root.parent}
        for path in self._written:
            _force(path)
            directories.update(one for one in path.resolve().parents if self._root in one.parents)
        for directory in sorted(directories, reverse=True):
            _force(directory)

    def discard(self) -> None:
        """Removes what was written; for a staging that failed and that nobody can refer to."""
        for path in self._written:
            with contextlib.suppress(OSError):
                path.unlink()
        self._written.clear()


def path_of(location: str) -> Path | None:
    """The path that an absolute path or a `file:` URI names; none for anything else.

    Nothing is unescaped, as pyiceberg unescapes nothing; steps upward (`..`) are not followed.
    """
    parts = urlsplit(location)
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        location = parts.path
    path = Path(location)
    return path if path.is_absolute() and ".." not in path.parts else None


@contextlib.contextmanager
def staging(root: Path) -> Iterator[LakeFiles]:
    """Files for one staged commit: durable when it succeeds, removed when it fails.

    Raises:
        Unavailable: `LAKE_UNAVAILABLE` when the disk refuses.
    """
    files = LakeFiles(root)
    try:
        yield files
        files.make_durable()
    except OSError as error:
        files.discard()
        raise storage_failed() from error
    except BaseException:
        files.discard()
        raise


@contextlib.contextmanager
def reading(root: Path) -> Iterator[LakeFiles]:
    """Files for reading alone.

    Raises:
        Unavailable: `LAKE_UNAVAILABLE` when the disk refuses.
    """
    try:
        yield LakeFiles(root)
    except OSError as error:
        raise storage_failed() from error


def storage_failed() -> MeshplaneError:
    """The error for a disk that refuses to read or write."""
    return Unavailable(
        "LAKE_UNAVAILABLE",
        "The lake's storage could not be read or written. Nothing was changed; try again, and "
        "look at the disk's space and health if it stays so.",
    )


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
