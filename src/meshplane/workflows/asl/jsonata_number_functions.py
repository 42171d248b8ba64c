"""JSONata's functions of numbers."""

import math
import re
from collections.abc import Callable
from decimal import ROUND_HALF_EVEN, Decimal, InvalidOperation
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_pictures import (
    format_integer,
    format_number,
    parse_integer,
)
from meshplane.workflows.asl.jsonata_values import MISSING, Run, is_number, normal_number, real

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[Ee][-+]?[0-9]+)?")
_PREFIXED = re.compile(r"0(?:[xX][0-9a-fA-F]+|[oO][0-7]+|[bB][01]+)")
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LONGEST_NUMBER_CHARACTERS = 400


def number(run: Run, value: Any) -> Any:
    """`$number(value)`."""
    if value is MISSING:
        return MISSING
    if isinstance(value, bool):
        return int(value)
    if is_number(value):
        return value
    if isinstance(value, str) and len(value) <= _LONGEST_NUMBER_CHARACTERS:
        if _PREFIXED.fullmatch(value):
            return int(value, 0)
        if _NUMBER.fullmatch(value):
            return normal_number(float(value))
    raise JsonataError("D3030", value=value)


def of_number(work: Callable[[Any], Any]) -> Callable[[Run, Any], Any]:
    """A function of one number; of undefined it gives undefined."""
    return lambda run, value: MISSING if value is MISSING else normal_number(work(value))


def rounded(run: Run, value: Any, places: Any) -> Any:
    """`$round(number, precision)`: half to even."""
    if value is MISSING:
        return MISSING
    digits = int(places) if places is not MISSING else 0
    if not -400 <= digits <= 400:
        return value if digits > 0 else 0
    try:
        exact = Decimal(repr(real(value))).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN)
    except InvalidOperation:
        # More digits than a double has: there is nothing to round.
        return value
    return normal_number(float(exact))


def square_root(run: Run, value: Any) -> Any:
    """`$sqrt(number)`."""
    if value is MISSING:
        return MISSING
    if value < 0:
        raise JsonataError("D3060", value=value)
    return normal_number(math.sqrt(real(value)))


def power(run: Run, base: Any, exponent: Any) -> Any:
    """`$power(base, exponent)`."""
    if base is MISSING:
        return MISSING
    try:
        return normal_number(math.pow(real(base), real(exponent)))
    except (OverflowError, ValueError, JsonataError):
        raise JsonataError("D3061", value=base, value2=exponent) from None


def format_base(run: Run, value: Any, radix: Any) -> Any:
    """`$formatBase(number, radix)`."""
    if value is MISSING:
        return MISSING
    base = int(radix) if radix is not MISSING else 10
    if not 2 <= base <= 36:
        raise JsonataError("D3100", value=base)
    whole = rounded(run, value, MISSING)
    rest, digits = abs(int(whole)), ""
    while rest:
        rest, digit = divmod(rest, base)
        digits = _DIGITS[digit] + digits
    return ("-" if whole < 0 else "") + (digits or "0")


def aggregate(work: Callable[[list[Any]], Any]) -> Callable[[Run, Any], Any]:
    """A function of a list of numbers; of none it gives undefined."""

    def apply(run: Run, values: Any) -> Any:
        if values is MISSING or not values:
            return MISSING
        run.spend(len(values))
        return normal_number(work(values))

    return apply


def total(run: Run, values: Any) -> Any:
    """`$sum(numbers)`."""
    if values is MISSING:
        return MISSING
    run.spend(len(values))
    sum_ = 0.0
    for value in values:
        sum_ += real(value)
    return normal_number(sum_)


def _average(values: list[Any]) -> float:
    sum_ = 0.0
    for value in values:
        sum_ += real(value)
    return sum_ / len(values)


NUMBER_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("number", "<(nsb)-:n>", number),
    ("abs", "<n-:n>", of_number(abs)),
    ("floor", "<n-:n>", of_number(math.floor)),
    ("ceil", "<n-:n>", of_number(math.ceil)),
    ("round", "<n-n?:n>", rounded),
    ("sqrt", "<n-:n>", square_root),
    ("power", "<n-n:n>", power),
    ("formatBase", "<n-n?:s>", format_base),
    ("formatNumber", "<n-so?:s>", format_number),
    ("formatInteger", "<n-s:s>", format_integer),
    ("parseInteger", "<s-s:n>", parse_integer),
    ("sum", "<a<n>:n>", total),
    ("max", "<a<n>:n>", aggregate(max)),
    ("min", "<a<n>:n>", aggregate(min)),
    ("average", "<a<n>:n>", aggregate(_average)),
]
