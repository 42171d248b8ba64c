"""Pages of a list: tokens that say where the next one begins."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any, TypeVar

from meshplane.sandbox.fake import FakeError

T = TypeVar("T")


def page(
    things: Sequence[T],
    parameters: dict[str, Any],
    *,
    size: int,
    largest: int = 1000,
    token: str = "NextToken",  # noqa: S107 - the name of a parameter
    most: str = "MaxResults",
    wrong: str = "InvalidInputException",
) -> tuple[list[T], str | None]:
    """One page, and the token of the next one if there is more.

    Args:
        things: the whole list, in an order that does not change by itself.
        parameters: of the request.
        size: of a page, unless the request says another.
        largest: that a request may ask for.
        token: the parameter that holds the token.
        most: the parameter that holds the size.
        wrong: the code of the error for a token that this did not make.

    Raises:
        FakeError: the token is none of ours.
    """
    start = _start(parameters.get(token), wrong)
    end = start + min(largest, int(parameters.get(most) or size))
    return list(things[start:end]), token_of(end) if end < len(things) else None


def token_of(start: int) -> str:
    """The token of the page that begins there."""
    return base64.urlsafe_b64encode(f"from:{start}".encode()).decode()


def _start(token: str | None, wrong: str) -> int:
    if not token:
        return 0
    try:
        kind, _, number = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
        if kind == "from":
            return int(number)
    except (binascii.Error, UnicodeDecodeError, ValueError) as error:
        raise FakeError(wrong, "The next token is not one that this service gave.") from error
    raise FakeError(wrong, "The next token is not one that this service gave.")
