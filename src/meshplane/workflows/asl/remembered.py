"""Remembers what was made of short texts.

What long ones become may be thousands of times larger, and who sends many of them would fill the
memory with what nobody asks for again.
"""

from collections.abc import Callable
from functools import lru_cache, wraps
from typing import Any, TypeVar

LONGEST_CHARACTERS = 300

Made = TypeVar("Made")


def remembered(most: int) -> Callable[[Callable[[str], Made]], Callable[[Any], Made]]:
    """Keeps the answers of a pure function of a text, for texts of up to 300 characters.

    Args:
        most: how many answers; those that were asked for last.
    """

    def decorate(function: Callable[[str], Made]) -> Callable[[Any], Made]:
        short = lru_cache(maxsize=most)(function)

        @wraps(function)
        def call(text: Any) -> Made:
            return short(text) if len(text) <= LONGEST_CHARACTERS else function(text)

        return call

    return decorate
