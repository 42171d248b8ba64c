"""The objects of the lake in S3: which may be touched, put once, copied here, removed."""

import threading
from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError

from meshplane.kit.errors import Invalid, MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable

_SCHEMES = frozenset({"s3", "s3a", "s3n"})
_MOST_REMOVED = 1000  # keys of one DeleteObjects
_NOT_THERE = "NoSuchKey"
_TAKEN = frozenset({"PreconditionFailed", "412"})
_TIMEOUT_SECONDS = 60.0


class S3Storage:
    """S3 as far as the lake needs it. Thread-safe.

    Args:
        aws: whose S3.
        is_own: whether a bucket is the lake's, by its name.
    """

    def __init__(self, aws: Aws, is_own: Callable[[str], bool]) -> None:
        self._aws = aws
        self._is_own = is_own
        self._lock = threading.Lock()
        self._opened: tuple[Any, Any] | None = None

    def checked(self, location: str) -> str:
        """A location in the lake, as `s3://BUCKET/KEY`.

        Raises:
            Invalid: `FILE_OUTSIDE_LAKE`.
        """
        place = place_of(location)
        if place is None or not self._is_own(place[0]):
            raise Invalid(
                "FILE_OUTSIDE_LAKE",
                "The table names a file outside the lake's buckets. Only files inside them are "
                "read or written.",
            )
        return f"s3://{place[0]}/{place[1]}"

    def filesystem(self) -> Any:
        """A pyarrow filesystem with the credentials of now; kept until those are renewed."""
        from pyarrow.fs import S3FileSystem

        credentials = self._aws.frozen_credentials()
        with self._lock:
            if self._opened is None or self._opened[0] != credentials:
                self._opened = (credentials, S3FileSystem(**self._options(credentials)))
            return self._opened[1]

    def _options(self, credentials: Any) -> dict[str, Any]:
        place = self._aws.place
        options: dict[str, Any] = {
            "region": place.region,
            "connect_timeout": place.connect_seconds,
            "request_timeout": min(place.read_seconds, _TIMEOUT_SECONDS),
        }
        if credentials is not None:
            options |= {
                "access_key": credentials.access_key,
                "secret_key": credentials.secret_key,
                "session_token": credentials.token,
            }
        endpoint = place.endpoint("s3")
        if endpoint is not None:
            parts = urlsplit(endpoint)
            options |= {"endpoint_override": parts.netloc, "scheme": parts.scheme}
        return options

    def put_once(self, location: str, content: bytes) -> None:
        """Writes an object that must not be there yet.

        Names of such objects hold a random UUID. So one that is there with this very content is
        our own, from an attempt whose answer was lost.

        Raises:
            Unavailable: `LAKE_UNAVAILABLE`.
        """
        bucket, key = _place(location)
        try:
            self._aws.run(
                "s3",
                "put_object",
                Bucket=bucket,
                Key=key,
                Body=content,
                IfNoneMatch="*",
                ExpectedBucketOwner=self._aws.place.account,
            )
        except AwsRejected as error:
            if error.aws_code in _TAKEN and self.read(location) == content:
                return
            raise _failed(error) from error
        except AwsUnavailable as error:
            raise _failed(error) from error

    def read(self, location: str) -> bytes:
        """The content of an object.

        Raises:
            FileNotFoundError: it is not there.
            Unavailable: `LAKE_UNAVAILABLE`.
        """
        bucket, key = _place(location)
        try:
            answer = self._aws.run("s3", "get_object", Bucket=bucket, Key=key)
            content: bytes = answer["Body"].read()
        except AwsRejected as error:
            if error.aws_code == _NOT_THERE:
                raise FileNotFoundError(location) from error
            raise _failed(error) from error
        except (AwsUnavailable, BotoCoreError) as error:
            raise _failed(error if isinstance(error, AwsUnavailable) else None) from error
        return content

    def remove(self, locations: Iterable[str]) -> None:
        """Removes objects; those that are gone already are no error.

        Raises:
            Unavailable: `LAKE_UNAVAILABLE`, perhaps after some of them.
        """
        of_buckets: defaultdict[str, list[str]] = defaultdict(list)
        for location in locations:
            bucket, key = _place(location)
            of_buckets[bucket].append(key)
        for bucket, keys in of_buckets.items():
            for begin in range(0, len(keys), _MOST_REMOVED):
                self._remove(bucket, keys[begin : begin + _MOST_REMOVED])

    def _remove(self, bucket: str, keys: list[str]) -> None:
        try:
            answer = self._aws.run(
                "s3",
                "delete_objects",
                Bucket=bucket,
                Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True},
                ExpectedBucketOwner=self._aws.place.account,
            )
        except (AwsRejected, AwsUnavailable) as error:
            raise _failed(error) from error
        if answer.get("Errors"):
            raise _failed(None)


def place_of(location: str) -> tuple[str, str] | None:
    """Bucket and key of `s3://BUCKET/KEY`; none for anything else, or with steps upward."""
    if any(character in location for character in "?#") or not location.isprintable():
        return None
    parts = urlsplit(location)
    key = parts.path.lstrip("/")
    if parts.scheme not in _SCHEMES or not parts.netloc or not key.strip("/"):
        return None
    return None if {"..", "."} & set(key.split("/")) else (parts.netloc, key)


def _place(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _failed(error: MeshplaneError | None) -> MeshplaneError:
    details = dict(error.details) if error is not None else {}
    return Unavailable(
        "LAKE_UNAVAILABLE",
        "S3 did not take or give a file of the lake. Nothing was changed; try again, and look at "
        "the permissions of the mesh's role on the bucket and its key if it stays so.",
        details=details,
    )
