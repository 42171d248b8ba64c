"""Dead letters: what was given up, why, and the way back.

A dead letter keeps the message whole, so that `redrive` can put it back as it was.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from meshplane.events.queues import (
    DEAD_LETTERS,
    DEFAULT_DEAD_LETTER_QUEUE,
    MESSAGES,
    Message,
    milliseconds,
)
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Conflict, MeshplaneError
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row, Table

ALL = "all"
"""The one partition of the index that lists every dead letter by time."""

MAXIMUM_ATTEMPTS = "maximumAttempts"
MAXIMUM_AGE = "maximumAge"
NOT_RETRYABLE = "notRetryable"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why something failed: a stable code, and a text for a person that holds no data."""

    code: str
    message: str

    @staticmethod
    def of(error: BaseException) -> "Failure":
        """What may be told of an error: only our own errors have texts without data."""
        if isinstance(error, MeshplaneError):
            return Failure(error.code, error.message)
        if isinstance(error, TimeoutError):
            return Failure("TIMEOUT", "It took too long and was stopped.")
        return Failure("INTERNAL", f"An unforeseen error ({type(error).__name__}): see the log.")


def bury(
    work: UnitOfWork,
    message: Message,
    failure: Failure,
    exhausted_limit: str,
    now: datetime,
    *,
    attempts: int | None = None,
) -> None:
    """Writes a message's dead letter, in the commit of `work`. The message itself is not ended.

    Args:
        work: the unit of work that ends the message as well.
        message: what is given up.
        failure: why the last attempt failed.
        exhausted_limit: `MAXIMUM_ATTEMPTS`, `MAXIMUM_AGE` or `NOT_RETRYABLE`.
        now: the present.
        attempts: how often it was tried; those of the message by default.
    """
    write_dead_letter(
        work,
        dead_letter_queue=message.dead_letter_queue,
        queue=message.queue,
        message_id=message.message_id,
        failure=failure,
        exhausted_limit=exhausted_limit,
        attempts=message.attempts if attempts is None else attempts,
        now=now,
        sent_at=message.sent_at,
        origin=message.origin,
        back={
            "body": message.body,
            "maximumAttempts": message.maximum_attempts,
            "maximumAgeSeconds": message.maximum_age_seconds,
        },
    )


def write_dead_letter(
    work: UnitOfWork,
    *,
    queue: str,
    message_id: str,
    failure: Failure,
    exhausted_limit: str,
    attempts: int,
    now: datetime,
    sent_at: datetime,
    back: Mapping[str, Any] | None,
    origin: Mapping[str, Any] | None = None,
    dead_letter_queue: str = DEFAULT_DEAD_LETTER_QUEUE,
    parked: bool = False,
) -> str:
    """Writes a dead letter in the commit of `work`.

    Args:
        work: the unit of work that it belongs to.
        queue: where the message lay.
        message_id: unique there; the same message has one dead letter, however often it fails.
        failure: why the last attempt failed.
        exhausted_limit: which limit it reached.
        attempts: how often it was tried.
        now: the present.
        sent_at: when it was sent first.
        back: what a redrive needs beside these: the message's body and limits, or a parked row;
            None where there is nothing to put back.
        origin: what the message stems from.
        dead_letter_queue: where it lies now.
        parked: whether `back` is an event that a consumer gave up, rather than a message.

    Returns:
        Its id.
    """
    name = hashlib.sha256(f"{queue}\n{message_id}".encode()).hexdigest()
    dead_letter_id = f"dl-{name[:32]}"
    work.put(
        DEAD_LETTERS,
        {
            "deadLetterId": dead_letter_id,
            "deadLetterQueue": dead_letter_queue,
            "listing": ALL,
            "failedAt": to_text(now),
            "queue": queue,
            "messageId": message_id,
            "errorCode": failure.code,
            "errorMessage": failure.message,
            "attempts": attempts,
            "exhaustedLimit": exhausted_limit,
            "sentAt": milliseconds(sent_at),
            "origin": None if origin is None else dict(origin),
            "parked": parked,
            "back": None if back is None else dict(back),
        },
    )
    return dead_letter_id


def redrive(work: UnitOfWork, row: Row, parked_events: Table, now: datetime) -> str | None:
    """Puts what a dead letter holds back where it was, with all its attempts before it.

    Args:
        work: the unit of work that it belongs to.
        row: of `DEAD_LETTERS`.
        parked_events: the table of consumers' parked events.
        now: the present; the message's age counts from here again.

    Returns:
        The queue that it went to; None for an event of a consumer.

    Raises:
        Conflict: DEAD_LETTER_NOT_REDRIVABLE.
    """
    item = row.item
    if item["back"] is None:
        raise Conflict(
            "DEAD_LETTER_NOT_REDRIVABLE",
            "No message could be made of the event: correct the rule, and replay the event.",
        )
    work.delete(DEAD_LETTERS, item["deadLetterId"], expected=row.version)
    if item["parked"]:
        work.put(
            parked_events,
            {**item["back"], "attempts": 0, "nextAttemptAt": now.timestamp()},
        )
        return None
    sent_at = milliseconds(now)
    work.put(
        MESSAGES,
        {
            "queue": item["queue"],
            "messageId": item["messageId"],
            "body": item["back"]["body"],
            "sentAt": sent_at,
            "dueAt": sent_at,
            "attempts": 0,
            "origin": item["origin"],
            "maximumAttempts": item["back"]["maximumAttempts"],
            "maximumAgeSeconds": item["back"]["maximumAgeSeconds"],
            "deadLetterQueue": item["deadLetterQueue"],
        },
    )
    return str(item["queue"])
