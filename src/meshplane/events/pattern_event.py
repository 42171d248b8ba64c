"""An event laid flat: every value under its path, the way EventBridge compares it.

Names are joined with dots, so `{"a": {"b": 1}}` and `{"a.b": 1}` are the same event. Arrays vanish
from the path; instead each value remembers which element of which array it lies in, because two
fields of a pattern must not be satisfied by different elements of one array. See «JSON Array
Matching» in https://github.com/aws/event-ruler.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from meshplane.events.pattern_json import NumberText
from meshplane.events.pattern_refusals import bad_event
from meshplane.events.pattern_tokens import (
    FALSE,
    NULL,
    TRUE,
    Token,
    token_of_float,
    token_of_int,
    token_of_number,
)

# The elements that a value lies in, outermost first: the array's number and the element's.
Trail = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class FlatEvent:
    """The values of an event by path.

    Args:
        leaves: the tokens at each path. A path without any is not there.
        trails: for the paths with a value inside an array's element: a trail for each token.
    """

    leaves: dict[str, list[Token]] = field(default_factory=dict)
    trails: dict[str, list[Trail]] = field(default_factory=dict)

    def add(self, path: str, token: Token, trail: Trail) -> None:
        """Adds a value."""
        found = self.leaves.get(path)
        if found is None:
            found = self.leaves[path] = []
        trails = self.trails.get(path)
        if trails is None and trail:
            trails = self.trails[path] = [()] * len(found)
        if trails is not None:
            trails.append(trail)
        found.append(token)


def flatten(event: Any, wanted: Container[str]) -> FlatEvent:
    """Lays an event flat.

    Args:
        event: a JSON object.
        wanted: the paths that matter and all beginnings of them; the others are not entered.

    Raises:
        InvalidEvent: it is no object, or holds what JSON cannot express.
    """
    if not _is_object(event):
        raise bad_event()
    flat = FlatEvent()
    arrays = 0
    waiting: list[tuple[str, Any, Trail]] = [("", event, ())]
    while waiting:
        prefix, value, trail = waiting.pop()
        if _is_object(value):
            for name, inner in value.items():
                if not isinstance(name, str):
                    raise bad_event()
                path = prefix + name
                if path not in wanted:
                    continue
                token = _token(inner)
                if token is not None:
                    flat.add(path, token, trail)
                else:
                    inner_prefix = path + "." if _is_object(inner) else path
                    waiting.append((inner_prefix, inner, trail))
            continue
        arrays += 1
        for index, element in enumerate(value):
            token = _token(element)
            if token is not None:
                # Whatever the array holds itself is not inside one of its elements.
                flat.add(prefix, token, trail)
            else:
                inner_prefix = prefix + "." if _is_object(element) else prefix
                waiting.append((inner_prefix, element, (*trail, (arrays, index))))
    return flat


def _is_object(value: Any) -> bool:
    # To ask a dictionary whether it is a mapping takes ten times as long.
    return type(value) is dict or isinstance(value, Mapping)


def _token(value: Any) -> Token | None:
    """The token of a value; None for an object and for an array."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is dict or kind is list:
        return None
    if kind is int:
        return token_of_int(value)
    if kind is float:
        return token_of_float(value)
    return _rarer_token(value)


def _rarer_token(value: Any) -> Token | None:
    if value is None:
        return NULL
    if isinstance(value, bool):
        return TRUE if value else FALSE
    if isinstance(value, NumberText):
        return token_of_number(value.text)
    if isinstance(value, Decimal):
        return token_of_number(str(value))
    if isinstance(value, Mapping | list | tuple):
        return None
    if isinstance(value, str):
        return str(value)
    raise bad_event()
