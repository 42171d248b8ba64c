"""What the intrinsic functions ask of their arguments."""

import math
from typing import Any


class IntrinsicFailed(Exception):
    """A function cannot do what it is asked; the text says why."""


def array(value: Any, which: str) -> list[Any]:
    """A list. Raises IntrinsicFailed."""
    if not isinstance(value, list):
        raise IntrinsicFailed(f"The {which} argument must be an array")
    return value


def text(value: Any, which: str, most_characters: int | None = None) -> str:
    """A text, of no more than so many characters. Raises IntrinsicFailed."""
    if not isinstance(value, str):
        raise IntrinsicFailed(f"The {which} argument must be a string")
    if most_characters is not None and len(value) > most_characters:
        raise IntrinsicFailed(f"The {which} argument must not exceed {most_characters} characters")
    return value


def integer(value: Any, which: str) -> int:
    """A number, rounded half up as Java does: 2.5 is 3 and -1.5 is -1. Raises IntrinsicFailed."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise IntrinsicFailed(f"The {which} argument must be a number")
    return value if isinstance(value, int) else math.floor(value + 0.5)
