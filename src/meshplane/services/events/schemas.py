"""Bodies of events, queues, dead letters, archives and replays."""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Id, Line, PageQuery, Text
from meshplane.services.events.names import QueueName

Instant = Annotated[str, StringConstraints(max_length=40)]
"""An RFC 3339 instant."""

BusName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
"""The name of a rule or a replay."""


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


class StreamQuery(ApiModel):
    """Which events to stream; all without a condition."""

    type: str | None = Field(default=None, max_length=100)
    pattern: str | None = Field(default=None, max_length=4096, description="JSON, as in a rule.")


class EventEntry(ApiModel):
    """An event to send; EventBridge's PutEventsRequestEntry."""

    source: Line
    detail_type: Annotated[Line, StringConstraints(min_length=1, max_length=128)]
    detail: dict[str, Any]
    resources: list[Line] = Field(default=[], max_length=1, description="What it happened to.")


class PutEventsBody(ApiModel):
    """Events to send together: all of them are stored, or none."""

    entries: list[EventEntry] = Field(min_length=1, max_length=10)


class PutEventView(ApiModel):
    """One event that was stored."""

    event_id: str


class PutEventsView(ApiModel):
    """What became of the events, in their order."""

    entries: list[PutEventView]
    failed_entry_count: int = 0


class PatternTestBody(ApiModel):
    """A pattern and an event, as JSON or as text that holds JSON."""

    event_pattern: dict[str, Any] | str
    event: dict[str, Any] | str


class PatternTestView(ApiModel):
    """Whether the event matches."""

    result: bool


class ReceiveBody(ApiModel):
    """How to receive messages."""

    max_messages: int = Field(default=1, ge=1, le=10)
    visibility_seconds: int = Field(default=30, ge=1, le=43_200)
    wait_seconds: int = Field(default=0, ge=0, le=20)


class ReceivedMessage(ApiModel):
    """A message that is the receiver's until its visibility ends."""

    message_id: str
    receipt_handle: str
    body: Any
    attempts: int = Field(description="How often it was received, this time included.")
    sent_at: str
    event_id: str | None = None
    rule: str | None = None


class ReceivedView(ApiModel):
    """Messages; none if none came in time."""

    items: list[ReceivedMessage]


class AcknowledgeBody(ApiModel):
    """Which messages are done."""

    receipt_handles: list[Annotated[str, StringConstraints(max_length=1000)]] = Field(
        min_length=1, max_length=10
    )


class AcknowledgedView(ApiModel):
    """How many messages were done and are gone now."""

    acknowledged: int


class DeadLetterQuery(PageQuery):
    """Which dead letters to list; all, oldest first, without a queue."""

    queue: QueueName | None = Field(default=None, description="A dead-letter queue.")


class DeadLetterView(ApiModel):
    """What was given up, and why."""

    dead_letter_id: str
    dead_letter_queue: str
    queue: str
    message_id: str
    error_code: str
    error_message: str
    attempts: int
    exhausted_limit: str
    sent_at: str
    failed_at: str
    event_id: str | None
    event_type: str | None
    rule: str | None
    target: str | None
    redrivable: bool


class DeadLetterWhole(DeadLetterView):
    """A dead letter with the message itself."""

    body: Any


class RedriveBody(ApiModel):
    """Which dead letters to put back: some, or all of a dead-letter queue."""

    dead_letter_ids: list[Id] | None = Field(default=None, min_length=1, max_length=100)
    queue: QueueName | None = None


class RedriveView(ApiModel):
    """How many were put back, and whether more of the queue are left: then ask again."""

    redriven: int
    more: bool


class ArchiveBody(ApiModel):
    """Which events an archive holds, and how long; all of them for ever by default."""

    description: Text = ""
    event_pattern: dict[str, Any] | None = None
    retention_days: int = Field(default=0, ge=0, le=36_500)


class ArchiveView(ApiModel):
    """An archive."""

    name: str
    description: str
    event_pattern: dict[str, Any] | None
    retention_days: int
    created_by: str
    created_at: str
    version: int


class ReplayBody(ApiModel):
    """Which events to give to the rules once more: those from `from` on and before `to`."""

    name: BusName
    archive: str = Field(max_length=64)
    from_: Instant = Field(alias="from")
    to: Instant
    rules: list[BusName] | None = Field(
        default=None, min_length=1, max_length=100, description="All rules without it."
    )


class ReplayView(ApiModel):
    """A replay; `state` is STARTING, RUNNING, COMPLETED, CANCELLED or FAILED."""

    replay_id: str
    name: str
    archive: str
    from_: str = Field(alias="from")
    to: str
    rules: list[str] | None
    state: str
    events: int = Field(description="How many were given to rules so far.")
    started_by: str
    started_at: str
    ended_at: str | None
    error_code: str | None
    version: int
