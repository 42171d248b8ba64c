"""Messages of the mesh's own queue on SQS: which rule matched which event, or which one fired.

SQS → `RuleMessages` → `dispatch` → messages of the embedded queues, in one commit, and then the
delete of SQS. The same commit notes that the event was heard for this rule, so that what
EventBridge and SQS deliver twice starts nothing twice; a replay is heard anew. Workflows, functions
and webhooks get it as at home, in the name of the rule's author.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from logging import INFO
from typing import Any

import orjson

from meshplane.events.aws import BusPlaces, marks_of
from meshplane.events.aws_heard import HeardBefore, hear
from meshplane.events.aws_queues import Received
from meshplane.events.aws_targets import is_direct
from meshplane.events.envelope import ACCOUNT, REGION, scheduled_envelope
from meshplane.events.queues import GiveUp, Message, QueueHandler
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_dispatch import dispatch
from meshplane.events.rules import Rule
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import Invalid
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.telemetry import log

REDRIVEN = "rule-messages"
"""The embedded queue of messages that were dead letters; the mesh alone sends to it."""


class RuleMessages:
    """Hands what EventBridge and Scheduler send to the mesh's queue to the rules' targets.

    Args:
        store: takes the messages.
        book: the rules.
        places: tells which targets EventBridge reaches itself.
        clock: the present.
    """

    def __init__(self, store: Store, book: RuleBook, places: BusPlaces, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._places = places
        self._clock = clock

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """Where messages come from that were dead letters, and were redriven."""
        return (QueueHandler(REDRIVEN, self.handle_again),)

    async def handle(self, message: Received) -> None:
        """Handles one message; see `aws_queues.Handle`.

        Raises:
            Invalid: MESSAGE_INVALID; SQS shows it again, and moves it away in the end.
            Unavailable: the store cannot be written now.
        """
        name, envelope, hops = read_rule_message(message.body)
        work = self._store.begin(hops=hops)
        await self._hand_on(work, name, envelope, hops)
        with suppress(HeardBefore):
            await work.commit()

    async def handle_again(self, work: UnitOfWork, message: Message) -> None:
        """Handles a message that was redriven; see `QueueHandler.handle`.

        Raises:
            GiveUp: MESSAGE_INVALID.
        """
        try:
            name, envelope, hops = read_rule_message(message.body)
        except Invalid as error:
            raise GiveUp(error.code, error.message) from error
        await self._hand_on(work, name, envelope, hops)

    async def _hand_on(
        self, work: UnitOfWork, name: str, envelope: dict[str, Any], hops: int
    ) -> None:
        await self._book.refresh()
        rule = self._book.get(name)
        if rule is None or not rule.enabled:
            # It was removed, or switched off, after EventBridge had matched it.
            log(INFO, "rule_message_dropped", rule=name)
            return
        now, replay = self._clock.now(), envelope.get("replay-name")
        heard = ":".join(part for part in (envelope["id"], name, replay) if part)
        if await hear(work, heard, now):
            left = self._left_to_us(rule)
            dispatch(work, left, envelope, hops=hops, now=now, replay_id=replay)

    def _left_to_us(self, rule: Rule) -> Rule:
        if rule.schedule_expression is not None:
            return rule
        left = tuple(target for target in rule.targets if not is_direct(rule, target, self._places))
        return replace(rule, targets=left)


def envelope_at_home(given: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
    """An event from EventBridge with the id and the resources that it has in the mesh; its hops.

    Args:
        given: as EventBridge delivers it.
    """
    marks = marks_of(given)
    envelope = {
        "version": "0",
        "id": marks.event_id,
        "detail-type": given["detail-type"],
        "source": given["source"],
        "account": ACCOUNT,
        "time": _time(given["time"]),
        "region": REGION,
        "resources": list(marks.rest),
        "detail": given["detail"],
    }
    if "replay-name" in given:
        envelope["replay-name"] = given["replay-name"]
    return envelope, marks.hops


def read_rule_message(body: str) -> tuple[str, dict[str, Any], int]:
    """The rule's name, the event as at home, and its hops.

    Raises:
        Invalid: MESSAGE_INVALID.
    """
    try:
        found = orjson.loads(body)
        name = found["rule"]
        if "scheduledTime" in found:
            return name, scheduled_envelope(name, from_text(found["scheduledTime"])), 0
        return (name, *envelope_at_home(found["event"]))
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        raise Invalid(
            "MESSAGE_INVALID",
            "A message to the mesh's queue has `rule` and `event`, or `rule` and `scheduledTime`.",
            field="MessageBody",
        ) from None


def _time(given: Any) -> str:
    """RFC 3339 text, as EventBridge writes it to the second; emulators give epoch seconds."""
    if isinstance(given, int | float):
        return to_text(datetime.fromtimestamp(given, UTC))
    return to_text(from_text(given))
