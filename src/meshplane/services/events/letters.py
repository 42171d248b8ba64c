"""Use cases of dead letters."""

from datetime import UTC, datetime

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.dead_letters import ALL, redrive
from meshplane.events.lane import PARKED
from meshplane.events.queues import DEAD_LETTERS
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Invalid, Missing
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH
from meshplane.services.events.schemas import (
    DeadLetterQuery,
    DeadLetterView,
    DeadLetterWhole,
    RedriveBody,
    RedriveView,
)

_MOST_REDRIVEN = 500


async def list_dead_letters(call: Call, query: DeadLetterQuery) -> Page[DeadLetterView]:
    """Dead letters, oldest first, without what the messages say."""
    await call.allow(MESH)
    index, partition = ("byTime", ALL) if query.queue is None else ("byQueue", query.queue)
    page = await call.work.query(
        DEAD_LETTERS, partition, index=index, limit=query.limit, cursor=query.cursor
    )
    return Page[DeadLetterView](items=[_view(row) for row in page.rows], next_cursor=page.cursor)


async def get_dead_letter(call: Call, dead_letter_id: str) -> DeadLetterWhole:
    """A dead letter with its message.

    Raises:
        Missing: DEAD_LETTER_NOT_FOUND.
    """
    await call.allow(MESH)
    row = await _existing(call, dead_letter_id)
    back = row.item["back"] or {}
    body = back.get("event") if row.item["parked"] else back.get("body")
    return DeadLetterWhole(**_view(row).model_dump(), body=body)


async def redrive_dead_letters(call: Call, body: RedriveBody) -> RedriveView:
    """Puts messages back into their queues, as new ones; all that were named, or none.

    Raises:
        Missing: DEAD_LETTER_NOT_FOUND.
        Invalid: REDRIVE_INVALID.
        Conflict: DEAD_LETTER_NOT_REDRIVABLE, for one that was named.
    """
    await call.allow(MESH)
    if (body.dead_letter_ids is None) == (body.queue is None):
        raise Invalid(
            "REDRIVE_INVALID", "Give deadLetterIds or queue, one of them.", field="deadLetterIds"
        )
    more = False
    if body.dead_letter_ids is not None:
        rows = [await _existing(call, name) for name in dict.fromkeys(body.dead_letter_ids)]
    else:
        page = await call.work.query(
            DEAD_LETTERS, str(body.queue), index="byQueue", limit=_MOST_REDRIVEN
        )
        rows = [row for row in page.rows if row.item["back"] is not None]
        more = page.cursor is not None and bool(rows)
    for row in rows:
        redrive(call.work, row, PARKED, call.clock.now())
    call.note(deadLetters=len(rows))
    return RedriveView(redriven=len(rows), more=more)


async def delete_dead_letter(call: Call, dead_letter_id: str) -> None:
    """Removes a dead letter for good.

    Raises:
        Missing: DEAD_LETTER_NOT_FOUND.
    """
    await call.allow(MESH)
    row = await _existing(call, dead_letter_id)
    call.resource = f"DeadLetter:{dead_letter_id}"
    call.note(queue=row.item["queue"], messageId=row.item["messageId"])
    call.work.delete(DEAD_LETTERS, dead_letter_id, expected=row.version)


async def _existing(call: Call, dead_letter_id: str) -> Row:
    row = await call.work.get(DEAD_LETTERS, dead_letter_id)
    if row is None:
        raise Missing("DEAD_LETTER_NOT_FOUND", "There is no such dead letter.")
    return row


def _view(row: Row) -> DeadLetterView:
    item = row.item
    origin = item["origin"] or {}
    return DeadLetterView(
        dead_letter_id=item["deadLetterId"],
        dead_letter_queue=item["deadLetterQueue"],
        queue=item["queue"],
        message_id=item["messageId"],
        error_code=item["errorCode"],
        error_message=item["errorMessage"],
        attempts=item["attempts"],
        exhausted_limit=item["exhaustedLimit"],
        sent_at=to_text(datetime.fromtimestamp(item["sentAt"] / 1000, UTC)),
        failed_at=item["failedAt"],
        event_id=origin.get("eventId"),
        event_type=origin.get("eventType"),
        rule=origin.get("rule"),
        target=origin.get("target"),
        redrivable=item["back"] is not None,
    )
