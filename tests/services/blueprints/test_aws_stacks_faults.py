"""Every call on the way from a template to a stack fails once, in each way; then it is done."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import pytest

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.templates.stack_names import stack_name
from meshplane.sandbox.faults import Fault, Kind
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.ports import Plan, StackState, Wish
from tests.builders.aws_sandbox import REGION, aws_of, sandbox_in

pytestmark = pytest.mark.fault

ONE = 'Resources:\n  Inbox: {Type: "AWS::SQS::Queue"}\n'
LONG = ONE + "#" * 60_000
TWO = ONE + '  Outbox: {Type: "AWS::SQS::Queue"}\n'
BUCKET = "meshplane-templates"
T = TypeVar("T")
KINDS: tuple[Kind, ...] = ("throttle", "timeout", "lost_answer", "error")
MOST_TRIES = 3


@dataclass(frozen=True)
class World:
    """A sandbox, and stacks whose every call is tried once, so that a fault is felt."""

    sandbox: AwsSandbox
    aws: Aws
    stacks: CloudFormationStacks

    async def deploy(self, wish: Wish) -> StackState:
        plan = await self.stacks.plan(wish)
        await self.stacks.execute(plan)
        state = await self.stacks.state(plan.stack_id)
        assert state is not None
        return state

    def stacks_of(self, name: str) -> list[tuple[str, str]]:
        """Ids and statuses of all stacks that ever had the name."""
        answer = self.aws.run("cloudformation", "list_stacks")
        return [
            (one["StackId"], one["StackStatus"])
            for one in answer["StackSummaries"]
            if one["StackName"] == name
        ]

    async def statuses(self, name: str) -> list[str]:
        """What the one stack of a name came to, in order."""
        [(stack_id, _)] = self.stacks_of(name)
        return [event.status for event in await self.stacks.events(stack_id)]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with sandbox_in() as sandbox:
        patient = aws_of(sandbox)
        where = {"LocationConstraint": REGION}
        patient.run("s3", "create_bucket", Bucket=BUCKET, CreateBucketConfiguration=where)
        # The first calls take as long as it takes to load what answers them.
        asyncio.run(CloudFormationStacks(patient, BUCKET).plan(a_wish(LONG)))
        aws = aws_of(sandbox, most_attempts=1, read_seconds=2.0)
        yield World(sandbox, aws, CloudFormationStacks(aws, BUCKET))
        aws.close()
        patient.close()


def a_wish(template: str = ONE) -> Wish:
    unique = uuid.uuid4().hex[:12]
    return Wish(stack_name(unique, "dev"), template, f"dep-{unique}", tags={"ManagedBy": "mesh"})


def later(wish: Wish, template: str) -> Wish:
    return replace(wish, template=template, deployment_id=f"dep-{uuid.uuid4().hex}")


async def calls_of(world: World, act: Awaitable[Any]) -> list[tuple[str, str]]:
    """What is called, in order, when nothing fails."""
    world.sandbox.calls.clear()
    await act
    return [(call.service, call.operation) for call in world.sandbox.calls.all()]


def fault_at(made: list[tuple[str, str]], place: int, kind: Kind, times: int = 1) -> Fault:
    service, operation = made[place]
    nth = made[: place + 1].count((service, operation))
    code = "AccessDenied" if kind == "error" else None
    return Fault(service, operation, kind, nth, times, code=code)


async def in_spite(
    world: World, fault: Fault, act: Callable[[T], Awaitable[StackState]], of: T
) -> tuple[StackState, int]:
    """Does it again until it is done: how it is then, and how often it failed."""
    world.sandbox.faults.add(fault)
    failed = 0
    try:
        while True:
            try:
                return await act(of), failed
            except (AwsUnavailable, AwsRejected):
                failed += 1
                assert failed < MOST_TRIES, fault
    finally:
        left = world.sandbox.faults.all()
        world.sandbox.faults.clear()
        assert left == [], "the fault was not met"


@pytest.mark.parametrize("kind", KINDS)
async def test_deployment_of_a_new_stack__makes_one_whichever_call_failed(
    world: World, kind: Kind
) -> None:
    made = await calls_of(world, world.deploy(a_wish(LONG)))
    assert len(made) >= 7
    failures = 0
    for place in range(len(made)):
        wish = a_wish(LONG)
        fault = fault_at(made, place, kind)
        state, failed = await in_spite(world, fault, world.deploy, wish)
        failures += failed
        assert world.stacks_of(wish.stack) == [(state.stack_id, "CREATE_COMPLETE")], made[place]
        came_to = await world.statuses(wish.stack)
        assert came_to.count("CREATE_IN_PROGRESS") == 1, made[place]
        assert came_to.count("REVIEW_IN_PROGRESS") == 1, made[place]
    # What CloudFormation did is looked up where its answer is lost, and nobody need ask again; and
    # who waits for a plan looks again where he is throttled.
    overcome = {"lost_answer": 2, "throttle": 1}.get(kind, 0)
    assert failures == len(made) - overcome


@pytest.mark.parametrize("kind", KINDS)
async def test_deployment_to_a_stack__changes_it_once_whichever_call_failed(
    world: World, kind: Kind
) -> None:
    first = a_wish()
    await world.deploy(first)
    made = await calls_of(world, world.deploy(later(first, TWO)))
    for place in range(len(made)):
        old = a_wish()
        stack_id = (await world.deploy(old)).stack_id
        wish = later(old, TWO)
        fault = fault_at(made, place, kind)
        state, _ = await in_spite(world, fault, world.deploy, wish)
        assert (state.stack_id, state.status) == (stack_id, "UPDATE_COMPLETE"), made[place]
        came_to = await world.statuses(wish.stack)
        assert came_to.count("UPDATE_IN_PROGRESS") == 1, made[place]
        # The same deployment again adopts what it finds.
        assert await world.deploy(wish) == state
        assert await world.statuses(wish.stack) == came_to


@pytest.mark.parametrize("kind", KINDS)
async def test_plan_of_no_changes__leaves_no_change_set_whichever_call_failed(
    world: World, kind: Kind
) -> None:
    old = a_wish()
    await world.deploy(old)
    made = await calls_of(world, world.deploy(later(old, ONE)))
    for place in range(len(made)):
        wish = later(old, ONE)
        fault = fault_at(made, place, kind)
        state, _ = await in_spite(world, fault, world.deploy, wish)
        assert state.status == "CREATE_COMPLETE"
    sets = world.aws.run("cloudformation", "list_change_sets", StackName=old.stack)["Summaries"]
    assert [one["ExecutionStatus"] for one in sets if one["StackName"] == old.stack] == [
        "EXECUTE_COMPLETE"
    ]


async def test_outage_from_any_call_on__leaves_what_a_later_try_finishes(world: World) -> None:
    made = await calls_of(world, world.deploy(a_wish()))
    for place in range(len(made)):
        wish = a_wish()
        world.sandbox.faults.add(fault_at(made, place, "lost_answer"))
        for service, operation in {*made}:
            begun = made[: place + 1].count((service, operation))
            world.sandbox.faults.add(Fault(service, operation, "throttle", begun + 1, times=50))
        with pytest.raises(MeshplaneError) as caught:
            await world.deploy(wish)
        assert caught.value.code == "AWS_UNAVAILABLE"
        world.sandbox.faults.clear()
        assert len(world.stacks_of(wish.stack)) <= 1
        state = await world.deploy(wish)
        assert world.stacks_of(wish.stack) == [(state.stack_id, "CREATE_COMPLETE")], made[place]


@pytest.mark.parametrize("kind", KINDS)
async def test_removal__is_finished_by_another_try(world: World, kind: Kind) -> None:
    async def removed(stack_id: str) -> StackState:
        await world.stacks.remove(stack_id)
        state = await world.stacks.state(stack_id)
        assert state is not None
        return state

    made = await calls_of(world, removed((await world.deploy(a_wish())).stack_id))
    for place in range(len(made)):
        wish = a_wish()
        stack_id = (await world.deploy(wish)).stack_id
        fault = fault_at(made, place, kind)
        state, _ = await in_spite(world, fault, removed, stack_id)
        assert state.gone
        assert (await world.statuses(wish.stack)).count("DELETE_IN_PROGRESS") == 1, made[place]


@pytest.mark.parametrize("kind", KINDS)
async def test_plan_that_is_dropped__leaves_nothing_whichever_call_failed(
    world: World, kind: Kind
) -> None:
    async def dropped(plan: Plan) -> StackState:
        await world.stacks.drop(plan.stack_id, plan.plan_id)
        state = await world.stacks.state(plan.stack_id)
        assert state is not None
        return state

    made = await calls_of(world, dropped(await world.stacks.plan(a_wish())))
    assert len(made) >= 5
    for place in range(len(made)):
        wish = a_wish()
        plan = await world.stacks.plan(wish)
        state, _ = await in_spite(world, fault_at(made, place, kind), dropped, plan)
        assert state.gone, made[place]
        assert (await world.statuses(wish.stack)).count("DELETE_IN_PROGRESS") == 1, made[place]
        assert not await world.stacks.has_begun(plan)


async def test_same_deployment_twice_at_once__is_one_stack_that_was_made_once(
    world: World,
) -> None:
    wish = a_wish()
    await world.stacks.plan(wish)
    states = await asyncio.gather(*(world.deploy(wish) for _ in range(4)))
    assert len({state.stack_id for state in states}) == 1
    assert len(world.stacks_of(wish.stack)) == 1
