"""Which fields of its input a state reads: the first name after `$` or `$states.input`."""

import re
from collections.abc import Iterator
from typing import Any

from meshplane.workflows.asl.validation_expressions import strings_in
from meshplane.workflows.asl.validation_report import Place
from meshplane.workflows.asl.validation_scopes import choice_rules
from meshplane.workflows.asl.validation_values import JSONATA

# A quote that is never closed goes on to the end, so that a search never starts over within it.
_QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*(?:'|\\?\Z)|\"(?:[^"\\]|\\.)*(?:"|\\?\Z)""", re.DOTALL)
# `$.a`, `$['a']`, and neither `$$.a` nor `$variable.a`.
_INPUT_FIELD = re.compile(
    r"""(?<![\w$])\$(?:\.(?P<plain>[A-Za-z_][\w-]*)(?!\w*\()|\[['"](?P<quoted>[^'"\]]+)['"]\])"""
)
_STATES_INPUT = re.compile(r"\$states\s*\.\s*input\s*\.\s*(?:(?P<plain>\w+)|`(?P<quoted>[^`]+)`)")
_TEMPLATES = ("Parameters", "ItemSelector", "Assign", "Credentials")
_PATHS = (
    "ItemsPath", "SecondsPath", "TimestampPath", "ErrorPath", "CausePath", "TimeoutSecondsPath",
    "HeartbeatSecondsPath", "MaxConcurrencyPath",
)  # fmt: skip
_JSONATA_FIELDS = (
    "Arguments", "Output", "Assign", "Items", "ItemSelector", "Seconds", "Timestamp", "Error",
    "Cause", "Credentials", "TimeoutSeconds", "HeartbeatSeconds", "MaxConcurrency",
)  # fmt: skip


def field_of_path(path: Any) -> str | None:
    """The first field that a path reads from the input; None for the whole, or elsewhere."""
    match = _INPUT_FIELD.match(path) if isinstance(path, str) else None
    return (match["plain"] or match["quoted"]) if match else None


def fields_of_call(text: str) -> Iterator[str]:
    """The input's fields among the arguments of an intrinsic call."""
    for match in _INPUT_FIELD.finditer(_outside_quotes(text)):
        yield match["plain"] or match["quoted"]


def _outside_quotes(text: str) -> str:
    # What is quoted after a bracket is a name, anything else quoted is text.
    return _QUOTED.sub(lambda each: each[0] if text[each.start() - 1] == "[" else "''", text)


def fields_read(place: Place, state: dict[str, Any], language: str) -> Iterator[tuple[str, Place]]:
    """The fields that a state wants in its input, each with where it says so.

    Args:
        place: where the state stands.
        state: a state.
        language: its query language.
    """
    if language == JSONATA:
        yield from _read_by_jsonata(place, state)
        return
    input_path = state.get("InputPath", "$")
    if input_path != "$":
        name = field_of_path(input_path)
        if name is not None:
            yield name, place.at("InputPath")
        return  # what follows reads from what the path gives
    for field in _PATHS:
        yield from _of_text(place.at(field), state.get(field))
    for field in _TEMPLATES:
        # A task, Parallel or Map assigns from its result.
        if field == "Assign" and state.get("Type") in ("Task", "Parallel", "Map"):
            continue
        for where, key, each in strings_in(place.at(field), state.get(field)):
            if key.endswith(".$"):
                yield from _of_text(where, each)
    for index, rule in choice_rules(state):
        for where, key, each in strings_in(place.at("Choices", index), rule):
            if key == "Variable" or key.endswith("Path"):
                yield from _of_text(where, each)


def fields_tested(state: dict[str, Any]) -> Iterator[str]:
    """The fields whose presence a Choice tests, which may well be missing."""
    for _, rule in choice_rules(state):
        waiting: list[Any] = [rule]
        while waiting:
            each = waiting.pop()
            if isinstance(each, list):
                waiting += each
            elif isinstance(each, dict):
                name = field_of_path(each.get("Variable"))
                if "IsPresent" in each and name is not None:
                    yield name
                waiting += each.values()
            elif isinstance(each, str) and "$exists" in each:
                yield from (match[1] or match[2] for match in _STATES_INPUT.finditer(each))


def _of_text(place: Place, value: Any) -> Iterator[tuple[str, Place]]:
    if isinstance(value, str) and value.startswith("States."):
        for name in fields_of_call(value):
            yield name, place
    elif (field := field_of_path(value)) is not None:
        yield field, place


def _read_by_jsonata(place: Place, state: dict[str, Any]) -> Iterator[tuple[str, Place]]:
    sources = [(place.at(field), state[field]) for field in _JSONATA_FIELDS if field in state]
    sources += [(place.at("Choices", i), rule) for i, rule in choice_rules(state)]
    for source, value in sources:
        for where, _, each in strings_in(source, value):
            if not isinstance(each, str) or not each.startswith("{%") or "$exists" in each:
                continue
            for match in _STATES_INPUT.finditer(_QUOTED.sub("''", each)):
                yield match["plain"] or match["quoted"], where
