"""Follows a JSONPath through a value, as Jayway's JsonPath does, within a budget of steps."""

from collections.abc import Iterable
from typing import Any

from meshplane.workflows.asl.json_path_conditions import holds
from meshplane.workflows.asl.json_path_functions import apply_function
from meshplane.workflows.asl.json_path_steps import (
    Call,
    Descendants,
    Indexes,
    Names,
    Operand,
    Slice,
    Step,
    Where,
    Wildcard,
    is_definite,
)

MOST_VISITS = 200_000
DEEPEST_VALUE = 512


class BudgetSpent(Exception):
    """The path visits more values than one path may."""


class Walk:
    """One reading of one path.

    Args:
        root: what `$` means, also inside conditions.
    """

    def __init__(self, root: Any) -> None:
        self.root = root
        self._visits = 0

    def spend(self, visits: int = 1) -> None:
        """Counts values visited.

        Raises:
            BudgetSpent: that is more than one path may visit.
        """
        self._visits += visits
        if self._visits > MOST_VISITS:
            raise BudgetSpent

    def found(self, values: list[Any], steps: tuple[Step, ...]) -> list[Any]:
        """All values that the steps lead to from any of the given ones, in their order."""
        for at, step in enumerate(steps):
            if isinstance(step, Call):
                values = self._called(values, step, is_definite(steps[:at]))
                continue
            below = at > 0 and isinstance(steps[at - 1], Descendants)
            last = at == len(steps) - 1
            following: list[Any] = []
            for value in values:
                following += self._taken(value, step, below, last)
                self.spend()
            self.spend(len(following))
            values = following
        return values

    def resolve(self, operand: Operand, current: Any) -> tuple[Any, bool]:
        """A side of a comparison: its value, and whether there is one."""
        if operand.kind in ("literal", "regex"):
            return operand.value, True
        start = current if operand.kind == "current" else self.root
        values = self.found([start], operand.steps)
        if is_definite(operand.steps):
            return (values[0], True) if values else (None, False)
        return values, True

    def _called(self, values: list[Any], call: Call, definite: bool) -> list[Any]:
        """A function of the one value found, or of the list that an indefinite path finds."""
        arguments = [self.resolve(argument, self.root)[0] for argument in call.arguments]
        if not definite:
            return [apply_function(call.name, values, arguments)]
        return [apply_function(call.name, value, arguments) for value in values]

    def _taken(self, value: Any, step: Step, below: bool, last: bool) -> Iterable[Any]:
        if isinstance(step, Names):
            return self._members(value, step.names, last)
        if isinstance(step, Indexes):
            return _items(value, step.indexes)
        if isinstance(step, Slice):
            return value[step.start : step.stop] if isinstance(value, list) else ()
        if isinstance(step, Wildcard):
            return _children(value)
        if isinstance(step, Where):
            return self._where(value, step, below)
        return self._all_below(value)

    def _members(self, value: Any, names: tuple[str, ...], last: bool) -> Iterable[Any]:
        if not isinstance(value, dict):
            return ()
        if len(names) == 1:
            return (value[names[0]],) if names[0] in value else ()
        present = {name: value[name] for name in names if name in value}
        # At the end several names give one object, in between each goes its own way.
        return (present,) if last else present.values()

    def _where(self, value: Any, step: Where, below: bool) -> Iterable[Any]:
        if isinstance(value, dict):
            return (value,) if holds(step.condition, value, self) else ()
        # Below `..` the items are visited themselves, and would be found twice.
        if isinstance(value, list) and not below:
            return [item for item in value if holds(step.condition, item, self)]
        return ()

    def _all_below(self, value: Any) -> list[Any]:
        found: list[Any] = []
        waiting = [(value, 0)]
        while waiting:
            node, depth = waiting.pop()
            if depth > DEEPEST_VALUE:
                raise BudgetSpent
            self.spend()
            found.append(node)
            waiting += [(child, depth + 1) for child in reversed(list(_children(node)))]
        return found


def _children(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, list) else ()


def _items(value: Any, indexes: tuple[int, ...]) -> list[Any]:
    if not isinstance(value, list):
        return []
    size = len(value)
    return [value[index] for index in indexes if -size <= index < size]
