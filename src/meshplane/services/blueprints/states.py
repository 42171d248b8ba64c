"""How a deployment goes on: its statuses, and what the end of its stack makes of each. Pure.

PLANNING → PLANNED → IN_PROGRESS → SUCCESS | FAILED
PLANNING, PLANNED → CANCELLED        IN_PROGRESS → CANCELLING → CANCELLED | SUCCESS | FAILED
FAILED → ROLLING_BACK → ROLLED_BACK | FAILED
SUCCESS, FAILED, CANCELLED, ROLLED_BACK → REMOVING → REMOVED | FAILED
"""

from typing import Literal

from meshplane.services.blueprints.ports import StackState

Status = Literal[
    "PLANNING",
    "PLANNED",
    "IN_PROGRESS",
    "SUCCESS",
    "FAILED",
    "CANCELLING",
    "CANCELLED",
    "ROLLING_BACK",
    "ROLLED_BACK",
    "REMOVING",
    "REMOVED",
]

AT_WORK = frozenset({"PLANNING", "IN_PROGRESS", "CANCELLING", "ROLLING_BACK", "REMOVING"})
"""Something goes on; any other status stays until somebody asks for more."""

CHANGING = AT_WORK - {"PLANNING"}
"""A stack is being changed, or is about to be."""

REMOVABLE = frozenset({"SUCCESS", "FAILED", "CANCELLED", "ROLLED_BACK"})
"""At rest, and perhaps with a stack."""


def end_of(status: str, state: StackState | None) -> Status:
    """What a deployment is once its stack has come to rest.

    Args:
        status: what was being done: `IN_PROGRESS`, `CANCELLING`, `ROLLING_BACK` or `REMOVING`.
        state: of the stack; None where there is none.
    """
    gone = state is None or state.gone
    if status == "REMOVING":
        return "REMOVED" if gone else "FAILED"
    well = state is not None and state.well and not gone
    if status == "IN_PROGRESS":
        return "SUCCESS" if well else "FAILED"
    back = gone or (state is not None and state.status.endswith("ROLLBACK_COMPLETE"))
    if status == "ROLLING_BACK":
        return "ROLLED_BACK" if back or well else "FAILED"
    if back:
        return "CANCELLED"
    # It was faster than who wanted to stop it.
    return "SUCCESS" if well else "FAILED"


def is_reached(status: str, state: StackState | None) -> bool:
    """Whether a stack at rest is what an undoing wants, so that there is nothing left to do.

    Args:
        status: `ROLLING_BACK` or `REMOVING`.
        state: of the stack; None where there is none.
    """
    at_rest = state is None or state.ended
    return at_rest and end_of(status, state) in {"ROLLED_BACK", "REMOVED"}
