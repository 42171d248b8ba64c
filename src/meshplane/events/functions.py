"""Functions: parts of the platform that rules call by name, as a Lambda function is on AWS."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from meshplane.events.queues import GiveUp, Message, QueueHandler
from meshplane.events.rules import FUNCTIONS
from meshplane.platform.store import UnitOfWork

Function = Callable[[UnitOfWork, Any, Message], Awaitable[None]]
"""Called with a unit of work, the input that the rule made, and the message: `message.key` names
the call at every attempt, `message.origin` says whom it acts as. It does not commit."""

_CONCURRENCY = 16


class Functions:
    """Works off the queue of functions.

    Args:
        functions: by the names that rules use.
    """

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = dict(functions)

    @property
    def names(self) -> frozenset[str]:
        """All that rules may call."""
        return frozenset(self._functions)

    @property
    def handler(self) -> QueueHandler:
        """Handles that queue. What a function calls may lie outside the store."""
        return QueueHandler(FUNCTIONS, self.run, exclusive=True, concurrency=_CONCURRENCY)

    async def run(self, work: UnitOfWork, message: Message) -> None:
        """Runs the function that a message names.

        Raises:
            GiveUp: FUNCTION_UNKNOWN.
        """
        function = self._functions.get(message.body["function"])
        if function is None:
            raise GiveUp("FUNCTION_UNKNOWN", "The platform has no function of this name.")
        await function(work, message.body["input"], message)
