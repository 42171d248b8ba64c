"""Validation of a state machine: what Step Functions refuses, and the traps that it does not."""

from collections import deque
from typing import Any

from meshplane.workflows.asl.validation_calls import warn_of_calls
from meshplane.workflows.asl.validation_fields import BRANCH, ITEM_PROCESSOR, MACHINE, check_table
from meshplane.workflows.asl.validation_graph import check_flow, check_targets
from meshplane.workflows.asl.validation_json import read_definition
from meshplane.workflows.asl.validation_lost_input import warn_of_lost_input
from meshplane.workflows.asl.validation_report import (
    DUPLICATE_LABEL,
    DUPLICATE_STATE,
    INVALID_STATE_NAME,
    TOO_DEEP,
    Place,
    Problem,
    Report,
    quoted,
)
from meshplane.workflows.asl.validation_scopes import Scope, inner_scopes
from meshplane.workflows.asl.validation_states import check_state
from meshplane.workflows.asl.validation_traps import (
    warn_of_hidden_failures,
    warn_of_uncaught_tasks,
    warn_of_waits,
)
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH

__all__ = ["Problem", "validate"]

LONGEST_STATE_NAME_CHARACTERS = 80
# A Parallel in a Parallel in a Map is three. Each level multiplies what runs at once.
DEEPEST_SCOPES = 30


def validate(definition: dict[str, Any] | str, type: str = "STANDARD") -> list[Problem]:  # noqa: A002 - the name that Step Functions gives it
    """Finds what is wrong with a state machine in the Amazon States Language.

    Never raises, whatever the document holds.

    Args:
        definition: the document, parsed or as JSON text.
        type: "STANDARD", or "EXPRESS", which can not wait for tokens, jobs or activities.

    Returns:
        Problems of severity ERROR (Step Functions refuses the document) and WARNING (it takes it,
        and it will surprise), errors first. At most 500 of each.
    """
    report = Report()
    root = Place(report)
    document = read_definition(definition, root)
    if document is not None:
        language = JSONATA if document.get("QueryLanguage") == JSONATA else JSONPATH
        machine = Scope(root, document, "machine", language, type.upper() == "EXPRESS")
        scopes = _check_scopes(machine)
        if scopes is not None:
            _check_together(machine, scopes)
    return sorted(report.problems, key=lambda problem: problem.severity)


def _check_scopes(machine: Scope) -> list[Scope] | None:
    scopes: list[Scope] = []
    waiting = deque([machine])
    while waiting:
        scope = waiting.popleft()
        if scope.depth > DEEPEST_SCOPES:
            scope.place.error(
                f"Parallel and Map states stand in each other more than {DEEPEST_SCOPES} deep."
                " Move inner parts into state machines of their own.",
                TOO_DEEP,
            )
            return None
        scopes.append(scope)
        _check_body(scope)
        for name, state in scope.states.items():
            waiting += inner_scopes(scope, name, state)
    return scopes


def _check_body(scope: Scope) -> None:
    tables = {"machine": MACHINE, "branch": BRANCH, "items": ITEM_PROCESSOR}
    check_table(scope.place, scope.body, tables[scope.kind], scope.language)
    missing = [name for name in ("States", "StartAt") if name not in scope.body]
    if missing:
        scope.place.error(f"These fields are required: [{', '.join(missing)}]")
    states = scope.body.get("States")
    if isinstance(states, dict):
        if not states:
            scope.place.at("States").error("must hold at least one state.")
        for name, state in states.items():
            check_state(scope, name, state)


def _check_together(machine: Scope, scopes: list[Scope]) -> None:
    """Checks what concerns more than one state."""
    everywhere: dict[str, str] = {}
    labels: dict[str, str] = {}
    for scope in scopes:
        _check_names(scope, everywhere)
        _check_labels(scope, labels)
    for scope in scopes:
        check_targets(scope, everywhere)
        check_flow(scope)
        warn_of_waits(scope)
        warn_of_calls(scope)
    warn_of_hidden_failures(machine)
    warn_of_uncaught_tasks(machine)
    warn_of_lost_input(scopes)


def _check_names(scope: Scope, everywhere: dict[str, str]) -> None:
    states = scope.body.get("States")
    for name in states if isinstance(states, dict) else ():
        place = scope.state_place(name)
        if not name or len(name) > LONGEST_STATE_NAME_CHARACTERS:
            place.error(
                f"The state name {quoted(name)} must have 1 to {LONGEST_STATE_NAME_CHARACTERS}"
                f" characters, and has {len(name)}.",
                INVALID_STATE_NAME,
            )
        if name in everywhere:
            place.error(
                f"The state name {quoted(name)} is taken by {everywhere[name]}; names are unique"
                " in the whole state machine, branches included. Rename one.",
                DUPLICATE_STATE,
            )
        else:
            everywhere[name] = place.pointer


def _check_labels(scope: Scope, labels: dict[str, str]) -> None:
    for name, state in scope.states.items():
        label = state.get("Label")
        if state.get("Type") != "Map" or not isinstance(label, str):
            continue
        if label in labels:
            scope.state_place(name).at("Label").error(
                f"The label {quoted(label)} is taken by {labels[label]}; choose another.",
                DUPLICATE_LABEL,
            )
        labels.setdefault(label, scope.state_place(name).pointer)
