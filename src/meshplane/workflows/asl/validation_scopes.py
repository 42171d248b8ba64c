"""The parts of a definition in which states follow each other: the machine, a branch, a Map's."""

from dataclasses import dataclass, field
from typing import Any

from meshplane.workflows.asl.validation_report import Place
from meshplane.workflows.asl.validation_values import JSONATA, JSONPATH


@dataclass(slots=True, eq=False)
class Scope:
    """States that may follow each other.

    Args:
        place: where the object with `StartAt` and `States` stands.
        body: that object.
        kind: "machine", "branch" (of a Parallel) or "items" (of a Map).
        language: the query language of states that name none.
        express: whether it runs as an Express workflow.
        depth: how many scopes are around it.
    """

    place: Place
    body: dict[str, Any]
    kind: str
    language: str
    express: bool
    depth: int = 0
    parent: "Scope | None" = None
    parent_state: str = ""
    states: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        states = self.body.get("States")
        if isinstance(states, dict):
            self.states = {name: each for name, each in states.items() if isinstance(each, dict)}

    @property
    def start(self) -> str | None:
        """The first state, when it exists."""
        start = self.body.get("StartAt")
        return start if isinstance(start, str) and start in self.states else None

    def state_place(self, name: str) -> Place:
        """Where a state stands."""
        return self.place.at("States", name)

    def language_of(self, state: dict[str, Any]) -> str:
        """The query language of a state."""
        if JSONATA in (self.language, state.get("QueryLanguage")):
            return JSONATA
        return JSONPATH


def inner_scopes(scope: Scope, name: str, state: dict[str, Any]) -> list[Scope]:
    """The scopes inside a Parallel or Map state, as far as they are objects."""
    place = scope.state_place(name)

    def inner(where: Place, body: object, kind: str, express: bool) -> list[Scope]:
        if not isinstance(body, dict):
            return []
        return [Scope(where, body, kind, scope.language, express, scope.depth + 1, scope, name)]

    if state.get("Type") == "Parallel" and isinstance(state.get("Branches"), list):
        found: list[Scope] = []
        for index, body in enumerate(state["Branches"]):
            found += inner(place.at("Branches", index), body, "branch", scope.express)
        return found
    if state.get("Type") == "Map":
        field_name = "ItemProcessor" if "ItemProcessor" in state else "Iterator"
        body = state.get(field_name)
        config = body.get("ProcessorConfig") if isinstance(body, dict) else None
        execution = config.get("ExecutionType") if isinstance(config, dict) else None
        return inner(place.at(field_name), body, "items", scope.express or execution == "EXPRESS")
    return []


def is_success(state: dict[str, Any]) -> bool:
    """Whether the execution of this scope ends here, and well."""
    return state.get("Type") == "Succeed" or state.get("End") is True


def is_terminal(state: dict[str, Any]) -> bool:
    """Whether the execution of this scope ends here."""
    return state.get("Type") == "Fail" or is_success(state)


def catchers(state: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The well-formed entries of `Catch`, with their numbers."""
    found = state.get("Catch")
    if not isinstance(found, list):
        return []
    return [(index, each) for index, each in enumerate(found) if isinstance(each, dict)]


def choice_rules(state: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    """The well-formed entries of `Choices`, with their numbers."""
    found = state.get("Choices")
    if state.get("Type") != "Choice" or not isinstance(found, list):
        return []
    return [(index, each) for index, each in enumerate(found) if isinstance(each, dict)]


def followers(state: dict[str, Any], *, caught: bool = True) -> list[str]:
    """The states that may come next, as they are written.

    Args:
        state: a state.
        caught: whether those after an error count.
    """
    if state.get("Type") == "Choice":
        targets = [rule.get("Next") for _, rule in choice_rules(state)] + [state.get("Default")]
    else:
        targets = [state.get("Next")] if not is_terminal(state) else []
    if caught:
        targets += [each.get("Next") for _, each in catchers(state)]
    return [target for target in targets if isinstance(target, str)]


def reachable(scope: Scope, first: str | None, *, caught: bool = True) -> set[str]:
    """The states that can be reached from one, itself with them."""
    seen: set[str] = set()
    waiting = [first] if first is not None and first in scope.states else []
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        waiting += [
            each for each in followers(scope.states[name], caught=caught) if each in scope.states
        ]
    return seen
