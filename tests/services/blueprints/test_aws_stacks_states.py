"""What moto does not play of CloudFormation: drift, cancelling, rolling back, and its refusals.

The answers are written from CloudFormation's documentation and checked against its model; what only
AWS can show is whether a real stack comes to these states.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Invalid, MeshplaneError, Unavailable
from meshplane.sandbox.fake import Caller, FakeError
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.ports import Change, DriftedResource, Plan, Wish
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.toy_fake import toy

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
NAME = "proj-1-dev"
STACK = f"arn:aws:cloudformation:eu-central-1:111122223333:stack/{NAME}/a1"
SET = "arn:aws:cloudformation:eu-central-1:111122223333:changeSet/one/b2"
WISH = Wish(NAME, 'Resources:\n  Inbox: {Type: "AWS::SQS::Queue"}\n', "dep-1")
PLAN = Plan(SET, NAME, STACK, "dep-1", (), True)
Given = dict[str, Any]


class Cloud:
    """A CloudFormation with one stack, in the state that a test puts it in."""

    def __init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        self.status = "CREATE_COMPLETE"
        self.protected = False
        self.plans: list[Given] = []
        self.refusals: dict[str, FakeError] = {}
        self.listed: list[Given] = []
        self.drifts: list[Given] = []
        self.detections = ["DETECTION_IN_PROGRESS", "DETECTION_COMPLETE"]
        self.asked: list[tuple[str, Given]] = []

    def did(self) -> list[str]:
        """What was called that changes something."""
        return [name for name, _ in self.asked if not name.startswith(("Describe", "List"))]

    def handlers(self) -> dict[str, Any]:
        answers = {
            "DescribeStacks": self._stacks,
            "DescribeChangeSet": self._change_set,
            "ListChangeSets": lambda _given: {"Summaries": self.listed},
            "DescribeStackDriftDetectionStatus": self._detection,
            "DescribeStackResourceDrifts": self._drifts,
            "DetectStackDrift": lambda _given: {"StackDriftDetectionId": "d-1"},
            "CreateChangeSet": lambda _given: {"Id": SET, "StackId": STACK},
            "RollbackStack": lambda _given: {"StackId": STACK},
        }
        for name in (
            "ExecuteChangeSet",
            "DeleteChangeSet",
            "DeleteStack",
            "CancelUpdateStack",
            "ContinueUpdateRollback",
        ):
            answers[name] = lambda _given: {}
        return {name: self._noted(name, answer) for name, answer in answers.items()}

    def _noted(self, name: str, answer: Any) -> Any:
        def handle(_caller: Caller, given: Given) -> Given:
            self.asked.append((name, given))
            if name in self.refusals:
                raise self.refusals[name]
            found: Given = answer(given)
            return found

        return handle

    def _stacks(self, _given: Given) -> Given:
        stack = {
            "StackId": STACK,
            "StackName": NAME,
            "CreationTime": NOON,
            "StackStatus": self.status,
            "EnableTerminationProtection": self.protected,
            "Outputs": [{"OutputKey": "Url", "OutputValue": "https://example.org"}],
        }
        return {"Stacks": [stack]}

    def _change_set(self, _given: Given) -> Given:
        if not self.plans:
            raise FakeError("ChangeSetNotFound", "ChangeSet [one] does not exist", 404)
        told = self.plans.pop(0) if len(self.plans) > 1 else self.plans[0]
        if not told:
            raise FakeError("ChangeSetNotFound", "ChangeSet [one] does not exist", 404)
        return {"ChangeSetId": SET, "ChangeSetName": "one", "StackId": STACK, **told}

    def _detection(self, _given: Given) -> Given:
        status = self.detections.pop(0) if len(self.detections) > 1 else self.detections[0]
        return {
            "StackId": STACK,
            "StackDriftDetectionId": "d-1",
            "DetectionStatus": status,
            "Timestamp": NOON,
        }

    def _drifts(self, given: Given) -> Given:
        """Two pages: one of them for each call."""
        first, rest = self.drifts[:1], self.drifts[1:]
        if given.get("NextToken") or not rest:
            return {"StackResourceDrifts": rest or first}
        return {"StackResourceDrifts": first, "NextToken": "more"}


@pytest.fixture(scope="module")
def sky() -> Iterator[tuple[Cloud, CloudFormationStacks]]:
    cloud = Cloud()
    with sandbox_in(fakes={"cloudformation": toy("cloudformation", cloud.handlers())}) as sandbox:
        aws = aws_of(sandbox)
        yield cloud, CloudFormationStacks(aws, plan_seconds=1.0)
        aws.close()


@pytest.fixture
def cloud(sky: tuple[Cloud, CloudFormationStacks]) -> Cloud:
    sky[0].start_over()
    return sky[0]


@pytest.fixture
def stacks(sky: tuple[Cloud, CloudFormationStacks]) -> CloudFormationStacks:
    return sky[1]


def changes(*names: str) -> list[Given]:
    return [
        {
            "Type": "Resource",
            "ResourceChange": {
                "Action": "Modify",
                "LogicalResourceId": name,
                "PhysicalResourceId": name.lower(),
                "ResourceType": "AWS::SQS::Queue",
                "Replacement": "Conditional",
            },
        }
        for name in names
    ]


async def code_of(act: Any) -> str:
    with pytest.raises(MeshplaneError) as caught:
        await act
    return caught.value.code


async def test_plan__is_waited_for_and_read_page_by_page(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    done = {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE"}
    cloud.plans = [
        {},
        {},
        {"Status": "CREATE_PENDING"},
        {"Status": "CREATE_IN_PROGRESS"},
        {**done, "Changes": changes("Inbox"), "NextToken": "more"},
        {**done, "Changes": changes("Outbox")},
    ]
    plan = await stacks.plan(WISH)
    assert plan.changes == (
        Change("Modify", "Inbox", "AWS::SQS::Queue", "inbox", "perhaps"),
        Change("Modify", "Outbox", "AWS::SQS::Queue", "outbox", "perhaps"),
    )
    assert plan.executable
    [given] = [given for name, given in cloud.asked if name == "CreateChangeSet"]
    assert given["ChangeSetType"] == "UPDATE"


async def test_plan__that_is_never_ready_is_given_up(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.plans = [{"Status": "CREATE_IN_PROGRESS"}]
    with pytest.raises(Unavailable) as caught:
        await stacks.plan(WISH)
    assert caught.value.code == "AWS_TOO_SLOW"


async def test_plan__that_cloudformation_refuses_says_why_and_is_not_carried_out(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.plans = [{"Status": "FAILED", "StatusReason": "Transform failed"}]
    plan = await stacks.plan(WISH)
    assert (plan.executable, plan.refusal) == (False, "Transform failed")
    assert await code_of(stacks.execute(plan)) == "PLAN_REFUSED"
    assert cloud.did() == []


async def test_plan__names_the_capability_that_cloudformation_asks_for(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    words = "Requires capabilities : [CAPABILITY_NAMED_IAM]"
    cloud.refusals["CreateChangeSet"] = FakeError("InsufficientCapabilitiesException", words)
    with pytest.raises(Invalid) as refused:
        await stacks.plan(WISH)
    cloud.plans = [{"Status": "FAILED", "StatusReason": words}]
    with pytest.raises(Invalid) as failed:
        await stacks.plan(WISH)
    for caught in (refused, failed):
        assert caught.value.code == "CAPABILITY_MISSING"
        assert caught.value.details == {"capabilities": ["CAPABILITY_NAMED_IAM"]}


async def test_plan__that_another_made_meanwhile_is_adopted(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.refusals["CreateChangeSet"] = FakeError("AlreadyExistsException", "it exists")
    cloud.plans = [{}, {"Status": "CREATE_COMPLETE", "Changes": changes("Inbox")}]
    assert (await stacks.plan(WISH)).plan_id == SET


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("UPDATE_IN_PROGRESS", "STACK_CHANGING"),
        ("ROLLBACK_COMPLETE", "STACK_NOT_READY"),
        ("UPDATE_ROLLBACK_FAILED", "STACK_NOT_READY"),
    ],
)
async def test_plan__of_a_stack_that_cannot_be_changed_now_is_refused(
    cloud: Cloud, stacks: CloudFormationStacks, status: str, code: str
) -> None:
    cloud.status = status
    assert await code_of(stacks.plan(WISH)) == code
    assert cloud.did() == []


@pytest.mark.parametrize("status", ["OBSOLETE", "UNAVAILABLE"])
async def test_execute__of_a_plan_that_ended_is_refused(
    cloud: Cloud, stacks: CloudFormationStacks, status: str
) -> None:
    cloud.plans = [{"Status": "CREATE_COMPLETE", "ExecutionStatus": status}]
    assert await code_of(stacks.execute(PLAN)) == "PLAN_OUTDATED"
    assert cloud.did() == []


@pytest.mark.parametrize(
    ("code", "then", "ends"),
    [
        ("TokenAlreadyExistsException", "EXECUTE_IN_PROGRESS", ""),
        ("InvalidChangeSetStatus", "EXECUTE_IN_PROGRESS", ""),
        ("InvalidChangeSetStatus", "OBSOLETE", "PLAN_OUTDATED"),
        ("InsufficientCapabilitiesException", "AVAILABLE", "CAPABILITY_MISSING"),
        ("AccessDenied", "AVAILABLE", "AWS_REJECTED"),
    ],
)
async def test_execute__that_is_refused_ends_by_what_the_plan_came_to(
    cloud: Cloud, stacks: CloudFormationStacks, code: str, then: str, ends: str
) -> None:
    made = {"Status": "CREATE_COMPLETE"}
    cloud.plans = [{**made, "ExecutionStatus": "AVAILABLE"}, {**made, "ExecutionStatus": then}]
    cloud.refusals["ExecuteChangeSet"] = FakeError(code, "no")
    if ends:
        assert await code_of(stacks.execute(PLAN)) == ends
    else:
        await stacks.execute(PLAN)
    assert cloud.did() == ["ExecuteChangeSet"]


async def test_state__tells_the_outputs(cloud: Cloud, stacks: CloudFormationStacks) -> None:
    cloud.status = "UPDATE_ROLLBACK_COMPLETE"
    state = await stacks.state(STACK)
    assert state is not None
    assert state.outputs == {"Url": "https://example.org"}
    assert (state.ended, state.well) == (True, False)


async def test_drift__names_what_differs_without_values(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    of = {"StackId": STACK, "ResourceType": "AWS::SQS::Queue", "Timestamp": NOON}
    differs = {
        "PropertyPath": "/DelaySeconds",
        "ExpectedValue": "5",
        "ActualValue": "hunter2",
        "DifferenceType": "NOT_EQUAL",
    }
    cloud.drifts = [
        {
            **of,
            "LogicalResourceId": "Inbox",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [differs],
        },
        {**of, "LogicalResourceId": "Outbox", "StackResourceDriftStatus": "DELETED"},
    ]
    assert list(await stacks.drift(STACK)) == [
        DriftedResource("Inbox", "AWS::SQS::Queue", "MODIFIED", ("/DelaySeconds",)),
        DriftedResource("Outbox", "AWS::SQS::Queue", "DELETED"),
    ]


async def test_drift__that_cannot_be_found_out_says_so(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.detections = ["DETECTION_FAILED"]
    assert await code_of(stacks.drift(STACK)) == "DRIFT_UNKNOWN"
    cloud.detections = ["DETECTION_IN_PROGRESS"]
    assert await code_of(stacks.drift(STACK, 0.2)) == "AWS_TOO_SLOW"
    cloud.status = "UPDATE_IN_PROGRESS"
    assert await code_of(stacks.drift(STACK)) == "STACK_CHANGING"


@pytest.mark.parametrize(
    ("status", "does"),
    [
        ("UPDATE_IN_PROGRESS", ["CancelUpdateStack"]),
        ("CREATE_IN_PROGRESS", ["DeleteStack"]),
        ("REVIEW_IN_PROGRESS", ["DeleteStack"]),
        ("UPDATE_ROLLBACK_IN_PROGRESS", []),
        ("DELETE_IN_PROGRESS", []),
    ],
)
async def test_cancel__does_what_the_state_needs(
    cloud: Cloud, stacks: CloudFormationStacks, status: str, does: list[str]
) -> None:
    cloud.status = status
    await stacks.cancel(STACK)
    assert cloud.did() == does


@pytest.mark.parametrize(
    ("status", "does"),
    [
        ("UPDATE_ROLLBACK_FAILED", ["ContinueUpdateRollback"]),
        ("UPDATE_FAILED", ["RollbackStack"]),
        ("CREATE_FAILED", ["RollbackStack"]),
        ("ROLLBACK_COMPLETE", ["DeleteStack"]),
        ("ROLLBACK_FAILED", ["DeleteStack"]),
        ("DELETE_FAILED", ["DeleteStack"]),
        ("UPDATE_ROLLBACK_IN_PROGRESS", []),
        ("UPDATE_ROLLBACK_COMPLETE", []),
    ],
)
async def test_roll_back__does_what_the_state_needs(
    cloud: Cloud, stacks: CloudFormationStacks, status: str, does: list[str]
) -> None:
    cloud.status = status
    await stacks.roll_back(STACK)
    assert cloud.did() == does
    for name, given in cloud.asked:
        assert given.get("StackName") == STACK, name


async def test_what_is_protected__is_not_removed(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.protected = True
    with pytest.raises(Conflict) as caught:
        await stacks.remove(STACK)
    assert caught.value.code == "STACK_PROTECTED"
    assert cloud.did() == []


AVAILABLE = {"Status": "CREATE_COMPLETE", "ExecutionStatus": "AVAILABLE"}


@pytest.mark.parametrize(
    ("status", "others", "does"),
    [
        ("REVIEW_IN_PROGRESS", [], ["DeleteChangeSet", "DeleteStack"]),
        ("REVIEW_IN_PROGRESS", ["DELETE_COMPLETE"], ["DeleteChangeSet", "DeleteStack"]),
        ("REVIEW_IN_PROGRESS", ["CREATE_PENDING"], ["DeleteChangeSet"]),
        ("REVIEW_IN_PROGRESS", ["CREATE_COMPLETE"], ["DeleteChangeSet"]),
        ("CREATE_IN_PROGRESS", [], ["DeleteChangeSet"]),
        ("UPDATE_COMPLETE", [], ["DeleteChangeSet"]),
    ],
)
async def test_drop__removes_a_stack_that_holds_nothing_and_is_planned_by_nobody(
    cloud: Cloud, stacks: CloudFormationStacks, status: str, others: list[str], does: list[str]
) -> None:
    cloud.status, cloud.plans = status, [AVAILABLE]
    cloud.listed = [{"StackId": STACK, "Status": each} for each in others]
    await stacks.drop(STACK, SET)
    assert cloud.did() == does


async def test_drop__leaves_a_stack_that_somebody_protected(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.status, cloud.plans, cloud.protected = "REVIEW_IN_PROGRESS", [AVAILABLE], True
    await stacks.drop(STACK, SET)
    assert cloud.did() == ["DeleteChangeSet"]


async def test_drop__of_what_is_being_planned_is_told_to_wait(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.status = "REVIEW_IN_PROGRESS"
    cloud.plans = [{"Status": "CREATE_IN_PROGRESS", "ExecutionStatus": "UNAVAILABLE"}]
    cloud.refusals["DeleteChangeSet"] = FakeError("InvalidChangeSetStatus", "It is made.", 400)
    assert await code_of(stacks.drop(STACK, SET)) == "STACK_CHANGING"
    assert "DeleteStack" not in cloud.did()


async def test_plan__takes_over_a_stack_that_others_left_in_review(
    cloud: Cloud, stacks: CloudFormationStacks
) -> None:
    cloud.status, cloud.plans = "REVIEW_IN_PROGRESS", [{}, AVAILABLE]
    plan = await stacks.plan(WISH)
    assert (plan.stack_id, plan.executable) == (STACK, True)
    created = [given for name, given in cloud.asked if name == "CreateChangeSet"]
    assert [(one["StackName"], one["ChangeSetType"]) for one in created] == [(NAME, "CREATE")]
