"""The task worker: performs the operations that workflows send to the task queue.

`sqs:sendMessage.waitForTaskToken` to `meshplane-tasks` → the operation, in the name of the
execution → the token's answer, in the commit that ends the message. The worker may die in between:
then the operation is asked for again under the same idempotency key, and has one effect.
"""

from dataclasses import replace
from typing import Any

import orjson

from meshplane.boundary.platform_api import PlatformApi
from meshplane.events.queues import GiveUp, Message, QueueHandler
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.store import UnitOfWork
from meshplane.services.workflows.ports import TaskAnswers, is_own
from meshplane.workflows.queue_names import TASKS
from meshplane.workflows.run_as import RunAs

_AT_ONCE = 16


class TaskWorker:
    """Performs operations for workflows.

    Args:
        api: the platform's.
        tokens: takes the answers.
    """

    def __init__(self, api: PlatformApi, tokens: TaskAnswers) -> None:
        self._api = api
        self._tokens = tokens

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The queue that it serves."""
        return (QueueHandler(TASKS, self.handle, True, _AT_ONCE),)

    async def handle(self, work: UnitOfWork, message: Message) -> None:
        """Performs the operation that a message names, and answers its token.

        Whatever the operation raises is the task's error: its workflow says what is tried again.

        Raises:
            GiveUp: MESSAGE_INVALID, TASK_TOKEN_UNKNOWN.
        """
        token, operation, arguments = _read(message.body)
        origin = message.origin or {}
        if not is_own(token, message):
            raise GiveUp(
                "TASK_TOKEN_UNKNOWN", "The token is none of the execution that sent the message."
            )
        if not await self._tokens.is_waiting(work, token):
            return
        run_as = RunAs.from_json(origin["runAs"])
        actor = replace(run_as.actor(), via=origin.get("executionId"), hops=message.hops)
        try:
            output = await self._api.call(operation, arguments, actor=actor, key=message.key)
        except MeshplaneError as error:
            await self._tokens.fail(work, token, error.code, error.message)
            return
        if await self._tokens.is_waiting(work, token):
            await self._tokens.succeed(work, token, output)


def _read(body: Any) -> tuple[str, str, dict[str, Any]]:
    try:
        found = orjson.loads(body) if isinstance(body, str) else body
        token, operation = found["taskToken"], found["operation"]
        arguments = found.get("arguments", {})
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError):
        token = operation = arguments = None
    if not (isinstance(token, str) and isinstance(operation, str) and isinstance(arguments, dict)):
        raise GiveUp(
            "MESSAGE_INVALID",
            "A message to the task queue needs taskToken, operation, and arguments (an object).",
            field="MessageBody",
        )
    return token, operation, arguments
