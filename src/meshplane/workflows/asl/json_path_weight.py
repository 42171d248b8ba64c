"""How large a JSON value would be when written, without writing it."""

from typing import Any


def json_weight(value: Any) -> int:
    """About how many characters of JSON a value has.

    A part that occurs many times is looked at once: a small value that shares its parts can stand
    for a text that no memory holds.

    Raises:
        RecursionError: it is nested deeper than can be written.
    """
    return _weight(value, {})


def _weight(value: Any, known: dict[int, int]) -> int:
    if isinstance(value, str):
        return len(value) + 2
    if not isinstance(value, dict | list):
        return 5
    weight = known.get(id(value))
    if weight is None:
        parts = value.values() if isinstance(value, dict) else value
        weight = 2 + len(value) + sum(_weight(part, known) for part in parts)
        if isinstance(value, dict):
            weight += sum(map(len, value)) + 3 * len(value)
        known[id(value)] = weight
    return weight
