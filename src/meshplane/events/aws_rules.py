"""Rules on EventBridge: makes the bus and its rules what the mesh's own rules say.

Read first, then write only what differs, so that the same again writes nothing. What is gone from
the mesh is removed where it bears the mesh's tag; what others put on the bus is left alone, and so
are the rules that EventBridge itself keeps for archives. Schedules are elsewhere: see
`aws_schedules.py`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from meshplane.events.aws import TAG, BusPlaces
from meshplane.events.aws_destinations import ApiDestinations
from meshplane.events.aws_targets import is_direct, rule_parameters, rule_targets
from meshplane.events.rules import Rule
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable

DriftKind = Literal["missing", "excess", "changed"]

_MOST_TARGETS_A_CALL = 10
_FUNCTION_TARGET = "function"
_ONCE_MORE = 3


@dataclass(frozen=True, slots=True)
class RuleDrift:
    """Where AWS differs from the mesh.

    Args:
        name: of the rule.
        kind: it is missing, in excess, or changed.
        parts: what is changed: `EventPattern`, `State`, `Description`, `Targets`, or a schedule's.
    """

    name: str
    kind: DriftKind
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleProblem:
    """A rule that AWS does not take; the embedded bus takes it."""

    name: str
    code: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What was done.

    Args:
        put: names of rules that were made or changed.
        removed: names of those that were taken away.
        unchanged: how many were right already.
        problems: rules that AWS refused; the others are applied all the same.
    """

    put: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    unchanged: int = 0
    problems: tuple[RuleProblem, ...] = ()


