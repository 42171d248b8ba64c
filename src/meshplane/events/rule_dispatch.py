"""What a rule sends when it matches: one message for each of its targets."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from logging import WARNING
from typing import Any

from meshplane.events.dead_letters import NOT_RETRYABLE, Failure, write_dead_letter
from meshplane.events.inputs import target_input
from meshplane.events.queues import send
from meshplane.events.rules import FUNCTIONS, WEBHOOKS, WORKFLOW_STARTS, Rule, Target
from meshplane.platform.store import UnitOfWork
from meshplane.platform.telemetry import log

MOST_HOPS = 16
"""An event that so many rules and workflows led to goes no further: they chase each other."""

LOOP = Failure(
    "EVENT_LOOP",
    f"Rules and workflows led from one to the next {MOST_HOPS} times: see which of them answers "
    "an event with the event that starts it.",
)


def dispatch(
    work: UnitOfWork,
    rule: Rule,
    envelope: Mapping[str, Any],
    *,
    hops: int,
    now: datetime,
    replay_id: str | None = None,
) -> int:
    """Writes the messages of a rule for one event, in the commit of `work`.

    The ids of the messages follow from the event, the rule, the target and the replay, so that
    nothing is started twice for one of them.

    Args:
        work: the unit of work that also moves the reader's place.
        rule: it matched.
        envelope: of the event.
        hops: of the event.
        now: the present.
        replay_id: the replay that delivers the event again, if one does.

    Returns:
        How many messages that were.
    """
    for target in rule.targets:
        message_id = ":".join(
            part for part in (str(envelope["id"]), rule.name, target.id, replay_id) if part
        )
        origin = {
            "rule": rule.name,
            "target": target.id,
            "eventId": envelope["id"],
            "eventType": envelope["detail-type"],
            "hops": hops + 1,
            "runAs": _run_as(rule),
        }
        try:
            queue, body = _message(rule, target, envelope, message_id)
        except Exception as error:  # noqa: BLE001 - see below
            # One target's mistake must not keep the others, or the next events, from theirs.
            _refuse(work, target, message_id, Failure.of(error), origin=origin, now=now)
            continue
        if hops >= MOST_HOPS:
            _refuse(work, target, message_id, LOOP, origin=origin, now=now, body=body)
            continue
        send(
            work,
            queue,
            body,
            message_id=message_id,
            now=now,
            maximum_attempts=target.maximum_attempts,
            maximum_age_seconds=target.maximum_age_seconds,
            dead_letter_queue=target.dead_letter_queue,
            origin=origin,
        )
    return len(rule.targets)


def _run_as(rule: Rule) -> dict[str, Any]:
    """Whom the targets of a rule act as: who wrote it, or the mesh itself."""
    if rule.built_in:
        return {"subject": "workflows", "groups": [], "isService": True}
    subject = rule.created_by.removeprefix("user:")
    return {"subject": subject, "groups": list(rule.groups), "isService": False}


def queue_of(target: Target) -> str:
    """The queue that a target's messages go to."""
    match target.type:
        case "workflow":
            return WORKFLOW_STARTS
        case "function":
            return FUNCTIONS
        case "webhook":
            return WEBHOOKS
        case "queue":
            return str(target.name)


def _message(
    rule: Rule, target: Target, envelope: Mapping[str, Any], message_id: str
) -> tuple[str, Any]:
    given = target_input(
        envelope,
        input_path=target.input_path,
        input=target.input,
        transformer=target.input_transformer,
        rule_name=rule.name,
    )
    body: Any = given
    match target.type:
        case "workflow":
            digest = hashlib.sha256(message_id.encode()).hexdigest()
            # The name of an execution has at most 80 characters.
            name = f"{envelope['id']}-{digest[:16]}"
            body = {"stateMachine": target.name, "name": name, "input": given}
        case "function":
            body = {"function": target.name, "input": given}
        case "webhook":
            body = {
                "url": target.url,
                "rule": rule.name,
                "target": target.id,
                "event": {
                    "id": envelope["id"],
                    "type": envelope["detail-type"],
                    "source": envelope["source"],
                    "time": envelope["time"],
                    "subject": next(iter(envelope["resources"]), None),
                },
                "data": given,
            }
    return queue_of(target), body


def _refuse(
    work: UnitOfWork,
    target: Target,
    message_id: str,
    failure: Failure,
    *,
    origin: dict[str, Any],
    now: datetime,
    body: Any = None,
) -> None:
    """Writes a dead letter in place of a message."""
    write_dead_letter(
        work,
        queue=queue_of(target),
        message_id=message_id,
        failure=failure,
        exhausted_limit=NOT_RETRYABLE,
        attempts=0,
        now=now,
        sent_at=now,
        back=None
        if body is None
        else {
            "body": body,
            "maximumAttempts": target.maximum_attempts,
            "maximumAgeSeconds": target.maximum_age_seconds,
        },
        origin=origin,
        dead_letter_queue=target.dead_letter_queue,
    )
    log(WARNING, "target_refused", rule=origin["rule"], target=target.id, code=failure.code)
