"""A state machine, compiled once: its states as objects, in flows that are numbered."""

import json
from collections.abc import Sequence
from typing import Any

from meshplane.kit.errors import FieldProblem, Invalid
from meshplane.workflows.asl.data_flow import JSONPATH
from meshplane.workflows.asl.limits import DEEPEST_SCOPES, LONGEST_EXECUTION_SECONDS
from meshplane.workflows.asl.state import State
from meshplane.workflows.asl.states_choice import ChoiceState
from meshplane.workflows.asl.states_map import MapState
from meshplane.workflows.asl.states_parallel import ParallelState
from meshplane.workflows.asl.states_simple import FailState, PassState, SucceedState, WaitState
from meshplane.workflows.asl.states_task import TaskState
from meshplane.workflows.asl.validation import validate
from meshplane.workflows.asl.validation_report import SCHEMA, Problem

_SIMPLE: dict[str, type[State]] = {
    "Pass": PassState,
    "Succeed": SucceedState,
    "Fail": FailState,
    "Wait": WaitState,
    "Choice": ChoiceState,
    "Task": TaskState,
}


class InvalidDefinition(Invalid):
    """A definition that Step Functions would refuse.

    Args:
        problems: what is wrong with it: of severity ERROR.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        first = problems[0]
        more = f" ({len(problems) - 1} more)" if len(problems) > 1 else ""
        super().__init__(
            "STATE_MACHINE_INVALID",
            f"The definition is refused at {first.path}: {first.message}{more}",
            fields=[FieldProblem(f"definition{each.path}", each.message) for each in problems],
        )
        self.problems = list(problems)


class Flow:
    """States that follow one another: a machine's own, a Parallel's branch, or a Map's processor.

    Args:
        number: its place in `Machine.flows`.
        start: the name of its first state.
        states: its states by name.
    """

    __slots__ = ("number", "start", "states")

    def __init__(self, number: int, start: str) -> None:
        self.number = number
        self.start = start
        self.states: dict[str, State] = {}


class Machine:
    """A compiled definition. It holds nothing of any execution, and may serve many at once.

    Args:
        definition: an Amazon States Language document, parsed or as JSON text.

    Attributes:
        definition: the parsed document.
        flows: all flows, in the order of the document; the first is the machine's own. A branch
            names its flow by this number, so it must be run by the definition it began with.
        timeout_seconds: how long an execution may take: `TimeoutSeconds`, or else a year.
        own_timeout: whether the document says so itself.

    Raises:
        InvalidDefinition: it has errors.
    """

    def __init__(self, definition: dict[str, Any] | str) -> None:
        problems = [each for each in validate(definition) if each.severity == "ERROR"]
        if problems:
            raise InvalidDefinition(problems)
        document = json.loads(definition) if isinstance(definition, str) else definition
        self.definition: dict[str, Any] = document
        self.flows: list[Flow] = []
        own = document.get("TimeoutSeconds")
        self.own_timeout = own is not None
        self.timeout_seconds: float = LONGEST_EXECUTION_SECONDS if own is None else own
        try:
            self._compile(document, document.get("QueryLanguage", JSONPATH), 0)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            message = f"it cannot be compiled: {error}"
            raise InvalidDefinition([Problem("ERROR", SCHEMA, "/", message)]) from error

    def _compile(self, document: dict[str, Any], language: str, depth: int) -> int:
        if depth > DEEPEST_SCOPES:
            raise ValueError(f"Parallel and Map lie in one another more than {DEEPEST_SCOPES} deep")
        flow = Flow(len(self.flows), document["StartAt"])
        self.flows.append(flow)
        for name, state in document["States"].items():
            flow.states[name] = self._state(name, state, language, depth)
        return flow.number

    def _state(self, name: str, document: dict[str, Any], language: str, depth: int) -> State:
        kind = document["Type"]
        own_language = document.get("QueryLanguage", language)
        if kind == "Parallel":
            flows = [
                self._compile(branch, branch.get("QueryLanguage", language), depth + 1)
                for branch in document["Branches"]
            ]
            return ParallelState(name, document, own_language, flows)
        if kind == "Map":
            processor = document.get("ItemProcessor") or document["Iterator"]
            inner = processor.get("QueryLanguage", language)
            return MapState(
                name, document, own_language, self._compile(processor, inner, depth + 1)
            )
        return _SIMPLE[kind](name, document, own_language)
