"""Tables in S3. Importing this is cheap; pyarrow and pyiceberg are loaded by the first call."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import is_domain_bucket
from meshplane.services.tables.aws_storage import S3Storage, place_of
from meshplane.services.tables.iceberg import IcebergTableFiles

if TYPE_CHECKING:
    from meshplane.services.tables.lake_files import LakeFiles

S3_LAKE = "s3://"
"""What the location of every table there begins with; its bucket follows."""

# Engines that read the same table take these for patterns, queries or escapes.
_REFUSED_IN_LOCATIONS = frozenset("*?[]{}#%\\")


class S3TableFiles(IcebergTableFiles):
    """`TableFiles` over S3. Holds no table's state: it may be used by many threads at once.

    Files are written whole, and never over another; what scans of this machine read is copied into
    the scratch directory, as their residue.

    Args:
        aws: whose S3.
        scratch, clock, limits: see `IcebergTableFiles`.
        is_own: whether a bucket is the lake's, by its name; no other is read or written. By
            default, those of the mesh's domains are.
    """

    _writes_at_once = 8

    def __init__(
        self,
        aws: Aws,
        scratch: Path,
        clock: Clock,
        *,
        is_own: Callable[[str], bool] | None = None,
        **limits: int,
    ) -> None:
        super().__init__(scratch, clock, **limits)
        self._storage = S3Storage(aws, is_own or partial(is_domain_bucket, aws.place))

    def remove(self, files: Sequence[str]) -> None:
        """Removes files that no version has any more. See `TableFiles.remove`."""
        self._storage.remove([self._storage.checked(file) for file in files])

    def _files(self) -> "LakeFiles":
        from meshplane.services.tables.aws_files import S3Files

        return S3Files(self._storage)

    def _check_location(self, location: str) -> None:
        if place_of(location) is None or _REFUSED_IN_LOCATIONS & set(location):
            raise Invalid(
                "LOCATION_INVALID",
                "A table's location is s3://BUCKET/KEY without any of "
                f"{' '.join(sorted(_REFUSED_IN_LOCATIONS))}.",
                field="location",
            )
