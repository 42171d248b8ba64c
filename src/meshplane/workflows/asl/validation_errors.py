"""`Retry` and `Catch`."""

from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl import validation_values as values
from meshplane.workflows.asl.validation_assign import check_assign
from meshplane.workflows.asl.validation_fields import Fields, check_fields
from meshplane.workflows.asl.validation_report import Place, quoted
from meshplane.workflows.asl.validation_values import JSONATA, LONGEST_SECONDS

# The developer guide: "must be greater than 0 and less than 31622400", a leap year.
LONGEST_DELAY_SECONDS = 31_622_399

PREDEFINED_ERRORS = frozenset(
    {
        "States.ALL", "States.BranchFailed", "States.DataLimitExceeded",
        "States.ExceedToleratedFailureThreshold", "States.HeartbeatTimeout", "States.Http.Socket",
        "States.IntrinsicFailure", "States.ItemReaderFailed", "States.NoChoiceMatched",
        "States.ParameterPathFailure", "States.Permissions", "States.QueryEvaluationError",
        "States.ResultPathMatchFailure", "States.ResultWriterFailed", "States.Runtime",
        "States.TaskFailed", "States.Timeout",
    }
)  # fmt: skip


def _errors_elsewhere(place: Place, value: Any, language: str) -> None:
    """`ErrorEquals` and `Assign` have checks of their own."""


_RETRIER = Fields(
    {
        "ErrorEquals": _errors_elsewhere,
        "Comment": values.text,
        "IntervalSeconds": values.whole(1, LONGEST_SECONDS, or_jsonata=False),
        "MaxAttempts": values.whole(0, LONGEST_SECONDS, or_jsonata=False),
        "BackoffRate": values.number(1, or_jsonata=False),
        "MaxDelaySeconds": values.whole(1, LONGEST_DELAY_SECONDS, or_jsonata=False),
        "JitterStrategy": values.one_of("FULL", "NONE"),
    },
    {},
    {},
)
_CATCHER = Fields(
    {
        "ErrorEquals": _errors_elsewhere,
        "Comment": values.text,
        "Next": values.text,
        "Assign": _errors_elsewhere,
    },
    {"ResultPath": values.reference_to_input_or_null},
    {"Output": dynamic.jsonata_after_error},
)


def check_retry(place: Place, value: Any, language: str) -> None:
    """Tells what is wrong with a `Retry`."""
    for where, retrier in _entries(place, value):
        check_fields(where, retrier, _RETRIER, language, "Retry of this")
        interval, longest = retrier.get("IntervalSeconds", 1), retrier.get("MaxDelaySeconds")
        if _is_whole(interval) and _is_whole(longest) and longest <= interval:
            where.at("MaxDelaySeconds").error(
                f"must be more than IntervalSeconds, which is {interval}: it limits how long the"
                " delays may grow."
            )


def check_catch(place: Place, value: Any, language: str) -> None:
    """Tells what is wrong with a `Catch`; whether `Next` exists is the graph's affair."""
    inside = dynamic.jsonata_after_error if language == JSONATA else dynamic.template
    for where, catcher in _entries(place, value):
        check_fields(where, catcher, _CATCHER, language, "Catch of this")
        if "Next" not in catcher:
            where.error('A Catch entry needs the field "Next": the state that handles the error.')
        if "Assign" in catcher:
            check_assign(where.at("Assign"), catcher["Assign"], language, inside)


def _entries(place: Place, value: Any) -> list[tuple[Place, dict[str, Any]]]:
    if not isinstance(value, list):
        place.error(f"must be a list of objects, and is {quoted(value)}.")
        return []
    found = []
    for index, each in enumerate(value):
        if isinstance(each, dict):
            _check_errors(place.at(index), each, last=index == len(value) - 1)
            found.append((place.at(index), each))
        else:
            place.at(index).error("must be a JSON object with ErrorEquals.")
    return found


def _check_errors(place: Place, entry: dict[str, Any], *, last: bool) -> None:
    names = entry.get("ErrorEquals")
    if "ErrorEquals" not in entry:
        place.error('The field "ErrorEquals" is required: a list of error names.')
        return
    where = place.at("ErrorEquals")
    if not isinstance(names, list) or not names:
        where.error("must be a list of error names, non-empty required.")
        return
    for index, name in enumerate(names):
        if not isinstance(name, str):
            where.at(index).error("must be a string: the name of an error.")
        elif name.startswith("States.") and name not in PREDEFINED_ERRORS:
            where.at(index).warn(
                "UNKNOWN_ERROR_NAME",
                f"{quoted(name)} is no error of the States Language, so this never matches.",
            )
    if "States.ALL" in names and len(names) > 1:
        where.error('"States.ALL" must stand alone: it covers the other errors of the list.')
    if "States.ALL" in names and not last:
        where.error('"States.ALL" must be in the last entry: those after it would never be used.')


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
