"""The one maker of ids: a prefix that says what it names, and 32 hex digits that sort by time."""

import secrets
from collections.abc import Callable

from meshplane.kit.clock import Clock

IdMaker = Callable[[str], str]


def id_maker(clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> IdMaker:
    """Makes a function `new(prefix)` that gives ids such as `proj-019a…`.

    48 bits of Unix milliseconds, as in a ULID or a UUID of version 7, then 80 random bits.
    """

    def new(prefix: str) -> str:
        milliseconds = int(clock.now().timestamp() * 1000)
        return f"{prefix}-{milliseconds:012x}{random_bits(80):020x}"

    return new
