"""Starts executions for rules: the queue `workflow-starts`.

The start and the end of the message are one commit, so a rule's match starts one execution.
"""

from typing import Any, Protocol

from meshplane.events.queues import GiveUp, Message, QueueHandler
from meshplane.events.rules import WORKFLOW_STARTS
from meshplane.kit.errors import Conflict, Invalid, Missing, TooLarge
from meshplane.platform.store import UnitOfWork
from meshplane.workflows.run_as import RunAs


class Starter(Protocol):
    """Starts executions, here or on Step Functions."""

    async def start(
        self,
        work: UnitOfWork,
        machine: str,
        given: Any,
        /,
        *,
        run_as: RunAs,
        name: str,
        hops: int = 0,
    ) -> object:
        """Starts one as a part of a unit of work; done again under its name, it changes nothing."""
        ...


class Starts:
    """Starts what rules ask for.

    Args:
        starter: has it run.
    """

    def __init__(self, starter: Starter) -> None:
        self._starter = starter

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The queue that it serves."""
        return (QueueHandler(WORKFLOW_STARTS, self.handle),)

    async def handle(self, work: UnitOfWork, message: Message) -> None:
        """Starts the execution that a message asks for.

        Raises:
            GiveUp: it can never be started: there is no such state machine, or the input is too
                large.
        """
        body, origin = message.body, message.origin or {}
        try:
            await self._starter.start(
                work,
                body["stateMachine"],
                body["input"],
                run_as=RunAs.from_json(origin["runAs"]),
                name=body["name"],
                hops=message.hops,
            )
        except (Missing, Conflict, Invalid, TooLarge) as error:
            raise GiveUp(error.code, error.message) from error
