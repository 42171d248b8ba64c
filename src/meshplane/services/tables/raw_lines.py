"""Lines of JSON, looked at before they are parsed.

Arrow's parser ends the process where a line nests without end, or where all rows that it reads at
once are `null`; it takes long for a line with very many names, and holds a value of each column for
each row, be it empty. Other lines cost what they are long. What looks like too much at a glance is
looked at once more without its texts.
"""

import re
from itertools import islice
from typing import Any

from meshplane.kit.errors import Invalid
from meshplane.services.tables.raw_area import MOST_COLUMNS

_MOST_OPENED, _MOST_ROWS = 1_000, 1_000
_SHORT_BYTES = 1_000
"""A line that holds too much of anything is longer."""

_LONGEST_BYTES = 16 * 1024 * 1024
"""Of a line: twice what is read at once, beyond which no parser of Arrow goes."""

_HEAD_CELLS = 8 * 1024 * 1024
# A text and what may follow it; the last one may be cut off. Each byte is looked at once.
_TEXT = re.compile(rb'"((?:[^"\\]|\\.)*+)"?(\s*:)?+', re.DOTALL)
_SIGN = re.compile(rb"[{}\[\]:]|null")
# A row that is no object, at the beginning of a line, which Arrow takes to end at \r as well.
_NULL = re.compile(rb"(?:\A|[\r\n])\s*+null")
# What a row begins with, or is: there are no more rows than these.
_ROW = re.compile(rb"\{|null")


class CheckedLines:
    """A stream of JSON lines as Arrow reads it, which refuses lines that cost too much.

    What a line opens bounds how deep it nests. A line break within a text is written as two other
    characters, so that each line stands for itself.

    Args:
        stream: to be read from; it stays its owner's to close.
        path: for the error.
        most_rows: that one `read` gives, or one line where that has more; 0: as many as there are.
    """

    closed = False

    def __init__(self, stream: Any, path: str, most_rows: int = 0) -> None:
        self._stream, self._path, self._most_rows = stream, path, most_rows
        self._rest = b""
        self._number = 1
        self._line = b""
        self._looked_at = self._marks = 0

    def read(self, size: int | None = None) -> bytes:
        """The next bytes, at most as many as asked for; all that are left without a size.

        Raises:
            Invalid: FILES_UNREADABLE.
        """
        chunk = self._next(size)
        self._demand_objects(chunk)
        first, *further = chunk.split(b"\n")
        self._look_at(first)
        for line in further:
            self._number += 1
            self._line = b""
            self._looked_at = self._marks = 0
            self._look_at(line)
        return chunk

    def close(self) -> None:
        """Nothing more is read."""
        self.closed = True

    def _next(self, size: int | None) -> bytes:
        if size is None or size < 0:
            chunk: bytes = self._rest + self._stream.read()
        else:
            # The rest is no longer than a block: it is what a block had beyond its rows.
            chunk = self._rest + self._stream.read(max(0, size - len(self._rest)))
        end = _end_of(chunk, self._most_rows) if self._most_rows else len(chunk)
        self._rest = chunk[end:]
        return chunk[:end]

    def _demand_objects(self, chunk: bytes) -> None:
        # What the line has so far, where `null` may stand next or be cut in two.
        before = self._line[self._line.rfind(b"\r") + 1 :].strip()
        found = _NULL.search((before if len(before) < len(b"null") else b"{") + chunk)
        if found is not None:
            number = self._number + chunk.count(b"\n", 0, found.end() - len(before))
            raise self._refused(number, "null in place of an object")

    def _look_at(self, part: bytes) -> None:
        self._line += part
        if len(self._line) <= _SHORT_BYTES:
            return
        new, self._looked_at = self._line[self._looked_at :], len(self._line)
        self._marks += sum(new.count(mark) for mark in (b"{", b"[", b":", b"null"))
        problem = ""
        if len(self._line) > _LONGEST_BYTES:
            problem = f"more than {_LONGEST_BYTES:,} bytes"
        elif self._marks > min(_MOST_OPENED, _MOST_ROWS, MOST_COLUMNS):
            problem = _problem(self._line)
        if problem:
            raise self._refused(self._number, problem)

    def _refused(self, number: int, problem: str) -> Invalid:
        return Invalid(
            "FILES_UNREADABLE",
            f"{self._path}: line {number:,} has {problem}. Write one row a line, and nested values "
            "as texts.",
            field="found",
        )


def head_of(stream: Any, path: str, size: int) -> bytes:
    """The first lines of a stream, as many as it takes to tell its columns.

    Args:
        stream: at its beginning.
        path: for the error.
        size: how many bytes are read, all of them lines that end.

    Raises:
        Invalid: FILES_UNREADABLE.
    """
    head = b""
    while len(head) < size and (more := stream.read(size - len(head))):
        head += more
    if len(head) == size and stream.read(1):
        head = head[: head.rfind(b"\n") + 1]
        if not head:
            raise Invalid(
                "FILES_UNREADABLE",
                f"{path}: the first line has more than {size:,} bytes. Write one row a line.",
                field="found",
            )
    names = len({found[1] for found in _TEXT.finditer(head) if found[2]})
    # Of each name a value for each row: few rows tell as much where names are so many.
    return head[: _end_of(head, max(1, _HEAD_CELLS // max(1, names)))]


def _end_of(chunk: bytes, most_rows: int) -> int:
    """Where lines end that have no more rows than that, be it one line that has more."""
    beyond = next(islice(_ROW.finditer(chunk), most_rows, None), None)
    if beyond is None:
        return len(chunk)
    end = chunk.rfind(b"\n", 0, beyond.start()) + 1
    return end or chunk.find(b"\n", beyond.start()) + 1 or len(chunk)


def _problem(line: bytes) -> str:
    """What a line, or its beginning, has too much of besides what its texts hold; or nothing."""
    names, opened, rows = [0], 0, 0
    for found in _SIGN.finditer(_TEXT.sub(_colon, line)):
        sign = found[0]
        if sign in (b"{", b"["):
            rows += len(names) == 1
            names.append(0)
            opened += 1
        elif sign == b":":
            names[-1] += 1
        elif sign == b"null":
            rows += len(names) == 1
        elif len(names) > 1:
            names.pop()
        if opened > _MOST_OPENED:
            return f"more than {_MOST_OPENED:,} objects and lists"
        if rows > _MOST_ROWS:
            return f"more than {_MOST_ROWS:,} rows"
        if names[-1] > MOST_COLUMNS:
            return (
                f"an object of more than {MOST_COLUMNS:,} names, which is as many columns as a "
                "table may have"
            )
    return ""


def _colon(found: re.Match[bytes]) -> bytes:
    return b":" if found[2] else b""
