"""Reads a definition's text, and sees that it is JSON of a size and depth that can be handled."""

import json
from collections import Counter
from typing import Any

from meshplane.workflows.asl.validation_report import (
    INVALID_JSON,
    MISSING_DESCRIPTION,
    TOO_DEEP,
    TOO_LARGE,
    Place,
    quoted,
)

# Step Functions: "maximum state machine definition size", not adjustable.
LARGEST_DEFINITION_BYTES = 1_048_576
# Readers of JSON on both sides recurse; what people write by hand or generate stays below 50.
DEEPEST_JSON = 200


class _Repeated(dict[str, Any]):
    """An object in whose text a key stood twice."""

    repeated: list[str]


def read_definition(definition: object, place: Place) -> dict[str, Any] | None:
    """The definition as an object; None, with the reason told, when it can not be used.

    Args:
        definition: the parsed document, or its JSON text.
        place: where to tell problems of the whole document.
    """
    document: object = definition
    if isinstance(definition, str):
        document = _parsed(definition, place)
    elif definition is None:
        place.error("The definition is empty; give a JSON object.", MISSING_DESCRIPTION)
    if not isinstance(document, dict):
        if document is not None:
            place.error("Definition must be a valid JSON object")
        return None
    if not _is_shallow_json(document, place):
        return None
    if not isinstance(definition, str) and not _fits(document, place):
        return None
    return document


def _parsed(text: str, place: Place) -> object:
    if len(text.encode("utf-8", "surrogatepass")) > LARGEST_DEFINITION_BYTES:
        _tell_too_large(place)
        return None
    if not text.strip():
        place.error("Definition must be a valid JSON object")
        return None
    try:
        document: object = json.loads(
            text, object_pairs_hook=_object, parse_constant=_refuse_constant
        )
    except RecursionError:
        _tell_too_deep(place)
        return None
    except json.JSONDecodeError as error:
        place.error(
            f"The text is no JSON: {error.msg} at line {error.lineno}, column {error.colno}.",
            INVALID_JSON,
        )
        return None
    except ValueError as error:  # NaN, Infinity, or more digits than are read
        place.error(f"The text is no JSON that can be used: {error}", INVALID_JSON)
        return None
    if document is None:
        place.error("Definition must be a valid JSON object")
    return document


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    repeated = _Repeated(value)
    counts = Counter(key for key, _ in pairs)
    repeated.repeated = [key for key, count in counts.items() if count > 1]
    return repeated


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON.")


def _is_shallow_json(document: dict[str, Any], place: Place) -> bool:
    level: list[object] = [document]
    repeated = False
    for _ in range(DEEPEST_JSON):
        below: list[object] = []
        for value in level:
            if isinstance(value, dict):
                repeated = repeated or isinstance(value, _Repeated)
                if not all(isinstance(key, str) for key in value):
                    place.error("A key of an object is no string.", INVALID_JSON)
                    return False
                below += [each for each in value.values() if _is_nested(each)]
            elif isinstance(value, list):
                below += [each for each in value if _is_nested(each)]
        if not below:
            if repeated:
                _tell_repeated(document, place)
            return True
        level = below
    _tell_too_deep(place)
    return False


def _tell_repeated(document: dict[str, Any], place: Place) -> None:
    waiting: list[tuple[object, Place]] = [(document, place)]
    while waiting:
        value, where = waiting.pop()
        if isinstance(value, _Repeated):
            for key in value.repeated:
                where.at(key).error(
                    f"The key {quoted(key)} stands twice in one object; only one value of it"
                    " could be used. Remove one, or rename it.",
                    INVALID_JSON,
                )
        if isinstance(value, dict):
            waiting += [(each, where.at(key)) for key, each in value.items() if _is_nested(each)]
        elif isinstance(value, list):
            waiting += [(each, where.at(i)) for i, each in enumerate(value) if _is_nested(each)]


def _is_nested(value: object) -> bool:
    return isinstance(value, dict | list) and bool(value)


def _fits(document: dict[str, Any], place: Place) -> bool:
    try:
        text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except (TypeError, ValueError):
        place.error("The definition holds a value that JSON does not have.", INVALID_JSON)
        return False
    if len(text.encode("utf-8", "surrogatepass")) <= LARGEST_DEFINITION_BYTES:
        return True
    _tell_too_large(place)
    return False


def _tell_too_large(place: Place) -> None:
    place.error(
        f"The definition is over {LARGEST_DEFINITION_BYTES} bytes. Move parts of it into state"
        " machines of their own and start them with states:startExecution.",
        TOO_LARGE,
    )


def _tell_too_deep(place: Place) -> None:
    place.error(
        f"The definition is nested more than {DEEPEST_JSON} levels deep. Move inner parts into"
        " state machines of their own.",
        TOO_DEEP,
    )
