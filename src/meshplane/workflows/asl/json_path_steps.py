"""What a JSONPath is made of, after it was read."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Names:
    """Members by name: `.a`, `['a']`, `['a','b']`."""

    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Indexes:
    """Items by place, counted from the end when negative: `[0]`, `[0,-1]`."""

    indexes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """Items from one place to before another: `[1:3]`, `[:2]`, `[-2:]`."""

    start: int | None
    stop: int | None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """All members or items: `.*`, `[*]`."""


@dataclass(frozen=True, slots=True)
class Descendants:
    """The value itself and all below it, for the next step: `..`."""


@dataclass(frozen=True, slots=True)
class Where:
    """Those for which a condition holds: `[?(@.a == 1)]`."""

    condition: "Condition"


@dataclass(frozen=True, slots=True)
class Call:
    """A function of the value: `.length()`, `.max()`."""

    name: str
    arguments: tuple[Any, ...]


Step = Names | Indexes | Slice | Wildcard | Descendants | Where | Call


@dataclass(frozen=True, slots=True)
class Operand:
    """One side of a comparison.

    `kind` is "literal", "regex", "current" (a path from `@`) or "root" (a path from `$`).
    """

    kind: str
    value: Any = None
    steps: tuple[Step, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """`left operator right`; the operator `exists` has no right side."""

    left: Operand
    operator: str
    right: Operand | None = None


@dataclass(frozen=True, slots=True)
class Logical:
    """`and`, `or` and `not` of conditions."""

    operator: str
    parts: "tuple[Condition, ...]"


Condition = Comparison | Logical


def is_definite(steps: tuple[Step, ...]) -> bool:
    """Whether a path can lead to one value only: such a one gives that, others give a list."""
    if any(isinstance(step, Call) for step in steps):
        return True
    last = len(steps) - 1
    for at, step in enumerate(steps):
        if isinstance(step, Names):
            if len(step.names) > 1 and at != last:
                return False
        elif not isinstance(step, Indexes) or len(step.indexes) > 1:
            return False
    return True
