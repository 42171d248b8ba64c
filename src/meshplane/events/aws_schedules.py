"""Schedules on EventBridge Scheduler: the rules of the mesh that have a schedule.

A custom bus takes no schedules, so each rule is a schedule in a group of the mesh's own. It sends
to the mesh's queue which rule fired and for when; `RuleMessages` makes the event of it, whose id
follows from both: a firing that comes twice starts nothing twice.

What differs from the embedded scheduler: a rate counts from when the schedule was put or enabled;
a firing that was missed while Scheduler could not deliver is retried for a day and then goes to the
dead-letter queue, whatever `on_missed` says.

Sources: EventBridge Scheduler API Reference (`CreateSchedule`), User Guide ("Schedule types",
"Adding context attributes").
"""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from meshplane.events.aws import TAG, BusPlaces
from meshplane.events.aws_rules import Applied, RuleDrift, RuleProblem
from meshplane.events.aws_targets import MOST_RETRIES
from meshplane.events.rules import Rule
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected

SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"
"""What Scheduler puts the due time in place of, as RFC 3339 text."""

_AGE_SECONDS = 86_400
_COMPARED = (
    "ScheduleExpression",
    "ScheduleExpressionTimezone",
    "FlexibleTimeWindow",
    "State",
    "Description",
    "Target",
)


def schedule_parameters(rule: Rule, places: BusPlaces) -> dict[str, Any]:
    """A rule with a schedule, as `CreateSchedule` and `UpdateSchedule` take it.

    An update replaces all, so both get all.
    """
    minutes = rule.flexible_window_minutes
    window: dict[str, Any] = {"Mode": "OFF"}
    if minutes:
        window = {"Mode": "FLEXIBLE", "MaximumWindowInMinutes": minutes}
    said = {"rule": rule.name, "scheduledTime": SCHEDULED_TIME}
    return {
        "Name": rule.name,
        "GroupName": places.schedule_group,
        "ScheduleExpression": rule.schedule_expression,
        "ScheduleExpressionTimezone": rule.timezone,
        "FlexibleTimeWindow": window,
        "State": "ENABLED" if rule.enabled else "DISABLED",
        "Description": rule.description[:512],
        "Target": {
            "Arn": places.mesh_queue_arn,
            "RoleArn": places.scheduler_role_arn,
            "Input": orjson.dumps(said).decode(),
            "RetryPolicy": {
                "MaximumRetryAttempts": MOST_RETRIES,
                "MaximumEventAgeInSeconds": _AGE_SECONDS,
            },
            "DeadLetterConfig": {"Arn": places.dead_letter_arn},
        },
    }


class EventBridgeSchedules:
    """Brings schedules to EventBridge Scheduler, and tells where it differs.

    Args:
        aws: calls Scheduler.
        places: where things are.
    """

    def __init__(self, aws: Aws, places: BusPlaces) -> None:
        self._aws = aws
        self._places = places

    async def ensure_group(self) -> None:
        """Makes the group of schedules when it is not there."""
        group = self._places.schedule_group
        try:
            await self._aws.call("scheduler", "get_schedule_group", Name=group)
        except AwsRejected as error:
            if error.aws_code != "ResourceNotFoundException":
                raise
        else:
            return
        try:
            await self._aws.call(
                "scheduler",
                "create_schedule_group",
                Name=group,
                Tags=[{"Key": TAG, "Value": self._places.owner}],
            )
        except AwsRejected as error:
            if error.aws_code != "ConflictException":
                raise

    async def apply(self, rules: Sequence[Rule]) -> Applied:
        """Makes the group's schedules what these rules say; rules with a pattern are passed over.

        Raises:
            AwsUnavailable: Scheduler does not answer; the same again does the rest.
        """
        await self.ensure_group()
        wanted = {rule.name: rule for rule in rules if rule.schedule_expression is not None}
        there = await self._listed()
        put, problems, unchanged = [], [], 0
        for name, rule in wanted.items():
            parameters = schedule_parameters(rule, self._places)
            try:
                if name not in there:
                    await self._create(parameters)
                elif await self._differences(parameters):
                    await self._aws.call("scheduler", "update_schedule", **parameters)
                else:
                    unchanged += 1
                    continue
            except AwsRejected as error:
                problems.append(RuleProblem(name, error.aws_code))
                continue
            put.append(name)
        removed = [name for name in there if name not in wanted]
        for name in removed:
            await self._delete(name)
        return Applied(tuple(put), tuple(removed), unchanged, tuple(problems))

    async def drift(self, rules: Sequence[Rule]) -> list[RuleDrift]:
        """Where the group differs from these rules; nothing is changed."""
        wanted = {rule.name: rule for rule in rules if rule.schedule_expression is not None}
        there = await self._listed()
        found = [RuleDrift(name, "missing") for name in wanted if name not in there]
        for name in (name for name in wanted if name in there):
            parts = await self._differences(schedule_parameters(wanted[name], self._places))
            if parts:
                found.append(RuleDrift(name, "changed", parts))
        return [*found, *(RuleDrift(name, "excess") for name in there if name not in wanted)]

    async def _create(self, parameters: Mapping[str, Any]) -> None:
        try:
            await self._aws.call("scheduler", "create_schedule", **parameters)
        except AwsRejected as error:
            if error.aws_code != "ConflictException":
                raise
            await self._aws.call("scheduler", "update_schedule", **parameters)

    async def _delete(self, name: str) -> None:
        try:
            await self._aws.call(
                "scheduler", "delete_schedule", Name=name, GroupName=self._places.schedule_group
            )
        except AwsRejected as error:
            if error.aws_code != "ResourceNotFoundException":
                raise

    async def _listed(self) -> list[str]:
        found: list[str] = []
        try:
            async for page in self._aws.pages(
                "scheduler", "list_schedules", GroupName=self._places.schedule_group
            ):
                found += [schedule["Name"] for schedule in page["Schedules"]]
        except AwsRejected as error:
            if error.aws_code != "ResourceNotFoundException":
                raise
        return found

    async def _differences(self, wanted: Mapping[str, Any]) -> tuple[str, ...]:
        there = await self._aws.call(
            "scheduler", "get_schedule", Name=wanted["Name"], GroupName=wanted["GroupName"]
        )
        return tuple(part for part in _COMPARED if (there.get(part) or "") != wanted[part])
