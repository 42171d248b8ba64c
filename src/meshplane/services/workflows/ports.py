"""What approvals need of the engine."""

from typing import Any, Protocol

from meshplane.events.queues import Message
from meshplane.platform.store import UnitOfWork


class TaskAnswers(Protocol):
    """Answers the tokens of waiting tasks, as a part of a unit of work."""

    async def succeed(self, work: UnitOfWork, token: str, output: Any) -> None:
        """The task ends well with that output.

        Raises:
            Missing: TASK_TOKEN_UNKNOWN. The commit may raise it as well.
        """
        ...

    async def fail(self, work: UnitOfWork, token: str, error: str, cause: str) -> None:
        """The task fails with that error; raises as `succeed`."""
        ...

    async def is_waiting(self, work: UnitOfWork, token: str) -> bool:
        """Whether a task still waits for this token."""
        ...


def is_own(token: str, message: Message) -> bool:
    """Whether a message's token is one of the execution that sent it.

    The mesh answers a token that a message names. A workflow that came to know the token of
    another must not have it answered so.
    """
    return token.rpartition(":")[0] == (message.origin or {}).get("executionId")
