"""The inbox: messages of workflows on AWS that wait for people, as the embedded queues hold them.

`sqs:sendMessage.waitForTaskToken` to the approval or the subscription queue → SQS → `TaskInbox` →
the token's row and a message of the embedded queue, in one commit → the same handlers as at home.
They see a token of the mesh's own, which names its execution and nothing else: the token of Step
Functions stays in its row. `services/workflows/aws.py` answers it.
"""

import hashlib

from meshplane.events.aws_queues import Received
from meshplane.events.queues import send
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid, Stale
from meshplane.platform.store import ABSENT, Store
from meshplane.workflows.aws_ledger import ExecutionLedger
from meshplane.workflows.aws_tables import AWS_TASK_TOKENS
from meshplane.workflows.aws_worker import read_message
from meshplane.workflows.tables import PART_KEPT_SECONDS

OPEN, ANSWERED, GONE = "OPEN", "ANSWERED", "GONE"
_NAMES = ("taskToken", "approvalToken", "task_token")


class TokenKnown(Stale):
    """The message came before, or comes to another process now."""

    def __init__(self) -> None:
        super().__init__("TASK_TOKEN_KNOWN", "This message came before.")


def own_token(execution_id: str, token: str) -> str:
    """The mesh's token for one of Step Functions: always the same, and nobody can guess it."""
    return f"{execution_id}:{hashlib.sha256(token.encode()).hexdigest()[:32]}"


class TaskInbox:
    """Hands messages of one queue of SQS to the embedded queue of the same purpose.

    Args:
        store: takes both.
        ledger: knows which executions may act.
        queue: the embedded queue: `approval-queue` or `subscription-decisions`.
        clock: the present.
    """

    def __init__(self, store: Store, ledger: ExecutionLedger, queue: str, clock: Clock) -> None:
        self._store = store
        self._ledger = ledger
        self._queue = queue
        self._clock = clock

    async def handle(self, message: Received) -> None:
        """Takes one message over; see `aws_queues.Handle`. The same again has no effect.

        Raises:
            Invalid: MESSAGE_INVALID, EXECUTION_UNKNOWN: SQS moves it away in the end.
        """
        task = read_message(message.body)
        started = await self._ledger.by_arn(task.execution_arn)
        if started is None:
            raise Invalid(
                "EXECUTION_UNKNOWN", "The mesh did not start the execution that sent the message."
            )
        token, now = own_token(started.execution_id, task.token), self._clock.now()
        work = self._store.begin(hops=started.hops)
        work.put(
            AWS_TASK_TOKENS,
            {
                "token": token,
                "awsToken": task.token,
                "executionId": started.execution_id,
                "state": OPEN,
                "expires": int(now.timestamp()) + PART_KEPT_SECONDS,
            },
            expected=ABSENT,
            otherwise=TokenKnown(),
        )
        send(
            work,
            self._queue,
            {key: token if key in _NAMES else value for key, value in task.body.items()},
            message_id=hashlib.sha256(token.encode()).hexdigest(),
            now=now,
            origin={
                "executionId": started.execution_id,
                "runAs": started.run_as.to_json(),
                "hops": started.hops + 1,
            },
        )
        try:
            await work.commit()
        except TokenKnown:
            return
