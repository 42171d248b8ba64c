"""The fields that each kind of state has, by query language, and what each must hold.

Source: the States Language specification and the developer guide of Step Functions.
"""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl import validation_values as values
from meshplane.workflows.asl.validation_report import Place, quoted
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH, LONGEST_SECONDS, Check

Table = Mapping[str, Check]


def _listed_elsewhere(place: Place, value: Any, language: str) -> None:
    """A field that a check of its own looks into."""


@dataclass(frozen=True, slots=True)
class Fields:
    """What something may have: in any language, in JSONPath only, in JSONata only."""

    both: Table
    jsonpath: Table
    jsonata: Table

    def of(self, language: str) -> dict[str, Check]:
        """The fields in one query language."""
        return {**self.both, **(self.jsonata if language == JSONATA else self.jsonpath)}


_ANY_STATE: Table = {
    "Type": _listed_elsewhere,
    "Comment": values.text,
    "QueryLanguage": _listed_elsewhere,
}
_MOVES: Table = {"Next": values.text, "End": values.boolean}
_HANDLES_ERRORS: Table = {"Retry": _listed_elsewhere, "Catch": _listed_elsewhere}
_IN_AND_OUT: Table = {"InputPath": values.path_or_null, "OutputPath": values.path_or_null}
_RESULT_PATH: Table = {"ResultPath": values.reference_to_input_or_null}
_ASSIGN: Table = {"Assign": _listed_elsewhere}
_WORK_JSONPATH: Table = {
    **_IN_AND_OUT,
    **_RESULT_PATH,
    "Parameters": dynamic.template,
    "ResultSelector": dynamic.template,
}
_WORK_JSONATA: Table = {
    "Arguments": dynamic.jsonata_value,
    "Output": dynamic.jsonata_after_task,
}
_OUTPUT: Table = {"Output": dynamic.jsonata_value}

STATES: Mapping[str, Fields] = {
    "Pass": Fields(
        {**_ANY_STATE, **_MOVES, **_ASSIGN},
        {
            **_IN_AND_OUT,
            **_RESULT_PATH,
            "Parameters": dynamic.template,
            "Result": values.anything,
        },
        _OUTPUT,
    ),
    "Task": Fields(
        {
            **_ANY_STATE,
            **_MOVES,
            **_ASSIGN,
            **_HANDLES_ERRORS,
            "Resource": _listed_elsewhere,
            "TimeoutSeconds": values.whole(1, LONGEST_SECONDS),
            "HeartbeatSeconds": values.whole(1, LONGEST_SECONDS),
            "Credentials": _listed_elsewhere,
        },
        {
            **_WORK_JSONPATH,
            "TimeoutSecondsPath": values.reference,
            "HeartbeatSecondsPath": values.reference,
        },
        _WORK_JSONATA,
    ),
    "Choice": Fields(
        {**_ANY_STATE, **_ASSIGN, "Choices": _listed_elsewhere, "Default": values.text},
        _IN_AND_OUT,
        _OUTPUT,
    ),
    "Wait": Fields(
        {
            **_ANY_STATE,
            **_MOVES,
            **_ASSIGN,
            "Seconds": values.whole(0, LONGEST_SECONDS),
            "Timestamp": values.timestamp,
        },
        {**_IN_AND_OUT, "SecondsPath": values.reference, "TimestampPath": values.reference},
        _OUTPUT,
    ),
    "Succeed": Fields(_ANY_STATE, _IN_AND_OUT, _OUTPUT),
    "Fail": Fields(
        {**_ANY_STATE, "Error": values.text_or_jsonata, "Cause": values.text_or_jsonata},
        {"ErrorPath": dynamic.expression, "CausePath": dynamic.expression},
        {},
    ),
    "Parallel": Fields(
        {
            **_ANY_STATE,
            **_MOVES,
            **_ASSIGN,
            **_HANDLES_ERRORS,
            "Branches": _listed_elsewhere,
        },
        _WORK_JSONPATH,
        _WORK_JSONATA,
    ),
    "Map": Fields(
        {
            **_ANY_STATE,
            **_MOVES,
            **_ASSIGN,
            **_HANDLES_ERRORS,
            "ItemProcessor": values.an_object,
            "Iterator": values.an_object,
            "ItemReader": _listed_elsewhere,
            "ItemBatcher": _listed_elsewhere,
            "ResultWriter": _listed_elsewhere,
            "Label": _listed_elsewhere,
            "MaxConcurrency": values.whole(0),
            "ToleratedFailureCount": values.whole(0),
            "ToleratedFailurePercentage": values.number(0, 100),
        },
        {
            **_WORK_JSONPATH,
            "ItemsPath": values.reference,
            "ItemSelector": dynamic.template,
            "MaxConcurrencyPath": values.reference_to_data,
            "ToleratedFailureCountPath": values.reference_to_data,
            "ToleratedFailurePercentagePath": values.reference_to_data,
        },
        {
            "Output": dynamic.jsonata_after_task,
            "Items": dynamic.jsonata_items,
            "ItemSelector": dynamic.jsonata_object,
        },
    ),
}

