"""`arn:aws:states:::sns:publish`: a notification, as an event on the bus."""

import hashlib
import uuid
from typing import Any

from meshplane.kit.clock import Clock, to_text
from meshplane.platform.events import NewEvent
from meshplane.platform.store import UnitOfWork
from meshplane.workflows.arns import last_part
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.performers import ExecutionInfo

SOURCE = "management-app.workflows"
_LARGEST_MESSAGE_BYTES = 262_144
_LONGEST_SUBJECT = 100


class Publish:
    """Publishes notifications: `NotificationPublished`, which rules can match.

    Args:
        clock: for when they are published.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    async def enlist(self, work: UnitOfWork, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """See `InStore.enlist`."""
        topic, message, subject = _checked(request.parameters)
        message_id = str(uuid.UUID(hashlib.sha256(request.key.encode()).hexdigest()[:32]))
        detail = {
            "notificationId": message_id,
            "topic": topic,
            "subject": subject,
            "message": message,
            "executionId": execution.execution_id,
            "publishedAt": to_text(self._clock.now()),
        }
        work.emit(NewEvent("NotificationPublished", SOURCE, topic, detail, execution.hops + 1))
        return {"MessageId": message_id}


def _checked(parameters: Any) -> tuple[str, str, str | None]:
    given = parameters if isinstance(parameters, dict) else {}
    arn = given.get("TopicArn") or given.get("TargetArn")
    if not isinstance(arn, str) or not last_part(arn):
        raise _refused("TopicArn is the topic's ARN or name.")
    message = given.get("Message")
    if message is None or message == "":
        raise _refused("Message is missing.")
    text = message if isinstance(message, str) else json_text(message)
    if len(text.encode()) > _LARGEST_MESSAGE_BYTES:
        raise _refused("A message has at most 262144 bytes.")
    subject = given.get("Subject")
    if subject is not None and (
        not isinstance(subject, str) or not 1 <= len(subject) <= _LONGEST_SUBJECT
    ):
        raise _refused("Subject is text of 1 to 100 characters.")
    return last_part(arn), text, subject


def _refused(cause: str) -> TaskFailed:
    return TaskFailed("SNS.InvalidParameterException", cause)
