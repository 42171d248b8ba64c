"""Whether a value fits its shape in the model: all of it, more than any client checks.

A client checks types, required and unknown members and lower limits; enums, patterns and upper
limits are refused by the service alone. Here each of them is refused.
"""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Any

from botocore.model import Shape

from meshplane.sandbox.json_shapes import is_document
from meshplane.sandbox.patterns import fits

_MOST = 10
_INTEGER_BITS = {"integer": 32, "long": 64}
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "string": ((str,), "a string"),
    "character": ((str,), "a string"),
    "boolean": ((bool,), "a boolean"),
    "integer": ((int,), "an integer"),
    "long": ((int,), "an integer"),
    "float": ((int, float, Decimal), "a number"),
    "double": ((int, float, Decimal), "a number"),
    "timestamp": ((datetime,), "an instant"),
    "blob": ((bytes, bytearray, str), "base64 of bytes"),
    "list": ((list, tuple), "a list"),
    "map": ((dict,), "a map"),
    "structure": ((dict,), "a structure"),
}


def problems(shape: Shape | None, value: Any) -> list[str]:
    """What of a value does not fit, the first ten at most; empty where all does.

    Args:
        shape: of the model; None: nothing may be there.
        value: as boto3 has it.

    Returns:
        Sentences that name the place: `Resource.Table.Name: …`.
    """
    if shape is None:
        return [f"{name}: no such member" for name in value or {}][:_MOST]
    found = []
    for problem in _check(shape, value, ""):
        found.append(problem)
        if len(found) == _MOST:
            break
    return found


def _check(shape: Shape, value: Any, where: str) -> Iterator[str]:
    if is_document(shape):
        return
    kind = shape.type_name
    if not _is_of(kind, value):
        yield f"{where or 'The input'}: must be {_TYPES[kind][1]}"
        return
    if kind == "structure":
        yield from _check_structure(shape, value, where)
        return
    yield from _check_limits(shape, value, where)
    if kind == "list":
        for number, inner in enumerate(value):
            yield from _check(shape.member, inner, f"{where}[{number}]")
    elif kind == "map":
        for key, inner in value.items():
            yield from _check(shape.key, key, f"{where} (key)")
            yield from _check(shape.value, inner, f"{where}.{key}")


def _check_structure(shape: Shape, value: dict[str, Any], where: str) -> Iterator[str]:
    present = [name for name, inner in value.items() if inner is not None]
    for name in shape.required_members:
        if name not in present:
            yield f"{_at(where, name)}: is required"
    for name in present:
        if name in shape.members:
            yield from _check(shape.members[name], value[name], _at(where, name))
        elif not (shape.is_tagged_union and name == "SDK_UNKNOWN_MEMBER"):
            yield f"{_at(where, name)}: no such member"
    if shape.is_tagged_union and len(present) != 1:
        allowed = ", ".join(shape.members)
        yield f"{where or 'The input'}: must have exactly one of {allowed}"


def _check_limits(shape: Shape, value: Any, where: str) -> Iterator[str]:
    limits = shape.metadata
    kind = shape.type_name
    enum = limits.get("enum")
    if enum and value not in enum:
        yield f"{where}: must be one of {', '.join(enum)}"
        return
    if kind in _INTEGER_BITS:
        bits = _INTEGER_BITS[kind]
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            yield f"{where}: does not fit {bits} bits"
    if "min" in limits or "max" in limits:
        yield from _check_range(shape, value, where)
    pattern = limits.get("pattern")
    if pattern and kind == "string" and not fits(pattern, value):
        yield f"{where}: must match {pattern}"


def _check_range(shape: Shape, value: Any, where: str) -> Iterator[str]:
    kind = shape.type_name
    if kind in {"timestamp", "boolean"}:
        return
    numeric = kind in {"integer", "long", "float", "double"}
    size = value if numeric else len(value)
    what = "value" if numeric else "length"
    least, most = shape.metadata.get("min"), shape.metadata.get("max")
    if least is not None and size < float(least):
        yield f"{where}: its {what} must be {least} at least"
    if most is not None and size > float(most):
        yield f"{where}: its {what} must be {most} at most"


def _is_of(kind: str, value: object) -> bool:
    types, _ = _TYPES[kind]
    # Python takes a boolean for a number.
    return isinstance(value, types) and (not isinstance(value, bool) or kind == "boolean")


def _at(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name
