"""Tables in a directory of this machine.

Importing this is cheap; pyarrow and pyiceberg are loaded by the first call.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.services.tables.iceberg import IcebergTableFiles

if TYPE_CHECKING:
    from meshplane.services.tables.lake_files import LakeFiles

# DuckDB and pyiceberg read these as patterns, queries or escapes when they stand in a path.
_REFUSED_IN_LOCATIONS = frozenset("*?[]{}#%\\")


class LocalTableFiles(IcebergTableFiles):
    """`TableFiles` over a directory. Holds no state: it may be used by many threads at once.

    Args:
        lake: the directory that all tables lie in; nothing outside it is read or written.
        scratch, clock, limits: see `IcebergTableFiles`.
    """

    def __init__(self, lake: Path, scratch: Path, clock: Clock, **limits: int) -> None:
        super().__init__(scratch, clock, **limits)
        self._lake = lake

    def remove(self, files: Sequence[str]) -> None:
        """Removes files that no version has any more. See `TableFiles.remove`."""
        for file in files:
            Path(file).unlink(missing_ok=True)

    def _files(self) -> "LakeFiles":
        from meshplane.services.tables.local_files import LocalFiles

        return LocalFiles(self._lake)

    def _check_location(self, location: str) -> None:
        from meshplane.services.tables.local_files import path_of

        if path_of(location) is None or _REFUSED_IN_LOCATIONS & set(location):
            raise Invalid(
                "LOCATION_INVALID",
                "A table's location is an absolute path without any of "
                f"{' '.join(sorted(_REFUSED_IN_LOCATIONS))}.",
                field="location",
            )
