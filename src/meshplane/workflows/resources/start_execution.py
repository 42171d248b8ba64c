"""`arn:aws:states:::states:startExecution`: another execution, perhaps waited for.

`.sync` waits for the child's end, which answers this task in its own commit; its output is text,
and JSON with `.sync:2`. `.waitForTaskToken` waits for whoever gets the token.
"""

import hashlib
from typing import Any

import orjson

from meshplane.kit.errors import MeshplaneError
from meshplane.kit.ids import random_hex
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.workflows import tokens
from meshplane.workflows.arns import execution_arn, execution_id, last_part
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.executions import Executions, Parent, StartedExecution
from meshplane.workflows.machines import Machines
from meshplane.workflows.performers import NO_ANSWER_YET, ExecutionInfo, Resource
from meshplane.workflows.tables import PART_KEPT_SECONDS, TASK_TOKENS
from meshplane.workflows.timing import Timepiece

_ERRORS = {
    "EXECUTION_EXISTS": "StepFunctions.ExecutionAlreadyExistsException",
    "STATE_MACHINE_UNKNOWN": "StepFunctions.StateMachineDoesNotExistException",
    "NAME_INVALID": "StepFunctions.InvalidNameException",
    "INPUT_TOO_LARGE": "StepFunctions.InvalidExecutionInputException",
}
"""What Step Functions calls the errors of a start; others keep their code."""

_KNOWN = {"StateMachineArn", "Name", "Input", "TraceHeader"}


class StartExecution:
    """Starts child executions.

    Args:
        executions: starts them.
        machines: knows whose name a machine acts in.
        clock: the time.
    """

    def __init__(self, executions: Executions, machines: Machines, clock: Timepiece) -> None:
        self._executions = executions
        self._machines = machines
        self._clock = clock

    async def enlist(self, work: UnitOfWork, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `InStore.enlist`."""
        machine, name, given = _checked(request)
        suffix = Resource.of(request.resource).suffix
        parent = None
        if suffix.startswith("sync"):
            token = f"{execution.execution_id}:{random_hex(32)}"
            parent = Parent(execution.execution_id, token, suffix)
        started = await self._start(work, (machine, name, given), execution, parent)
        if parent is not None:
            if not started.is_new:
                raise _failed(
                    "ExecutionAlreadyExistsException", "An execution of this name exists already."
                )
            expires = int(self._clock.now().timestamp()) + PART_KEPT_SECONDS
            row = tokens.opened(
                request,
                parent.token,
                execution.execution_id,
                expires,
                child=started.execution_id,
            )
            work.put(TASK_TOKENS, row, expected=ABSENT)
            return NO_ANSWER_YET
        if request.wait_for_token:
            return NO_ANSWER_YET
        return {
            "ExecutionArn": execution_arn(execution_id(machine, started.name)),
            "StartDate": started.started_at,
        }

    async def _start(
        self,
        work: UnitOfWork,
        what: tuple[str, str, Any],
        execution: ExecutionInfo,
        parent: Parent | None,
    ) -> StartedExecution:
        machine, name, given = what
        try:
            found = await self._machines.newest(work, machine)
            acts_as = found[1]["runAs"]
            if acts_as is not None and not execution.run_as.is_service:
                # Its tasks could do what whoever runs this execution may not.
                raise _failed(
                    "AccessDeniedException",
                    "This state machine acts in a name of its own: start it through the platform's "
                    "operation startExecution, which asks the policies.",
                )
            return await self._executions.start(
                work,
                machine,
                given,
                run_as=execution.run_as,
                name=name,
                hops=execution.hops + 1,
                parent=parent,
                at_once=False,
            )
        except MeshplaneError as error:
            named = _ERRORS.get(error.code, error.code)
            raise TaskFailed(named, error.message) from error


def _checked(request: TaskRequest) -> tuple[str, str, Any]:
    parameters = request.parameters if isinstance(request.parameters, dict) else {}
    unknown = sorted(set(parameters) - _KNOWN)
    if unknown:
        raise _failed("ValidationException", f"states:startExecution takes no {unknown[0]}.")
    arn = parameters.get("StateMachineArn")
    if not isinstance(arn, str) or not last_part(arn):
        raise _failed("ValidationException", "StateMachineArn is the machine's ARN or name.")
    # Each try of the state starts an execution of its own.
    made = hashlib.sha256(f"{request.key}\n{request.attempt}".encode()).hexdigest()[:32]
    name = parameters.get("Name", made)
    if not isinstance(name, str):
        raise _failed("InvalidNameException", "Name is text.")
    given = parameters.get("Input", {})
    if isinstance(given, str):
        try:
            given = orjson.loads(given)
        except orjson.JSONDecodeError:
            raise _failed("InvalidExecutionInputException", "Input is JSON, or its text.") from None
    return last_part(arn), name, given


def _failed(code: str, cause: str) -> TaskFailed:
    return TaskFailed(f"StepFunctions.{code}", cause)
