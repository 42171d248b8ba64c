"""How states follow each other: where each goes, what is reached, and whether it ends."""

from collections import defaultdict

from meshplane.workflows.asl.validation_report import (
    MISSING_END_STATE,
    MISSING_TARGET,
    Place,
    listed,
    quoted,
)
from meshplane.workflows.asl.validation_scopes import (
    Scope,
    catchers,
    choice_rules,
    followers,
    is_terminal,
    reachable,
)


def check_targets(scope: Scope, everywhere: dict[str, str]) -> None:
    """Tells targets that do not exist in the same scope.

    Args:
        scope: some states that may follow each other.
        everywhere: every state's name with the pointer of where it stands.
    """
    _check_target(scope, everywhere, scope.place.at("StartAt"), "StartAt", scope.body)
    for name, state in scope.states.items():
        place = scope.state_place(name)
        if state.get("Type") == "Choice":
            _check_target(scope, everywhere, place.at("Default"), "Default", state)
        else:
            _check_target(scope, everywhere, place.at("Next"), "Next", state)
        for index, rule in choice_rules(state):
            where = place.at("Choices", index, "Next")
            _check_target(scope, everywhere, where, "Next", rule)
        for index, catcher in catchers(state):
            where = place.at("Catch", index, "Next")
            _check_target(scope, everywhere, where, "Next", catcher)


def _check_target(
    scope: Scope, everywhere: dict[str, str], place: Place, field: str, holder: dict[str, object]
) -> None:
    target = holder.get(field)
    states = scope.body.get("States")
    if not isinstance(target, str) or not isinstance(states, dict) or target in states:
        return
    message = f"Missing '{field}' target: {quoted(target)[1:-1]}."
    if target in everywhere:
        message += (
            f" There is such a state at {everywhere[target]}, but nothing leads into or out of a"
            " branch of a Parallel or the states of a Map."
        )
    else:
        message += " No state has that name; add it, or correct the name."
    place.error(message, MISSING_TARGET)


def check_flow(scope: Scope) -> None:
    """Tells states that are never reached, and loops without a way out."""
    if not scope.states:
        return
    if not any(is_terminal(state) for state in scope.states.values()):
        scope.place.at("States").error(
            'No state ends this: mark the last one with "End": true, or add a Succeed or Fail'
            " state.",
            MISSING_END_STATE,
        )
    if scope.start is None:
        return
    reached = reachable(scope, scope.start)
    for name in scope.states:
        if name not in reached:
            scope.state_place(name).warn(
                "UNREACHABLE_STATE",
                f"State {quoted(name)} is not reachable: nothing leads to it from"
                f" {quoted(scope.start)}. Remove it, or lead there.",
            )
    _warn_of_endless_loops(scope, reached)


def _warn_of_endless_loops(scope: Scope, reached: set[str]) -> None:
    before: dict[str, set[str]] = defaultdict(set)
    waiting: list[str] = []
    for name in reached:
        state = scope.states[name]
        targets = followers(state)
        for target in targets:
            before[target].add(name)
        # What leads nowhere has an error of its own, and is no loop.
        if is_terminal(state) or not targets or any(each not in scope.states for each in targets):
            waiting.append(name)
    ends: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in ends:
            ends.add(name)
            waiting += before[name]
    looping = _without_way_in(scope, reached - ends, before)
    if looping:
        first = next(name for name in scope.states if name in looping)
        scope.state_place(first).warn(
            "ENDLESS_LOOP",
            f"From {listed([name for name in scope.states if name in looping])} no state is ever"
            " reached that ends the execution, so it runs until its history is full. Add a way"
            " out, such as a rule of a Choice that leads on.",
        )


def _without_way_in(scope: Scope, stuck: set[str], before: dict[str, set[str]]) -> set[str]:
    """Takes away the states that only lead into a loop."""
    left = set(stuck)
    entries = {name: len(before[name] & stuck) for name in stuck}
    waiting = [name for name, count in entries.items() if count == 0]
    while waiting:
        name = waiting.pop()
        left.discard(name)
        for target in set(followers(scope.states[name])):
            entries[target] -= 1
            if entries[target] == 0:
                waiting.append(target)
    return left
