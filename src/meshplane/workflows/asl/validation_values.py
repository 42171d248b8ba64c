"""What the value of a field must be: a check for each kind of value that fields have.

A check takes the place, the value and the query language of the state, and tells what is wrong.
"""

import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

from meshplane.workflows.asl.validation_expressions import check_jsonata
from meshplane.workflows.asl.validation_paths import is_path
from meshplane.workflows.asl.validation_report import Place, listed, quoted

JSONATA = "JSONata"
JSONPATH = "JSONPath"
LONGEST_SECONDS = 99_999_999

Check = Callable[[Place, Any, str], None]


def anything(place: Place, value: Any, language: str) -> None:
    """Any JSON value is right."""


def text(place: Place, value: Any, language: str) -> None:
    """A string."""
    if not isinstance(value, str):
        place.error(f"must be a string, and is {quoted(value)}.")


def boolean(place: Place, value: Any, language: str) -> None:
    """A boolean."""
    if not isinstance(value, bool):
        place.error(f"must be true or false, and is {quoted(value)}.")


def an_object(place: Place, value: Any, language: str) -> None:
    """A JSON object."""
    if not isinstance(value, dict):
        place.error(f"must be a JSON object, and is {quoted(value)}.")


def one_of(*allowed: str) -> Check:
    """One of some words."""

    def check(place: Place, value: Any, language: str) -> None:
        if value not in allowed or not isinstance(value, str):
            place.error(f"is {quoted(value)}, not one of the allowed values {listed([*allowed])}.")

    return check


def whole(smallest: int, largest: int | None = None, *, or_jsonata: bool = True) -> Check:
    """A whole number in a range; in a JSONata state an expression may stand for it."""

    def check(place: Place, value: Any, language: str) -> None:
        if or_jsonata and language == JSONATA and isinstance(value, str):
            check_jsonata(place, value)
        elif not isinstance(value, int) or isinstance(value, bool):
            place.error(f"must be a whole number{_or_jsonata(or_jsonata, language)}.")
        else:
            _check_range(place, value, smallest, largest)

    return check


def number(smallest: float, largest: float | None = None, *, or_jsonata: bool = True) -> Check:
    """A number in a range; in a JSONata state an expression may stand for it."""

    def check(place: Place, value: Any, language: str) -> None:
        if or_jsonata and language == JSONATA and isinstance(value, str):
            check_jsonata(place, value)
        elif not isinstance(value, int | float) or isinstance(value, bool):
            place.error(f"must be a number{_or_jsonata(or_jsonata, language)}.")
        else:
            _check_range(place, value, smallest, largest)

    return check


def _or_jsonata(allowed: bool, language: str) -> str:
    return " or a JSONata expression {% … %}" if allowed and language == JSONATA else ""


def _check_range(place: Place, value: float, smallest: float, largest: float | None) -> None:
    if value < smallest:
        place.error(f"is {quoted(value)}, but its allowed minimum is {smallest:g}.")
    elif largest is not None and value > largest:
        place.error(f"is {quoted(value)}, but its allowed maximum is {largest}.")


def text_or_jsonata(place: Place, value: Any, language: str) -> None:
    """A string, and in a JSONata state a string that may be an expression."""
    text(place, value, language)
    if language == JSONATA and isinstance(value, str):
        check_jsonata(place, value, required=False)


def timestamp(place: Place, value: Any, language: str) -> None:
    """A moment such as 2026-03-14T01:59:00Z; in a JSONata state an expression may stand for it."""
    if language == JSONATA and isinstance(value, str) and "%" in value:
        check_jsonata(place, value)
    elif not is_timestamp(value):
        place.error(
            f"is {quoted(value)}, no timestamp of the RFC 3339 profile of ISO 8601; write it as"
            " 2026-03-14T01:59:00Z or with an offset such as +02:00."
        )


_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:Z|[+-](\d\d):(\d\d))", re.ASCII
)


def is_timestamp(value: Any) -> bool:
    """Whether a value is a string that names a moment as the States Language wants it."""
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        return False
    parts = [int(part or 0) for part in match.groups()]
    try:
        offset = timezone(timedelta(hours=parts[6], minutes=parts[7]))
        datetime(*parts[:6], tzinfo=offset)  # type: ignore[arg-type,misc]
    except ValueError:
        return False
    return parts[7] < 60


def path(place: Place, value: Any, language: str) -> None:
    """A JSONPath."""
    if not is_path(value):
        place.error(f"is {quoted(value)}, not a JSONPath such as $.order.id.")


def path_or_null(place: Place, value: Any, language: str) -> None:
    """A JSONPath, or null for an empty object."""
    if value is not None:
        path(place, value, language)


def reference(place: Place, value: Any, language: str) -> None:
    """A path to one place: names and indexes only."""
    if not is_path(value, reference=True):
        place.error(
            f"is {quoted(value)}, not a reference path: it must name one place by names and"
            " indexes only, such as $.orders[0].id."
        )


def reference_to_data(place: Place, value: Any, language: str) -> None:
    """A path to one place in the input or a variable: Step Functions refuses `$$` here."""
    if isinstance(value, str) and value.startswith("$$"):
        place.error(
            f"is {quoted(value)}, but the context object cannot be read here; write a reference"
            " path into the input or a variable, such as $.limits.atOnce."
        )
    else:
        reference(place, value, language)


def reference_to_input_or_null(place: Place, value: Any, language: str) -> None:
    """Where a result is put: a reference path into the state's input, or null to drop it."""
    if value is None:
        return
    if is_path(value, reference=True) and not is_path(value, reference=True, into_input=True):
        place.error(
            f"is {quoted(value)}, but a result can only be put into the state's input; write"
            " $.name, or use Assign for a variable."
        )
    else:
        reference(place, value, language)
