"""JSONata's operators on values."""

import math
from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_text import equal, to_text
from meshplane.workflows.asl.jsonata_values import (
    MISSING,
    Run,
    is_number,
    normal_number,
    real,
)

MOST_RANGE_ITEMS = 1_000_000
_EXACT = 2**53

Operator = Callable[[Run, Any, Any], Any]


def arithmetic(sign: str, work: Callable[[float, float], float]) -> Operator:
    """An operator of numbers; undefined on a side gives undefined."""

    def apply(run: Run, left: Any, right: Any) -> Any:
        if left is not MISSING and not is_number(left):
            raise JsonataError("T2001", subject=sign)
        if right is not MISSING and not is_number(right):
            raise JsonataError("T2002", subject=sign)
        if left is MISSING or right is MISSING:
            return MISSING
        # Doubles are exact up to 2^53, and there an integer is the same number.
        whole = type(left) is int and type(right) is int and sign in "+-*"
        if whole and abs(left) < _EXACT and abs(right) < _EXACT:
            exact = int(work(left, right))
            if abs(exact) < _EXACT:
                return exact
        return normal_number(work(real(left), real(right)))

    return apply


def _divided(left: float, right: float) -> float:
    if right == 0:
        raise JsonataError("D1001", value=None)
    return left / right


def _remainder(left: float, right: float) -> float:
    if right == 0:
        raise JsonataError("D1001", value=None)
    return math.fmod(left, right)


def comparison(sign: str, test: Callable[[Any, Any], bool]) -> Operator:
    """An operator that orders numbers, or texts."""

    def apply(run: Run, left: Any, right: Any) -> Any:
        for side in (left, right):
            if side is not MISSING and not isinstance(side, str) and not is_number(side):
                raise JsonataError("T2010", subject=sign)
        if left is MISSING or right is MISSING:
            return MISSING
        if isinstance(left, str) is not isinstance(right, str):
            raise JsonataError("T2009", value=left, value2=right, subject=sign)
        return test(left, right)

    return apply


def _equals(run: Run, left: Any, right: Any) -> bool:
    return left is not MISSING and right is not MISSING and equal(run, left, right)


def _differs(run: Run, left: Any, right: Any) -> bool:
    return left is not MISSING and right is not MISSING and not equal(run, left, right)


def _concatenated(run: Run, left: Any, right: Any) -> str:
    first, second = to_text(run, left), to_text(run, right)
    run.spend_text(len(first) + len(second))
    return first + second


def _included(run: Run, left: Any, right: Any) -> bool:
    if left is MISSING or right is MISSING:
        return False
    items = right if isinstance(right, list) else [right]
    run.spend(len(items))
    if isinstance(left, list | dict):
        return any(item is left for item in items)
    return any(equal(run, left, item) for item in items if not isinstance(item, list | dict))


def _ranged(run: Run, left: Any, right: Any) -> Any:
    for side, code in ((left, "T2003"), (right, "T2004")):
        whole = isinstance(side, int) or (isinstance(side, float) and side.is_integer())
        if side is not MISSING and (isinstance(side, bool) or not whole):
            raise JsonataError(code)
    if left is MISSING or right is MISSING or left > right:
        return MISSING
    size = int(right) - int(left) + 1
    if size > MOST_RANGE_ITEMS:
        raise JsonataError("D2014", value=size)
    run.spend(size)
    return list(range(int(left), int(right) + 1))


ARITHMETIC = ("+", "-", "*", "/", "%")

OPERATORS: dict[str, Operator] = {
    "+": arithmetic("+", lambda left, right: left + right),
    "-": arithmetic("-", lambda left, right: left - right),
    "*": arithmetic("*", lambda left, right: left * right),
    "/": arithmetic("/", _divided),
    "%": arithmetic("%", _remainder),
    "=": _equals,
    "!=": _differs,
    "<": comparison("<", lambda left, right: left < right),
    "<=": comparison("<=", lambda left, right: left <= right),
    ">": comparison(">", lambda left, right: left > right),
    ">=": comparison(">=", lambda left, right: left >= right),
    "&": _concatenated,
    "in": _included,
    "..": _ranged,
}
