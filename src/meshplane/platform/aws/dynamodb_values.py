"""JSON values as DynamoDB's attribute values, and keys as its key attributes; both ways, exactly.

What DynamoDB cannot hold as JSON means it has a form of its own here:

- A key attribute has one type and is never empty. One that its table declares a number is N, any
  other is S: text as it is, but the empty text and numbers among texts are written so that they
  sort as they should, before all other text.
- DynamoDB writes 2.0 as 2. The paths of floats that are whole stand in `mesh:floats`.
- What is nested too deep, has an empty name, or is a float out of its range, is B: its JSON.
- What cannot be the key of an index, such as null, stands in `mesh:rest`, and so outside the index.
"""

import math
from typing import Any

import orjson

from meshplane.platform.tables import KeyValue

AttributeValue = dict[str, Any]

MARK = "mesh:"
"""How the names of our own attributes begin."""

# DynamoDB allows 32 levels of nesting: https://docs.aws.amazon.com/amazondynamodb, "Constraints".
_MOST_LEVELS = 30
_LEAST_FLOAT, _MOST_FLOAT = 1e-129, 9e125
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**63 - 1
_NUMBER, _EMPTY, _ESCAPE = "\x00", "\x01", "\x02"
_DIGITS = 20


def is_key(value: object) -> bool:
    """Whether a value can be a key: text, or a whole number of 64 bits."""
    if isinstance(value, str):
        return True
    return type(value) is int and _LEAST_INTEGER <= value <= _MOST_INTEGER


def key_text(value: KeyValue) -> str:
    """A key as text that is not empty, and sorts as keys do: numbers first, then text by bytes."""
    if isinstance(value, int):
        return f"{_NUMBER}{value - _LEAST_INTEGER:0{_DIGITS}d}"
    if value == "":
        return _EMPTY
    return _ESCAPE + value if value[0] <= _ESCAPE else value


def key_of_text(text: str) -> KeyValue:
    """The key that `key_text` made that text of."""
    match text[:1]:
        case "\x00":
            return int(text[1:]) + _LEAST_INTEGER
        case "\x01":
            return ""
        case "\x02":
            return text[1:]
    return text


def to_attribute(value: Any, path: str, floats: list[str], level: int = 1) -> AttributeValue:
    """A JSON value as an attribute value.

    Args:
        value: as `orjson.loads` gives it.
        path: where in the item it stands.
        floats: gets the paths of floats that are whole.
        level: how deep it is nested.
    """
    match value:
        case None:
            return {"NULL": True}
        case bool():
            return {"BOOL": value}
        case str():
            return {"S": value}
        case int():
            return {"N": str(value)}
        case float():
            return _float(value, path, floats)
    if level >= _MOST_LEVELS or (isinstance(value, dict) and "" in value):
        return {"B": orjson.dumps(value)}
    if isinstance(value, dict):
        return {
            "M": {
                name: to_attribute(part, f"{path}/{_step(name)}", floats, level + 1)
                for name, part in value.items()
            }
        }
    return {
        "L": [
            to_attribute(part, f"{path}/{place}", floats, level + 1)
            for place, part in enumerate(value)
        ]
    }


def from_attribute(value: AttributeValue, path: str, floats: frozenset[str]) -> Any:
    """The JSON value that `to_attribute` was given."""
    ((kind, inner),) = value.items()
    match kind:
        case "S" | "BOOL":
            return inner
        case "N":
            return _number(inner, path in floats)
        case "NULL":
            return None
        case "B":
            return orjson.loads(inner)
        case "M":
            return {
                name: from_attribute(part, f"{path}/{_step(name)}", floats)
                for name, part in inner.items()
            }
        case "L":
            return [
                from_attribute(part, f"{path}/{place}", floats) for place, part in enumerate(inner)
            ]
    # Sets are not ours; whoever writes them into a table by hand gets a list.
    return [_number(part, False) if kind == "NS" else part for part in inner]


def size_of(value: AttributeValue) -> int:
    """About how many bytes DynamoDB counts for an attribute value; never fewer than it does."""
    ((kind, inner),) = value.items()
    match kind:
        case "S":
            return len(inner.encode())
        case "B":
            return len(inner)
        case "N":
            return len(inner) // 2 + 3
        case "M":
            return 4 + sum(len(name.encode()) + 1 + size_of(part) for name, part in inner.items())
        case "L":
            return 4 + sum(1 + size_of(part) for part in inner)
        case "SS":
            return sum(len(part.encode()) + 1 for part in inner)
    return 1


def _float(value: float, path: str, floats: list[str]) -> AttributeValue:
    if value == 0 and math.copysign(1, value) > 0:
        floats.append(path)
        return {"N": "0"}
    if not _LEAST_FLOAT < abs(value) < _MOST_FLOAT:
        return {"B": orjson.dumps(value)}
    if value.is_integer():
        floats.append(path)
    return {"N": repr(value)}


def _number(text: str, is_float: bool) -> int | float:
    if is_float or not text.lstrip("-").isdigit():
        return float(text)
    return int(text)


def _step(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
