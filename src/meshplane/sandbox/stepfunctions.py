"""What of Step Functions moto lacks or lets through: whether a definition hangs together.

Source: Amazon States Language, "States", "Transitions" and "Terminal state"; the codes are those of
`ValidateStateMachineDefinition`. moto's own parser says the rest when a state machine is created.
"""

import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from meshplane.sandbox.fake import Caller, FakeError, Handler, World
from meshplane.sandbox.request import Answer

TO_EXECUTIONS = frozenset(
    {"SendTaskFailure", "SendTaskHeartbeat", "SendTaskSuccess", "StopExecution"}
)
"""What moto takes to executions, and fails at where one has not begun: see `once_begun`."""

_MOST = 100
# moto reads the definition first, which takes seconds of a processor that others use as well.
_BEGIN_SECONDS, _PAUSE_SECONDS = 30.0, 0.005
_OF_ENVIRONMENTS = frozenset({"callback_pool_manager", "set_stop"})
_TYPES = frozenset({"Choice", "Fail", "Map", "Parallel", "Pass", "Succeed", "Task", "Wait"})
_ENDING = frozenset({"Fail", "Succeed"})
_SCHEMA, _TARGET = "SCHEMA_VALIDATION_FAILED", "MISSING_TRANSITION_TARGET"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """What is wrong, and where: `/States/A/Next`."""

    code: str
    message: str
    location: str = ""

    def to_answer(self) -> dict[str, Any]:
        """As Step Functions has it."""
        return {
            "severity": "ERROR",
            "code": self.code,
            "message": self.message,
            "location": self.location,
        }


class StepFunctionsFake:
    """Answers `ValidateStateMachineDefinition`; the rest of Step Functions is moto's."""

    service = "stepfunctions"

    def __init__(self, world: World) -> None:
        world.services[self.service] = self
        self.handlers: Mapping[str, Handler] = {"ValidateStateMachineDefinition": self._validate}

    def _validate(self, _caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        found = diagnostics(given["definition"])
        most = given.get("maxResults") or _MOST
        return {
            "result": "FAIL" if found else "OK",
            "diagnostics": [each.to_answer() for each in found[:most]],
            "truncated": len(found) > most,
        }


def check_definition(parameters: Mapping[str, Any]) -> None:
    """Refuses to create or change a state machine whose definition does not hang together.

    Raises:
        FakeError: InvalidDefinition, with the first thing that is wrong.
    """
    definition = parameters.get("definition")
    found = diagnostics(definition) if definition is not None else []
    if found:
        first = found[0]
        raise FakeError(
            "InvalidDefinition",
            f"Invalid State Machine Definition: '{first.code}: {first.message} at "
            f"{first.location}'",
        )


def once_begun(caller: Caller, answer: Callable[[], Answer]) -> Answer:
    """Gives moto's answer to a call that it takes to executions, once all of them have begun.

    moto calls an execution RUNNING before its thread has made what is asked for a token or told to
    stop, and fails at one that has not: also at one that is started between the look and the call,
    and then it is called again.

    Args:
        caller: whose executions they are.
        answer: calls moto.
    """
    give_up = time.monotonic() + _BEGIN_SECONDS
    while True:
        _wait_until_begun(caller, give_up)
        try:
            return answer()
        except AttributeError as error:
            is_early = error.obj is None and error.name in _OF_ENVIRONMENTS
            if not is_early or time.monotonic() > give_up:
                raise


def _wait_until_begun(caller: Caller, give_up: float) -> None:
    from moto.stepfunctions.parser.models import stepfunctions_parser_backends

    backend = stepfunctions_parser_backends[caller.account][caller.region]
    while time.monotonic() < give_up:
        machines = list(backend.state_machines)
        running = [one for machine in machines for one in list(machine.executions)]
        if all(_has_begun(one) for one in running):
            return
        time.sleep(_PAUSE_SECONDS)


def _has_begun(execution: Any) -> bool:
    worker = execution.exec_worker
    return execution.status != "RUNNING" or (worker is not None and worker.env is not None)


def diagnostics(definition: str) -> list[Diagnostic]:
    """What is wrong with a definition; empty where all hangs together."""
    try:
        machine = json.loads(definition)
    except ValueError:
        return [Diagnostic("INVALID_JSON_DESCRIPTION", "The definition is no JSON")]
    return list(_machine(machine, ""))


def _machine(machine: Any, where: str) -> Iterator[Diagnostic]:
    states = machine.get("States") if isinstance(machine, dict) else None
    if not isinstance(states, dict) or not states:
        yield Diagnostic(_SCHEMA, "Field 'States' is required", f"{where}/States")
        return
    start = machine.get("StartAt")
    if start not in states:
        yield Diagnostic(_TARGET, f"Missing 'StartAt' target: {start}", f"{where}/StartAt")
    for name, state in states.items():
        place = f"{where}/States/{name}"
        if not isinstance(state, dict) or state.get("Type") not in _TYPES:
            yield Diagnostic(_SCHEMA, "Field 'Type' must name a type of state", f"{place}/Type")
            continue
        yield from _transitions(state, states, place)
        yield from _nested(state, place)


def _transitions(state: dict[str, Any], states: dict[str, Any], place: str) -> Iterator[Diagnostic]:
    kind = state["Type"]
    targets = [("Next", state.get("Next")), ("Default", state.get("Default"))]
    for field in ("Choices", "Catch"):
        rules = state.get(field, [])
        targets += [(f"{field}[{at}]/Next", rule.get("Next")) for at, rule in enumerate(rules)]
    for path, target in targets:
        if target is not None and target not in states:
            field = path.rpartition("/")[2]
            yield Diagnostic(_TARGET, f"Missing '{field}' target: {target}", f"{place}/{path}")
    ends = "Next" in state, state.get("End") is True
    if kind not in _ENDING and kind != "Choice" and sum(ends) != 1:
        yield Diagnostic(_SCHEMA, "Exactly one of 'Next' and 'End' is required", place)
    if kind == "Choice" and not state.get("Choices"):
        yield Diagnostic(_SCHEMA, "Field 'Choices' is required", f"{place}/Choices")
    if kind == "Task" and "Resource" not in state:
        yield Diagnostic(_SCHEMA, "Field 'Resource' is required", f"{place}/Resource")


def _nested(state: dict[str, Any], place: str) -> Iterator[Diagnostic]:
    for field in ("Iterator", "ItemProcessor"):
        if field in state:
            yield from _machine(state[field], f"{place}/{field}")
    for number, branch in enumerate(state.get("Branches", [])):
        yield from _machine(branch, f"{place}/Branches[{number}]")
