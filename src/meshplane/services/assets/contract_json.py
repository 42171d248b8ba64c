"""The JSON text of a contract, read as strictly as its YAML."""

import json
from typing import Any

from meshplane.services.assets.contract_limits import (
    MAX_DEPTH,
    MAX_NODES,
    Place,
    Where,
    check_value,
    read_number,
    refuse,
)


class _Doubled(dict[str, Any]):
    """An object of the JSON text that names a key twice."""

    key: str


def read_json(text: str) -> Any:
    """Read JSON text as values, within the limits of a contract.

    Args:
        text: JSON; NaN and infinities, which Python's reader would take, are refused.

    Raises:
        json.JSONDecodeError: the text is not JSON.
        Invalid: `CONTRACT_INVALID`. It nests too deep, has too many values, names a key twice,
            or has a number or character that a contract cannot hold.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_json_object,
            parse_int=read_number,
            parse_float=_fraction,
            parse_constant=_fraction,
        )
    except RecursionError:
        refuse(f"it nests deeper than {MAX_DEPTH} levels")
    _check_json(value)
    return value


def _json_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = dict(pairs)
    if len(found) == len(pairs):
        return found
    doubled = _Doubled(found)
    seen: set[str] = set()
    for key, _ in pairs:
        if key in seen:
            doubled.key = key
            break
        seen.add(key)
    return doubled


def _fraction(digits: str) -> int | float:
    return read_number(digits, None)


def _at(path: Place) -> Where:
    return lambda: path


def _check_json(root: Any) -> None:
    waiting: list[tuple[Any, Place]] = [(root, ())]
    nodes = 0
    while waiting:
        value, path = waiting.pop()
        nodes += 1
        if nodes > MAX_NODES:
            refuse(f"it has more than {MAX_NODES} values")
        if isinstance(value, str):
            check_value(value, _at(path))
            continue
        if not isinstance(value, dict | list):
            continue
        if len(path) >= MAX_DEPTH:
            refuse(f"it nests deeper than {MAX_DEPTH} levels")
        if isinstance(value, _Doubled):
            refuse("the key stands twice", (*path, value.key))
        if isinstance(value, dict):
            for key in value:
                check_value(key, _at(path))
            nodes += len(value)
        steps = value.items() if isinstance(value, dict) else enumerate(value)
        waiting.extend((item, (*path, step)) for step, item in steps)
