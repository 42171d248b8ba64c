"""The worker of the task queue: performs the operations that state machines on AWS ask for.

`sqs:sendMessage.waitForTaskToken` → SQS → `TaskTokenWorker` → the operation, in the name of the
execution → `SendTaskSuccess` or `SendTaskFailure` → the delete of SQS. The worker keeps nothing:
any number of processes may run it. When one dies in between, SQS shows the message again, and the
operation is asked for again under the same key, and has one effect.

The errors that a workflow's Retry and Catch see are those of the embedded engine: the operation's
code. A message that cannot be carried out, or whose handling fails for no reason of the
operation's, is left to SQS, which moves it to the dead-letter queue after `maxReceiveCount`
receives; its task ends by its own TimeoutSeconds.

Sources: Step Functions Developer Guide ("Wait for a Callback with Task Token"), API Reference
(`SendTaskSuccess`, `SendTaskFailure`, `SendTaskHeartbeat`).
"""

import asyncio
import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from logging import INFO, WARNING
from typing import Any

from meshplane.boundary.platform_api import PlatformApi
from meshplane.events.aws_queues import Received
from meshplane.kit.errors import Invalid, MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.telemetry import log
from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.aws_definitions import BODY, EXECUTION
from meshplane.workflows.aws_ledger import ExecutionLedger, Started

LARGEST_OUTPUT_BYTES = 262_144
LONGEST_ERROR, LONGEST_CAUSE = 256, 32_768
TOKEN_OVER = frozenset({"TaskTimedOut", "TaskDoesNotExist", "InvalidToken"})
"""What Step Functions says of a token whose task is over: nobody waits for the answer any more."""

_HEARTBEAT_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """What a task's message to the mesh says.

    Args:
        token: as Step Functions gave it.
        execution_arn: which execution sent it.
        place: from where in it: its state, and when that was entered.
        body: the rest.
    """

    token: str
    execution_arn: str
    place: tuple[str, ...]
    body: dict[str, Any]


