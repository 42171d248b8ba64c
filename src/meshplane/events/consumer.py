"""What a consumer of events is."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from meshplane.platform.events import StoredEvent
from meshplane.platform.store import UnitOfWork

Handler = Callable[[UnitOfWork, StoredEvent], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Consumer:
    """Something that follows events.

    Args:
        name: stable; its place in the outbox is remembered under it.
        types: the event types that it wants.
        handle: called with a unit of work and the event. It does not commit: what it writes and
            the consumer's new place are one commit.
        source: the only source whose events it takes, such as `management-app.assets`: anybody may
            send events of any type, but not from the mesh's sources. Empty takes all.
    """

    name: str
    types: frozenset[str]
    handle: Handler
    source: str = ""

    def wants(self, event: StoredEvent) -> bool:
        """Whether an event is for it."""
        return event.type in self.types and self.source in ("", event.source)
