"""The functions that a JSONPath can end with: `$.values.max()`."""

import math
from typing import Any


class FunctionFailed(Exception):
    """A function cannot be applied to the value found."""


def apply_function(name: str, value: Any, arguments: list[Any]) -> Any:
    """The function's value.

    Raises:
        FunctionFailed: it cannot be applied to that.
    """
    if name in ("length", "size"):
        return len(value) if isinstance(value, list | dict | str) else None
    if name == "keys":
        return list(value) if isinstance(value, dict) else None
    if name == "concat":
        items = value if isinstance(value, list) else []
        return "".join(item for item in [*items, *arguments] if isinstance(item, str))
    if name == "append":
        return [*value, *arguments] if isinstance(value, list) else value
    if name in ("first", "last", "index"):
        return _item(name, value, arguments)
    return _aggregate(name, value, arguments)


def _item(name: str, value: Any, arguments: list[Any]) -> Any:
    place = {"first": 0, "last": -1}.get(name, arguments[0] if arguments else None)
    try:
        return value[place]
    except (TypeError, IndexError, KeyError):
        raise FunctionFailed(f"the function '{name}' finds no such item") from None


def _aggregate(name: str, value: Any, arguments: list[Any]) -> float:
    items = [*(value if isinstance(value, list) else []), *arguments]
    numbers = [
        float(item)
        for item in items
        if isinstance(item, int | float) and not isinstance(item, bool)
    ]
    if not numbers:
        raise FunctionFailed("Aggregation function attempted to calculate value using empty array")
    if name == "min":
        return min(numbers)
    if name == "max":
        return max(numbers)
    total = math.fsum(numbers)
    if name == "sum":
        return total
    mean = total / len(numbers)
    if name == "avg":
        return mean
    return math.sqrt(max(0.0, math.fsum(n * n for n in numbers) / len(numbers) - mean * mean))
