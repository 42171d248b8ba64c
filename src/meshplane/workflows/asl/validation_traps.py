"""What Step Functions accepts and what goes wrong later: failures hidden, waits without end."""

import re
from typing import Any

from meshplane.workflows.asl.validation_report import listed, quoted
from meshplane.workflows.asl.validation_scopes import (
    Scope,
    catchers,
    followers,
    is_success,
    reachable,
)
from meshplane.workflows.asl.validation_task import is_activity, parameters_of, waits_for_token

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_BAD_NEWS = {"fail", "failed", "fails", "failure", "failures", "error", "errored", "errors"}
_TURNED_ROUND = {"no", "not", "non", "without", "free", "zero", "ignore", "ignored", "clear"}
_HIDDEN = (
    "The execution shows SUCCEEDED although it failed, so nobody who watches executions learns"
    " of it. Go on to a Fail state."
)


def warn_of_hidden_failures(scope: Scope) -> None:
    """Tells failure paths that end in success, for the whole machine only.

    Inside a branch or a Map the states around it still see what came out.
    """
    if scope.kind != "machine" or scope.start is None:
        return
    normal = reachable(scope, scope.start, caught=False)
    seen = reachable(scope, scope.start)
    reached = [name for name in scope.states if name in seen]
    handlers: dict[str, None] = {}
    for name in reached:
        for index, catcher in catchers(scope.states[name]):
            target = catcher.get("Next")
            if not isinstance(target, str) or target not in scope.states:
                continue
            if not _catches_failures(catcher):
                continue
            if target not in normal:
                handlers[target] = None
            elif is_success(scope.states[target]):
                scope.state_place(name).at("Catch", index, "Next").warn(
                    "FAILURE_ENDS_IN_SUCCESS",
                    f"An error of {quoted(name)} leads straight to {quoted(target)}, which ends"
                    f" the execution. {_HIDDEN}",
                )
    ends = _hidden_ends(scope, list(handlers), normal)
    ends |= {name for name in reached if is_success(scope.states[name]) and _tells_failure(name)}
    for name in reached:
        if name in ends:
            place = scope.state_place(name)
            (place.at("End") if "End" in scope.states[name] else place).warn(
                "FAILURE_ENDS_IN_SUCCESS", f"A failure path ends in {quoted(name)}. {_HIDDEN}"
            )


def _catches_failures(catcher: dict[str, Any]) -> bool:
    """Whether it takes errors in general. A name of one's own may be an answer like another."""
    names = catcher.get("ErrorEquals")
    if not isinstance(names, list):
        return False
    return any(isinstance(name, str) and name.startswith("States.") for name in names)


def _hidden_ends(scope: Scope, handlers: list[str], normal: set[str]) -> set[str]:
    """The successes that are reached only over an error, on paths that never lead to a Fail."""
    region: set[str] = set()
    waiting = list(handlers)
    while waiting:
        name = waiting.pop()
        if name in region or name in normal or name not in scope.states:
            continue
        region.add(name)
        waiting += followers(scope.states[name], caught=False)
    before: dict[str, list[str]] = {name: [] for name in region}
    for name in region:
        for target in followers(scope.states[name], caught=False):
            if target in region:
                before[target].append(name)
    # A handler that tells errors apart, and fails for some, means the others to end well.
    deciding: set[str] = set()
    waiting = [name for name in region if scope.states[name].get("Type") == "Fail"]
    while waiting:
        name = waiting.pop()
        if name not in deciding:
            deciding.add(name)
            waiting += before[name]
    undecided = [name for name in handlers if name not in deciding]
    seen: set[str] = set()
    while undecided:
        name = undecided.pop()
        if name in region and name not in seen:
            seen.add(name)
            undecided += followers(scope.states[name], caught=False)
    return {name for name in seen if is_success(scope.states[name])}


def _tells_failure(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _BAD_NEWS) and not words & _TURNED_ROUND


def warn_of_uncaught_tasks(scope: Scope) -> None:
    """Tells tasks without Catch where others of the machine have a failure path."""
    if scope.kind != "machine" or scope.start is None:
        return
    normal = reachable(scope, scope.start, caught=False)
    tasks = [name for name in scope.states if name in normal and _can_fail(scope.states[name])]
    handled = [
        name
        for name in tasks
        if any(
            _catches_failures(catcher) and catcher.get("Next") not in normal
            for _, catcher in catchers(scope.states[name])
        )
    ]
    missing = [name for name in tasks if not catchers(scope.states[name])]
    if handled and missing:
        scope.place.at("States").warn(
            "TASK_WITHOUT_CATCH",
            f"An error of {quoted(handled[0])} is handled, but one of {listed(missing)} ends the"
            " execution past that handling. Give these a Catch too.",
        )


def _can_fail(state: dict[str, Any]) -> bool:
    return state.get("Type") in ("Task", "Parallel", "Map")


def warn_of_waits(scope: Scope) -> None:
    """Tells tasks that wait for an answer that may never come."""
    for name, state in scope.states.items():
        resource = state.get("Resource")
        waits = waits_for_token(resource)
        if state.get("Type") != "Task" or not (waits or is_activity(resource)):
            continue
        place = scope.state_place(name)
        timed = ("TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath")
        if not any(field in state for field in timed):
            place.warn(
                "UNTIMED_TOKEN_WAIT",
                f"{quoted(name)} waits for an answer without a limit, up to a year. Set"
                " TimeoutSeconds or HeartbeatSeconds, and catch States.Timeout.",
            )
        if waits and not _passes_token(state):
            place.warn(
                "TOKEN_NOT_PASSED",
                f"{quoted(name)} waits for its token to be answered, but passes it to nobody. Put"
                ' "taskToken.$": "$$.Task.Token" into Parameters, or'
                " {% $states.context.Task.Token %} into Arguments.",
            )


def _passes_token(state: dict[str, Any]) -> bool:
    _, parameters = parameters_of(state)
    waiting = [parameters]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting += each.values()
        elif isinstance(each, list):
            waiting += each
        elif isinstance(each, str) and _HOLDS_TOKEN.search(each):
            return True
    return False


# The token itself, or the whole context or its Task; or a variable, which may hold it.
_HOLDS_TOKEN = re.compile(
    r"\$\$(\.Task(\.Token)?)?($|[\s,)])|\$\$\[|\$states\.context|^\$[A-Za-z]|[(,]\s*\$[A-Za-z]"
)
