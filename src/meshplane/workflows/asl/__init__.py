"""Amazon States Language: validated, compiled, and run as pure data.

`execute` runs a state machine in memory. `Machine` and `Run` are what a durable runner is built
on: every turn of a `Run` says what to keep and what to perform.
"""

from meshplane.workflows.asl.context import ExecutionContext, Source
from meshplane.workflows.asl.execution import PENDING, ExecutionResult, TaskFailed, execute
from meshplane.workflows.asl.history import HistoryEvent
from meshplane.workflows.asl.machine import InvalidDefinition, Machine
from meshplane.workflows.asl.run import Run
from meshplane.workflows.asl.turn import Outcome, TaskGone, TaskRequest, Turn
from meshplane.workflows.asl.validation import Problem, validate

__all__ = [
    "PENDING",
    "ExecutionContext",
    "ExecutionResult",
    "HistoryEvent",
    "InvalidDefinition",
    "Machine",
    "Outcome",
    "Problem",
    "Run",
    "Source",
    "TaskFailed",
    "TaskGone",
    "TaskRequest",
    "Turn",
    "execute",
    "validate",
]
