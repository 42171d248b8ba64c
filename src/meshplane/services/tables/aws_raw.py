"""Raw areas in S3, read as tables are read. Importing this is cheap.

Needs AWS: that what was restored is told by `RestoreStatus`; and objects of Intelligent-Tiering in
its archives, which no list tells.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import is_domain_bucket
from meshplane.services.tables.aws_storage import S3Storage
from meshplane.services.tables.crawl_ports import RawArea, RawFile
from meshplane.services.tables.raw_local import file_gone, too_many

_NO_BUCKET = "NoSuchBucket"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Storage classes that S3 does not read from. It does from GLACIER_IR."""


class S3RawFiles:
    """`RawFiles` over S3.

    Args:
        aws: whose S3.
        is_own: as in `S3TableFiles`.
    """

    def __init__(self, aws: Aws, is_own: Callable[[str], bool] | None = None) -> None:
        self._aws = aws
        self._is_own = is_own or partial(is_domain_bucket, aws.place)
        self._storage = S3Storage(aws, self._is_own)

    def listed(self, area: RawArea, path: str, most: int) -> list[RawFile]:
        """See `RawFiles.listed`."""
        start = f"{self._checked(area).folder}{path}/" if path else self._checked(area).folder
        found: list[RawFile] = []
        try:
            for page in self._aws.run_pages(
                "s3",
                "list_objects_v2",
                Bucket=area.bucket,
                Prefix=start,
                OptionalObjectAttributes=["RestoreStatus"],
            ):
                found += [
                    RawFile(one["Key"].removeprefix(area.folder), one["Size"], _is_archived(one))
                    for one in page.get("Contents", ())
                    if not one["Key"].endswith("/")
                ]
                if len(found) > most:
                    raise too_many(most)
        except AwsRejected as error:
            if error.aws_code != _NO_BUCKET:
                raise
        return sorted(found, key=lambda file: file.path)

    def open(self, area: RawArea, path: str) -> Any:
        """See `RawFiles.open`."""
        from meshplane.services.tables.lake_files import storage_failed

        # A key is taken as it is: signs that mean something in a URI mean nothing in it.
        place = f"{self._checked(area).bucket}/{area.folder}{path}"
        try:
            return self._storage.filesystem().open_input_file(place)
        except FileNotFoundError as error:
            raise file_gone(path) from error
        except OSError as error:
            raise storage_failed() from error

    def _checked(self, area: RawArea) -> RawArea:
        if not self._is_own(area.bucket):
            raise Invalid("FILE_OUTSIDE_LAKE", "The domain's bucket is none of this mesh's on AWS.")
        return area


def _is_archived(told: Mapping[str, Any]) -> bool:
    restored = told.get("RestoreStatus") or {}
    is_readable = "RestoreExpiryDate" in restored and not restored.get("IsRestoreInProgress")
    return told.get("StorageClass") in _ARCHIVES and not is_readable