class EventBridgeRules:
    """Brings rules to EventBridge, and tells where it differs.

    Args:
        aws: calls EventBridge and Lambda.
        places: where things are.
        destinations: makes API destinations; needed where webhooks go through EventBridge.
    """

    def __init__(
        self, aws: Aws, places: BusPlaces, destinations: ApiDestinations | None = None
    ) -> None:
        self._aws = aws
        self._places = places
        self._destinations = destinations

    async def ensure_bus(self) -> None:
        """Makes the bus when it is not there."""
        try:
            await self._aws.call("events", "describe_event_bus", Name=self._places.bus_name)
        except AwsRejected as error:
            if error.aws_code != "ResourceNotFoundException":
                raise
        else:
            return
        try:
            await self._aws.call(
                "events",
                "create_event_bus",
                Name=self._places.bus_name,
                Tags=self._places.tags,
            )
        except AwsRejected as error:
            if error.aws_code != "ResourceAlreadyExistsException":
                raise

    async def apply(self, rules: Sequence[Rule]) -> Applied:
        """Makes the bus's rules what these say.

        Args:
            rules: all of the mesh; those with a schedule are passed over.

        Raises:
            AwsUnavailable: EventBridge does not answer; what was done is right, and the same again
                does the rest.
        """
        await self.ensure_bus()
        wanted = {rule.name: rule for rule in rules if rule.event_pattern is not None}
        there = await self._listed()
        put, problems, unchanged = [], [], 0
        for name, rule in wanted.items():
            try:
                parts = await self._differences(rule, there.get(name))
                if parts:
                    await self._put(rule, parts)
            except AwsRejected as error:
                problems.append(RuleProblem(name, error.aws_code))
                continue
            if parts:
                put.append(name)
            else:
                unchanged += 1
        removed = [name for name in there if name not in wanted and await self._is_own(name)]
        for name in removed:
            await self._remove(name)
        return Applied(tuple(put), tuple(removed), unchanged, tuple(problems))

    async def drift(self, rules: Sequence[Rule]) -> list[RuleDrift]:
        """Where the bus differs from these rules; nothing is changed."""
        wanted = {rule.name: rule for rule in rules if rule.event_pattern is not None}
        there = await self._listed()
        found = [RuleDrift(name, "missing") for name in wanted if name not in there]
        for name, rule in wanted.items():
            if name in there and (parts := await self._differences(rule, there[name])):
                found.append(RuleDrift(name, "changed", parts))
        excess = [name for name in there if name not in wanted and await self._is_own(name)]
        return [*found, *(RuleDrift(name, "excess") for name in excess)]

    async def _listed(self) -> dict[str, dict[str, Any]]:
        """The bus's rules by name, without those that EventBridge keeps for itself."""
        found: dict[str, dict[str, Any]] = {}
        try:
            async for page in self._aws.pages(
                "events", "list_rules", EventBusName=self._places.bus_name
            ):
                found.update({rule["Name"]: rule for rule in page["Rules"]})
        except AwsRejected as error:
            if error.aws_code != "ResourceNotFoundException":
                raise
        return {name: rule for name, rule in found.items() if not rule.get("ManagedBy")}

    async def _differences(self, rule: Rule, there: Mapping[str, Any] | None) -> tuple[str, ...]:
        wanted = rule_parameters(rule, self._places)
        if there is None:
            return ("Rule", "Targets")
        parts = [key for key in ("State", "Description") if (there.get(key) or "") != wanted[key]]
        if orjson.loads(there.get("EventPattern") or "null") != rule.event_pattern:
            parts.append("EventPattern")
        targets = {target["Id"]: target for target in await self._targets(rule.name)}
        if targets != {target["Id"]: target for target in await self._wanted_targets(rule)}:
            parts.append("Targets")
        return tuple(parts)

    async def _targets(self, name: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        async for page in self._aws.pages(
            "events",
            "list_targets_by_rule",
            Rule=name,
            EventBusName=self._places.bus_name,
        ):
            found += page["Targets"]
        return found

    async def _wanted_targets(self, rule: Rule) -> list[dict[str, Any]]:
        arns = {}
        if self._destinations is not None:
            for target in rule.targets:
                if target.type == "webhook" and is_direct(rule, target, self._places):
                    arns[target.id] = await self._destinations.arn(rule.name, target)
        return rule_targets(rule, self._places, arns)

    async def _put(self, rule: Rule, parts: Sequence[str]) -> None:
        wanted = rule_parameters(rule, self._places)
        if set(parts) != {"Targets"}:
            # Tags are taken only where the rule is new: for one that is there they are an error.
            tags = {"Tags": self._places.tags} if "Rule" in parts else {}
            await self._aws.call("events", "put_rule", **wanted, **tags)
        if "Targets" not in parts:
            return
        if self._destinations is not None:
            await self._destinations.ensure(rule, self._places)
        targets = await self._wanted_targets(rule)
        keep = {target["Id"] for target in targets}
        gone = [one["Id"] for one in await self._targets(rule.name) if one["Id"] not in keep]
        # Five targets are the most: those that are gone make room first.
        await self._remove_targets(rule.name, gone)
        for start in range(0, len(targets), _MOST_TARGETS_A_CALL):
            await self._put_targets(rule.name, targets[start : start + _MOST_TARGETS_A_CALL])
        await self._permit_functions(rule)

    async def _put_targets(self, name: str, targets: list[dict[str, Any]]) -> None:
        left = targets
        for _ in range(_ONCE_MORE):
            answer = await self._aws.call(
                "events",
                "put_targets",
                Rule=name,
                EventBusName=self._places.bus_name,
                Targets=left,
            )
            if not answer.get("FailedEntryCount"):
                return
            failed = {entry["TargetId"]: entry["ErrorCode"] for entry in answer["FailedEntries"]}
            refused = [code for code in failed.values() if code != _CHANGING]
            if refused:
                raise AwsRejected("events", "put_targets", refused[0])
            left = [target for target in left if target["Id"] in failed]
        raise AwsUnavailable("events", "put_targets", _CHANGING, may_have_happened=False)

    async def _remove_targets(self, name: str, ids: Sequence[str]) -> None:
        if not ids:
            return
        answer = await self._aws.call(
            "events",
            "remove_targets",
            Rule=name,
            EventBusName=self._places.bus_name,
            Ids=list(ids),
        )
        if answer.get("FailedEntryCount"):
            code = answer["FailedEntries"][0]["ErrorCode"]
            raise AwsRejected("events", "remove_targets", code)

    async def _permit_functions(self, rule: Rule) -> None:
        """Lets the rule call the functions that it reaches directly."""
        for target in rule.targets:
            if target.type != _FUNCTION_TARGET or not is_direct(rule, target, self._places):
                continue
            try:
                await self._aws.call(
                    "lambda",
                    "add_permission",
                    FunctionName=self._places.function_arns[str(target.name)],
                    StatementId=f"meshplane-{rule.name.replace('.', '-')}",
                    Action="lambda:InvokeFunction",
                    Principal="events.amazonaws.com",
                    SourceArn=self._places.rule_arn(rule.name),
                )
            except AwsRejected as error:
                if error.aws_code != "ResourceConflictException":
                    raise

    async def _is_own(self, name: str) -> bool:
        answer = await self._aws.call(
            "events", "list_tags_for_resource", ResourceARN=self._places.rule_arn(name)
        )
        own = {"Key": TAG, "Value": self._places.owner}
        return own in answer.get("Tags", ())

    async def _remove(self, name: str) -> None:
        ids = [target["Id"] for target in await self._targets(name)]
        await self._remove_targets(name, ids)
        await self._aws.call("events", "delete_rule", Name=name, EventBusName=self._places.bus_name)
        if self._destinations is not None:
            await self._destinations.remove(name, ids)


_CHANGING = "ConcurrentModificationException"
