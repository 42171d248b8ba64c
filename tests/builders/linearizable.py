"""Whether a concurrent history of one object could have been one operation after another.

The search of Wing and Gong ("Testing and verifying concurrent objects", 1993), with the memory of
Lowe ("Testing for linearizability", 2017): what was tried once from one state is not tried again.
"""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Operation:
    """Something that was done to the object.

    Args:
        begin, end: instants of one clock; it took effect somewhere between them.
        what: what was asked.
        answer: what came back; None where nobody knows whether it took effect.
    """

    begin: int
    end: int
    what: Any
    answer: Any


State = Hashable
Step = Callable[[Any, Any], tuple[Any, Any]]
"""(state, what) → (the state after it, the answer that it must have had)."""


def is_linearizable(history: Sequence[Operation], first: State, step: Step) -> bool:
    """Whether some order of the operations, true to their instants, gives each its answer."""
    operations = sorted(history, key=lambda one: one.begin)
    seen: set[tuple[int, State]] = set()
    whole = (1 << len(operations)) - 1
    todo: list[tuple[int, State]] = [(0, first)]
    while todo:
        done, state = todo.pop()
        if done == whole:
            return True
        if (done, state) in seen:
            continue
        seen.add((done, state))
        # Nothing may come before what had ended when it began.
        left = [number for number in range(len(operations)) if not done >> number & 1]
        soonest_end = min(operations[number].end for number in left)
        for number in left:
            one = operations[number]
            if one.begin > soonest_end:
                break
            after, answer = step(state, one.what)
            if one.answer is None or one.answer == answer:
                todo.append((done | 1 << number, after))
    return False
