"""HTTP of the events service: events themselves, and queues."""

from starlette.responses import Response

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import JSON, OperationRoute, Operations
from meshplane.boundary.schemas import Page, position
from meshplane.events.feed import EventFeed
from meshplane.events.patterns import compile_pattern
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.events import letters, sending
from meshplane.services.events.receiving import Receiving
from meshplane.services.events.schemas import (
    AcknowledgeBody,
    AcknowledgedView,
    DeadLetterQuery,
    DeadLetterView,
    DeadLetterWhole,
    EventQuery,
    EventView,
    PatternTestBody,
    PatternTestView,
    PutEventsBody,
    PutEventsView,
    ReceiveBody,
    ReceivedView,
    RedriveBody,
    RedriveView,
    StreamQuery,
)
from meshplane.services.events.stream import EventStream

_MOST_READ = 10_000


def event_routes(store: Store, feed: EventFeed, boundary: Boundary) -> list[OperationRoute]:
    """The routes of events under /api/v1/events."""
    operations = Operations(boundary)

    @operations.read("/events", "listEvents")
    async def list_events(call: Call, query: EventQuery) -> Page[EventView]:
        """Events of the outbox, oldest first."""
        await call.allow(MESH)
        return await _page(store, query)

    @operations.write("POST", "/events", "putEvents", status=201)
    async def put_events(call: Call, body: PutEventsBody) -> PutEventsView:
        """Sends up to ten events of your own to the bus, together."""
        return await sending.put_events(call, body)

    @operations.read("/events/stream", "streamEvents", {"text/event-stream": None})
    async def stream_events(call: Call, query: StreamQuery) -> Response:
        """Events as they come, as server-sent events; goes on after `Last-Event-ID`."""
        await call.allow(MESH)
        pattern = compile_pattern(query.pattern) if query.pattern is not None else None
        return EventStream(store, feed, query.type, pattern)

    @operations.write("POST", "/events/test-pattern", "testEventPattern")
    async def test_event_pattern(call: Call, body: PatternTestBody) -> PatternTestView:
        """Whether an event matches a pattern."""
        return await sending.try_pattern(call, body)

    return operations.routes


def queue_routes(receiving: Receiving, boundary: Boundary) -> list[OperationRoute]:
    """The routes of queues and dead letters under /api/v1/events."""
    operations = Operations(boundary)

    @operations.write(
        "POST", "/events/queues/{queue}/receive", "receiveMessages", answers={JSON: ReceivedView}
    )
    async def receive_messages(call: Call, queue: str, body: ReceiveBody) -> Response:
        """Takes messages of a queue; each is yours until its visibility ends."""
        received = await receiving.receive(call, queue, body)
        return Response(received.model_dump_json(by_alias=True), media_type=JSON)

    @operations.write("POST", "/events/queues/{queue}/acknowledge", "acknowledgeMessage")
    async def acknowledge_message(
        call: Call, queue: str, body: AcknowledgeBody
    ) -> AcknowledgedView:
        """Ends messages that were received and done."""
        return await receiving.acknowledge(call, queue, body)

    @operations.read("/events/dead-letters", "listDeadLetters")
    async def list_dead_letters(call: Call, query: DeadLetterQuery) -> Page[DeadLetterView]:
        """What was given up, and why."""
        return await letters.list_dead_letters(call, query)

    @operations.write("POST", "/events/dead-letters/redrive", "redriveDeadLetters")
    async def redrive_dead_letters(call: Call, body: RedriveBody) -> RedriveView:
        """Puts dead letters back where they came from."""
        return await letters.redrive_dead_letters(call, body)

    @operations.read("/events/dead-letters/{dead_letter_id}", "getDeadLetter")
    async def get_dead_letter(call: Call, dead_letter_id: str) -> DeadLetterWhole:
        """A dead letter with its message."""
        return await letters.get_dead_letter(call, dead_letter_id)

    @operations.write("DELETE", "/events/dead-letters/{dead_letter_id}", "deleteDeadLetter")
    async def delete_dead_letter(call: Call, dead_letter_id: str) -> None:
        """Removes a dead letter for good."""
        await letters.delete_dead_letter(call, dead_letter_id)

    return operations.routes


async def _page(store: Store, query: EventQuery) -> Page[EventView]:
    """A page of events, oldest first; the cursor is a place in the outbox."""
    reached, read = position(query.cursor), 0
    found: list[EventView] = []
    while read < _MOST_READ:
        events = await store.events_after(reached, 500)
        for event in events:
            reached, read = event.sequence, read + 1
            if query.type in (None, event.type) and query.entity in (None, event.entity):
                found.append(_view(event))
            if len(found) == query.limit:
                return Page[EventView](items=found, next_cursor=str(reached))
        if not events:
            return Page[EventView](items=found)
    return Page[EventView](items=found, next_cursor=str(reached))


def _view(event: StoredEvent) -> EventView:
    return EventView(
        event_id=event.event_id,
        type=event.type,
        source=event.source,
        entity=event.entity,
        time=event.time,
        detail=event.detail,
    )
