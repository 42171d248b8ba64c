"""A chain of records in which each carries the hash of the one before.

A record's bytes are canonical JSON: UTF-8, keys sorted, no spaces. They hold its own sequence
number and the previous hash, and its hash is the SHA-256 of exactly these bytes. So a record that
is changed, removed, added or moved breaks every hash after it.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import orjson

GENESIS = "0" * 64
"""What the first record names as the hash before it."""


def canonical(value: Any) -> bytes:
    """A JSON value's canonical bytes."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)


def link(record: dict[str, Any], sequence: int, previous_hash: str) -> tuple[bytes, str]:
    """The canonical bytes of a record at its place in the chain, and their hash."""
    body = canonical({**record, "sequence": sequence, "previousHash": previous_hash})
    return body, hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True)
class Verification:
    """What checking a chain found; `first_broken` is the number of the first bad record."""

    valid: bool
    records: int
    head: str
    first_broken: int | None


def verify(entries: Iterable[tuple[bytes, str]]) -> Verification:
    """Checks (canonical bytes, hash) pairs that should be a whole chain from its first record."""
    previous_hash, count = GENESIS, 0
    for body, claimed_hash in entries:
        count += 1
        if not _holds(body, claimed_hash, count, previous_hash):
            return Verification(False, count, previous_hash, count)
        previous_hash = claimed_hash
    return Verification(True, count, previous_hash, None)


def _holds(body: bytes, claimed_hash: str, sequence: int, previous_hash: str) -> bool:
    if hashlib.sha256(body).hexdigest() != claimed_hash:
        return False
    try:
        record = orjson.loads(body)
    except orjson.JSONDecodeError:
        return False
    return (
        isinstance(record, dict)
        and record.get("sequence") == sequence
        and record.get("previousHash") == previous_hash
    )
