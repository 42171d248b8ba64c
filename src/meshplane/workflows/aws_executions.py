"""Executions on Step Functions, in the shapes that the API of the mesh shows.

A start is named by the command that asks for it. While the first one runs, the same name with the
same input is the same execution; afterwards Step Functions says that it exists, and the mesh looks
whether it is the same. A name comes free 90 days after its execution closed.

Differences from the embedded engine: Step Functions keeps a history for 90 days, cuts no input off,
knows no `revision` but versions, and redrives within 14 days only. It is read as it comes, so that
an execution that was started a moment ago may not be there yet.

Sources: Step Functions API Reference (`StartExecution`, `DescribeExecution`, `GetExecutionHistory`,
`StopExecution`, `RedriveExecution`, `ListExecutions`).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meshplane.kit.clock import to_text
from meshplane.kit.errors import Conflict, Invalid, Missing, TooLarge
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.workflows.arns import execution_id
from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.aws_definitions import WorkflowPlaces
from meshplane.workflows.machines import NAME
from meshplane.workflows.reading import HistoryPage

LARGEST_INPUT_BYTES = 262_144
LONGEST_ERROR, LONGEST_CAUSE = 256, 32_768

_LONGEST_NAME = 80
_PAGE = 1000
_GONE = "ExecutionDoesNotExist"
_RUNNING = frozenset({"RUNNING", "PENDING_REDRIVE"})


@dataclass(frozen=True, slots=True)
class AwsExecution:
    """An execution as Step Functions describes it. Times are RFC 3339 text.

    Args:
        execution_id: `machine:name`.
        arn: on AWS.
        machine: its state machine's name, without the mesh's prefix.
        name: its own.
        status: `RUNNING`, `SUCCEEDED`, `FAILED`, `TIMED_OUT` or `ABORTED`.
        started_at: when it was.
        ended_at: when it ended; None while it runs.
        input, output: JSON.
        error, cause: why it failed.
        redrive_count: how often it was redriven.
    """

    execution_id: str
    arn: str
    machine: str
    name: str
    status: str
    started_at: str
    ended_at: str | None
    input: Any = None
    output: Any = None
    error: str | None = None
    cause: str | None = None
    redrive_count: int = 0


@dataclass(frozen=True, slots=True)
class AwsExecutionPage:
    """A page of executions, the newest first; `cursor` is where the next one begins."""

    executions: Sequence[AwsExecution]
    cursor: str | None


def execution_name(command_id: str) -> str:
    """The name of the execution that a command starts: the command's id, or what stands for it.

    Args:
        command_id: any text; the same one always gives the same name of 1 to 80 characters.
    """
    if NAME.fullmatch(command_id):
        return command_id
    digest = hashlib.sha256(command_id.encode()).hexdigest()[:32]
    plain = "".join(sign if NAME.fullmatch(sign) else "-" for sign in command_id)
    return f"{plain[: _LONGEST_NAME - 33]}-{digest}"


class StepFunctionsExecutions:
    """Starts, follows, stops and redrives executions.

    Args:
        aws: calls Step Functions.
        places: where state machines are.
    """

    def __init__(self, aws: Aws, places: WorkflowPlaces) -> None:
        self._aws = aws
        self._places = places

    async def start(self, machine: str, given: Any, *, name: str) -> AwsExecution:
        """Starts an execution; the same name with the same input starts it once.

        Args:
            machine: the state machine's name, without the mesh's prefix.
            given: the input, JSON.
            name: see `execution_name`.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
            Conflict: EXECUTION_EXISTS, the name has another input.
            TooLarge: INPUT_TOO_LARGE.
            Invalid: NAME_INVALID.
        """
        if not NAME.fullmatch(name):
            raise Invalid("NAME_INVALID", "An execution's name has 1 to 80 characters of names.")
        text = json_text(given)
        if len(text.encode()) > LARGEST_INPUT_BYTES:
            raise TooLarge(
                "INPUT_TOO_LARGE",
                "An execution's input has at most 262144 bytes: pass on where the data lies.",
                field="input",
            )
        try:
            answer = await self._aws.call(
                "stepfunctions",
                "start_execution",
                stateMachineArn=self._places.machine_arn(machine),
                name=name,
                input=text,
            )
        except AwsRejected as error:
            if error.aws_code == "ExecutionAlreadyExists":
                return await self._same(machine, name, given)
            raise _of_start(error) from error
        started = to_text(answer["startDate"])
        return AwsExecution(
            execution_id(machine, name),
            answer["executionArn"],
            machine,
            name,
            "RUNNING",
            started,
            None,
            input=given,
        )

    async def describe(self, machine: str, name: str) -> AwsExecution:
        """An execution with its input and output.

        Raises:
            Missing: EXECUTION_UNKNOWN.
        """
        answer = await self._asked(
            self._aws.call(
                "stepfunctions",
                "describe_execution",
                executionArn=self._places.execution_arn(machine, name),
            )
        )
        return _execution(answer, machine)

    async def history(
        self, machine: str, name: str, *, first_event_id: int = 1, limit: int = 100
    ) -> HistoryPage:
        """A part of the history, oldest event first, in the shape of the embedded engine's.

        Step Functions pages from the beginning only: what is before `first_event_id` is read and
        passed over.

        Raises:
            Missing: EXECUTION_UNKNOWN.
        """
        arn = self._places.execution_arn(machine, name)
        events: list[dict[str, Any]] = []
        token: dict[str, str] = {}
        while True:
            page = await self._asked(
                self._aws.call(
                    "stepfunctions",
                    "get_execution_history",
                    executionArn=arn,
                    maxResults=_PAGE,
                    **token,
                )
            )
            for event in page["events"]:
                if event["id"] < first_event_id:
                    continue
                if len(events) == limit:
                    return HistoryPage(events, event["id"])
                events.append(history_event(event))
            if not page.get("nextToken"):
                return HistoryPage(events, None)
            token = {"nextToken": page["nextToken"]}

    async def listed(
        self, machine: str, *, status: str | None = None, limit: int = 50, cursor: str | None = None
    ) -> AwsExecutionPage:
        """A page of a state machine's executions, the newest first, without inputs and outputs.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
            Invalid: CURSOR_INVALID.
        """
        asked: dict[str, Any] = {"stateMachineArn": self._places.machine_arn(machine)}
        if status is not None:
            asked["statusFilter"] = status
        if cursor is not None:
            asked["nextToken"] = cursor
        try:
            page = await self._aws.call(
                "stepfunctions", "list_executions", maxResults=limit, **asked
            )
        except AwsRejected as error:
            if error.aws_code == "InvalidToken":
                raise Invalid(
                    "CURSOR_INVALID", "This is no cursor of this list.", field="cursor"
                ) from error
            raise _of_start(error) from error
        return AwsExecutionPage(
            [_execution(one, machine) for one in page["executions"]], page.get("nextToken")
        )

    async def stop(
        self, machine: str, name: str, *, error: str | None = None, cause: str | None = None
    ) -> None:
        """Stops an execution where it is; one that has ended is left as it is.

        Raises:
            Missing: EXECUTION_UNKNOWN.
        """
        why = {
            **({"error": error[:LONGEST_ERROR]} if error else {}),
            **({"cause": cause[:LONGEST_CAUSE]} if cause else {}),
        }
        if (await self.describe(machine, name)).status not in _RUNNING:
            return
        await self._asked(
            self._aws.call(
                "stepfunctions",
                "stop_execution",
                executionArn=self._places.execution_arn(machine, name),
                **why,
            )
        )

    async def redrive(self, machine: str, name: str, *, command_id: str) -> None:
        """Has an execution go on from where it failed. Emulators do not have it (needs AWS).

        Args:
            machine: the state machine's name.
            name: the execution's.
            command_id: the same command redrives once.

        Raises:
            Missing: EXECUTION_UNKNOWN.
            Conflict: NOT_REDRIVABLE.
        """
        try:
            await self._asked(
                self._aws.call(
                    "stepfunctions",
                    "redrive_execution",
                    executionArn=self._places.execution_arn(machine, name),
                    clientToken=hashlib.sha256(command_id.encode()).hexdigest(),
                )
            )
        except AwsRejected as error:
            if error.aws_code == "ExecutionNotRedrivable":
                raise Conflict(
                    "NOT_REDRIVABLE",
                    "Only an execution that failed, timed out or was stopped within the last 14 "
                    "days can go on.",
                ) from error
            raise

    async def _same(self, machine: str, name: str, given: Any) -> AwsExecution:
        there = await self.describe(machine, name)
        if json.dumps(there.input, sort_keys=True) != json.dumps(given, sort_keys=True):
            raise Conflict(
                "EXECUTION_EXISTS",
                "An execution of this name exists with another input: choose another name.",
                field="name",
            )
        return there

    @staticmethod
    async def _asked(answer: Any) -> dict[str, Any]:
        try:
            given: dict[str, Any] = await answer
        except AwsRejected as error:
            if error.aws_code == _GONE:
                raise Missing(
                    "EXECUTION_UNKNOWN",
                    "There is no execution of this id: it reads `machine:name`. An ended one is "
                    "kept for 90 days.",
                    field="executionId",
                ) from error
            raise
        return given


def history_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """An event as the mesh shows it: as Step Functions gives it, its time as text."""
    return {
        key: to_text(value) if isinstance(value, datetime) else value
        for key, value in event.items()
    }


def _execution(given: Mapping[str, Any], machine: str) -> AwsExecution:
    status = given["status"]
    ended = given.get("stopDate")
    return AwsExecution(
        execution_id(machine, given["name"]),
        given["executionArn"],
        machine,
        given["name"],
        "RUNNING" if status in _RUNNING else status,
        to_text(given["startDate"]),
        None if ended is None else to_text(ended),
        input=_json(given.get("input")),
        output=_json(given.get("output")),
        error=given.get("error"),
        cause=given.get("cause"),
        redrive_count=given.get("redriveCount", 0),
    )


def _json(text: str | None) -> Any:
    return None if text is None else json.loads(text)


def _of_start(error: AwsRejected) -> Exception:
    match error.aws_code:
        case "StateMachineDoesNotExist" | "StateMachineDeleting":
            return Missing(
                "STATE_MACHINE_UNKNOWN",
                "There is no state machine of this name: list them, or put it first.",
                field="stateMachine",
            )
        case "InvalidExecutionInput":
            return Invalid("INPUT_INVALID", "The input is no JSON that can be run.", field="input")
        case "InvalidName":
            return Invalid("NAME_INVALID", "Step Functions does not take this name.", field="name")
    return error
