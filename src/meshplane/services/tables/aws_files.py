"""Files of the lake in S3, as pyiceberg reads and writes them."""

import contextlib
import io
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pyarrow.fs import FileSystem, LocalFileSystem, copy_files
from pyiceberg.io.pyarrow import PyArrowFile

from meshplane.kit.errors import MeshplaneError
from meshplane.services.tables.aws_storage import S3Storage
from meshplane.services.tables.lake_files import LakeFiles

_COPIES_AT_ONCE = 8
_MOST_KEPT_BYTES = 64 * 1024 * 1024


class S3Files(LakeFiles):
    """Files in the lake's buckets. Every other place is refused.

    Files of metadata never change, so what was read of them is kept for as long as this is.

    Args:
        storage: S3.
    """

    def __init__(self, storage: S3Storage) -> None:
        super().__init__()
        self._storage = storage
        self._kept: dict[str, bytes] = {}
        self._kept_bytes = 0

    def checked(self, location: str) -> str:
        """The location as `s3://BUCKET/KEY`. See `LakeFiles.checked`."""
        return self._storage.checked(location)

    def new_input(self, location: str) -> PyArrowFile:
        """A file to read. Data is read in parts, as it is needed; all else in one request."""
        file = super().new_input(location)
        return file if _is_data(file) else _Whole(file, self)

    def new_output(self, location: str) -> PyArrowFile:
        """A file to write: in one request, and never over another."""
        return _Whole(super().new_output(location), self)

    def read(self, location: str) -> bytes:
        """The content of a file of metadata.

        Raises:
            FileNotFoundError: it is not there.
        """
        content = self._kept.get(location)
        if content is None:
            content = self._storage.read(location)
            if self._kept_bytes + len(content) <= _MOST_KEPT_BYTES:
                self._kept[location] = content
                self._kept_bytes += len(content)
        return content

    def put_once(self, location: str, content: bytes) -> None:
        """Writes a file that is not there yet."""
        self._storage.put_once(location, content)

    def readable(
        self, locations: Sequence[str], scratch: Path
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Copies them to this machine. See `LakeFiles.readable`."""
        if not locations:
            return (), ()
        scratch.mkdir(mode=0o700, parents=True, exist_ok=True)
        sources = [self.checked(one).removeprefix("s3://") for one in locations]
        copies = [str(scratch.resolve() / f"{uuid.uuid4()}.parquet") for _ in sources]
        remote, local = self._storage.filesystem(), LocalFileSystem()

        def copy(pair: tuple[str, str]) -> None:
            copy_files(*pair, source_filesystem=remote, destination_filesystem=local)

        try:
            with ThreadPoolExecutor(_COPIES_AT_ONCE, thread_name_prefix="lake") as pool:
                list(pool.map(copy, zip(sources, copies, strict=True)))
        except BaseException:
            for path in copies:
                Path(path).unlink(missing_ok=True)
            raise
        return tuple(copies), tuple(copies)

    def make_durable(self) -> None:
        """S3 has answered each write only when it would survive."""

    def discard(self) -> None:
        """Removes what was written; what cannot be removed stays, and nothing refers to it."""
        with contextlib.suppress(MeshplaneError):
            self._storage.remove(self._written)
        self._written.clear()

    def _initialize_fs(self, scheme: str, netloc: str | None = None) -> FileSystem:
        return self._storage.filesystem()


class _Whole(PyArrowFile):
    """A file that is gathered in memory on its way.

    A data file is a part of one chunk of rows, so together those under way are as large as that.
    """

    def __init__(self, file: PyArrowFile, files: S3Files) -> None:
        super().__init__(file.location, file._path, file._filesystem)
        self._files = files
        self._size: int | None = None

    def __len__(self) -> int:
        return super().__len__() if self._size is None else self._size

    def open(self, seekable: bool = True) -> Any:
        """Its content.

        Raises:
            FileNotFoundError: it is not there.
        """
        if _is_data(self):
            return super().open(seekable)
        return io.BytesIO(self._files.read(self.location))

    def create(self, overwrite: bool = False) -> Any:
        """A stream for its content; `overwrite` is not heeded: nothing is ever overwritten."""
        return _Gathered(self)

    def put(self, content: bytes) -> None:
        """Puts the file."""
        self._files.put_once(self.location, content)
        self._size = len(content)


def _is_data(file: PyArrowFile) -> bool:
    return file.location.endswith((".parquet", ".orc"))


class _Gathered(io.BytesIO):
    def __init__(self, file: _Whole) -> None:
        super().__init__()
        self._file = file

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._file.put(content)
