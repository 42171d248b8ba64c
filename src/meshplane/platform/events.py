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
    """

    type: str
    source: str
    entity: str
    detail: dict[str, Any]


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
