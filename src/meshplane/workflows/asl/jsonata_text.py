"""JSONata values as text, and when two of them are equal."""

import json
from typing import Any

from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_values import MISSING, Run, is_function, real

DEEPEST_VALUE = 256


def number_text(value: float) -> str:
    """A number as JavaScript writes it, to 15 digits: `0.1 + 0.2` is `0.3`, `1e21` is `1e+21`."""
    if isinstance(value, int) and abs(value) < 10**15:
        return str(value)
    number = float(f"{real(value):.15g}")
    if number.is_integer() and abs(number) < 1e21:
        return str(int(number))
    text = repr(number)
    if "e" not in text:
        return text
    mantissa, _, exponent = text.partition("e")
    power = int(exponent)
    if -7 < power < 0:
        digits = mantissa.replace(".", "").replace("-", "")
        return f"{'-' if number < 0 else ''}0.{'0' * (-power - 1)}{digits}"
    mantissa = mantissa.removesuffix(".0")
    return f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"


def to_text(run: Run, value: Any, pretty: bool = False) -> str:
    """What `$string` and `&` make of a value.

    Raises:
        JsonataError: the value is too large or too deep.
    """
    if isinstance(value, str):
        return value
    if value is MISSING or is_function(value):
        return ""
    parts: list[str] = []
    _write(run, value, parts, "\n" if pretty else "", 0)
    run.spend_text(sum(map(len, parts)))
    return "".join(parts)


def _write(run: Run, value: Any, parts: list[str], line: str, depth: int) -> None:
    run.spend(1)
    if depth > DEEPEST_VALUE:
        raise JsonataError("D1011")
    if isinstance(value, str):
        parts.append(json.dumps(value, ensure_ascii=False))
        run.spend_text(len(value))
    elif value is None or value is MISSING:
        parts.append("null")
    elif isinstance(value, bool):
        parts.append("true" if value else "false")
    elif isinstance(value, int | float):
        parts.append(number_text(value))
    elif isinstance(value, dict | list):
        _write_all(run, value, parts, line, depth)
    else:
        parts.append('""')


def _write_all(
    run: Run, value: dict[str, Any] | list[Any], parts: list[str], line: str, depth: int
) -> None:
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    inner = line + "  " if line else ""
    parts.append(opening)
    for at, item in enumerate(value):
        parts.append(f",{inner}" if at else inner)
        if isinstance(value, dict):
            parts.append(json.dumps(item, ensure_ascii=False) + (": " if line else ":"))
            item = value[item]  # noqa: PLW2901 - the member's value in place of its name
        _write(run, item, parts, inner, depth + 1)
    parts.append(line + closing if value else closing)


def equal(run: Run, left: Any, right: Any) -> bool:
    """Whether two values are equal, all the way down: `1` is `1.0`, and `true` is not `1`."""
    run.spend(1)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right):
            return False
        return all(equal(run, a, b) for a, b in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        if left.keys() != right.keys():
            return False
        return all(equal(run, value, right[name]) for name, value in left.items())
    if isinstance(left, str) and isinstance(right, str):
        return left == right
    return left is right or bool(left == right)
