"""The port `TaskAnswers` on Step Functions.

A decision writes down its answer in its own commit: the token's row, and a message. The message's
handler answers Step Functions afterwards, until it takes the answer, or says that nobody waits for
it any more. Of two who answer one token, the row's version lets one win.

What differs from the embedded engine: that a task has timed out meanwhile, or that its execution
was stopped, is only learnt when the answer is sent. Whoever decided before that is not told; the
approval shows his decision, and the execution its timeout.
"""

from typing import Any

from meshplane.events.queues import GiveUp, Message, QueueHandler, send
from meshplane.kit.clock import Clock
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.workflows.aws_inbox import ANSWERED, GONE, OPEN
from meshplane.workflows.aws_tables import AWS_TASK_TOKENS
from meshplane.workflows.aws_worker import TaskTokens

ANSWERS = "task-answers"
"""The embedded queue of answers to tokens; the mesh alone sends to it."""

_AT_ONCE = 16


class StepFunctionsAnswers:
    """Answers tokens of Step Functions, as a part of a unit of work; see `TaskAnswers`.

    Args:
        tokens: answers them, after the commit.
        clock: the present.
    """

    def __init__(self, tokens: TaskTokens, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The queue that it serves."""
        return (QueueHandler(ANSWERS, self.handle, exclusive=True, concurrency=_AT_ONCE),)

    async def succeed(self, work: UnitOfWork, token: str, output: Any) -> None:
        """See `TaskAnswers.succeed`.

        Raises:
            Missing: TASK_TOKEN_UNKNOWN.
            Conflict: TASK_TOKEN_USED, TASK_TOKEN_GONE.
        """
        await self._answer(work, token, {"output": output})

    async def fail(self, work: UnitOfWork, token: str, error: str, cause: str) -> None:
        """See `TaskAnswers.fail`; raises as `succeed`."""
        await self._answer(work, token, {"error": error, "cause": cause})

    async def is_waiting(self, work: UnitOfWork, token: str) -> bool:
        """See `TaskAnswers.is_waiting`: whether nobody has answered it yet."""
        row = await work.get(AWS_TASK_TOKENS, token)
        return row is not None and row.item["state"] == OPEN

    async def handle(self, work: UnitOfWork, message: Message) -> None:
        """Sends one answer to Step Functions.

        Raises:
            GiveUp: TASK_TOKEN_UNKNOWN, the row is gone.
            AwsUnavailable: Step Functions does not take it now; it is tried again.
        """
        body = message.body
        row = await work.get(AWS_TASK_TOKENS, body["token"])
        if row is None:
            raise GiveUp("TASK_TOKEN_UNKNOWN", "There is no such token any more.")
        token = row.item["awsToken"]
        if "output" in body:
            taken = await self._tokens.succeed(token, body["output"])
        else:
            taken = await self._tokens.fail(token, body["error"], body["cause"])
        if not taken:
            work.put(AWS_TASK_TOKENS, {**row.item, "state": GONE}, expected=row.version)

    async def _answer(self, work: UnitOfWork, token: str, answer: dict[str, Any]) -> None:
        row = await work.get(AWS_TASK_TOKENS, token)
        if row is None:
            raise Missing(
                "TASK_TOKEN_UNKNOWN", "There is no task with this token.", field="taskToken"
            )
        _refuse_closed(row)
        moved = BaseMoved("TASK_TOKEN_MOVED", "The token was used by another meanwhile: try again.")
        work.put(
            AWS_TASK_TOKENS,
            {**row.item, "state": ANSWERED},
            expected=row.version,
            otherwise=moved,
        )
        send(
            work,
            ANSWERS,
            {"token": token, **answer},
            message_id=token,
            now=self._clock.now(),
        )


def _refuse_closed(row: Row) -> None:
    if row.item["state"] == ANSWERED:
        raise Conflict("TASK_TOKEN_USED", "This task was answered before.", field="taskToken")
    if row.item["state"] == GONE:
        raise Conflict("TASK_TOKEN_GONE", "This task is over.", field="taskToken")
