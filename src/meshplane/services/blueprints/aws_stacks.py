"""Stacks in CloudFormation.

Needs AWS, no emulator shows it: capabilities that CloudFormation asks for itself, drift, cancelling
and rolling back, roll-back of what failed, change sets that other changes made obsolete.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.polling import until
from meshplane.services.blueprints import aws_stack_shapes as shapes
from meshplane.services.blueprints.aws_change_sets import STARTED, ChangeSets
from meshplane.services.blueprints.aws_stack_refusals import (
    capability_missing,
    is_missing,
    plan_outdated,
    stack_changing,
    stack_not_changing,
)
from meshplane.services.blueprints.ports import (
    DriftedResource,
    Plan,
    StackEvent,
    StackState,
    Wish,
)
from meshplane.services.blueprints.wish_checks import accepted, plan_name

_MOST_EVENTS = 10_000
_PLAN_SECONDS = 120.0
_TO_REMOVE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED"})
_TO_ROLL_BACK = frozenset({"CREATE_FAILED", "UPDATE_FAILED"})
_STACK_ARN = ":stack/"


class CloudFormationStacks:
    """`Stacks` in the mesh's account and region.

    Every call that changes something is preceded by a reading, and followed by another where its
    answer was lost; a change set's name and the tokens are derived from the deployment.

    Args:
        aws: whose CloudFormation; its S3 for templates that are too long to be sent.
        template_bucket: where those lie, below `blueprints/`; None: they are refused.
        plan_seconds: how long CloudFormation may take to plan.
    """

    def __init__(
        self, aws: Aws, template_bucket: str | None = None, *, plan_seconds: float = _PLAN_SECONDS
    ) -> None:
        self._aws = aws
        self._plans = ChangeSets(aws, template_bucket, plan_seconds)

    async def plan(self, wish: Wish) -> Plan:
        """See `Stacks.plan`."""
        await asyncio.to_thread(accepted, wish)
        found = await self._plans.find(plan_name(wish), wish.stack)
        if found is None:
            stack = await self._stack(wish.stack)
            if not await self._plans.make(wish, stack):
                return shapes.empty_plan(wish, "" if stack is None else stack["StackId"])
        return await self._plans.finished(wish, found)

    async def execute(self, plan: Plan) -> None:
        """See `Stacks.execute`."""
        if plan.refusal:
            raise Conflict(
                "PLAN_REFUSED", "CloudFormation refuses this plan: change the template, and plan."
            )
        if not plan.executable or await self._has_started(plan):
            return
        try:
            await self._aws.call(
                "cloudformation",
                "execute_change_set",
                ChangeSetName=plan.plan_id,
                StackName=plan.stack_id,
                ClientRequestToken=shapes.token_of(plan.deployment_id, f"execute {plan.plan_id}"),
            )
        except AwsRejected as error:
            if error.aws_code == "TokenAlreadyExistsException":
                return
            if error.aws_code == "InsufficientCapabilitiesException":
                raise capability_missing(error) from error
            if error.aws_code not in {"InvalidChangeSetStatus", "ChangeSetNotFound"}:
                raise
            if not await self._has_started(plan):
                raise plan_outdated() from error
        except AwsUnavailable as error:
            if not error.may_have_happened or not await self._has_started(plan):
                raise

    async def has_begun(self, plan: Plan) -> bool:
        """See `Stacks.has_begun`."""
        if not plan.plan_id:
            return False
        now = await self._plans.find(plan.plan_id, plan.stack_id)
        return now is not None and now.get("ExecutionStatus") in STARTED

    async def drop(self, stack: str, plan: str) -> None:
        """See `Stacks.drop`."""
        if not await self._plans.drop(plan, stack):
            return
        found = await self._stack(stack)
        if found is None or found["StackStatus"] != "REVIEW_IN_PROGRESS":
            return
        # Protected by a person, it may stay: it holds nothing, and the next plan takes it over.
        protected = found.get("EnableTerminationProtection")
        if not protected and not await self._plans.any_there(found["StackId"]):
            await self._delete(found)

    async def state(self, stack: str) -> StackState | None:
        """See `Stacks.state`."""
        found = await self._stack(stack)
        return None if found is None else shapes.state_of(found)

    async def events(self, stack_id: str, after: str | None = None) -> Sequence[StackEvent]:
        """See `Stacks.events`."""
        found: list[StackEvent] = []
        try:
            # They come latest first.
            async for page in self._aws.pages(
                "cloudformation", "describe_stack_events", StackName=stack_id
            ):
                for event in page["StackEvents"]:
                    if event["EventId"] == after or len(found) >= _MOST_EVENTS:
                        return found[::-1]
                    found.append(shapes.event_of(event))
        except AwsRejected as error:
            if not is_missing(error):
                raise
        return found[::-1]

    async def drift(
        self, stack_id: str, deadline_seconds: float = 300.0
    ) -> Sequence[DriftedResource]:
        """See `Stacks.drift`."""
        stack = await self._demand(stack_id)
        if stack["StackStatus"].endswith("_IN_PROGRESS"):
            raise stack_changing()
        begun = await self._aws.call(
            "cloudformation", "detect_stack_drift", StackName=stack["StackId"]
        )
        detection = begun["StackDriftDetectionId"]

        async def detected() -> str | None:
            told = await self._aws.call(
                "cloudformation",
                "describe_stack_drift_detection_status",
                StackDriftDetectionId=detection,
            )
            status: str = told["DetectionStatus"]
            return None if status == "DETECTION_IN_PROGRESS" else status

        ended = await until("the drift is known", detected, deadline_seconds)
        if ended != "DETECTION_COMPLETE":
            raise Conflict(
                "DRIFT_UNKNOWN",
                "CloudFormation could not look at all resources of the stack: give its role the "
                "rights to read them.",
            )
        return await self._drifted(stack["StackId"])

    async def cancel(self, stack_id: str) -> None:
        """See `Stacks.cancel`."""
        stack = await self._demand(stack_id)
        status = stack["StackStatus"]
        if status == "UPDATE_IN_PROGRESS":
            try:
                await self._aws.call(
                    "cloudformation", "cancel_update_stack", StackName=stack["StackId"]
                )
            except AwsRejected as error:
                now = await self._demand(stack_id)
                if now["StackStatus"] == status:
                    raise
                # It ended, or came to where it goes back, between the look and the call.
                if not now["StackStatus"].endswith("_IN_PROGRESS"):
                    raise stack_not_changing() from error
        elif status in {"CREATE_IN_PROGRESS", "REVIEW_IN_PROGRESS"}:
            await self._delete(stack)
        elif not status.endswith("_IN_PROGRESS"):
            raise stack_not_changing()

    async def roll_back(self, stack_id: str) -> None:
        """See `Stacks.roll_back`."""
        stack = await self._demand(stack_id)
        status, name = stack["StackStatus"], stack["StackId"]
        if status == "UPDATE_ROLLBACK_FAILED":
            await self._aws.call("cloudformation", "continue_update_rollback", StackName=name)
        elif status in _TO_ROLL_BACK:
            await self._aws.call("cloudformation", "rollback_stack", StackName=name)
        elif status in _TO_REMOVE:
            await self._delete(stack)
        elif "ROLLBACK" not in status and not status.startswith("DELETE"):
            raise Conflict(
                "STACK_NOT_FAILED", "The stack did not fail: there is nothing to roll back."
            )

    async def remove(self, stack_id: str) -> None:
        """See `Stacks.remove`."""
        if _STACK_ARN not in stack_id:
            raise Invalid(
                "STACK_ID_INVALID", "A stack is removed by its id, not its name.", field="stackId"
            )
        stack = await self._stack(stack_id)
        if stack is not None:
            await self._delete(stack)

    async def _has_started(self, plan: Plan) -> bool:
        now = await self._plans.find(plan.plan_id, plan.stack_id)
        status = None if now is None else now.get("ExecutionStatus")
        if status in STARTED:
            return True
        if status != "AVAILABLE":
            raise plan_outdated()
        return False

    async def _stack(self, stack: str) -> Mapping[str, Any] | None:
        try:
            answer = await self._aws.call("cloudformation", "describe_stacks", StackName=stack)
        except AwsRejected as error:
            if not is_missing(error):
                raise
            return None
        found: Mapping[str, Any] = answer["Stacks"][0]
        return found

    async def _demand(self, stack_id: str) -> Mapping[str, Any]:
        found = await self._stack(stack_id)
        if found is None or found["StackStatus"] == "DELETE_COMPLETE":
            raise Missing("STACK_NOT_FOUND", "There is no such stack.", field="stackId")
        return found

    async def _delete(self, stack: Mapping[str, Any]) -> None:
        if stack["StackStatus"] in {"DELETE_IN_PROGRESS", "DELETE_COMPLETE"}:
            return
        if stack.get("EnableTerminationProtection"):
            raise Conflict(
                "STACK_PROTECTED",
                "The stack is protected from being removed: lift that in CloudFormation first.",
            )
        # By id: by its name, it could be another by now.
        await self._aws.call("cloudformation", "delete_stack", StackName=stack["StackId"])

    async def _drifted(self, stack_id: str) -> list[DriftedResource]:
        found: list[DriftedResource] = []
        more: dict[str, str] = {}
        while True:
            page = await self._aws.call(
                "cloudformation",
                "describe_stack_resource_drifts",
                StackName=stack_id,
                StackResourceDriftStatusFilters=["MODIFIED", "DELETED"],
                **more,
            )
            each = (shapes.drifted_of(one) for one in page["StackResourceDrifts"])
            found += [one for one in each if one is not None]
            if not page.get("NextToken"):
                return found
            more = {"NextToken": page["NextToken"]}
