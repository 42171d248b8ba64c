"""Lines of JSON, looked at before they are parsed: deep ones kill the process in Arrow's parser."""

from typing import Any

from meshplane.kit.errors import Invalid

_MOST_OPENED = 1_000


class ShallowLines:
    """A stream of JSON lines that refuses a line with very many objects and lists, as Arrow reads.

    What a line opens bounds how deep it nests, whatever its texts hold. A line break within a text
    is written as two other characters, so that each line stands for itself.

    Args:
        stream: to be read from; it stays its owner's to close.
        path: for the error.
    """

    closed = False

    def __init__(self, stream: Any, path: str) -> None:
        self._stream, self._path = stream, path
        self._opened = 0

    def read(self, size: int | None = None) -> bytes:
        """The next bytes, as many as asked for; all that are left without a size.

        Raises:
            Invalid: FILES_UNREADABLE.
        """
        chunk: bytes = self._stream.read(size)
        first, *further = chunk.split(b"\n")
        self._count(first)
        for line in further:
            self._opened = 0
            self._count(line)
        return chunk

    def close(self) -> None:
        """Nothing more is read."""
        self.closed = True

    def _count(self, part: bytes) -> None:
        self._opened += part.count(b"{") + part.count(b"[")
        if self._opened > _MOST_OPENED:
            raise Invalid(
                "FILES_UNREADABLE",
                f"{self._path}: a line has more than {_MOST_OPENED:,} objects and lists. Write one "
                "row a line, and nested values as texts.",
                field="found",
            )
