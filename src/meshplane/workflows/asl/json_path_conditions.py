"""Conditions in a JSONPath, `[?(@.price < 10 && @.category in ['a','b'])]`."""

from collections.abc import Callable
from typing import Any, Protocol

from meshplane.workflows.asl.json_path_regex import Regex
from meshplane.workflows.asl.json_path_steps import Comparison, Condition, Logical, Operand

_ABSENT: Any = object()


class Resolver(Protocol):
    """Gives the value of one side of a comparison, and counts the work."""

    def resolve(self, operand: Operand, current: Any) -> tuple[Any, bool]:
        """The value, and whether there is one."""

    def spend(self, visits: int = 1) -> None:
        """Counts values visited."""


def holds(condition: Condition, current: Any, resolver: Resolver) -> bool:
    """Whether a condition holds for a value.

    Raises:
        RegexTooSlow: a regular expression takes too long.
    """
    resolver.spend()
    if isinstance(condition, Logical):
        parts = (holds(part, current, resolver) for part in condition.parts)
        if condition.operator == "and":
            return all(parts)
        if condition.operator == "or":
            return any(parts)
        return not next(parts)
    return _compare(condition, current, resolver)


def _compare(comparison: Comparison, current: Any, resolver: Resolver) -> bool:
    left, present = resolver.resolve(comparison.left, current)
    if comparison.right is None:
        return present
    right, right_present = resolver.resolve(comparison.right, current)
    if comparison.operator == "exists":
        return present is bool(right)
    for side in (left, right):
        resolver.spend(len(side) // 64 if isinstance(side, (list, dict, str)) else 0)
    left = left if present else _ABSENT
    right = right if right_present else _ABSENT
    if comparison.operator in ("=~", "matches"):
        return _matches(left, right, resolver)
    return _OPERATORS[comparison.operator](left, right)


def loosely_equal(left: Any, right: Any) -> bool:
    """Equality of the comparison `==`: a number equals the text that spells it."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, int | float) and isinstance(right, str):
        return _number_of(right) == left
    if isinstance(left, str) and isinstance(right, int | float):
        return left == str(right)
    return strictly_equal(left, right)


def strictly_equal(left: Any, right: Any) -> bool:
    """Equality of JSON values: `1` equals `1.0`, and `true` does not equal `1`."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        pairs = zip(left, right, strict=False)
        return len(left) == len(right) and all(strictly_equal(a, b) for a, b in pairs)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            strictly_equal(value, right[name]) for name, value in left.items()
        )
    return bool(left == right)


def _number_of(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _ordered(test: Callable[[Any, Any], bool]) -> Callable[[Any, Any], bool]:
    def compare(left: Any, right: Any) -> bool:
        if isinstance(left, bool) or isinstance(right, bool):
            return False
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        texts = isinstance(left, str) and isinstance(right, str)
        return (numbers or texts) and test(left, right)

    return compare


def _among(item: Any, values: Any) -> bool:
    return isinstance(values, list) and any(loosely_equal(item, value) for value in values)


def _contains(whole: Any, part: Any) -> bool:
    if isinstance(whole, str):
        return isinstance(part, str) and part in whole
    return _among(part, whole)


def _matches(text: Any, pattern: Any, resolver: Resolver) -> bool:
    if isinstance(text, Regex):
        text, pattern = pattern, text
    if not isinstance(pattern, Regex) or not isinstance(text, str):
        return False
    return pattern.matches_whole(text, resolver.spend)


def _subset(left: Any, right: Any) -> bool:
    both = isinstance(left, list) and isinstance(right, list)
    return both and all(_among(item, right) for item in left)


def _any_of(left: Any, right: Any) -> bool:
    return isinstance(left, list) and any(_among(item, right) for item in left)


def _type_name(value: Any) -> str:
    kinds: list[tuple[type, str]] = [
        (bool, "boolean"),
        (str, "string"),
        (int, "number"),
        (float, "number"),
        (list, "json"),
        (dict, "json"),
    ]
    return next((name for kind, name in kinds if isinstance(value, kind)), "null")


_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": loosely_equal,
    "!=": lambda left, right: not loosely_equal(left, right),
    "===": lambda left, right: _type_name(left) == _type_name(right) and loosely_equal(left, right),
    "!==": lambda left, right: (
        _type_name(left) != _type_name(right) or not loosely_equal(left, right)
    ),
    "<": _ordered(lambda left, right: left < right),
    "<=": _ordered(lambda left, right: left <= right),
    ">": _ordered(lambda left, right: left > right),
    ">=": _ordered(lambda left, right: left >= right),
    "in": _among,
    "nin": lambda left, right: not _among(left, right),
    "contains": _contains,
    "all": lambda left, right: _subset(right, left),
    "size": lambda left, right: isinstance(left, list | str) and len(left) == right,
    "empty": lambda left, right: isinstance(left, list | str | dict) and (not left) is bool(right),
    "type": lambda left, right: _type_name(left) == right,
    "subsetof": _subset,
    "anyof": _any_of,
    "noneof": lambda left, right: isinstance(left, list) and not _any_of(left, right),
}
