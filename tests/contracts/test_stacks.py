"""What every place that makes stacks of templates must do: this machine, and CloudFormation.

CloudFormation is moto's. What moto cannot do, and is left to AWS, is said where a test leaves it
out: it gives no outputs for stacks that came by a change set, makes a second stack of a name when a
second plan is made before the first is carried out, keeps plans that the stack has left behind, and
has neither drift nor cancelling nor rolling back.
"""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Invalid, MeshplaneError, Missing, Stale
from meshplane.platform.templates.stack_names import stack_name
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.local_stacks import LocalStacks
from meshplane.services.blueprints.ports import Change, Stacks, Wish
from meshplane.services.blueprints.store import LOCAL_STACKS
from meshplane.services.blueprints.wish_checks import plan_name
from tests.builders.aws_sandbox import REGION, aws_of, sandbox_in
from tests.builders.stores import SqlitePlace

QUEUE = """
Parameters:
  Name: {Type: String}
Resources:
  Inbox: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
Outputs:
  Name: {Value: !Ref Name}
"""
TWO = QUEUE.replace("Outputs:", '  Outbox: {Type: "AWS::SQS::Queue"}\nOutputs:')
ROLE = """
Resources:
  Reader:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Action: "sts:AssumeRole", Principal: {Service: lambda.amazonaws.com}}]
"""  # noqa: E501
NAMED_ROLE = ROLE.replace("Properties:", "Properties:\n      RoleName: reader")
BUCKET = "meshplane-templates"


@dataclass
class Place:
    """Stacks under test; `name` is whose they are in what is said of them."""

    stacks: Stacks
    name: str

    def needs_aws(self, what: str) -> None:
        if self.name == "cloudformation":
            pytest.skip(f"needs AWS: moto does not know {what}")


