"""Conditions on a number that is known: a metric, or the share of rows that meet a condition."""

from collections.abc import Callable
from fractions import Fraction

from meshplane.services.quality.dqdl.model import (
    Arithmetic,
    Call,
    Condition,
    Number,
    Operand,
    Operator,
)
from meshplane.services.quality.dqdl.target import UNSUPPORTED, CannotEvaluate

MAX_TERMS = 200

Test = Callable[[float], bool]


def constant(operand: Operand) -> int | float:
    """The value of a number or of arithmetic on numbers: exact if it is a 64-bit whole number.

    Raises:
        CannotEvaluate: it asks for earlier runs, divides by zero, or is out of range.
    """
    value = _exact(operand, [0])
    if value.denominator == 1 and abs(value) < 2**63:
        return int(value)
    try:
        return float(value)
    except OverflowError:
        raise CannotEvaluate(UNSUPPORTED, "a number in it is out of range.") from None


def _exact(operand: Operand, terms: list[int]) -> Fraction:
    terms[0] += 1
    if terms[0] > MAX_TERMS:
        raise CannotEvaluate(UNSUPPORTED, f"one number is put together of over {MAX_TERMS} terms.")
    if isinstance(operand, Number):
        return Fraction(operand.text)
    if isinstance(operand, Arithmetic):
        total = _exact(operand.first, terms)
        for sign, term in operand.rest:
            total = _apply(sign, total, _exact(term, terms))
        return total
    if isinstance(operand, Call):
        raise CannotEvaluate(
            UNSUPPORTED,
            f"it compares with earlier runs by {operand.name[:40]}(). Write the number itself.",
        )
    raise CannotEvaluate(UNSUPPORTED, "it compares a number with something else.")


def _apply(sign: str, left: Fraction, right: Fraction) -> Fraction:
    if sign == "+":
        return left + right
    if sign == "-":
        return left - right
    if sign == "*":
        return left * right
    if right == 0:
        raise CannotEvaluate(UNSUPPORTED, "it divides by zero.")
    return left / right


def number_test(condition: Condition) -> Test:
    """The test that a number condition stands for. `between` leaves out both bounds.

    Raises:
        CannotEvaluate: a number in it is not known.
    """
    bounds = [float(constant(operand)) for operand in condition.operands]
    first, last = bounds[0], bounds[-1]
    tests: dict[Operator, Test] = {
        Operator.EQUAL: lambda value: value == first,
        Operator.NOT_EQUAL: lambda value: value != first,
        Operator.GREATER: lambda value: value > first,
        Operator.GREATER_EQUAL: lambda value: value >= first,
        Operator.LESS: lambda value: value < first,
        Operator.LESS_EQUAL: lambda value: value <= first,
        Operator.BETWEEN: lambda value: first < value < last,
        Operator.NOT_BETWEEN: lambda value: value <= first or value >= last,
        Operator.IN: lambda value: value in bounds,
        Operator.NOT_IN: lambda value: value not in bounds,
    }
    return tests[condition.operator]
