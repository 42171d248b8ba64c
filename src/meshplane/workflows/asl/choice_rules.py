"""The comparisons of a Choice in JSONPath, compiled into functions.

A value of another type than the comparison's is no match. Source: the Amazon States Language,
"Choice State".
"""

import operator
from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.errors import RUNTIME, PathMissing, StateError
from meshplane.workflows.asl.json_path import Path, compile_path
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.timestamps import read_instant
from meshplane.workflows.asl.wildcards import compile_wildcard

Rule = Callable[[Scope], bool]
Reading = Callable[[Any], Any]

_COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": operator.eq,
    "LessThan": operator.lt,
    "GreaterThan": operator.gt,
    "LessThanEquals": operator.le,
    "GreaterThanEquals": operator.ge,
}


def _string(value: Any) -> Any:
    """A string as it is compared: by its UTF-16 units, as in Java."""
    if not isinstance(value, str):
        return None
    return value if value.isascii() else value.encode("utf-16-be", "surrogatepass")


def _string_in_order(value: Any) -> Any:
    return value.encode("utf-16-be", "surrogatepass") if isinstance(value, str) else None


def _number(value: Any) -> Any:
    return None if isinstance(value, bool) or not isinstance(value, int | float) else value


def _boolean(value: Any) -> Any:
    return value if isinstance(value, bool) else None


_READINGS: dict[str, Reading] = {
    "String": _string_in_order,
    "Numeric": _number,
    "Boolean": _boolean,
    "Timestamp": read_instant,
}

_TYPE_TESTS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": lambda value: isinstance(value, str),
    "IsNumeric": lambda value: _number(value) is not None,
    "IsBoolean": lambda value: isinstance(value, bool),
    "IsTimestamp": lambda value: read_instant(value) is not None,
}


def compile_rule(document: dict[str, Any]) -> Rule:
    """A rule of `Choices`, or a part of one."""
    if "And" in document:
        every = [compile_rule(part) for part in document["And"]]
        return lambda scope: all(rule(scope) for rule in every)
    if "Or" in document:
        some = [compile_rule(part) for part in document["Or"]]
        return lambda scope: any(rule(scope) for rule in some)
    if "Not" in document:
        inner = compile_rule(document["Not"])
        return lambda scope: not inner(scope)
    variable = compile_path(document["Variable"])
    for name, operand in document.items():
        rule = _comparison(name, operand, variable)
        if rule is not None:
            return rule
    raise ValueError("a choice rule has no comparison")


def _comparison(name: str, operand: Any, variable: Path) -> Rule | None:
    if name == "IsPresent":
        return _presence(variable, operand)
    if name in _TYPE_TESTS:
        return _type_test(_TYPE_TESTS[name], variable, operand)
    if name == "StringMatches":
        return _wildcard(variable, operand)
    for kind, reading in _READINGS.items():
        if name.startswith(kind):
            by_path = name.endswith("Path")
            compare = _COMPARISONS.get(name[len(kind) :].removesuffix("Path"))
            if compare is None:
                return None
            if compare is operator.eq and kind == "String":
                reading = _string  # noqa: PLW2901 - equality needs no order
            if by_path:
                return _two_paths(compare, reading, variable, compile_path(operand))
            return _path_and_literal(compare, reading, variable, reading(operand))
    return None


def _read(path: Path, scope: Scope) -> Any:
    try:
        return path.evaluate(scope)
    except PathMissing:
        raise StateError(
            RUNTIME,
            f"Invalid path '{path.text}': The choice state's condition path references an invalid"
            " value.",
        ) from None


def _path_and_literal(
    compare: Callable[[Any, Any], bool], reading: Reading, variable: Path, literal: Any
) -> Rule:
    def holds(scope: Scope) -> bool:
        value = reading(_read(variable, scope))
        return value is not None and literal is not None and compare(value, literal)

    return holds


def _two_paths(
    compare: Callable[[Any, Any], bool], reading: Reading, variable: Path, other: Path
) -> Rule:
    def holds(scope: Scope) -> bool:
        left, right = reading(_read(variable, scope)), reading(_read(other, scope))
        return left is not None and right is not None and compare(left, right)

    return holds


def _presence(variable: Path, operand: Any) -> Rule:
    def holds(scope: Scope) -> bool:
        try:
            variable.evaluate(scope)
        except PathMissing:
            return operand is False
        except StateError:
            # A variable that was never assigned is absent; what cannot be read is an error.
            if variable.kind != "variable":
                raise
            return operand is False
        return operand is True

    return holds


def _type_test(test: Callable[[Any], bool], variable: Path, operand: Any) -> Rule:
    return lambda scope: test(_read(variable, scope)) is operand


def _wildcard(variable: Path, pattern: str) -> Rule:
    matches = compile_wildcard(pattern)

    def holds(scope: Scope) -> bool:
        value = _read(variable, scope)
        return isinstance(value, str) and matches(value)

    return holds
