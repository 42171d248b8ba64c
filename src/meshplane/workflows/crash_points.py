"""Named points at which a simulation may let the process die.

A point costs a method call that does nothing. A simulation gives a `CrashPoints` that raises a
`BaseException` at the point that it chose: the runner catches only `Exception`, so that such a
death leaves in the store exactly what a killed process leaves.
"""

from typing import Literal, Protocol

Point = Literal[
    "before-commit",  # a transition is worked out, and nothing of it is written
    "after-commit",  # it is durable, and nobody has acted upon it
    "before-task",  # a task is about to be performed
    "after-task",  # it was performed, and its answer is nowhere written
    "before-claim",  # a due execution was read, and is not yet claimed
]


class CrashPoints(Protocol):
    """Is told when a named point is reached."""

    def reached(self, point: Point, execution_id: str) -> None:
        """Returns, or raises a `BaseException` that stands for the death of the process."""
        ...


class NoCrashes:
    """Nothing happens at any point."""

    def reached(self, point: Point, execution_id: str) -> None:
        """Returns."""
