"""The Glue catalogue and the S3 objects that moto keeps, read and written in this process.

A fake that answers over a table's data must not call the sandbox over HTTP while it holds the
world's lock, so it reaches into moto's state directly. Of S3 only objects are used, of Glue
databases, tables and partitions.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from moto.backends import get_backend
from moto.core.exceptions import JsonRESTError
from moto.s3.models import s3_backends
from moto.utilities.utils import get_partition
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream
from pyiceberg.typedef import EMPTY_DICT, Properties

from meshplane.sandbox.fake import FakeError


class NoObject(FileNotFoundError):
    """There is no such bucket or object."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object of S3.

    Args:
        location: `s3://bucket/key`.
        etag: changes with the content.
        body: the content.
    """

    location: str
    etag: str
    body: bytes


def split_location(location: str) -> tuple[str, str]:
    """Bucket and key of `s3://bucket/key`; `s3a` and `s3n` are the same.

    Raises:
        NoObject: the text is no such location.
    """
    scheme, separator, rest = location.partition("://")
    if not separator or scheme not in {"s3", "s3a", "s3n"}:
        raise NoObject(location)
    bucket, _, key = rest.partition("/")
    return bucket, key


def read_object(location: str) -> StoredObject:
    """An object of any account.

    Raises:
        NoObject: it is not there.
    """
    bucket, key = split_location(location)
    found = _bucket(bucket).keys.get(key)
    # A delete marker has no content.
    if found is None or not hasattr(found, "value"):
        raise NoObject(location)
    return StoredObject(f"s3://{bucket}/{key}", str(found.etag), bytes(found.value))


def list_objects(prefix: str) -> Iterator[StoredObject]:
    """The objects below `s3://bucket/prefix`, by key. What Hive hides is left out.

    Hive hides files and folders whose names begin with `_` or `.`.

    Raises:
        NoObject: there is no such bucket.
    """
    bucket, start = split_location(prefix)
    if start and not start.endswith("/"):
        start += "/"
    for key, found in sorted(_bucket(bucket).keys.items()):
        below = key.removeprefix(start)
        if not key.startswith(start) or not hasattr(found, "value"):
            continue
        if below and not any(part[:1] in {"_", "."} for part in below.split("/")):
            yield StoredObject(f"s3://{bucket}/{key}", str(found.etag), bytes(found.value))


def write_object(location: str, body: bytes) -> None:
    """Puts an object, whoever owns the bucket.

    Raises:
        NoObject: there is no such bucket.
    """
    bucket, key = split_location(location)
    _bucket(bucket)
    partition, owner = s3_backends.bucket_accounts[bucket]
    s3_backends[owner][partition].put_object(bucket, key, body)


def has_bucket(name: str) -> bool:
    """Whether there is a bucket of that name in any account."""
    return name in s3_backends.bucket_accounts


def _bucket(name: str) -> Any:
    owners = s3_backends.bucket_accounts
    if name not in owners:
        raise NoObject(f"s3://{name}")
    partition, owner = owners[name]
    return s3_backends[owner][partition].buckets[name]


def glue_of(account: str, region: str) -> Any:
    """Moto's Glue of an account in a region."""
    return get_backend("glue")[account][region]


def database_input(account: str, region: str, name: str) -> dict[str, Any] | None:
    """A database as it was put, or None when there is none."""
    found = glue_of(account, region).databases.get(name)
    return None if found is None else dict(found.input)


def table_of(account: str, region: str, database: str, name: str) -> dict[str, Any] | None:
    """A table as `get_table` gives it, or None when it or its database is not there."""
    found = glue_of(account, region).databases.get(database)
    table = None if found is None else found.tables.get(name)
    return None if table is None else dict(table.as_dict())


def partitions_of(account: str, region: str, database: str, name: str) -> list[dict[str, Any]]:
    """The partitions of a table as `get_partitions` gives them."""
    table = glue_of(account, region).databases[database].tables[name]
    return [partition.as_dict() for partition in table.partitions.values()]


def told_by_moto(error: JsonRESTError) -> FakeError:
    """An error of moto's as one of ours."""
    return FakeError(str(error.error_type), str(error.message), int(error.code))


def partition_of(region: str) -> str:
    """`aws`, or `aws-cn` and the like."""
    return str(get_partition(region))


class ObjectFileIO(FileIO):
    """Iceberg's files, from moto's S3 in this process.

    PyIceberg makes it by its name, from the property `py-io-impl`.
    """

    def __init__(self, properties: Properties = EMPTY_DICT) -> None:
        super().__init__(properties)

    def new_input(self, location: str) -> InputFile:
        """A file to read."""
        return _Input(location)

    def new_output(self, location: str) -> OutputFile:
        """A file to write."""
        return _Output(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Deletes an object.

        Raises:
            NoObject: there is no such bucket.
        """
        text = location if isinstance(location, str) else location.location
        bucket, key = split_location(text)
        _bucket(bucket).keys.pop(key, None)


class _Input(InputFile):
    def __len__(self) -> int:
        return len(read_object(self.location).body)

    def exists(self) -> bool:
        try:
            read_object(self.location)
        except NoObject:
            return False
        return True

    def open(self, seekable: bool = True) -> InputStream:
        del seekable  # bytes in memory are
        return BytesIO(read_object(self.location).body)


class _Written(BytesIO):
    def __init__(self, location: str) -> None:
        super().__init__()
        self._location = location

    def close(self) -> None:
        if not self.closed:
            write_object(self._location, self.getvalue())
        super().close()


class _Output(OutputFile):
    def __len__(self) -> int:
        return len(read_object(self.location).body)

    def exists(self) -> bool:
        return _Input(self.location).exists()

    def to_input_file(self) -> InputFile:
        return _Input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        if not overwrite and self.exists():
            raise FileExistsError(self.location)
        return _Written(self.location)
