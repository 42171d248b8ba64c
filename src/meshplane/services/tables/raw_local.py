"""Raw areas in a directory of this machine. Importing this is cheap."""

import os
import stat
from pathlib import Path
from typing import Any

from meshplane.kit.errors import Invalid, Missing, TooLarge
from meshplane.services.tables.crawl_ports import RawArea, RawFile


class LocalRawFiles:
    """`RawFiles` over the lake's directory. A link, wherever it leads, is no way into it.

    Args:
        lake: the directory that all buckets lie in.
    """

    def __init__(self, lake: Path) -> None:
        self._lake = lake

    def listed(self, area: RawArea, path: str, most: int) -> list[RawFile]:
        """See `RawFiles.listed`."""
        from meshplane.services.tables.lake_files import storage_failed

        root = self._at(area, "")
        start = self._at(area, path)
        found: list[RawFile] = []

        def refuse(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise error

        try:
            for folder, _, names in os.walk(start, onerror=refuse, followlinks=False):
                for name in names:
                    place = Path(folder, name)
                    told = place.lstat()
                    if stat.S_ISREG(told.st_mode):
                        file = place.relative_to(root).as_posix()
                        found.append(RawFile(file, told.st_size))
                if len(found) > most:
                    raise too_many(most)
        except OSError as error:
            raise storage_failed() from error
        return sorted(found, key=lambda file: file.path)

    def open(self, area: RawArea, path: str) -> Any:
        """See `RawFiles.open`."""
        import pyarrow as pa

        from meshplane.services.tables.lake_files import storage_failed

        place = self._at(area, path)
        try:
            # Neither a link that was put there since, nor a pipe on which this would wait.
            handle = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except FileNotFoundError as error:
            raise file_gone(path) from error
        except OSError as error:
            raise storage_failed() from error
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            os.close(handle)
            raise file_gone(path)
        return pa.PythonFile(os.fdopen(handle, "rb"), "r")

    def _at(self, area: RawArea, path: str) -> Path:
        """Where a path of an area lies, with no link on the way from the lake."""
        lake = self._lake.resolve()
        place = lake.joinpath(area.bucket, area.folder, path)
        if ".." in Path(path).parts or place.resolve() != place:
            raise Invalid(
                "CRAWL_PATH_INVALID",
                "This is reached by a link, which may lead out of the raw area: put the files "
                "themselves there.",
                field="path",
            )
        return place


def too_many(most: int) -> TooLarge:
    """The error for more files than are looked at."""
    return TooLarge(
        "CRAWL_TOO_LARGE",
        f"More than {most:,} files lie below this path: crawl folder by folder.",
        field="path",
    )


def file_gone(path: str) -> Missing:
    """The error for a file that was listed and is not there."""
    return Missing("RAW_FILE_NOT_FOUND", f"{path} is in the raw area no longer.", field="found")
