"""CloudFormation's answers as blueprints know them, and names that make a call repeatable. Pure."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any

from meshplane.services.blueprints.ports import (
    Change,
    DriftedResource,
    Plan,
    Replacement,
    StackEvent,
    StackState,
    Wish,
)

_REPLACEMENT: Mapping[str, Replacement] = {"True": "yes", "Conditional": "perhaps"}
_ACTIONS = frozenset({"Add", "Modify", "Remove", "Import", "Dynamic"})
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CAPABILITY = re.compile(r"CAPABILITY_[A-Z_]+")


def token_of(deployment_id: str, act: str) -> str:
    """The token under which CloudFormation carries out an act of a deployment once.

    Args:
        deployment_id: the deployment.
        act: `plan` or `execute`, and of what.
    """
    digest = hashlib.sha256(f"{deployment_id}\n{act}".encode()).hexdigest()[:24]
    readable = re.sub(r"[^A-Za-z0-9]+", "-", deployment_id).strip("-")[:80]
    return f"mp-{readable}-{digest}" if readable else f"mp-{digest}"


def has_no_changes(reason: str) -> bool:
    """Whether CloudFormation says that there is nothing to do."""
    return any(words in reason for words in _NO_CHANGES)


def capabilities_in(reason: str) -> list[str]:
    """The capabilities that CloudFormation names in a refusal."""
    return sorted(set(_CAPABILITY.findall(reason)))


def change_of(given: Mapping[str, Any]) -> Change | None:
    """A change of a change set; None for one that is not of a resource."""
    resource = given.get("ResourceChange")
    if not resource:
        return None
    action = resource.get("Action", "Dynamic")
    return Change(
        # What is no action of ours brings a resource in line, and may do anything to it.
        action if action in _ACTIONS else "Dynamic",
        resource["LogicalResourceId"],
        resource["ResourceType"],
        resource.get("PhysicalResourceId") or None,
        _REPLACEMENT.get(resource.get("Replacement", "False"), "no"),
    )


def plan_of(wish: Wish, answer: Mapping[str, Any], changes: Sequence[Mapping[str, Any]]) -> Plan:
    """The plan that a finished change set is."""
    found = tuple(change for each in changes if (change := change_of(each)) is not None)
    good = answer["Status"] == "CREATE_COMPLETE"
    reason = "" if good else str(answer.get("StatusReason", "")) or answer["Status"]
    return Plan(
        plan_id=answer["ChangeSetId"],
        stack=wish.stack,
        stack_id=answer["StackId"],
        deployment_id=wish.deployment_id,
        changes=found,
        executable=good,
        refusal=reason,
    )


def empty_plan(wish: Wish, stack_id: str) -> Plan:
    """The plan of a wish that is fulfilled already.

    Args:
        wish: what the stack holds.
        stack_id: of the stack.
    """
    return Plan("", wish.stack, stack_id, wish.deployment_id, (), False)


def state_of(stack: Mapping[str, Any]) -> StackState:
    """A stack of `describe_stacks`."""
    return StackState(
        stack_id=stack["StackId"],
        stack=stack["StackName"],
        status=stack["StackStatus"],
        reason=stack.get("StackStatusReason") or "",
        outputs={
            one["OutputKey"]: str(one.get("OutputValue", "")) for one in stack.get("Outputs") or ()
        },
    )


def event_of(event: Mapping[str, Any]) -> StackEvent:
    """An event of `describe_stack_events`."""
    return StackEvent(
        event_id=event["EventId"],
        at=event["Timestamp"].astimezone(UTC),
        logical_id=event.get("LogicalResourceId") or "",
        physical_id=event.get("PhysicalResourceId") or "",
        resource_type=event.get("ResourceType") or "",
        status=event.get("ResourceStatus") or event.get("HookStatus") or "",
        reason=event.get("ResourceStatusReason") or event.get("HookStatusReason") or "",
    )


def drifted_of(drift: Mapping[str, Any]) -> DriftedResource | None:
    """A resource of `describe_stack_resource_drifts`; None for one that is as it should be."""
    how = drift["StackResourceDriftStatus"]
    if how not in {"MODIFIED", "DELETED"}:
        return None
    paths = tuple(one["PropertyPath"] for one in drift.get("PropertyDifferences") or ())
    return DriftedResource(drift["LogicalResourceId"], drift["ResourceType"], how, paths)
