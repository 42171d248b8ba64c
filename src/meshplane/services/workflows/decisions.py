"""Brings together a workflow that waits for the decision on a subscription, and that decision.

The wait comes as a message, the decision as an event, in either order. Whichever comes first leaves
a row; the other finds it and answers the token. Both demand that there was no row, or the very one
that they read, so that neither can miss the other.
"""

from typing import Any

import orjson

from meshplane.events.consumer import Consumer
from meshplane.events.queues import GiveUp, Message, QueueHandler
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Table
from meshplane.services.workflows.ports import TaskAnswers
from meshplane.workflows.queue_names import SUBSCRIPTIONS

DECISIONS = Table("SubscriptionDecisions", "requestId", expires="expires")
_KEPT_SECONDS = 60 * 86_400
_DECIDED = {
    "SubscriptionApproved": "approved",
    "SubscriptionRejected": "rejected",
    "SubscriptionWithdrawn": "withdrawn",
}
"""The events that end the wait, and how their fields begin. An approval among several does not."""


class Decisions:
    """Answers workflows that wait for a decision.

    Args:
        tokens: answers them.
        clock: says until when a row is kept.
    """

    def __init__(self, tokens: TaskAnswers, clock: Clock) -> None:
        self._tokens = tokens
        self._clock = clock

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """Where workflows say that they wait."""
        return (QueueHandler(SUBSCRIPTIONS, self.on_wait),)

    @property
    def consumers(self) -> tuple[Consumer, ...]:
        """What hears of decisions."""
        source = "management-app.subscriptions"
        decided = frozenset(_DECIDED)
        return (Consumer("workflows.decisions", decided, self.on_decision, source),)

    async def on_wait(self, work: UnitOfWork, message: Message) -> None:
        """A workflow waits for the decision on a request."""
        token, request_id = _read(message.body)
        row = await work.get(DECISIONS, request_id)
        if row is not None and "decision" in row.item:
            await self._answer(work, token, row.item["decision"])
            return
        # One who waits again, after his task was tried anew, takes the place of the one before.
        item = {"requestId": request_id, "token": token, "expires": self._end()}
        work.put(DECISIONS, item, expected=row.version if row else ABSENT)

    async def on_decision(self, work: UnitOfWork, event: StoredEvent) -> None:
        """A request was decided, or taken back."""
        detail, word = event.detail, _DECIDED[event.type]
        decision = {
            "approved": word == "approved",
            "decidedBy": detail[f"{word}By"],
            "decidedAt": detail[f"{word}At"],
        }
        request_id = detail["requestId"]
        row = await work.get(DECISIONS, request_id)
        item = {"requestId": request_id, "decision": decision, "expires": self._end()}
        work.put(DECISIONS, item, expected=row.version if row else ABSENT)
        if row is not None and "token" in row.item:
            await self._answer(work, row.item["token"], decision)

    async def _answer(self, work: UnitOfWork, token: str, decision: dict[str, Any]) -> None:
        if await self._tokens.is_waiting(work, token):
            await self._tokens.succeed(work, token, decision)

    def _end(self) -> int:
        return int(self._clock.now().timestamp()) + _KEPT_SECONDS


def _read(body: Any) -> tuple[str, str]:
    """The token and the id of the request."""
    try:
        found = orjson.loads(body) if isinstance(body, str) else body
        token, request_id = found["taskToken"], found["requestId"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        token = request_id = None
    if not (isinstance(token, str) and isinstance(request_id, str)):
        raise GiveUp(
            "MESSAGE_INVALID", "The message needs taskToken and requestId.", field="MessageBody"
        )
    return token, request_id
