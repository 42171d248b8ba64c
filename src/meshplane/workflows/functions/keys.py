"""Keys for the parts of a piece of work."""

import hashlib


def part_key(key: str, part: str) -> str:
    """The key of one part: the same for the same two texts, and as short as a key must be."""
    return hashlib.sha256(f"{key}\n{part}".encode()).hexdigest()
