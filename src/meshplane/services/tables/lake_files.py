"""The files of one staging or one scan, wherever a lake keeps them.

pyiceberg reads and writes through this. Whatever a table's metadata names is checked first, because
metadata may come from elsewhere and name any file.
"""

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from pyiceberg.io import InputFile, OutputFile
from pyiceberg.io.pyarrow import PyArrowFile, PyArrowFileIO
from pyiceberg.typedef import EMPTY_DICT, Properties

from meshplane.kit.errors import MeshplaneError, Unavailable


class LakeFiles(PyArrowFileIO):
    """Reads and writes files of the lake, and remembers what it has written.

    Args:
        properties: of the storage, in pyiceberg's words.
    """

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)
        self._written: list[str] = []

    @abstractmethod
    def checked(self, location: str) -> str:
        """A location in the lake, as its storage names it.

        Raises:
            Invalid: `FILE_OUTSIDE_LAKE`.
        """

    @abstractmethod
    def readable(
        self, locations: Sequence[str], scratch: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Paths of this machine that hold these files, and those of them that were made for it.

        Args:
            locations: of files of the lake.
            scratch: a directory for copies.
        """

    @abstractmethod
    def make_durable(self) -> None:
        """Returns only when all that was written would survive a power failure."""

    @abstractmethod
    def discard(self) -> None:
        """Removes what was written; for a staging that failed and that nobody can refer to."""

    def new_input(self, location: str) -> PyArrowFile:
        """A file of the lake, to read."""
        return super().new_input(self.checked(location))

    def new_output(self, location: str) -> PyArrowFile:
        """A file of the lake, to write."""
        place = self.checked(location)
        self._written.append(place)
        return super().new_output(place)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Removes a file of the lake."""
        name = location if isinstance(location, str) else location.location
        super().delete(self.checked(name))


F = TypeVar("F", bound=LakeFiles)


@contextlib.contextmanager
def staging(files: F) -> Iterator[F]:
    """Files for one staged commit: durable when it succeeds, removed when it fails.

    Raises:
        Unavailable: `LAKE_UNAVAILABLE` when the storage refuses.
    """
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
def reading(files: F) -> Iterator[F]:
    """Files for reading alone.

    Raises:
        Unavailable: `LAKE_UNAVAILABLE` when the storage refuses.
    """
    try:
        yield files
    except OSError as error:
        raise storage_failed() from error


def storage_failed() -> MeshplaneError:
    """The error for a storage that refuses to read or write."""
    return Unavailable(
        "LAKE_UNAVAILABLE",
        "The lake's storage could not be read or written. Nothing was changed; try again, and "
        "look at the storage's space, health and permissions if it stays so.",
    )
