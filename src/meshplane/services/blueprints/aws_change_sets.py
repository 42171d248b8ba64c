"""Change sets of CloudFormation: found, made, and read to the end."""

import hashlib
from collections.abc import Mapping
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.polling import until
from meshplane.platform.templates.capabilities import missing_capabilities
from meshplane.platform.templates.checking import template_too_large
from meshplane.services.blueprints import aws_stack_shapes as shapes
from meshplane.services.blueprints.aws_stack_refusals import (
    is_missing,
    makes_no_difference,
    stack_changing,
)
from meshplane.services.blueprints.ports import Plan, Wish
from meshplane.services.blueprints.wish_checks import plan_name

STARTED = frozenset({"EXECUTE_IN_PROGRESS", "EXECUTE_COMPLETE", "EXECUTE_FAILED"})
"""How far the execution of a change set is that was begun."""

_LONGEST_INLINE_BYTES = 51_200
_UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
    }
)
_BEING_PLANNED = frozenset({"CREATE_PENDING", "CREATE_IN_PROGRESS"})


class ChangeSets:
    """Plans of CloudFormation.

    Args:
        aws: whose CloudFormation and S3.
        template_bucket: for templates that are too long to be sent; None: they are refused.
        plan_seconds: how long CloudFormation may take to plan.
    """

    def __init__(self, aws: Aws, template_bucket: str | None, plan_seconds: float) -> None:
        self._aws = aws
        self._bucket = template_bucket
        self._plan_seconds = plan_seconds

    async def find(self, name: str, stack: str) -> Mapping[str, Any] | None:
        """A change set, as far as its first page goes.

        Args:
            name: its name or its ARN.
            stack: the name or the ARN of its stack.
        """
        try:
            return await self._aws.call(
                "cloudformation", "describe_change_set", ChangeSetName=name, StackName=stack
            )
        except AwsRejected as error:
            if not is_missing(error):
                raise
            return None

    async def make(self, wish: Wish, stack: Mapping[str, Any] | None) -> bool:
        """Begins one; whether there is one then. There is none where nothing would change.

        Args:
            wish: what the stack shall hold.
            stack: as it is now; None: there is none.
        """
        kind = _kind_of(stack)
        name = plan_name(wish)
        template = await self._template_of(wish.template)
        try:
            await self._aws.call(
                "cloudformation",
                "create_change_set",
                StackName=wish.stack,
                ChangeSetName=name,
                ChangeSetType=kind,
                Parameters=[
                    {"ParameterKey": key, "ParameterValue": value}
                    for key, value in sorted(wish.parameters.items())
                ],
                Capabilities=sorted(wish.capabilities),
                Tags=[{"Key": key, "Value": value} for key, value in sorted(wish.tags.items())],
                ClientToken=shapes.token_of(wish.deployment_id, f"plan {name}"),
                Description=f"Deployment {wish.deployment_id}"[:1024],
                **template,
                **({} if wish.role_arn is None else {"RoleARN": wish.role_arn}),
            )
        except AwsRejected as error:
            if error.aws_code in {"AlreadyExistsException", "TokenAlreadyExistsException"}:
                return True
            return not makes_no_difference(error)
        except AwsUnavailable as error:
            if not error.may_have_happened or await self.find(name, wish.stack) is None:
                raise
        return True

    async def finished(self, wish: Wish, found: Mapping[str, Any] | None = None) -> Plan:
        """The plan of a wish whose change set is being made, when it is ready.

        Args:
            wish: what the stack shall hold.
            found: its change set, if it was read before.
        """
        name = plan_name(wish)

        async def planned() -> Mapping[str, Any] | None:
            now = await self.find(name, wish.stack)
            return None if now is None or now["Status"] in _BEING_PLANNED else now

        if found is None or found["Status"] in _BEING_PLANNED:
            found = await until("CloudFormation has planned", planned, self._plan_seconds)
        reason = str(found.get("StatusReason") or "")
        if found["Status"] == "FAILED" and shapes.has_no_changes(reason):
            await self._aws.call(
                "cloudformation", "delete_change_set", ChangeSetName=found["ChangeSetId"]
            )
            return shapes.empty_plan(wish, found["StackId"])
        if found["Status"] == "FAILED" and (missing := shapes.capabilities_in(reason)):
            raise missing_capabilities(missing)
        return await self._whole(wish, found)

    async def drop(self, name: str, stack: str) -> bool:
        """Takes one away; whether it is gone then. One that was begun stays.

        Args:
            name: its name or its ARN.
            stack: the name or the ARN of its stack.

        Raises:
            Conflict: STACK_CHANGING, it is being made.
        """
        found = await self.find(name, stack)
        if found is None:
            return True
        if found.get("ExecutionStatus") in STARTED:
            return False
        try:
            await self._aws.call(
                "cloudformation", "delete_change_set", ChangeSetName=found["ChangeSetId"]
            )
        except AwsRejected as error:
            if error.aws_code != "InvalidChangeSetStatus":
                raise
            # It is still being made, or was begun this moment: the next look tells.
            raise stack_changing() from error
        return True

    async def any_there(self, stack_id: str) -> bool:
        """Whether a stack has change sets, carried out or not.

        Args:
            stack_id: of the stack.
        """
        async for page in self._aws.pages("cloudformation", "list_change_sets", StackName=stack_id):
            for one in page.get("Summaries") or ():
                going = str(one.get("Status", "")).startswith("DELETE")
                if one.get("StackId") == stack_id and not going:
                    return True
        return False

    async def _whole(self, wish: Wish, found: Mapping[str, Any]) -> Plan:
        changes = list(found.get("Changes") or ())
        page = found
        while token := page.get("NextToken"):
            page = await self._aws.call(
                "cloudformation",
                "describe_change_set",
                ChangeSetName=found["ChangeSetId"],
                NextToken=token,
            )
            changes += page.get("Changes") or ()
        return shapes.plan_of(wish, found, changes)

    async def _template_of(self, template: str) -> dict[str, str]:
        data = template.encode()
        if len(data) <= _LONGEST_INLINE_BYTES:
            return {"TemplateBody": template}
        if self._bucket is None:
            raise template_too_large(_LONGEST_INLINE_BYTES)
        key = f"blueprints/{hashlib.sha256(data).hexdigest()}.template"
        place = self._aws.place
        await self._aws.call(
            "s3",
            "put_object",
            Bucket=self._bucket,
            Key=key,
            Body=data,
            ExpectedBucketOwner=place.account,
        )
        suffix = "amazonaws.com.cn" if place.region.startswith("cn-") else "amazonaws.com"
        return {"TemplateURL": f"https://s3.{place.region}.{suffix}/{self._bucket}/{key}"}


def _kind_of(stack: Mapping[str, Any] | None) -> str:
    status = None if stack is None else stack["StackStatus"]
    if status is None or status in {"REVIEW_IN_PROGRESS", "DELETE_COMPLETE"}:
        return "CREATE"
    if status.endswith("_IN_PROGRESS"):
        raise stack_changing()
    if status not in _UPDATABLE:
        raise Conflict(
            "STACK_NOT_READY",
            "An earlier deployment of this stack failed: roll it back, then plan again.",
            details={"stackStatus": status},
        )
    return "UPDATE"
