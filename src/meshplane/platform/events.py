"""An event as it lies in the outbox."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened, about to be stored with the rows that it speaks of.

    Args:
        type: `ProjectCreated`; EventBridge's detail-type.
        source: `management-app.projects`; EventBridge's source.
        entity: what it happened to; events of one entity are delivered in order.
        detail: the payload, JSON values only.
        hops: how many rules and workflows led to it from what a person or a clock began.
        event_id: its id, where one is promised before the commit; otherwise the store makes it.
    """

    type: str
    source: str
    entity: str
    detail: dict[str, Any]
    hops: int = 0
    event_id: str | None = None


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """An event with its place in the outbox. `event_id` is the same at every delivery."""

    sequence: int
    event_id: str
    type: str
    source: str
    entity: str
    time: str
    detail: dict[str, Any]
    hops: int = 0
