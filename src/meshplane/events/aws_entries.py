"""Entries of `PutEvents`: what an event becomes, how large that is, and which go together. Pure.

Limits (API Reference, `PutEvents`; User Guide, "Calculating PutEvents event entry size"): 1 to 10
entries a request, less than 1 MB together. An entry counts 14 bytes for its time, and the UTF-8
bytes of source, detail type, detail and each resource. Targets such as SQS take 256 KB, so that a
larger one would arrive on the bus and nowhere else: it is spilled.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from meshplane.events.aws import resources_of
from meshplane.kit.clock import from_text
from meshplane.platform.events import StoredEvent

MOST_ENTRIES = 10
LARGEST_REQUEST_BYTES = 1_000_000
LARGEST_ENTRY_BYTES = 262_144 - 8_192
"""What targets of 256 KB take, less what the envelope and a rule's transformer add."""

_TIME_BYTES = 14


@dataclass(frozen=True, slots=True)
class Entry:
    """An event as an entry.

    Args:
        event: what it stands for.
        parameters: as `PutEvents` takes them.
        size_bytes: as AWS counts them.
    """

    event: StoredEvent
    parameters: dict[str, Any]
    size_bytes: int


def entry_of(event: StoredEvent, bus: str, detail: dict[str, Any] | None = None) -> Entry:
    """The entry of an event.

    Args:
        event: from the outbox.
        bus: the name or ARN of the bus.
        detail: in place of the event's own.
    """
    text = orjson.dumps(event.detail if detail is None else detail).decode()
    resources = resources_of(event)
    parameters = {
        "Time": from_text(event.time),
        "Source": event.source,
        "DetailType": event.type,
        "Detail": text,
        "Resources": resources,
        "EventBusName": bus,
    }
    sized = (event.source, event.type, text, *resources)
    return Entry(event, parameters, _TIME_BYTES + sum(len(one.encode()) for one in sized))


def requests_of(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """The entries in their order, in as few requests as the limits allow."""
    together: list[Entry] = []
    size = 0
    for entry in entries:
        if together and (
            len(together) == MOST_ENTRIES or size + entry.size_bytes >= LARGEST_REQUEST_BYTES
        ):
            yield together
            together, size = [], 0
        together.append(entry)
        size += entry.size_bytes
    if together:
        yield together