@pytest.fixture(scope="module")
def in_cloud() -> Iterator[CloudFormationStacks]:
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox)
        where = {"LocationConstraint": REGION}
        aws.run("s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration=where)
        yield CloudFormationStacks(aws, BUCKET)
        aws.close()


@pytest.fixture(params=["local", "cloudformation"])
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "cloudformation":
        yield Place(request.getfixturevalue("in_cloud"), request.param)
        return
    rows = SqlitePlace(tmp_path, (LOCAL_STACKS,))
    store = rows.open()
    yield Place(LocalStacks(store, rows.clock), request.param)
    await store.close()


def a_wish(template: str = QUEUE, **more: Any) -> Wish:
    """A wish for a stack that nobody has yet."""
    unique = uuid.uuid4().hex[:12]
    wish = Wish(
        stack_name(f"proj-{unique}", "dev"),
        template,
        f"dep-{unique}",
        {"Name": f"inbox-{unique}"} if "Name:" in template and "Parameters" in template else {},
        tags={"ManagedBy": "ManagementApp"},
    )
    return replace(wish, **more)


def later(wish: Wish, **changed: Any) -> Wish:
    """What a later deployment wishes for the same stack."""
    return replace(wish, deployment_id=f"dep-{uuid.uuid4().hex}", **changed)


async def deployed(place: Place, wish: Wish) -> str:
    plan = await place.stacks.plan(wish)
    await place.stacks.execute(plan)
    return plan.stack_id


async def refusal(act: Any) -> MeshplaneError:
    with pytest.raises(MeshplaneError) as caught:
        await act
    return caught.value


async def test_plan__of_a_new_stack_adds_every_resource_and_makes_none(place: Place) -> None:
    wish = a_wish(TWO)
    plan = await place.stacks.plan(wish)
    assert plan.executable
    assert plan.refusal == ""
    assert plan.changes == (
        Change("Add", "Inbox", "AWS::SQS::Queue"),
        Change("Add", "Outbox", "AWS::SQS::Queue"),
    )
    state = await place.stacks.state(plan.stack_id)
    assert state is not None
    assert (state.stack, state.status, state.ended) == (wish.stack, "REVIEW_IN_PROGRESS", False)


async def test_plan__asked_again_is_the_same_plan(place: Place) -> None:
    wish = a_wish()
    first = await place.stacks.plan(wish)
    assert await place.stacks.plan(wish) == first
    await place.stacks.execute(first)
    assert (await place.stacks.plan(wish)).plan_id == first.plan_id


async def test_execute__ends_well(place: Place) -> None:
    wish = a_wish()
    stack_id = await deployed(place, wish)
    for name in (stack_id, wish.stack):
        state = await place.stacks.state(name)
        assert state is not None
        assert (state.stack_id, state.status) == (stack_id, "CREATE_COMPLETE")
        assert state.ended
        assert state.well
        assert not state.gone


async def test_execute__tells_the_outputs(place: Place) -> None:
    place.needs_aws("outputs of a stack that came by a change set")
    wish = a_wish()
    state = await place.stacks.state(await deployed(place, wish))
    assert state is not None
    assert state.outputs == {"Name": wish.parameters["Name"]}


async def test_execute__done_again_changes_nothing(place: Place) -> None:
    wish = a_wish()
    plan = await place.stacks.plan(wish)
    await place.stacks.execute(plan)
    before = await place.stacks.events(plan.stack_id)
    await place.stacks.execute(plan)
    assert await place.stacks.events(plan.stack_id) == before


async def test_plan__tells_whether_it_was_begun(place: Place) -> None:
    plan = await place.stacks.plan(a_wish())
    assert not await place.stacks.has_begun(plan)
    await place.stacks.execute(plan)
    assert await place.stacks.has_begun(plan)
    assert not await place.stacks.has_begun(replace(plan, plan_id=f"{plan.plan_id}x"))
    assert not await place.stacks.has_begun(replace(plan, plan_id=""))


async def test_plan__of_what_is_there_changes_nothing(place: Place) -> None:
    wish = a_wish()
    stack_id = await deployed(place, wish)
    plan = await place.stacks.plan(later(wish))
    assert (plan.changes, plan.executable, plan.refusal) == ((), False, "")
    assert plan.stack_id == stack_id
    before = await place.stacks.events(stack_id)
    await place.stacks.execute(plan)
    assert await place.stacks.events(stack_id) == before


async def test_plan__names_what_is_added_and_removed(place: Place) -> None:
    wish = a_wish()
    stack_id = await deployed(place, wish)
    more = await place.stacks.plan(later(wish, template=TWO))
    assert more.stack_id == stack_id
    assert more.changes == (Change("Add", "Outbox", "AWS::SQS::Queue"),)
    await place.stacks.execute(more)
    state = await place.stacks.state(stack_id)
    assert state is not None
    assert state.status == "UPDATE_COMPLETE"
    assert state.well
    less = await place.stacks.plan(later(wish))
    assert [(each.action, each.logical_id) for each in less.changes] == [("Remove", "Outbox")]


async def test_plan__names_what_is_modified(place: Place) -> None:
    wish = a_wish(TWO)
    await deployed(place, wish)
    slower = TWO.replace("QueueName: !Ref Name", "QueueName: !Ref Name, DelaySeconds: 5")
    plan = await place.stacks.plan(later(wish, template=slower))
    assert "Inbox" in {each.logical_id for each in plan.changes if each.action == "Modify"}


async def test_events__come_oldest_first_and_go_on_from_the_last_known(place: Place) -> None:
    wish = a_wish()
    plan = await place.stacks.plan(wish)
    first = await place.stacks.events(plan.stack_id)
    assert [each.status for each in first] == ["REVIEW_IN_PROGRESS"]
    await place.stacks.execute(plan)
    then = await place.stacks.events(plan.stack_id, first[-1].event_id)
    assert (then[0].status, then[-1].status) == ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    assert [*first, *then] == list(await place.stacks.events(plan.stack_id))
    assert all(each.at.utcoffset() is not None for each in then)
    assert await place.stacks.events(plan.stack_id, then[-1].event_id) == []


async def test_remove__leaves_the_id_known_and_the_name_free(place: Place) -> None:
    wish = a_wish()
    stack_id = await deployed(place, wish)
    await place.stacks.remove(stack_id)
    await place.stacks.remove(stack_id)
    state = await place.stacks.state(stack_id)
    assert state is not None
    assert state.gone
    assert state.ended
    assert await place.stacks.state(wish.stack) is None
    again = await deployed(place, later(wish))
    assert again != stack_id
    await place.stacks.remove(stack_id)
    state = await place.stacks.state(again)
    assert state is not None
    assert state.status == "CREATE_COMPLETE"


async def test_remove__takes_no_name(place: Place) -> None:
    wish = a_wish()
    await deployed(place, wish)
    assert (await refusal(place.stacks.remove(wish.stack))).code == "STACK_ID_INVALID"
    assert await place.stacks.state(wish.stack) is not None


async def test_state__of_what_never_was_is_none(place: Place) -> None:
    assert await place.stacks.state("never-there") is None
    assert await place.stacks.events("never-there") == []


@pytest.mark.parametrize(
    ("template", "given", "code", "named"),
    [
        (ROLE, frozenset(), "CAPABILITY_MISSING", ["CAPABILITY_IAM"]),
        (NAMED_ROLE, frozenset({"CAPABILITY_IAM"}), "CAPABILITY_MISSING", ["CAPABILITY_NAMED_IAM"]),
        (QUEUE, frozenset({"CAPABILITY_IAM"}), "CAPABILITY_NOT_NEEDED", ["CAPABILITY_IAM"]),
        (
            "Transform: AWS::Serverless-2016-10-31\n" + QUEUE,
            frozenset(),
            "CAPABILITY_MISSING",
            ["CAPABILITY_AUTO_EXPAND"],
        ),
    ],
)
async def test_plan__takes_exactly_the_capabilities_that_are_needed(
    place: Place, template: str, given: Any, code: str, named: list[str]
) -> None:
    wish = a_wish(template, capabilities=given)
    error = await refusal(place.stacks.plan(wish))
    assert isinstance(error, Invalid)
    assert (error.code, error.details["capabilities"]) == (code, named)
    assert await place.stacks.state(wish.stack) is None


async def test_plan__with_the_capability_said_is_carried_out(place: Place) -> None:
    wish = a_wish(ROLE, capabilities=frozenset({"CAPABILITY_IAM"}))
    state = await place.stacks.state(await deployed(place, wish))
    assert state is not None
    assert state.well


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"template": "[1, 2]"}, "TEMPLATE_INVALID"),
        ({"parameters": {}}, "PARAMETERS_INVALID"),
        ({"parameters": {"Name": "one", "Other": "two"}}, "PARAMETERS_INVALID"),
        ({"tags": {"aws:mine": "yes"}}, "STACK_TAGS_INVALID"),
        ({"tags": {f"tag{number}": "x" for number in range(51)}}, "STACK_TAGS_INVALID"),
        ({"stack": "1st"}, "STACK_NAME_INVALID"),
    ],
)
async def test_plan__refuses_a_wish_that_cannot_be_fulfilled(
    place: Place, changed: dict[str, Any], code: str
) -> None:
    assert (await refusal(place.stacks.plan(a_wish(**changed)))).code == code


