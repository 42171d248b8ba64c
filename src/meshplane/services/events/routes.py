"""HTTP of the events service."""

from typing import Any

from pydantic import Field

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import ApiModel, Page, position
from meshplane.platform.store import Store
from meshplane.policy.model import MESH

_MOST_READ = 10_000


class EventQuery(ApiModel):
    """Which events to list; without a type or an entity, all."""

    type: str | None = Field(default=None, max_length=100)
    entity: str | None = Field(default=None, max_length=100)
    limit: int = Field(default=100, ge=1, le=500)
    cursor: str | None = Field(default=None, max_length=20)


class EventView(ApiModel):
    """An event, with the fields that EventBridge gives it."""

    event_id: str
    type: str
    source: str
    entity: str
    time: str
    detail: dict[str, Any]


def routes(store: Store, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/events."""
    operations = Operations(boundary)

    @operations.read("/events", "listEvents")
    async def list_events(call: Call, query: EventQuery) -> Page[EventView]:
        await call.allow(MESH)
        return await _page(store, query)

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
                found.append(
                    EventView(
                        event_id=event.event_id,
                        type=event.type,
                        source=event.source,
                        entity=event.entity,
                        time=event.time,
                        detail=event.detail,
                    )
                )
            if len(found) == query.limit:
                return Page[EventView](items=found, next_cursor=str(reached))
        if not events:
            return Page[EventView](items=found)
    return Page[EventView](items=found, next_cursor=str(reached))