MACHINE: Table = {
    "Comment": values.text,
    "StartAt": values.text,
    "States": values.an_object,
    "Version": values.text,
    "TimeoutSeconds": values.whole(1, LONGEST_SECONDS, or_jsonata=False),
    "QueryLanguage": values.one_of(JSONPATH, JSONATA),
}
BRANCH: Table = {"Comment": values.text, "StartAt": values.text, "States": values.an_object}
ITEM_PROCESSOR: Table = {**BRANCH, "ProcessorConfig": _listed_elsewhere}


def check_fields(
    place: Place, value: Mapping[str, Any], fields: Fields, language: str, what: str
) -> None:
    """Tells fields that do not belong, and fields that hold the wrong kind of value."""
    table = fields.of(language)
    other = fields.of(JSONPATH if language == JSONATA else JSONATA)
    for name, each in value.items():
        if name in table:
            table[name](place.at(name), each, language)
        elif name in other:
            _tell_other_language(place.at(name), name, language)
        else:
            _tell_unknown(place.at(name), name, table, what)


def check_table(place: Place, value: Mapping[str, Any], table: Table, language: str) -> None:
    """The same for what has one set of fields in both query languages."""
    check_fields(place, value, Fields(table, {}, {}), language, "here")


def check_one_of(place: Place, value: Mapping[str, Any], *names: str) -> bool:
    """Tells when more than one of some fields is there; whether at least one is."""
    there = [name for name in names if name in value]
    if len(there) > 1:
        choices = ", ".join(f'"{name}"' for name in there)
        place.error(f"This may have only one of [{choices}]; remove the others.")
    return bool(there)


def _tell_other_language(place: Place, name: str, language: str) -> None:
    instead = {
        "Parameters": "use Arguments",
        "InputPath": "use Arguments or Output with $states.input",
        "OutputPath": "use Output",
        "ResultPath": "use Output or Assign",
        "ResultSelector": "use Output with $states.result",
        "ItemsPath": "use Items",
        "Arguments": "use Parameters",
        "Output": "use OutputPath, ResultPath or ResultSelector",
        "Items": "use ItemsPath",
    }.get(name, f"use {name.removesuffix('Path')} with an expression {{% … %}}")
    other = JSONPATH if language == JSONATA else JSONATA
    place.error(
        f'The field "{name}" is for query language {other} only, and this state\'s is {language}:'
        f" {instead}."
    )


def _tell_unknown(place: Place, name: str, table: Table, what: str) -> None:
    if place.report.full("ERROR"):
        return
    near = []
    if len(name) <= 40 and not any(name in fields.of(JSONPATH) for fields in STATES.values()):
        near = difflib.get_close_matches(name, table, 1)
    hint = f'write "{near[0]}" if that was meant' if near else "remove it"
    where = what if what == "here" else f"in a {what} state"
    place.error(f"The field {quoted(name)} is not supported {where}; {hint}.")