async def test_plan__takes_a_template_of_up_to_a_megabyte(place: Place) -> None:
    wish = a_wish(QUEUE + "#" * 60_000)
    state = await place.stacks.state(await deployed(place, wish))
    assert state is not None
    assert state.well
    error = await refusal(place.stacks.plan(a_wish(QUEUE + "#" * 1_048_576)))
    assert error.code == "TEMPLATE_TOO_LARGE"


async def test_execute__of_a_plan_that_the_stack_left_behind_is_refused(place: Place) -> None:
    place.needs_aws("that a change set ends when another is carried out")
    wish = a_wish()
    old = await place.stacks.plan(wish)
    await place.stacks.execute(await place.stacks.plan(later(wish, template=TWO)))
    error = await refusal(place.stacks.execute(old))
    assert isinstance(error, Stale)
    assert error.code == "PLAN_OUTDATED"


async def test_cancel__of_a_stack_that_is_only_planned_removes_it(place: Place) -> None:
    wish = a_wish()
    plan = await place.stacks.plan(wish)
    await place.stacks.cancel(plan.stack_id)
    assert await place.stacks.state(wish.stack) is None


async def test_drop__takes_a_new_stack_away_with_its_only_plan(place: Place) -> None:
    for named in ("id", "name"):
        wish = a_wish()
        plan = await place.stacks.plan(wish)
        where = (plan.stack_id, plan.plan_id) if named == "id" else (wish.stack, plan_name(wish))
        for _ in range(2):
            await place.stacks.drop(*where)
        state = await place.stacks.state(plan.stack_id)
        assert state is not None
        assert state.gone
        assert not await place.stacks.has_begun(plan)
        again = await place.stacks.plan(later(wish))
        assert again.stack_id != plan.stack_id


