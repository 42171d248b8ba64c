"""Each state by itself: its fields, what excludes each other, what must be there."""

from typing import Any

from meshplane.workflows.asl import validation_expressions as dynamic
from meshplane.workflows.asl.validation_assign import check_assign
from meshplane.workflows.asl.validation_choice import check_choices
from meshplane.workflows.asl.validation_errors import check_catch, check_retry
from meshplane.workflows.asl.validation_fields import STATES, check_fields, check_one_of
from meshplane.workflows.asl.validation_map import check_map
from meshplane.workflows.asl.validation_report import Place, listed, quoted
from meshplane.workflows.asl.validation_scopes import Scope
from meshplane.workflows.asl.validation_task import check_task
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH

_MOVING = ("Pass", "Task", "Wait", "Parallel", "Map")
_WITH_RESULT = ("Task", "Parallel", "Map")


def check_state(scope: Scope, name: str, value: Any) -> None:
    """Tells what is wrong with one state, without looking at the others."""
    place = scope.state_place(name)
    if not isinstance(value, dict):
        place.error("must be a JSON object: a state.")
        return
    kind = value.get("Type")
    if "Type" not in value:
        place.error("These fields are required: [Type]")
        return
    if not isinstance(kind, str) or kind not in STATES:
        place.at("Type").error(
            f"is {quoted(kind)}, not one of the allowed values {listed([*STATES])}."
        )
        return
    language = _check_language(scope, place, value)
    check_fields(place, value, STATES[kind], language, kind)
    if kind in _MOVING:
        _check_move(place, value)
    if "Assign" in value and kind not in ("Succeed", "Fail"):
        check_assign(place.at("Assign"), value["Assign"], language, _inside(kind, language))
    if kind in _WITH_RESULT and "Retry" in value:
        check_retry(place.at("Retry"), value["Retry"], language)
    if kind in _WITH_RESULT and "Catch" in value:
        check_catch(place.at("Catch"), value["Catch"], language)
    _check_kind(scope, place, value, kind, language)


def _check_kind(
    scope: Scope, place: Place, value: dict[str, Any], kind: str, language: str
) -> None:
    if kind == "Task":
        check_task(scope, place, value, language)
    elif kind == "Choice":
        check_choices(place, value, language)
    elif kind == "Wait":
        _check_wait(place, value, language)
    elif kind == "Fail":
        _check_fail(place, value, language)
    elif kind == "Parallel":
        _check_parallel(place, value)
    elif kind == "Map":
        check_map(scope, place, value, language)
    elif kind == "Pass" and language == JSONPATH:
        _check_pass(place, value)


def _inside(kind: str, language: str) -> Any:
    if language == JSONPATH:
        return dynamic.template
    return dynamic.jsonata_after_task if kind in _WITH_RESULT else dynamic.jsonata_value


def _check_language(scope: Scope, place: Place, value: dict[str, Any]) -> str:
    own = value.get("QueryLanguage")
    if "QueryLanguage" in value and own not in (JSONPATH, JSONATA):
        place.at("QueryLanguage").error(
            f"is {quoted(own)}, not one of the allowed values {listed([JSONPATH, JSONATA])}."
        )
    if own == JSONPATH and scope.language == JSONATA:
        place.error(
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine"
        )
        return JSONPATH
    return scope.language_of(value)


def _check_move(place: Place, value: dict[str, Any]) -> None:
    ends = value.get("End") is True
    if ends and "Next" in value:
        place.error('This may have only one of ["Next", "End"]: it goes on, or it ends here.')
    elif not ends and "Next" not in value:
        place.error('This needs the field "Next" with the state that follows, or "End": true.')


def _check_wait(place: Place, value: dict[str, Any], language: str) -> None:
    names = ["Seconds", "Timestamp"]
    if language == JSONPATH:
        names += ["SecondsPath", "TimestampPath"]
    if not check_one_of(place, value, *names):
        place.error(f"A Wait state needs exactly one of {listed(names)}.")


def _check_fail(place: Place, value: dict[str, Any], language: str) -> None:
    check_one_of(place, value, "Error", "ErrorPath")
    check_one_of(place, value, "Cause", "CausePath")
    for name in ("Error", "Cause"):
        text = value.get(name)
        if language == JSONPATH and isinstance(text, str) and text.startswith(("$.", "$$.")):
            place.at(name).warn(
                "NO_PATH",
                f"{quoted(text)} looks like a path, but is used as text; name the field"
                f' "{name}Path" to have it evaluated.',
            )


def _check_parallel(place: Place, value: dict[str, Any]) -> None:
    branches = value.get("Branches")
    if "Branches" not in value:
        place.error('A Parallel state needs the field "Branches": a list of branches.')
    elif not isinstance(branches, list) or not branches:
        place.at("Branches").error("must be a list of branches, non-empty required.")
    else:
        for index, branch in enumerate(branches):
            if not isinstance(branch, dict):
                place.at("Branches", index).error("must be a JSON object with StartAt and States.")


def _check_pass(place: Place, value: dict[str, Any]) -> None:
    for where, name, each in dynamic.strings_in(place.at("Result"), value.get("Result")):
        is_path = isinstance(each, str) and each.startswith(("$.", "$$."))
        if is_path and name.endswith(".$"):
            where.warn(
                "PASS_RESULT_IS_STATIC",
                f"The Result of a Pass state is passed on as it stands, so {quoted(each)} is not"
                " evaluated; use Parameters instead of Result.",
            )
