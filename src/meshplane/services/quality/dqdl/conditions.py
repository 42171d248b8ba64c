"""Which kind of condition an operator and its operands make."""

import re
from collections.abc import Callable, Sequence
from datetime import date

from meshplane.services.quality.dqdl.model import (
    Arithmetic,
    Call,
    Condition,
    Duration,
    Keyword,
    Kind,
    Now,
    Number,
    Operand,
    Operator,
    Size,
    Text,
)

_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_TIME_OF_DAY = re.compile(r"(?:0?[1-9]|1[0-2]):[0-5]\d ?[AP]M|(?:[01]?\d|2[0-3]):[0-5]\d", re.ASCII)

_PATTERN = (Operator.MATCHES, Operator.NOT_MATCHES)
_ALIKE = (Operator.EQUAL, Operator.NOT_EQUAL, Operator.IN, Operator.NOT_IN)


def as_date(text: str) -> date | None:
    """The day that a text `2024-02-29` names, or None if it names none."""
    if not _DATE.fullmatch(text):
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def condition_of(
    operator: Operator, operands: Sequence[Operand], kinds: frozenset[Kind]
) -> Condition | None:
    """The condition, or None if none of the allowed kinds fits.

    A text that names a day makes a date condition where both are allowed, as in the published
    parser; a list that mixes such texts with others stays a list of texts.

    Args:
        operator: how it compares.
        operands: what it compares with.
        kinds: what the rule type allows.
    """
    for kind in (Kind.DATE, Kind.NUMBER, Kind.TEXT, Kind.DURATION, Kind.SIZE):
        if kind in kinds and _FITS[kind](operator, operands):
            return Condition(kind, operator, tuple(operands))
    return None


def _all_or_null(
    operator: Operator, operands: Sequence[Operand], fits: Callable[[Operand], bool]
) -> bool:
    """Whether each operand fits or is NULL, which only `=`, `in` and their opposites allow."""
    values = [item for item in operands if item is not Keyword.NULL]
    nulls = len(values) < len(operands)
    return bool(values) and all(map(fits, values)) and (not nulls or operator in _ALIKE)


def _is_date(operator: Operator, operands: Sequence[Operand]) -> bool:
    def fits(item: Operand) -> bool:
        if isinstance(item, Text):
            time_of_day = operator not in _ALIKE and _TIME_OF_DAY.fullmatch(item.value)
            return bool(time_of_day) or as_date(item.value) is not None
        return isinstance(item, Now)

    return operator not in _PATTERN and _all_or_null(operator, operands, fits)


def _is_number(operator: Operator, operands: Sequence[Operand]) -> bool:
    return operator not in _PATTERN and _all_or_null(
        operator, operands, lambda item: isinstance(item, Number | Call | Arithmetic)
    )


def _is_text(operator: Operator, operands: Sequence[Operand]) -> bool:
    return operator in (*_PATTERN, *_ALIKE) and all(
        isinstance(item, Text | Keyword) for item in operands
    )


def _is_duration(operator: Operator, operands: Sequence[Operand]) -> bool:
    return operator not in _PATTERN and all(isinstance(item, Duration) for item in operands)


def _is_size(operator: Operator, operands: Sequence[Operand]) -> bool:
    return operator not in _PATTERN and all(isinstance(item, Size) for item in operands)


_FITS: dict[Kind, Callable[[Operator, Sequence[Operand]], bool]] = {
    Kind.DATE: _is_date,
    Kind.NUMBER: _is_number,
    Kind.TEXT: _is_text,
    Kind.DURATION: _is_duration,
    Kind.SIZE: _is_size,
}
