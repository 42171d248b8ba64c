"""Reading a request's body and query into its model, with errors that name the field."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from meshplane.kit.errors import FieldProblem, Invalid, MeshplaneError

DEEPEST_JSON = 100
_MOST_PROBLEMS = 20
_LEAST_INTEGER, _MOST_INTEGER = -(2**63), 2**64 - 1
_PERHAPS_TOO_LARGE = re.compile(rb"[0-9]{19}|[eE]\+?[0-9]{3}|NaN|Infinity")

M = TypeVar("M", bound=BaseModel)


def parse_body(model: type[M], raw: bytes) -> M:
    """The body as its model.

    Raises:
        Invalid: JSON_MALFORMED, JSON_TOO_DEEP, TEXT_INVALID, NUMBER_TOO_LARGE, or REQUEST_INVALID
            with each offending field. No value of the request is repeated.
    """
    try:
        body: M = model.__pydantic_validator__.validate_json(raw)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        if problems[0]["type"] == "json_invalid":
            raise diagnose(raw) from None
        raise Invalid(
            "REQUEST_INVALID", "The request does not fit.", fields=_fields(problems)
        ) from None
    if _PERHAPS_TOO_LARGE.search(raw):
        _demand_storable(json.loads(raw))
    return body


def _demand_storable(value: Any) -> None:
    """Refuses numbers that JSON allows, but neither rows nor other programs can hold."""
    for path, part in _walk(value, ""):
        too_large = isinstance(part, int) and not _LEAST_INTEGER <= part <= _MOST_INTEGER
        if too_large or (isinstance(part, float) and not math.isfinite(part)):
            raise Invalid(
                "NUMBER_TOO_LARGE",
                "Whole numbers here have at most 64 bits, others those of a double: send it as "
                "text.",
                field=path.encode("utf-8", "replace").decode()[:200] or "(body)",
            )


def parse_query(model: type[M], values: Mapping[str, str]) -> M:
    """The query string as its model.

    Raises:
        Invalid: REQUEST_INVALID with each offending parameter.
    """
    try:
        return model.model_validate_strings(dict(values), strict=False)
    except ValidationError as error:
        problems = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid(
            "REQUEST_INVALID", "The query does not fit.", fields=_fields(problems)
        ) from None


def _fields(problems: list[Any]) -> list[FieldProblem]:
    named = []
    for problem in problems[:_MOST_PROBLEMS]:
        path = ".".join(str(part) for part in problem["loc"]) or "(body)"
        # A key of the request is itself the caller's text; a long one is cut.
        named.append(FieldProblem(path[:200].encode("utf-8", "replace").decode(), problem["msg"]))
    return named


def diagnose(raw: bytes) -> MeshplaneError:
    """Why bytes that are not acceptable JSON are not."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return Invalid("JSON_MALFORMED", "The body is not UTF-8 text.", field="(body)")
    if _depth(text) > DEEPEST_JSON:
        return Invalid(
            "JSON_TOO_DEEP", f"The body is nested deeper than {DEEPEST_JSON}.", field="(body)"
        )
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        return Invalid(
            "JSON_MALFORMED",
            f"The body is not JSON: see line {error.lineno}, column {error.colno}.",
            field="(body)",
        )
    except ValueError:
        # Python refuses integers of more than 4,300 digits.
        return Invalid(
            "JSON_MALFORMED", "The body holds a number that is too long.", field="(body)"
        )
    for path, part in _walk(value, ""):
        if isinstance(part, str) and any("\ud800" <= letter <= "\udfff" for letter in part):
            return Invalid(
                "TEXT_INVALID",
                "It holds an unpaired surrogate, which is not text.",
                field=path.encode("utf-8", "replace").decode()[:200] or "(body)",
            )
    return Invalid("JSON_MALFORMED", "The body is not JSON that this takes.", field="(body)")


def _depth(text: str) -> int:
    deepest = depth = 0
    in_string = escaped = False
    for letter in text:
        if in_string:
            if escaped:
                escaped = False
            elif letter == "\\":
                escaped = True
            elif letter == '"':
                in_string = False
        elif letter == '"':
            in_string = True
        elif letter in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif letter in "]}":
            depth -= 1
    return deepest


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    match value:
        case dict():
            for key, part in value.items():
                yield path, key
                yield from _walk(part, f"{path}.{key}" if path else key)
        case list():
            for position, part in enumerate(value):
                yield from _walk(part, f"{path}.{position}" if path else str(position))
        case _:
            yield path, value
