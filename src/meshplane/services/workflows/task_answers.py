"""Answers task tokens from queue handlers and use cases, as a part of their commits."""

from typing import Any

from meshplane.platform.store import UnitOfWork
from meshplane.workflows import tokens
from meshplane.workflows.engine import Workflows


class EngineAnswers:
    """See `TaskAnswers`.

    Args:
        engine: whose tasks wait.
    """

    def __init__(self, engine: Workflows) -> None:
        self._engine = engine

    async def succeed(self, work: UnitOfWork, token: str, output: Any) -> None:
        """See `TaskAnswers.succeed`."""
        await self._engine.answer_success(work, token, output)

    async def fail(self, work: UnitOfWork, token: str, error: str, cause: str) -> None:
        """See `TaskAnswers.fail`."""
        await self._engine.answer_failure(
            work, token, error[: tokens.LONGEST_ERROR], cause[: tokens.LONGEST_CAUSE]
        )

    async def is_waiting(self, work: UnitOfWork, token: str) -> bool:
        """See `TaskAnswers.is_waiting`."""
        return await tokens.is_open(work, token)
