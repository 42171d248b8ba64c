"""`arn:aws:states:::sqs:sendMessage`: a message into a queue of this mesh."""

import hashlib
import uuid
from typing import Any

import orjson

from meshplane.events import queues
from meshplane.kit.clock import Clock
from meshplane.platform.store import UnitOfWork
from meshplane.workflows.arns import last_part
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.performers import NO_ANSWER_YET, ExecutionInfo
from meshplane.workflows.queue_names import SUBSCRIPTIONS

RESERVED_QUEUES = frozenset(
    {
        *("workflow-starts", "functions", "webhooks", "approval-deadlines", SUBSCRIPTIONS),
        *("lake-reconciliations", "execution-commands", "task-answers", "rule-messages"),
        *("portal-reconciliations", "projection-reconciliations"),
        *("deployments", "quality-runs", "table-crawls", "term-removals"),
    }
)
"""What lies in these is obeyed by the mesh itself; only its own workflows send there."""

_LONGEST_DELAY_SECONDS = 900
_LARGEST_BODY_BYTES = 262_144
_ATTRIBUTES = ("MessageAttributes", "MessageGroupId", "MessageDeduplicationId")
_KNOWN = {"QueueUrl", "MessageBody", "DelaySeconds", *_ATTRIBUTES}


class SendMessage:
    """Sends messages.

    Args:
        clock: for when they are sent.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def enlist(self, work: UnitOfWork, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `InStore.enlist`. The message has the same id at every attempt of one state."""
        parameters = _checked(request.parameters)
        queue = last_part(parameters["QueueUrl"])
        if queue in RESERVED_QUEUES and not execution.run_as.is_service:
            raise _refused(f"The queue {queue} is reserved for the mesh itself: choose another.")
        body = parameters["MessageBody"]
        text = body.encode() if isinstance(body, str) else orjson.dumps(body)
        if not 1 <= len(text) <= _LARGEST_BODY_BYTES:
            raise _refused("A message body has 1 to 262144 bytes: pass on where the data lies.")
        message_id = str(uuid.UUID(hashlib.sha256(request.key.encode()).hexdigest()[:32]))
        origin = {
            "executionId": execution.execution_id,
            "runAs": execution.run_as.to_json(),
            "hops": execution.hops + 1,
            **{name: parameters[name] for name in _ATTRIBUTES if name in parameters},
        }
        queues.send(
            work,
            queue,
            body,
            message_id=message_id,
            now=self._clock.now(),
            delay_seconds=parameters.get("DelaySeconds", 0),
            origin=origin,
        )
        if request.wait_for_token:
            return NO_ANSWER_YET
        # Part of SQS's answer; it tells a changed body, and guards nothing.
        digest = hashlib.md5(text, usedforsecurity=False).hexdigest()
        return {"MD5OfMessageBody": digest, "MessageId": message_id}


def _checked(parameters: Any) -> dict[str, Any]:
    if not isinstance(parameters, dict):
        raise _refused("sqs:sendMessage needs QueueUrl and MessageBody.")
    unknown = sorted(set(parameters) - _KNOWN)
    if unknown:
        raise _refused(f"sqs:sendMessage takes no {unknown[0]}: leave it out.")
    if not isinstance(parameters.get("QueueUrl"), str) or not last_part(parameters["QueueUrl"]):
        raise _refused("QueueUrl is the queue's URL, ARN or name.")
    if parameters.get("MessageBody") is None:
        raise _refused("MessageBody is missing.")
    delay = parameters.get("DelaySeconds", 0)
    if type(delay) is not int or not 0 <= delay <= _LONGEST_DELAY_SECONDS:
        raise _refused("DelaySeconds is a whole number from 0 to 900.")
    return parameters


def _refused(cause: str) -> TaskFailed:
    return TaskFailed("SQS.SqsException", cause)
