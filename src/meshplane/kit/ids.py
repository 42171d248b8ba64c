"""The one maker of ids: a prefix that says what it names, and 26 characters that sort by time."""

import secrets
from collections.abc import Callable

from meshplane.kit.clock import Clock

IdMaker = Callable[[str], str]

_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32, as in the ULID specification


def _base32(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 32)
        digits.append(_ALPHABET[rest])
    return "".join(reversed(digits))


def id_maker(clock: Clock, random_bits: Callable[[int], int] = secrets.randbits) -> IdMaker:
    """Makes a function `new(prefix)` that gives ids such as `proj-01k2…`.

    The layout is that of a ULID: 48 bits of Unix milliseconds, then 80 random bits.
    """

    def new(prefix: str) -> str:
        milliseconds = int(clock.now().timestamp() * 1000)
        return f"{prefix}-{_base32(milliseconds, 10)}{_base32(random_bits(80), 16)}"

    return new