def read_message(text: str) -> TaskMessage:
    """A message of SQS.

    Raises:
        Invalid: MESSAGE_INVALID.
    """
    try:
        found = json.loads(text)
        sender = found.pop(EXECUTION)
        if set(found) == {BODY}:
            inner = found[BODY]
            found = json.loads(inner) if isinstance(inner, str) else inner
        token = found.get("taskToken") or found.get("approvalToken")
        place = tuple(str(sender[key]) for key in ("state", "enteredAt") if key in sender)
        arn = sender["id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        token = arn = found = None
        place = ()
    if not (isinstance(token, str) and token and isinstance(arn, str) and isinstance(found, dict)):
        raise Invalid(
            "MESSAGE_INVALID",
            "A message to the mesh needs taskToken, and the execution that it comes from.",
            field="MessageBody",
        )
    return TaskMessage(token, arn, place, found)


class TaskTokens:
    """Answers the tokens of Step Functions.

    Args:
        aws: calls it.
    """

    def __init__(self, aws: Aws) -> None:
        self._aws = aws

    async def succeed(self, token: str, output: Any) -> bool:
        """The task ends well; False when it was over before.

        What is too large to be an answer fails the task with OUTPUT_TOO_LARGE: names that begin
        with `States.` are the language's own, and nobody else may give them.
        """
        text = json_text(output)
        if len(text.encode()) > LARGEST_OUTPUT_BYTES:
            cause = "The answer has more than 262144 bytes: ask for a part, or for its place."
            return await self.fail(token, "OUTPUT_TOO_LARGE", cause)
        try:
            await self._aws.call("stepfunctions", "send_task_success", taskToken=token, output=text)
        except AwsRejected as error:
            return _over(error)
        return True

    async def fail(self, token: str, error: str, cause: str) -> bool:
        """The task fails with that error; False when it was over before."""
        try:
            await self._aws.call(
                "stepfunctions",
                "send_task_failure",
                taskToken=token,
                error=error[:LONGEST_ERROR],
                cause=cause[:LONGEST_CAUSE],
            )
        except AwsRejected as refused:
            return _over(refused)
        return True

    async def is_waiting(self, token: str) -> bool:
        """Whether a task may still wait for the token; its heartbeat's time begins anew.

        Moto does not know the token of a task without HeartbeatSeconds here, so `InvalidToken` says
        nothing: the answer will tell.
        """
        try:
            await self._aws.call("stepfunctions", "send_task_heartbeat", taskToken=token)
        except AwsRejected as error:
            return error.aws_code == "InvalidToken" or _over(error)
        return True


class TaskTokenWorker:
    """Performs the messages of the task queue; an `SqsReader` brings them.

    The reader renews the message's visibility while the worker is at work, the worker the task's
    heartbeat.

    Args:
        api: the platform's.
        tokens: takes the answers.
        ledger: knows in whose name executions act.
        heartbeat_seconds: how often it says that it is still at work: less than the shortest
            `HeartbeatSeconds` of any task.
    """

    def __init__(
        self,
        api: PlatformApi,
        tokens: TaskTokens,
        ledger: ExecutionLedger,
        *,
        heartbeat_seconds: float = _HEARTBEAT_SECONDS,
    ) -> None:
        self._api = api
        self._tokens = tokens
        self._ledger = ledger
        self._heartbeat_seconds = heartbeat_seconds

    async def handle(self, message: Received) -> None:
        """Handles one message; see `aws_queues.Handle`.

        Raises:
            Invalid: MESSAGE_INVALID, EXECUTION_UNKNOWN: SQS moves it away in the end.
            AwsUnavailable: Step Functions does not take the answer now: SQS shows it again.
        """
        task = read_message(message.body)
        operation, arguments = _operation(task.body)
        started = await self._ledger.by_arn(task.execution_arn)
        if started is None:
            raise Invalid(
                "EXECUTION_UNKNOWN", "The mesh did not start the execution that sent the message."
            )
        if not await self._tokens.is_waiting(task.token):
            log(INFO, "task_over", operation=operation, execution=started.execution_id)
            return
        beat = asyncio.create_task(self._beat(task.token))
        try:
            await self._perform(task, started, operation, arguments)
        finally:
            beat.cancel()
            with suppress(asyncio.CancelledError):
                await beat

    async def _perform(
        self, task: TaskMessage, started: Started, operation: str, arguments: dict[str, Any]
    ) -> None:
        actor = replace(started.run_as.actor(), via=started.execution_id, hops=started.hops + 1)
        key = task_key(task, started, operation, arguments)
        try:
            output = await self._api.call(operation, arguments, actor=actor, key=key)
        except MeshplaneError as error:
            await self._tokens.fail(task.token, error.code, error.message)
            return
        await self._tokens.succeed(task.token, output)

    async def _beat(self, token: str) -> None:
        """Says from time to time that the task is being worked on, until nobody waits for it."""
        while True:
            await asyncio.sleep(self._heartbeat_seconds)
            try:
                if not await self._tokens.is_waiting(token):
                    return
            except MeshplaneError as error:
                log(WARNING, "heartbeat_failed", code=error.code)


def task_key(
    task: TaskMessage, started: Started, operation: str, arguments: Mapping[str, Any]
) -> str:
    """The idempotency key of a task: the same for every delivery, and every Retry of its state.

    A redrive enters the state again, and so has another key than before it. Items of a Map whose
    arguments are alike and whose states were entered in the same millisecond share one, and so one
    effect: nothing that a state can read tells them apart. That a retried state keeps its
    `EnteredTime` is how emulators have it (needs AWS).
    """
    told = [started.execution_id, *task.place, operation]
    said = json.dumps(arguments, sort_keys=True)
    return hashlib.sha256("\n".join((*told, said)).encode()).hexdigest()


def _operation(body: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    operation, arguments = body.get("operation"), body.get("arguments", {})
    if not (isinstance(operation, str) and isinstance(arguments, dict)):
        raise Invalid(
            "MESSAGE_INVALID",
            "A message to the task queue needs operation, and arguments (an object).",
            field="MessageBody",
        )
    return operation, arguments


def _over(error: AwsRejected) -> bool:
    """False for a token whose task is over; any other refusal goes on."""
    if error.aws_code in TOKEN_OVER:
        return False
    raise error
