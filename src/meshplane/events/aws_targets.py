"""What a rule is on EventBridge: its parameters and its targets. Pure.

Limits (API Reference, `PutRule`, `PutTargets`): a name of 64 characters, a pattern of 2,048 (a
quota), 5 targets a rule, an `Input` of 8,192 characters, a transformer of 100 paths and 8,192
characters; a retry policy of 0 to 185 retries within 60 to 86,400 seconds.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

import orjson

from meshplane.events.aws import BusPlaces
from meshplane.events.rules import Rule, Target

MESH_TARGET = "meshplane"
"""The id of the target that is the mesh's own queue."""

MOST_RETRIES = 185
_LEAST_AGE_SECONDS, _MOST_AGE_SECONDS = 60, 86_400
_LONGEST_DESCRIPTION = 512


def rule_parameters(rule: Rule, places: BusPlaces) -> dict[str, Any]:
    """A rule with a pattern, as `PutRule` takes it."""
    return {
        "Name": rule.name,
        "EventBusName": places.bus_name,
        "EventPattern": orjson.dumps(rule.event_pattern).decode(),
        "State": "ENABLED" if rule.enabled else "DISABLED",
        "Description": rule.description[:_LONGEST_DESCRIPTION],
    }


def is_direct(rule: Rule, target: Target, places: BusPlaces) -> bool:
    """Whether EventBridge reaches a target itself.

    A state machine that a person's rule starts would not know in whose name it acts, so only the
    product's own rules start theirs directly.
    """
    match target.type:
        case "queue":
            return target.name in places.queue_arns
        case "function":
            return rule.built_in and target.name in places.function_arns
        case "workflow":
            return (
                rule.built_in
                and target.name in places.machine_arns
                and places.target_role_arn is not None
            )
        case "webhook":
            return places.webhooks == "api_destination" and places.target_role_arn is not None


def rule_targets(
    rule: Rule, places: BusPlaces, destinations: Mapping[str, str] | None = None
) -> list[dict[str, Any]]:
    """A rule's targets, as `PutTargets` takes them: those of AWS, and the mesh's queue once.

    Args:
        rule: with a pattern.
        places: where they are.
        destinations: the ARNs of API destinations by the target's id.
    """
    made = [
        _direct(target, places, (destinations or {}).get(target.id))
        for target in rule.targets
        if is_direct(rule, target, places)
    ]
    if len(made) < len(rule.targets):
        made.append(mesh_target(rule, places))
    return made


def mesh_target(rule: Rule, places: BusPlaces) -> dict[str, Any]:
    """The mesh's own queue as a target; the message names the rule, as SQS would not."""
    name = orjson.dumps(rule.name).decode()
    return {
        "Id": MESH_TARGET,
        "Arn": places.mesh_queue_arn,
        "InputTransformer": {"InputTemplate": f'{{"rule":{name},"event":<aws.events.event.json>}}'},
        "RetryPolicy": {
            "MaximumRetryAttempts": MOST_RETRIES,
            "MaximumEventAgeInSeconds": _MOST_AGE_SECONDS,
        },
        "DeadLetterConfig": {"Arn": places.dead_letter_arn},
    }


def retry_policy(target: Target) -> dict[str, int]:
    """A target's limits. Ours count the first attempt too, AWS's only those after it."""
    age = min(_MOST_AGE_SECONDS, max(_LEAST_AGE_SECONDS, int(target.maximum_age_seconds)))
    retries = min(MOST_RETRIES, max(0, target.maximum_attempts - 1))
    return {"MaximumRetryAttempts": retries, "MaximumEventAgeInSeconds": age}


def destination_name(prefix: str, rule: str, target: str) -> str:
    """The name of the API destination, and of its connection, of a webhook.

    Args:
        prefix: what the mesh's names on AWS begin with; up to 21 characters, as names have 64.
        rule: the name of the rule.
        target: the id of its target.
    """
    return f"{prefix}meshplane-{hashlib.sha256(f'{rule}:{target}'.encode()).hexdigest()[:32]}"


def _direct(target: Target, places: BusPlaces, destination: str | None) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Id": target.id,
        "Arn": _arn(target, places, destination),
        "RetryPolicy": retry_policy(target),
        "DeadLetterConfig": {"Arn": places.dead_letter_arn},
        **_input(target),
    }
    if target.type in ("workflow", "webhook"):
        made["RoleArn"] = places.target_role_arn
    if target.type == "webhook":
        made["HttpParameters"] = {"HeaderParameters": {"content-type": "application/json"}}
    return made


def _arn(target: Target, places: BusPlaces, destination: str | None) -> str:
    match target.type:
        case "queue":
            return places.queue_arns[str(target.name)]
        case "function":
            return places.function_arns[str(target.name)]
        case "workflow":
            return places.machine_arns[str(target.name)]
        case "webhook":
            return str(destination)


def _input(target: Target) -> dict[str, Any]:
    if target.input is not None:
        return {"Input": target.input}
    if target.input_path is not None:
        return {"InputPath": target.input_path}
    if target.input_transformer is not None:
        given = target.input_transformer
        made = {"InputTemplate": given["inputTemplate"]}
        paths = given.get("inputPathsMap")
        return {"InputTransformer": {**({"InputPathsMap": dict(paths)} if paths else {}), **made}}
    if target.type == "webhook":
        return {"InputTransformer": _CLOUD_EVENT}
    return {}


_CLOUD_EVENT = {
    "InputPathsMap": {
        "id": "$.id",
        "source": "$.source",
        "type": "$.detail-type",
        "time": "$.time",
        "subject": "$.resources[0]",
        "data": "$.detail",
    },
    "InputTemplate": (
        '{"specversion":"1.0","id":<id>,"source":<source>,"type":<type>,"time":<time>,'
        '"subject":<subject>,"datacontenttype":"application/json","data":<data>}'
    ),
}
"""CloudEvents 1.0.2 in structured mode. The content type says JSON only: EventBridge fixes it."""
