"""Files of the lake on this machine: kept inside one directory, and made durable before use."""

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import urlsplit

from meshplane.kit.errors import Invalid
from meshplane.services.tables.lake_files import LakeFiles


class LocalFiles(LakeFiles):
    """Files below one directory. Every path outside it is refused, symbolic links resolved.

    Args:
        root: the directory of the lake.
    """

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root.resolve()

    def checked(self, location: str) -> str:
        """The absolute path of a location in the lake. See `LakeFiles.checked`."""
        path = path_of(location)
        if path is None or self._root not in path.resolve().parents:
            raise Invalid(
                "FILE_OUTSIDE_LAKE",
                "The table names a file outside the lake. Only files inside the lake are read "
                "or written.",
            )
        return str(path)

    def readable(
        self, locations: Sequence[str], scratch: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """They lie on this machine already. See `LakeFiles.readable`."""
        return tuple(self.checked(one) for one in locations), ()

    def make_durable(self) -> None:
        """Forces what was written, and the directories that name it, to the disk.

        A file's content can be on the disk while its name is not; so each directory on the way
        up to the lake is forced too.
        """
        directories = {self._root, self._root.parent}
        for path in map(Path, self._written):
            _force(path)
            directories.update(one for one in path.resolve().parents if self._root in one.parents)
        for directory in sorted(directories, reverse=True):
            _force(directory)

    def discard(self) -> None:
        """Removes what was written. See `LakeFiles.discard`."""
        for path in self._written:
            with contextlib.suppress(OSError):
                Path(path).unlink()
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


def _force(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
