"""Retry and Catch: which errors they take, and what they do with them.

Sources: the Amazon States Language, "Errors"; the developer guide of AWS Step Functions, "Handling
errors": States.ALL takes neither States.Runtime nor States.DataLimitExceeded, and States.Runtime
is never taken.
"""

import random
from typing import Any

from meshplane.workflows.asl.data_flow import JSONATA, Assigned, Assignment, compile_assign
from meshplane.workflows.asl.errors import DATA_LIMIT_EXCEEDED, RUNTIME
from meshplane.workflows.asl.json_path import compile_path, write_reference
from meshplane.workflows.asl.jsonata import JsonataTemplate, compile_jsonata_template
from meshplane.workflows.asl.limits import LONGEST_RETRY_DELAY_SECONDS
from meshplane.workflows.asl.scope import Scope

ALL = "States.ALL"
TASK_FAILED = "States.TaskFailed"
TIMEOUT = "States.Timeout"
HEARTBEAT_TIMEOUT = "States.HeartbeatTimeout"

_TIMEOUTS = (TIMEOUT, HEARTBEAT_TIMEOUT)
_NOT_IN_WILDCARDS = (DATA_LIMIT_EXCEEDED,)


def takes(names: tuple[str, ...], error: str | None, *, of_task: bool) -> bool:
    """Whether an `ErrorEquals` takes an error.

    Args:
        names: the list.
        error: the error's name, None: it has none.
        of_task: whether the state is a Task, whose errors States.TaskFailed stands for.
    """
    if error == RUNTIME:
        return False
    if error is not None and error in names:
        return True
    if error in _NOT_IN_WILDCARDS:
        return False
    if ALL in names:
        return True
    if error == HEARTBEAT_TIMEOUT and TIMEOUT in names:
        return True
    return of_task and TASK_FAILED in names and error not in _TIMEOUTS


class Retrier:
    """One element of `Retry`."""

    __slots__ = ("_interval", "_jitter", "_longest", "_rate", "maximum", "names")

    def __init__(self, document: dict[str, Any]) -> None:
        self.names = tuple(document["ErrorEquals"])
        self.maximum = int(document.get("MaxAttempts", 3))
        self._interval = document.get("IntervalSeconds", 1)
        self._rate = document.get("BackoffRate", 2.0)
        self._longest = document.get("MaxDelaySeconds", LONGEST_RETRY_DELAY_SECONDS)
        self._jitter = document.get("JitterStrategy", "NONE") == "FULL"

    def delay_seconds(self, used: int, chance: random.Random) -> float:
        """How long to wait before the next try.

        Args:
            used: how many tries there were by this retrier.
            chance: for the jitter.
        """
        try:
            delay = self._interval * self._rate**used
        except OverflowError:
            delay = self._longest
        delay = float(min(delay, self._longest, LONGEST_RETRY_DELAY_SECONDS))
        return chance.uniform(0, delay) if self._jitter else delay


class Catcher:
    """One element of `Catch`."""

    __slots__ = ("_assign", "_output", "_result_path", "after", "names")

    def __init__(self, document: dict[str, Any], language: str, index: int) -> None:
        where = f"Catch[{index}]/"
        self.names = tuple(document["ErrorEquals"])
        self.after = str(document["Next"])
        self._assign: Assignment | None = compile_assign(document, language, where)
        self._output: JsonataTemplate | None = None
        place = document.get("ResultPath", "$")
        self._result_path = place if place in (None, "$") else compile_path(place)
        if language == JSONATA and "Output" in document:
            self._output = compile_jsonata_template(document["Output"], f"{where}Output")

    def catch(self, scope: Scope, raw: Any, error_output: dict[str, Any]) -> tuple[Any, Assigned]:
        """The state's output and assignments; `$` of Assign is the error output.

        Raises:
            StateError: they cannot be made.
        """
        scope.error_output = error_output
        assigned = None if self._assign is None else self._assign.evaluate(scope, error_output)
        if self._output is not None:
            return self._output.evaluate(scope), assigned
        if self._result_path is None:
            return raw, assigned
        if self._result_path == "$":
            return error_output, assigned
        return write_reference(self._result_path, raw, error_output), assigned
