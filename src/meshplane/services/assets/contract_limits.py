"""How large and how odd the text of a contract may be, and the error that says so."""

import math
from collections.abc import Callable
from typing import NoReturn

from meshplane.kit.errors import FieldProblem, Invalid

MAX_BYTES = 512 * 1024
MAX_DEPTH = 64
# The largest example that is published with the standard has 13,000 values in 170 KiB.
MAX_NODES = 50_000
MAX_ALIASES = 64
MAX_VALUE_CHARS = 64 * 1024
MAX_NUMBER_CHARS = 64
# What the values come to once aliases are unfolded.
MAX_TOTAL_CHARS = 2 * MAX_BYTES
MAX_SEGMENT_CHARS = 64

# Keys and indexes from the root of a document to a value in it.
Place = tuple[str | int, ...]
# Asked only when something is wrong, because a place is built from every level above it.
Where = Callable[[], Place]


def refuse(message: str, path: Place = ()) -> NoReturn:
    """Raise the one error of this module.

    Raises:
        Invalid: `CONTRACT_INVALID`, always.
    """
    problem = FieldProblem(field_name(path), message)
    raise Invalid("CONTRACT_INVALID", f"The contract cannot be read: {message}.", fields=[problem])


def field_name(path: Place) -> str:
    """Name a place in a contract, such as `contract.schema.0.name`.

    A key that is long or not printable is shortened or shown with `?`, because it comes from
    the text.
    """
    return ".".join(("contract", *(_segment(step) for step in path)))


def _segment(step: str | int) -> str:
    text = "".join(char if char.isprintable() else "?" for char in str(step)[:MAX_SEGMENT_CHARS])
    return text if len(str(step)) <= MAX_SEGMENT_CHARS else text + "…"


def check_text(text: str) -> None:
    """Check the text as a whole: its size, and that it is text.

    Raises:
        Invalid: `CONTRACT_INVALID`.
    """
    try:
        size_bytes = len(text.encode())
    except UnicodeEncodeError:
        refuse("it has half of a surrogate pair, which no text can hold")
    if size_bytes > MAX_BYTES:
        refuse(f"it is larger than {MAX_BYTES // 1024} KiB")
    if "\0" in text:
        refuse("it has a NUL character; save it as plain UTF-8 text")


def check_value(text: str, where: Where) -> None:
    """Check one key or text value, after its escapes were read.

    Raises:
        Invalid: `CONTRACT_INVALID`.
    """
    if len(text) > MAX_VALUE_CHARS:
        refuse(f"the text is longer than {MAX_VALUE_CHARS} characters", where())
    if text.isascii() and "\0" not in text:
        return
    if "\0" in text:
        refuse("the text has a NUL character", where())
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse("the text has half of a surrogate pair", where())


def read_number(digits: str, base: int | None = 10, where: Where = tuple) -> int | float:
    """Read a number that JSON can hold.

    Args:
        digits: the number as it stands in the text.
        base: 10, 0 for a base that the digits' prefix tells, None for a fraction or exponent.
        where: the place of the number.

    Raises:
        Invalid: `CONTRACT_INVALID`. It is too long, or not finite.
    """
    if len(digits) > MAX_NUMBER_CHARS:
        refuse(f"the number has more than {MAX_NUMBER_CHARS} characters; quote it", where())
    if base is not None:
        return int(digits, base)
    number = float(digits)
    if not math.isfinite(number):
        refuse("the number is not finite, or too large for a contract", where())
    return number
