"""Whether a row's value fits a condition, as SQL; and whether a number does, in Python.

`between` leaves its ends out. A row whose value is NULL does not fit, except for `!=`, `not in` and
where NULL is listed (Glue guide, "ColumnValues", null behaviour); and `not between` two days, as
Deequ has it. Days are compared as days, also where a column holds instants.
"""

import re

from meshplane.sandbox.glue_quality.measures import CannotEvaluate, Measured, text_literal
from meshplane.sandbox.glue_quality.rules import Condition, Operand

_INSTANT = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?)?")
_ORDERED = frozenset({"<", "<=", ">", ">="})


def value_fits(table: Measured, name: str, condition: Condition) -> str:
    """SQL that is true in the rows whose value of a column fits.

    Raises:
        CannotEvaluate: there is no such column, or the values cannot be compared with it.
    """
    column = table.column(name)
    operator, operands = condition.operator, condition.operands
    if operator == "matches":
        pattern = text_literal(operands[0].text)
        fits = f"regexp_full_match(CAST({column} AS VARCHAR), {pattern})"
        return f"({column} IS NOT NULL AND {'NOT ' if condition.negated else ''}{fits})"
    if operator == "in":
        inside = " OR ".join(_equals(table, name, one) for one in operands)
        return f"(({inside}) IS NOT TRUE)" if condition.negated else f"({inside})"
    if operator == "between":
        value, low, high = _comparable(table, name, condition)
        within = f"({value} > {low} AND {value} < {high})"
        if not condition.negated:
            return within
        of_days = operands[0].kind != "number"
        return f"({within} IS NOT TRUE)" if of_days else f"(NOT {within})"
    if operator in {"=", "!="}:
        same = _equals(table, name, operands[0])
        return f"({same})" if operator == "=" else f"(({same}) IS NOT TRUE)"
    value, wanted, _ = _comparable(table, name, condition)
    return f"({value} {operator} {wanted})"


def length_fits(table: Measured, name: str, condition: Condition) -> str:
    """SQL that is true in the rows whose text has a length that fits; NULL has length 0.

    Raises:
        CannotEvaluate: there is no such column, or the condition is not about numbers.
    """
    length = f"coalesce(length(CAST({table.column(name)} AS VARCHAR)), 0)"
    numbers = [_number(one) for one in condition.operands]
    match condition.operator:
        case "between":
            fits = f"({length} > {numbers[0]} AND {length} < {numbers[1]})"
        case "in":
            fits = f"({length} IN ({', '.join(numbers)}))"
        case "matches":
            raise CannotEvaluate("ColumnLength cannot be matched with a pattern")
        case sign:
            fits = f"({length} {'<>' if sign == '!=' else sign} {numbers[0]})"
    return f"(NOT {fits})" if condition.negated else fits


def number_fits(value: float | None, condition: Condition | None) -> bool:
    """Whether a number fits; none at all does not.

    Raises:
        CannotEvaluate: the condition is not about numbers.
    """
    if condition is None or value is None:
        return False
    numbers = [
        float(one.text) if one.kind in {"number", "span"} else float(_number(one))
        for one in condition.operands
    ]
    first = numbers[0]
    match condition.operator:
        case "between":
            fits = first < value < numbers[1]
        case "in":
            fits = value in numbers
        case "=":
            fits = value == first
        case "!=":
            fits = value != first
        case "<":
            fits = value < first
        case "<=":
            fits = value <= first
        case ">":
            fits = value > first
        case ">=":
            fits = value >= first
        case _:
            raise CannotEvaluate("A number cannot be matched with a pattern")
    return fits != condition.negated


def _equals(table: Measured, name: str, operand: Operand) -> str:
    column = table.column(name)
    text = f"CAST({column} AS VARCHAR)"
    match operand.kind, operand.text:
        case "keyword", "NULL":
            return f"{column} IS NULL"
        case "keyword", "EMPTY":
            return f"coalesce({text} = '', FALSE)"
        case "keyword", _:
            return f"coalesce({text} <> '' AND trim({text}) = '', FALSE)"
        case "number", number:
            return f"coalesce(TRY_CAST({column} AS DOUBLE) = {number}, FALSE)"
        case "now", _:
            return f"coalesce(TRY_CAST({column} AS DATE) = {_day(operand)}, FALSE)"
    if table.kind(name) in {"DATE", "TIMESTAMP", "TIMESTAMP WITH TIME ZONE"}:
        wanted = f"TRY_CAST({text_literal(operand.text)} AS DATE)"
        return f"coalesce(CAST({column} AS DATE) = {wanted}, FALSE)"
    return f"coalesce({text} = {text_literal(operand.text)}, FALSE)"


def _comparable(table: Measured, name: str, condition: Condition) -> tuple[str, str, str]:
    """A column and one or two operands, in types that can be ordered."""
    column, operands = table.column(name), condition.operands
    kinds = {one.kind for one in operands}
    if kinds == {"number"}:
        value = f"TRY_CAST({column} AS DOUBLE)"
        wanted = [one.text for one in operands]
    elif kinds <= {"now", "text"} and all(
        one.kind == "now" or _INSTANT.fullmatch(one.text) for one in operands
    ):
        value = f"TRY_CAST({column} AS DATE)"
        wanted = [_day(one) for one in operands]
    else:
        raise CannotEvaluate(f"Column {name} cannot be ordered against such values")
    return value, wanted[0], wanted[-1]


def _day(operand: Operand) -> str:
    if operand.kind == "text":
        return f"CAST({text_literal(operand.text)} AS DATE)"
    return f"CAST(CAST(now() AS TIMESTAMP) + to_seconds({float(operand.text)}) AS DATE)"


def _number(operand: Operand) -> str:
    if operand.kind != "number":
        raise CannotEvaluate("The condition is not about numbers")
    return operand.text
