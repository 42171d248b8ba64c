"""Dead letters of AWS among the mesh's own: what EventBridge, Scheduler or SQS gave up.

SQS dead-letter queue → `AwsDeadLetters` → a row of `DEAD_LETTERS`. A message of the mesh's own
queue can be redriven from there like any other; what EventBridge could not bring to a target of its
own is shown with the reason, and given again by a replay.

Source: EventBridge User Guide, "Using dead-letter queues to process undelivered events": the
attributes of a message.
"""

from meshplane.events.aws_queues import Received
from meshplane.events.aws_rule_messages import REDRIVEN, read_rule_message
from meshplane.events.dead_letters import (
    MAXIMUM_AGE,
    MAXIMUM_ATTEMPTS,
    NOT_RETRYABLE,
    Failure,
    write_dead_letter,
)
from meshplane.events.queues import LONGEST_AGE_SECONDS, MOST_ATTEMPTS
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Invalid
from meshplane.platform.store import Store

DEAD_LETTER_QUEUE = "eventbridge"

_LIMITS = {
    "MaximumRetryAttempts": MAXIMUM_ATTEMPTS,
    "MaximumEventAgeInSeconds": MAXIMUM_AGE,
}


class AwsDeadLetters:
    """Writes down what lies in a dead-letter queue of SQS.

    Args:
        store: holds the dead letters.
        clock: the present.
    """

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def handle(self, message: Received) -> None:
        """Writes one down; see `aws_queues.Handle`. The same again is the same dead letter."""
        told = message.attributes
        rule = told.get("RULE_ARN", "").rpartition("/")[2]
        event_id = ""
        try:
            rule, envelope, _ = read_rule_message(message.body)
            event_id = envelope["id"]
            back = {
                "body": message.body,
                "maximumAttempts": MOST_ATTEMPTS,
                "maximumAgeSeconds": LONGEST_AGE_SECONDS,
            }
        except Invalid:
            back = None
        limit = told.get("EXHAUSTED_RETRY_CONDITION", "")
        attempts = told.get("RETRY_ATTEMPTS", "")
        code = told.get("ERROR_CODE", "")
        now = self._clock.now()
        work = self._store.begin()
        write_dead_letter(
            work,
            queue=REDRIVEN,
            message_id=message.message_id,
            failure=Failure(
                code or "NOT_HANDLED",
                "AWS could not deliver the event to the rule's target."
                if code
                else "The mesh received the message several times, and could not handle it.",
            ),
            exhausted_limit=_LIMITS.get(limit, NOT_RETRYABLE if code else MAXIMUM_ATTEMPTS),
            attempts=int(attempts) if attempts.isdecimal() else 0,
            now=now,
            sent_at=now,
            back=back,
            origin={"rule": rule, "eventId": event_id},
            dead_letter_queue=DEAD_LETTER_QUEUE,
        )
        await work.commit()