async def test_drop__leaves_a_stack_that_is_planned_otherwise_too(place: Place) -> None:
    place.needs_aws("two plans of one new stack")
    wish = a_wish()
    plans = [await place.stacks.plan(wish), await place.stacks.plan(later(wish, template=TWO))]
    await place.stacks.drop(wish.stack, plans[0].plan_id)
    await place.stacks.execute(plans[1])
    state = await place.stacks.state(wish.stack)
    assert state is not None
    assert state.well


async def test_drop__of_what_was_begun_changes_nothing(place: Place) -> None:
    wish = a_wish()
    plan = await place.stacks.plan(wish)
    await place.stacks.execute(plan)
    before = await place.stacks.events(plan.stack_id)
    await place.stacks.drop(wish.stack, plan.plan_id)
    assert await place.stacks.events(plan.stack_id) == before
    assert await place.stacks.has_begun(plan)


async def test_drop__of_a_change_leaves_the_stack_as_it_was(place: Place) -> None:
    wish = a_wish()
    stack_id = await deployed(place, wish)
    more = await place.stacks.plan(later(wish, template=TWO))
    await place.stacks.drop(stack_id, more.plan_id)
    state = await place.stacks.state(stack_id)
    assert state is not None
    assert state.status == "CREATE_COMPLETE"
    error = await refusal(place.stacks.execute(more))
    assert error.code == "PLAN_OUTDATED"


async def test_drop__of_what_never_was_changes_nothing(place: Place) -> None:
    wish = a_wish()
    await place.stacks.drop(wish.stack, plan_name(wish))
    assert await place.stacks.state(wish.stack) is None


async def test_cancel_and_roll_back__of_what_ended_well_are_refused(place: Place) -> None:
    stack_id = await deployed(place, a_wish())
    for act, code in (
        (place.stacks.cancel, "STACK_NOT_CHANGING"),
        (place.stacks.roll_back, "STACK_NOT_FAILED"),
    ):
        error = await refusal(act(stack_id))
        assert isinstance(error, Conflict)
        assert error.code == code


async def test_drift__of_an_untouched_stack_is_none(place: Place) -> None:
    place.needs_aws("drift")
    assert list(await place.stacks.drift(await deployed(place, a_wish()))) == []


async def test_acts_on_a_stack_that_is_gone__say_so(place: Place) -> None:
    stack_id = await deployed(place, a_wish())
    await place.stacks.remove(stack_id)
    for act in (place.stacks.cancel, place.stacks.roll_back, place.stacks.drift):
        error = await refusal(act(stack_id))
        assert isinstance(error, Missing)
        assert error.code == "STACK_NOT_FOUND"


def test_stack_name__is_one_per_environment_and_always_fits() -> None:
    assert stack_name("proj-1", "dev", "acme-") == "acme-proj-1-dev"
    odd = [stack_name("proj_1", "dev"), stack_name("proj-1", "dev"), stack_name("1", "dev")]
    long = [stack_name("p" * 200, environment) for environment in ("dev", "prod")]
    assert len({*odd, *long}) == 5
    for name in (*odd, *long):
        assert len(name) <= 128
        assert name[0].isalpha()
        assert name.replace("-", "").isalnum()
