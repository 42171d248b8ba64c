"""Queues of messages in the store: one table for all, and what a queue's handler is.

`send` belongs to a unit of work: the message is there when that unit of work is committed, or
never. `queue_worker.py` hands messages to handlers, and deletes each in the commit that holds what
its handler wrote.
"""

import hashlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from meshplane.kit.errors import MeshplaneError, Stale
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Index, Row, Table

MESSAGES = Table(
    "Messages",
    "queue",
    "messageId",
    indexes=(Index("byDue", "queue", "dueAt"),),
    numbers=("dueAt",),
)
"""Every message that waits. `dueAt`, in epoch milliseconds, is when it may be taken: later than
now while it is delayed, being retried, or taken by somebody."""

DEAD_LETTERS = Table(
    "DeadLetters",
    "deadLetterId",
    indexes=(
        Index("byQueue", "deadLetterQueue", "failedAt"),
        Index("byTime", "listing", "failedAt"),
    ),
)
"""Messages that were given up, with the reason."""

DEFAULT_DEAD_LETTER_QUEUE = "dead-letters"
MOST_ATTEMPTS = 185
LONGEST_AGE_SECONDS = 86_400


class MessageGone(Stale):
    """Somebody else took the message, or finished it, meanwhile."""

    def __init__(self) -> None:
        super().__init__(
            "MESSAGE_GONE", "The message was taken by another, or is finished: receive again."
        )


class GiveUp(MeshplaneError):
    """Raised by a handler for a message that no retry can help: it goes to the dead letters."""


class RetryAfter(MeshplaneError):
    """Raised by a handler that was told when to try again.

    Args:
        code: what failed.
        message: what was wrong, for a person.
        seconds: how long to wait at least.
    """

    def __init__(self, code: str, message: str, seconds: float) -> None:
        super().__init__(code, message)
        self.seconds = seconds


@dataclass(frozen=True, slots=True)
class Message:
    """A message as its handler gets it.

    Args:
        queue: the queue that it lies in.
        message_id: unique in its queue, and the same however often what sent it is repeated.
        body: JSON.
        sent_at: when it was sent first; its age counts from there.
        attempts: how often it failed, or was taken, before.
        origin: what it stems from, JSON: the event, the rule, whom it acts as, `hops`.
        maximum_attempts, maximum_age_seconds: when it is given up.
        dead_letter_queue: where it goes then.
        version: of its row; what finishes it expects this version.
    """

    queue: str
    message_id: str
    body: Any
    sent_at: datetime
    attempts: int
    origin: dict[str, Any] | None
    maximum_attempts: int
    maximum_age_seconds: float
    dead_letter_queue: str
    version: int

    @property
    def key(self) -> str:
        """Names the message to others, as an idempotency key: the same at every attempt."""
        return hashlib.sha256(f"{self.queue}\n{self.message_id}".encode()).hexdigest()

    @property
    def hops(self) -> int:
        """How many rules and workflows led here from what a person or a clock began."""
        return int((self.origin or {}).get("hops", 0))


@dataclass(frozen=True, slots=True)
class QueueHandler:
    """Handles the messages of one queue.

    Args:
        queue: its name.
        handle: called with a unit of work and the message. It does not commit: what it writes and
            the end of the message are one commit. `GiveUp` sends the message to the dead letters;
            any other error has it tried again later.
        exclusive: whether to take a message, for others to see, before it is handled. For handlers
            with effects outside the store: no two run at once for one message. Without it, two
            processes may begin the same message; one of them commits, and the other's writes are
            dropped.
        concurrency: the most messages at once in this process.
        together: how many messages may share one unit of work, one after the other, where none of
            them is exclusive. It saves most of what a message costs. When one fails, all are
            handled again one by one, so the handler has no effect but through the unit of work,
            and does not query for what it has put itself.
        visibility_seconds: how long a taken message stays hidden after its process died. While
            the handler runs, it is renewed.
        timeout_seconds: the longest that one call may run.
    """

    queue: str
    handle: Callable[[UnitOfWork, Message], Awaitable[None]]
    exclusive: bool = False
    concurrency: int = 16
    together: int = 1
    visibility_seconds: float = 10.0
    timeout_seconds: float = 300.0


def send(
    work: UnitOfWork,
    queue: str,
    body: Any,
    *,
    message_id: str,
    now: datetime,
    delay_seconds: float = 0.0,
    maximum_attempts: int = MOST_ATTEMPTS,
    maximum_age_seconds: float = LONGEST_AGE_SECONDS,
    dead_letter_queue: str = DEFAULT_DEAD_LETTER_QUEUE,
    origin: dict[str, Any] | None = None,
) -> None:
    """Puts a message into a queue, in the commit of `work`.

    After that commit the queue's handler in this process gets it at once; other processes find it
    within a moment.

    Args:
        work: the unit of work that it belongs to.
        queue: the queue's name.
        body: JSON values only.
        message_id: unique in the queue. Sent again under the same id while it waits, it replaces
            itself.
        now: the present.
        delay_seconds: how long it waits before it may be taken.
        maximum_attempts: after how many attempts it is given up.
        maximum_age_seconds: how long after it was sent it is given up, if that comes first.
        dead_letter_queue: where it goes then.
        origin: as in `Message`; its hops are at least those of `work`.
    """
    hops = max(work.hops, (origin or {}).get("hops", 0))
    if hops:
        origin = {**(origin or {}), "hops": hops}
    sent_at = milliseconds(now)
    work.put(
        MESSAGES,
        {
            "queue": queue,
            "messageId": message_id,
            "body": body,
            "sentAt": sent_at,
            "dueAt": sent_at + int(delay_seconds * 1000),
            "attempts": 0,
            "origin": origin,
            "maximumAttempts": maximum_attempts,
            "maximumAgeSeconds": maximum_age_seconds,
            "deadLetterQueue": dead_letter_queue,
        },
    )


def message_of(row: Row) -> Message:
    """The message that a row of `MESSAGES` holds."""
    item = row.item
    return Message(
        item["queue"],
        item["messageId"],
        item["body"],
        datetime.fromtimestamp(item["sentAt"] / 1000, UTC),
        item["attempts"],
        item["origin"],
        item["maximumAttempts"],
        item["maximumAgeSeconds"],
        item["deadLetterQueue"],
        row.version,
    )


def finish(work: UnitOfWork, message: Message) -> None:
    """Ends a message, in the commit of `work`.

    The commit raises `MessageGone` when somebody else has taken or ended it meanwhile.
    """
    work.delete(
        MESSAGES,
        message.queue,
        message.message_id,
        expected=message.version,
        otherwise=MessageGone(),
    )


def postpone(work: UnitOfWork, message: Message, attempts: int, due_at: int) -> None:
    """Puts a message off, in the commit of `work`; ends as `finish` does.

    Args:
        work: the unit of work.
        message: what is put off.
        attempts: how often it failed by now.
        due_at: when it may be taken again, in epoch milliseconds.
    """
    work.put(
        MESSAGES,
        {
            "queue": message.queue,
            "messageId": message.message_id,
            "body": message.body,
            "sentAt": milliseconds(message.sent_at),
            "dueAt": due_at,
            "attempts": attempts,
            "origin": message.origin,
            "maximumAttempts": message.maximum_attempts,
            "maximumAgeSeconds": message.maximum_age_seconds,
            "deadLetterQueue": message.dead_letter_queue,
        },
        expected=message.version,
        otherwise=MessageGone(),
    )


def milliseconds(moment: datetime) -> int:
    """An instant in epoch milliseconds, as `dueAt` holds it."""
    return int(moment.timestamp() * 1000)
