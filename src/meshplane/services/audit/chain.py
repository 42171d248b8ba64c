"""The exported form of the trail, and its verification without a server.

A line is `HASH SP RECORD LF`: the record's canonical bytes exactly as they were hashed, after their
SHA-256 in hex, so that `sha256sum` alone can check one.
"""

from collections.abc import Iterable, Iterator

from meshplane.kit.hash_chain import Verification, verify

__all__ = ["Verification", "export_line", "verify_export"]

_HASH_LENGTH = 64


def export_line(body: bytes, digest: str) -> bytes:
    """A record as a line of an export."""
    return digest.encode() + b" " + body + b"\n"


def verify_export(lines: Iterable[bytes]) -> Verification:
    """Checks an exported trail, from its first record to its last; lines with or without LF."""
    return verify(_entries(lines))


def _entries(lines: Iterable[bytes]) -> Iterator[tuple[bytes, str]]:
    for line in lines:
        digest, separator, body = line.removesuffix(b"\n").partition(b" ")
        whole = separator == b" " and len(digest) == _HASH_LENGTH
        # A line that is not whole keeps its place, so that the count and the place are right.
        yield (body, digest.decode("latin-1")) if whole else (b"", "")
