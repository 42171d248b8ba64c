"""Use cases of sending events, and of trying patterns."""

import asyncio

import orjson

from meshplane.boundary.call import Call
from meshplane.events.patterns import matches
from meshplane.events.sources import is_reserved
from meshplane.kit.errors import Refused, TooLarge
from meshplane.platform.events import NewEvent
from meshplane.policy.model import MESH
from meshplane.services.events.schemas import (
    PatternTestBody,
    PatternTestView,
    PutEventsBody,
    PutEventsView,
    PutEventView,
)

LARGEST_EVENT_BYTES = 262_144


async def put_events(call: Call, body: PutEventsBody) -> PutEventsView:
    """Stores events of a person's own; all, or none.

    Raises:
        Refused: SOURCE_RESERVED.
        TooLarge: EVENT_TOO_LARGE.
    """
    await call.allow(MESH)
    sent = []
    for number, entry in enumerate(body.entries):
        field = f"entries.{number}"
        if is_reserved(entry.source):
            raise Refused(
                "SOURCE_RESERVED",
                "Events of this source come from the mesh itself: choose a source of your own, "
                "such as flight-operations.schedule.",
                field=f"{field}.source",
            )
        if len(orjson.dumps(entry.detail)) + len(entry.source) > LARGEST_EVENT_BYTES:
            raise TooLarge(
                "EVENT_TOO_LARGE",
                f"An event has at most {LARGEST_EVENT_BYTES:,} bytes: say where the data lies.",
                field=f"{field}.detail",
            )
        event_id = call.new_id("evt")
        entity = entry.resources[0] if entry.resources else entry.source
        call.work.emit(
            NewEvent(entry.detail_type, entry.source, entity, entry.detail, event_id=event_id)
        )
        sent.append(PutEventView(event_id=event_id))
    call.note(events=[event.event_id for event in sent])
    return PutEventsView(entries=sent)


async def try_pattern(call: Call, body: PatternTestBody) -> PatternTestView:
    """Whether an event matches a pattern.

    Raises:
        Invalid: InvalidEventPatternException.
        TooLarge: EVENT_TOO_LARGE.
    """
    await call.allow(MESH)
    size = len(body.event if isinstance(body.event, str) else orjson.dumps(body.event))
    if size > LARGEST_EVENT_BYTES:
        raise TooLarge(
            "EVENT_TOO_LARGE",
            f"An event has at most {LARGEST_EVENT_BYTES:,} bytes.",
            field="event",
        )
    # Beside the event loop: many values in one event take a while.
    result = await asyncio.to_thread(matches, body.event_pattern, body.event)
    return PatternTestView(result=result)
