"""The one maker of ids: a prefix that says what it names, and 32 hex digits that sort by time."""

import os
import threading
from collections.abc import Callable

from meshplane.kit.clock import Clock

IdMaker = Callable[[str], str]

_FETCHED_BYTES = 4096


class RandomHex:
    """Random hex digits of the system, fetched many at a time: each fetch is a call of the kernel.

    What was fetched is forgotten when the process forks, so that no two ever use the same.
    """

    def __init__(self) -> None:
        self._digits = ""
        self._place = 0
        self._lock = threading.Lock()
        os.register_at_fork(after_in_child=self._forget)

    def take(self, count: int) -> str:
        """That many digits, never given before."""
        with self._lock:
            if self._place + count > len(self._digits):
                self._digits, self._place = os.urandom(_FETCHED_BYTES).hex(), 0
            begin, self._place = self._place, self._place + count
            return self._digits[begin : self._place]

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._digits, self._place = "", 0


random_hex = RandomHex().take


def id_maker(clock: Clock, digits: Callable[[int], str] = random_hex) -> IdMaker:
    """Makes a function `new(prefix)` that gives ids such as `proj-019a…`.

    48 bits of Unix milliseconds, as in a ULID or a UUID of version 7, then 80 random bits.
    """

    def new(prefix: str) -> str:
        milliseconds = int(clock.now().timestamp() * 1000)
        return f"{prefix}-{milliseconds:012x}{digits(20)}"

    return new
