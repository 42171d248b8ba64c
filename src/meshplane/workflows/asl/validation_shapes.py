"""What is known of the data that reaches a state, as far as lost input is concerned."""

from dataclasses import dataclass, field
from typing import Any

from meshplane.workflows.asl.validation_reads import field_of_path
from meshplane.workflows.asl.validation_scopes import Scope
from meshplane.workflows.asl.validation_task import integration_of
from meshplane.workflows.asl.validation_values import JSONATA

# More replacements than these that meet in one state would tell its author nothing new.
_MOST_REPLACEMENTS = 8

# What these answer, by the developer guide: the fields that the result has, and no others.
_HTTP = frozenset({"Headers", "ResponseBody", "StatusCode", "StatusText"})
_RESULTS = {
    "http:invoke": _HTTP,
    "sqs:sendMessage": frozenset(
        {"MD5OfMessageAttributes", "MD5OfMessageBody", "MD5OfMessageSystemAttributes",
         "MessageId", "SequenceNumber", "SdkHttpMetadata", "SdkResponseMetadata"}
    ),
    "sns:publish": frozenset(
        {"MessageId", "SequenceNumber", "SdkHttpMetadata", "SdkResponseMetadata"}
    ),
    "events:putEvents": frozenset(
        {"Entries", "FailedEntryCount", "SdkHttpMetadata", "SdkResponseMetadata"}
    ),
    "lambda:invoke": frozenset(
        {"ExecutedVersion", "FunctionError", "LogResult", "Payload", "SdkHttpMetadata",
         "SdkResponseMetadata", "StatusCode"}
    ),
    "states:startExecution": frozenset(
        {"ExecutionArn", "StartDate", "SdkHttpMetadata", "SdkResponseMetadata"}
    ),
}  # fmt: skip
_ERROR_OUTPUT = frozenset({"Error", "Cause"})


@dataclass(frozen=True, slots=True)
class Replacement:
    """Data that took the input's place.

    Args:
        fields: the fields that it surely has.
        exact: whether it has no others.
    """

    fields: frozenset[str]
    exact: bool

    def meet(self, other: "Replacement") -> "Replacement":
        """What both have."""
        return Replacement(self.fields & other.fields, self.exact and other.exact)


@dataclass(slots=True)
class Data:
    """What may reach a state.

    Args:
        original: the input of the whole scope, perhaps with more put into it.
        replaced: by the pointer of what replaced it.
    """

    original: bool = False
    replaced: dict[str, Replacement] = field(default_factory=dict)

    def add(self, other: "Data") -> bool:
        """Joins what comes over another way; whether that told anything new."""
        changed = other.original and not self.original
        self.original = self.original or other.original
        for pointer, replacement in other.replaced.items():
            known = self.replaced.get(pointer)
            if known is None and len(self.replaced) >= _MOST_REPLACEMENTS:
                continue
            joined = replacement if known is None else known.meet(replacement)
            if joined != known:
                self.replaced[pointer] = joined
                changed = True
        return changed

    def with_field(self, name: str) -> "Data":
        """The same with one more field in it."""
        return Data(
            self.original,
            {
                pointer: Replacement(each.fields | {name}, each.exact)
                for pointer, each in self.replaced.items()
            },
        )


def replaced_by(pointer: str, fields: frozenset[str], *, exact: bool) -> Data:
    """Data that is new, and of which these fields are known."""
    return Data(replaced={pointer: Replacement(fields, exact)})


def output_of(scope: Scope, name: str, state: dict[str, Any], data: Data) -> Data:
    """What a state hands on when it does not fail. Nothing where nothing can be said."""
    if scope.language_of(state) == JSONATA:
        return _output_of_jsonata(scope, name, state, data)
    if state.get("OutputPath", "$") != "$":
        return Data()
    kind = state.get("Type")
    if kind not in ("Pass", "Task", "Parallel", "Map"):
        return data if state.get("InputPath", "$") == "$" else Data()
    result_path = state.get("ResultPath", "$")
    if result_path is None:
        return data
    if result_path != "$":
        field_name = field_of_path(result_path)
        return data.with_field(field_name) if field_name else data
    return _result_of(scope, name, state, data)


def _result_of(scope: Scope, name: str, state: dict[str, Any], data: Data) -> Data:
    pointer = scope.state_place(name).pointer
    if state.get("Type") == "Pass":
        if "Result" not in state and "Parameters" not in state:
            return data if state.get("InputPath", "$") == "$" else Data()
        shape = state["Result"] if "Result" in state else state["Parameters"]
    elif "ResultSelector" in state:
        shape = state["ResultSelector"]
    else:
        return _raw_result_of(pointer, state)
    if not isinstance(shape, dict):
        return Data()
    return replaced_by(pointer, _keys(shape), exact=True)


def _raw_result_of(pointer: str, state: dict[str, Any]) -> Data:
    if state.get("Type") in ("Parallel", "Map"):
        return replaced_by(pointer, frozenset(), exact=True)  # an array has no named fields
    integration, pattern = integration_of(state.get("Resource"))
    fields = _RESULTS.get(integration) if not pattern else None
    return replaced_by(pointer, fields or frozenset(), exact=fields is not None)


def _keys(shape: dict[str, Any]) -> frozenset[str]:
    return frozenset(key.removesuffix(".$") for key in shape)


def _output_of_jsonata(scope: Scope, name: str, state: dict[str, Any], data: Data) -> Data:
    pointer = scope.state_place(name).pointer
    if "Output" in state:
        output = state["Output"]
        if isinstance(output, dict):
            return replaced_by(pointer, frozenset(output), exact=True)
        if isinstance(output, str) and output.strip("{%} ") == "$states.input":
            return data
        return Data()
    if state.get("Type") in ("Task", "Parallel", "Map"):
        return _raw_result_of(pointer, state)
    return data


def start_of(scope: Scope, arriving: Data) -> tuple[Data, bool]:
    """What a scope begins with.

    Args:
        scope: the machine, a branch or a Map's states.
        arriving: what reaches the Parallel or Map state around it.

    Returns:
        The data, and whether it is just that of the state around.
    """
    if scope.parent is None:
        return Data(original=True), False
    state = scope.parent.states[scope.parent_state]
    place = scope.parent.state_place(scope.parent_state)
    jsonata = scope.parent.language_of(state) == JSONATA
    if scope.kind == "items":
        names = ["ItemSelector"] if jsonata else ["ItemSelector", "Parameters"]
    else:
        names = ["Arguments"] if jsonata else ["Parameters"]
    for name in names:
        if isinstance(state.get(name), dict):
            return replaced_by(place.at(name).pointer, _keys(state[name]), exact=True), False
        if name in state:
            return Data(), False
    if scope.kind == "items":
        return Data(original=True), False  # an item, of which nothing is known
    if not jsonata and state.get("InputPath", "$") != "$":
        return Data(), False
    return arriving, True


def error_output_of(
    scope: Scope, pointer: str, state: dict[str, Any], catcher: dict[str, Any], data: Data
) -> Data:
    """What an entry of Catch hands on."""
    if scope.language_of(state) == JSONATA:
        if "Output" not in catcher:
            return replaced_by(pointer, _ERROR_OUTPUT, exact=True)
        output = catcher["Output"]
        return (
            replaced_by(pointer, frozenset(output), exact=True)
            if isinstance(output, dict)
            else Data()
        )
    result_path = catcher.get("ResultPath", "$")
    if result_path is None:
        return data
    if result_path == "$":
        return replaced_by(pointer, _ERROR_OUTPUT, exact=True)
    name = field_of_path(result_path)
    return data.with_field(name) if name else data
