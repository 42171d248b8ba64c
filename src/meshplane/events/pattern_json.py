"""Reads the JSON text of patterns and of events.

A pattern keeps what a dictionary would lose: members of the same name, and how a number was
written. Both matter to what EventBridge answers.
"""

import json
from dataclasses import dataclass
from typing import Any, NoReturn

from meshplane.events.pattern_refusals import bad_event, bad_pattern

# Quota of EventBridge: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-quota.html
MOST_CHARACTERS = 4096
MOST_LEVELS = 100

# A number of more digits is kept as it was written: to convert it takes quadratic time.
_MOST_DIGITS = 30


@dataclass(frozen=True, slots=True)
class NumberText:
    """A JSON number as it was written."""

    text: str


@dataclass(frozen=True, slots=True)
class Members:
    """A JSON object: its members in their order, those of the same name too."""

    pairs: list[tuple[str, Any]]


def read_pattern(source: object) -> Any:
    """A pattern's JSON: objects as `Members`, numbers as `NumberText`, the rest as it is.

    Args:
        source: the pattern as an object, or its JSON text.

    Raises:
        InvalidEventPattern: it is no JSON, too long, or nested too deeply.
    """
    text = _text_of(source)
    if len(text) > MOST_CHARACTERS:
        raise bad_pattern(
            f"The pattern has {len(text)} characters, more than the {MOST_CHARACTERS} that may be"
        )
    try:
        found = json.loads(
            text,
            object_pairs_hook=Members,
            parse_int=NumberText,
            parse_float=NumberText,
            parse_constant=_no_constant,
        )
    except json.JSONDecodeError as problem:
        raise bad_pattern(
            f"Invalid JSON: {problem.msg}; line: {problem.lineno}, column: {problem.colno}"
        ) from None
    except RecursionError:
        raise _too_deep() from None
    _check_levels(found)
    return found


def read_event(source: object) -> Any:
    """An event: as it is, or read from its JSON text; of members of one name the last counts.

    Raises:
        InvalidEvent: the text is no JSON.
    """
    if not isinstance(source, str | bytes | bytearray):
        return source
    try:
        return json.loads(
            source, parse_int=_integer, parse_float=NumberText, parse_constant=_no_constant
        )
    except (ValueError, RecursionError):
        raise bad_event() from None


def _text_of(source: object) -> str:
    if isinstance(source, str):
        return source
    try:
        if isinstance(source, bytes | bytearray):
            return source.decode()
        return json.dumps(source, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except RecursionError:
        raise _too_deep() from None
    except (TypeError, ValueError):
        raise bad_pattern("Invalid JSON: the pattern holds what JSON cannot express") from None


def _integer(text: str) -> int | NumberText:
    return int(text) if len(text) <= _MOST_DIGITS else NumberText(text)


def _no_constant(name: str) -> NoReturn:
    raise json.JSONDecodeError(f"Non-standard token '{name}'", "", 0)


def _check_levels(found: Any) -> None:
    level = [found]
    for _ in range(MOST_LEVELS):
        inner: list[Any] = []
        for value in level:
            if isinstance(value, Members):
                inner += (member for _, member in value.pairs)
            elif isinstance(value, list):
                inner += value
        if not inner:
            return
        level = inner
    raise _too_deep()


def _too_deep() -> Exception:
    return bad_pattern(f"The pattern is nested more than {MOST_LEVELS} levels deep")
