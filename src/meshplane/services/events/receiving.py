"""Use cases of queues that people work off over HTTP."""

import asyncio
import base64
import time
from typing import Any

import orjson

from meshplane.boundary.call import Call
from meshplane.events.bell import Bell
from meshplane.events.dead_letters import MAXIMUM_ATTEMPTS, Failure, bury
from meshplane.events.queues import (
    MESSAGES,
    MessageGone,
    finish,
    message_of,
    milliseconds,
)
from meshplane.kit.clock import to_text
from meshplane.kit.errors import BaseMoved, Conflict, Invalid
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH
from meshplane.services.events.names import queue_name
from meshplane.services.events.schemas import (
    AcknowledgeBody,
    AcknowledgedView,
    ReceiveBody,
    ReceivedMessage,
    ReceivedView,
)

_LOOK_AGAIN_SECONDS = 0.5
_NEVER_DONE = Failure("NOT_ACKNOWLEDGED", "It was received again and again, and never done.")


class Receiving:
    """Gives messages out, and takes them back.

    Args:
        bell: tells of new messages.
    """

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._ended = False

    def end(self) -> None:
        """Lets nobody wait any more."""
        self._ended = True

    async def receive(self, call: Call, queue: str, body: ReceiveBody) -> ReceivedView:
        """Takes messages, and hides them from others until their visibility ends.

        Raises:
            Invalid: QUEUE_INVALID.
            Refused: QUEUE_RESERVED.
        """
        await call.allow(MESH)
        call.resource = f"Queue:{queue_name(queue)}"
        rows = await self._wait_for(call, queue, body)
        received = [_take(call, row, body.visibility_seconds) for row in rows]
        items = [message for message in received if message is not None]
        call.note(messages=[message.message_id for message in items])
        return ReceivedView(items=items)

    async def acknowledge(self, call: Call, queue: str, body: AcknowledgeBody) -> AcknowledgedView:
        """Ends messages that were received. Those that are gone already do no harm.

        Raises:
            Invalid: RECEIPT_INVALID, QUEUE_INVALID.
            Conflict: RECEIPT_EXPIRED; none of them was ended.
            Refused: QUEUE_RESERVED.
        """
        await call.allow(MESH)
        call.resource = f"Queue:{queue_name(queue)}"
        done = 0
        for number, handle in enumerate(dict.fromkeys(body.receipt_handles)):
            field = f"receiptHandles.{number}"
            message_id, version = _read_handle(handle, field)
            row = await call.work.get(MESSAGES, queue, message_id)
            if row is None:
                continue
            expired = Conflict(
                "RECEIPT_EXPIRED",
                "The message's visibility ended and it was given out again: receive it again.",
                field=field,
            )
            if row.version != version:
                raise expired
            call.work.delete(MESSAGES, queue, message_id, expected=version, otherwise=expired)
            done += 1
        return AcknowledgedView(acknowledged=done)

    async def _wait_for(self, call: Call, queue: str, body: ReceiveBody) -> list[Row]:
        """Messages that are due; it waits for the first as long as it was asked to."""
        loop = asyncio.get_running_loop()
        until = loop.time() + body.wait_seconds
        while True:
            heard, since = self._bell.heard(queue), time.monotonic()
            page = await call.work.query(MESSAGES, queue, index="byDue", limit=body.max_messages)
            now = milliseconds(call.clock.now())
            due = [row for row in page.rows if row.item["dueAt"] <= now]
            left = until - loop.time()
            if due or left <= 0 or self._ended:
                return due
            if page.rows:
                # That one falls due meanwhile, perhaps, and no commit tells of that.
                left = min(left, (page.rows[0].item["dueAt"] - now) / 1000)
            await self._bell.wait(queue, heard, _LOOK_AGAIN_SECONDS, left, since=since)


class _TakenMeanwhile(BaseMoved):
    """Another receiver was quicker; the boundary looks again."""

    def __init__(self) -> None:
        gone = MessageGone()
        super().__init__(gone.code, gone.message)


def _take(call: Call, row: Row, visibility_seconds: int) -> ReceivedMessage | None:
    """Takes one message; None for one that was received so often that it is given up."""
    message, now = message_of(row), call.clock.now()
    if message.attempts >= message.maximum_attempts:
        bury(call.work, message, _NEVER_DONE, MAXIMUM_ATTEMPTS, now)
        finish(call.work, message)
        return None
    item = {
        **row.item,
        "attempts": message.attempts + 1,
        "dueAt": milliseconds(now) + visibility_seconds * 1000,
    }
    _put(call.work, item, row.version)
    origin = message.origin or {}
    return ReceivedMessage(
        message_id=message.message_id,
        receipt_handle=_handle(message.message_id, row.version + 1),
        body=message.body,
        attempts=message.attempts + 1,
        sent_at=to_text(message.sent_at),
        event_id=origin.get("eventId"),
        rule=origin.get("rule"),
    )


def _put(work: UnitOfWork, item: dict[str, Any], version: int) -> None:
    work.put(MESSAGES, item, expected=version, otherwise=_TakenMeanwhile())


def _handle(message_id: str, version: int) -> str:
    return base64.urlsafe_b64encode(orjson.dumps([message_id, version])).decode().rstrip("=")


def _read_handle(handle: str, field: str) -> tuple[str, int]:
    try:
        read = orjson.loads(base64.urlsafe_b64decode(handle + "=" * (-len(handle) % 4)))
        message_id, version = read
    except (ValueError, TypeError):
        message_id, version = None, None
    if not isinstance(message_id, str) or type(version) is not int:
        raise Invalid(
            "RECEIPT_INVALID",
            "This is no receiptHandle that a receive gave.",
            field=field,
        )
    return message_id, version
