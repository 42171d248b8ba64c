"""A deployment is planned, carried out and followed until its stack ends."""

import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Conflict, Unavailable
from meshplane.platform.store import ABSENT, Store
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.local_stacks import LocalStacks
from meshplane.services.blueprints.ports import Plan, StackEvent, StackState, Wish
from meshplane.services.blueprints.states import AT_WORK
from meshplane.services.blueprints.store import DEPLOYMENT_EVENTS, DEPLOYMENT_HISTORY, TABLES
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.stores import NOON, SqlitePlace

QUEUE = """
Parameters:
  Name: {Type: String}
Resources:
  Inbox: {Type: "AWS::SQS::Queue", Properties: {QueueName: !Ref Name}}
Outputs:
  Name: {Value: !Ref Name}
"""
PARAMETERS = {"Name": "inbox"}
STACK = "arn:aws:cloudformation:eu-central-1:111122223333:stack/proj-1-dev/a1"


@dataclass
class Slow:
    """Stacks that take their time: each look finds the next of the given states."""

    statuses: list[str]
    plan_fails: list[Exception] = field(default_factory=list)
    look_fails: list[Exception] = field(default_factory=list)
    executed: int = 0
    rolled_back: int = 0
    cancelled: int = 0
    removed: int = 0
    looks: int = 0
    told: list[StackEvent] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    async def plan(self, wish: Wish) -> Plan:
        if self.plan_fails:
            raise self.plan_fails.pop(0)
        self._tell("UPDATE_COMPLETE", "of before")
        return Plan("set-1", wish.stack, STACK, wish.deployment_id, (), True)

    async def execute(self, _plan: Plan) -> None:
        self.executed += 1

    async def has_begun(self, _plan: Plan) -> bool:
        return self.executed > 0

    async def drop(self, _stack: str, plan: str) -> None:
        self.dropped.append(plan)

    async def cancel(self, _stack: str) -> None:
        self.cancelled += 1

    async def remove(self, _stack: str) -> None:
        self.removed += 1

    async def roll_back(self, _stack: str) -> None:
        self.rolled_back += 1

    async def events(self, _stack: str, after: str | None = None) -> list[StackEvent]:
        known = [each.event_id for each in self.told]
        return self.told[known.index(after) + 1 if after else 0 :]

    async def state(self, _stack: str) -> StackState:
        if self.look_fails and self.executed:
            raise self.look_fails.pop(0)
        status = self.statuses[min(self.looks, len(self.statuses) - 1)]
        self.looks += 1
        self._tell(status, "")
        return StackState(STACK, "proj-1-dev", status, "", {})

    def _tell(self, status: str, reason: str) -> None:
        number = f"event-{len(self.told)}"
        kind = "AWS::CloudFormation::Stack"
        self.told.append(StackEvent(number, NOON, "proj-1-dev", STACK, kind, status, reason))


@dataclass
class World:
    """A store with deployments, and the worker that carries them out."""

    store: Store
    clock: FixedClock
    stacks: Any
    deployments: StackDeployments
    worker: QueueWorker

    async def deploy(self, template: str = QUEUE, **changed: Any) -> tuple[str, int]:
        unique = uuid.uuid4().hex[:8]
        at = int(self.clock.now().timestamp() * 1000)
        item = {
            "deploymentId": f"dep-{unique}",
            "timestamp": at,
            "projectId": changed.pop("project", f"proj-{unique}"),
            "environment": "dev",
            "status": "IN_PROGRESS",
            "deployedBy": "user:sam@harbour",
            "startTime": at,
            "endTime": None,
            "duration": None,
            "tags": {"ManagedBy": "ManagementApp"},
            "expirationTime": at // 1000 + 86_400 * 365,
        }
        wish = self.deployments.wish(item, template, changed.pop("parameters", PARAMETERS), [])
        work = self.store.begin()
        work.put(DEPLOYMENT_HISTORY, item, expected=ABSENT)
        self.deployments.begin(work, item, replace(wish, **changed))
        await work.commit()
        return item["deploymentId"], at

    async def until_ended(self, key: tuple[str, int], most: int = 60) -> dict[str, Any]:
        for _ in range(most):
            await self.worker.run_due()
            item = await self.item(key)
            if item["status"] not in AT_WORK:
                return item
            self.clock.advance(20)
        raise AssertionError("it did not end")

    async def change(self, key: tuple[str, int], **changed: Any) -> dict[str, Any]:
        """Sets what a request would set in the deployment's row."""
        work = self.store.begin()
        row = await work.get(DEPLOYMENT_HISTORY, *key)
        assert row is not None
        item = {**row.item, **changed}
        work.put(DEPLOYMENT_HISTORY, item, expected=row.version)
        if "before" in changed:
            self.deployments.undo(work, item)
        await work.commit()
        return item

    async def item(self, key: tuple[str, int]) -> dict[str, Any]:
        row = await self.store.begin().get(DEPLOYMENT_HISTORY, *key)
        assert row is not None
        return dict(row.item)

    async def completed(self) -> list[str]:
        events = await self.store.events_after(0, 100)
        return [each.detail["status"] for each in events if each.type == "DeploymentCompleted"]


def world_on(folder: Path, stacks: Any = None) -> World:
    place = SqlitePlace(folder, (*TABLES, MESSAGES, DEAD_LETTERS))
    store = place.open()
    stacks = stacks or LocalStacks(store, place.clock)
    deployments = StackDeployments(stacks, place.clock, prefix="acme-")
    worker = QueueWorker(store, deployments.queues, place.clock)
    return World(store, place.clock, stacks, deployments, worker)


@pytest.fixture(scope="module")
def in_cloud() -> Iterator[CloudFormationStacks]:
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox)
        yield CloudFormationStacks(aws)
        aws.close()


@pytest.fixture(params=["local", "cloudformation"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    stacks = None if request.param == "local" else request.getfixturevalue("in_cloud")
    world = world_on(tmp_path, stacks)
    yield world
    await world.store.close()


async def slow_world(
    folder: Path, *statuses: str, plan_fails: Any = (), look_fails: Any = ()
) -> World:
    return world_on(folder, Slow(list(statuses), list(plan_fails), list(look_fails)))


async def test_deployment__ends_with_its_stack_and_keeps_what_happened(world: World) -> None:
    item = await world.until_ended(await world.deploy())
    assert (item["status"], item["statusReason"]) == ("SUCCESS", "")
    assert [each["action"] for each in item["changes"]] == ["Add"]
    told = [each["status"] for each in item["stackEvents"]]
    assert (told[0], told[-1]) == ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    state = await world.stacks.state(item["cfnStackId"])
    assert state.stack == f"acme-{item['projectId']}-dev"
    assert item["outputs"] == state.outputs
    assert item["endTime"] >= item["startTime"]
    assert await world.completed() == ["SUCCESS"]


async def test_deployment_of_what_is_there__succeeds_and_changes_nothing(world: World) -> None:
    first = await world.until_ended(await world.deploy())
    again = await world.until_ended(await world.deploy(project=first["projectId"]))
    assert (again["status"], again["changes"]) == ("SUCCESS", [])
    assert again["cfnStackId"] == first["cfnStackId"]
    assert await world.completed() == ["SUCCESS", "SUCCESS"]


async def test_deployment_whose_process_dies__is_carried_out_once(world: World) -> None:
    real = world.stacks.execute
    died: list[Plan] = []

    async def dies_after(plan: Plan) -> None:
        await real(plan)
        if not died:
            died.append(plan)
            raise Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")

    world.stacks.execute = dies_after
    try:
        item = await world.until_ended(await world.deploy())
    finally:
        del world.stacks.execute
    assert item["status"] == "SUCCESS"
    told = [each.status for each in await world.stacks.events(item["cfnStackId"])]
    assert (len(died), told.count("CREATE_IN_PROGRESS")) == (1, 1)


async def test_deployment_that_cannot_be_planned__fails_and_says_why(world: World) -> None:
    item = await world.until_ended(await world.deploy(parameters={}))
    assert item["status"] == "FAILED"
    assert item["statusReason"].startswith("PARAMETERS_INVALID")
    assert await world.completed() == ["FAILED"]


async def test_deployment__is_followed_until_the_stack_has_ended(tmp_path: Path) -> None:
    world = await slow_world(tmp_path, *["UPDATE_IN_PROGRESS"] * 8, "UPDATE_COMPLETE")
    item = await world.until_ended(await world.deploy())
    assert item["status"] == "SUCCESS"
    assert item["duration"] > 60
    assert world.stacks.executed == 1
    await world.store.close()


async def test_deployment__does_not_take_the_end_of_an_earlier_one_for_its_own(
    tmp_path: Path,
) -> None:
    world = await slow_world(tmp_path, "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_FAILED")
    # The first look comes before CloudFormation has begun: no event of it is there yet.
    item = await world.until_ended(await world.deploy())
    assert (item["status"], world.stacks.looks >= 2) == ("FAILED", True)
    await world.store.close()


@pytest.mark.parametrize("status", ["UPDATE_ROLLBACK_COMPLETE", "ROLLBACK_COMPLETE"])
async def test_deployment__that_was_rolled_back_failed(tmp_path: Path, status: str) -> None:
    world = await slow_world(tmp_path, "UPDATE_IN_PROGRESS", status)
    item = await world.until_ended(await world.deploy())
    assert (item["status"], item["statusReason"]) == ("FAILED", status)
    await world.store.close()


async def test_deployment__waits_for_another_and_for_aws(tmp_path: Path) -> None:
    fails = [
        Conflict("STACK_CHANGING", "Something goes on."),
        Unavailable("AWS_UNAVAILABLE", "AWS did not answer."),
    ]
    states = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    world = await slow_world(tmp_path, *states, plan_fails=fails)
    item = await world.until_ended(await world.deploy())
    assert (item["status"], world.stacks.executed) == ("SUCCESS", 1)
    await world.store.close()


async def test_deployment__after_one_that_never_came_to_be_clears_what_is_left(
    tmp_path: Path,
) -> None:
    not_ready = Conflict("STACK_NOT_READY", "It failed before.")
    states = ("ROLLBACK_COMPLETE", "CREATE_IN_PROGRESS", "CREATE_COMPLETE")
    world = await slow_world(tmp_path, *states, plan_fails=[not_ready])
    item = await world.until_ended(await world.deploy())
    assert (item["status"], world.stacks.rolled_back) == ("SUCCESS", 1)
    await world.store.close()


async def test_deployment__to_a_stack_that_is_stuck_is_left_to_a_person(tmp_path: Path) -> None:
    not_ready = Conflict("STACK_NOT_READY", "It failed before.")
    world = await slow_world(tmp_path, "UPDATE_ROLLBACK_FAILED", plan_fails=[not_ready])
    item = await world.until_ended(await world.deploy())
    assert (item["status"], world.stacks.rolled_back) == ("FAILED", 0)
    assert item["statusReason"] == "STACK_NOT_READY: It failed before."
    await world.store.close()


async def test_deployment__that_never_ends_is_given_up_after_a_day(tmp_path: Path) -> None:
    world = await slow_world(tmp_path, "UPDATE_IN_PROGRESS")
    key = await world.deploy()
    for _ in range(5):
        await world.worker.run_due()
        world.clock.advance(20)
    world.clock.advance(86_400)
    item = await world.until_ended(key)
    assert item["statusReason"].startswith("DEPLOYMENT_TOO_SLOW")
    assert len(item["stackEvents"]) > 3
    await world.store.close()


async def test_deployment__that_cannot_be_looked_at_for_a_while_ends_as_its_stack_does(
    tmp_path: Path,
) -> None:
    refused = Conflict("AWS_REJECTED", "AWS refused it with AccessDenied.")
    states = ("UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    world = await slow_world(tmp_path, *states, look_fails=[refused] * 4)
    item = await world.until_ended(await world.deploy())
    assert (item["status"], world.stacks.look_fails) == ("SUCCESS", [])
    await world.store.close()


async def test_deployment__of_which_no_attempt_comes_to_an_end_is_given_up_after_a_day(
    tmp_path: Path,
) -> None:
    # As a time-out of the queue, or a mistake of ours: no error that an operation tells.
    world = await slow_world(tmp_path, "UPDATE_IN_PROGRESS", look_fails=[TimeoutError()] * 10_000)
    key = await world.deploy()
    for _ in range(10):
        await world.worker.run_due()
        world.clock.advance(600)
    assert (await world.item(key))["status"] == "IN_PROGRESS"
    world.clock.advance(86_400)
    item = await world.until_ended(key)
    assert (item["status"], item["statusReason"][:19]) == ("FAILED", "DEPLOYMENT_TOO_SLOW")
    await world.store.close()


async def test_deployment__that_is_stopped_before_it_begins_is_not_carried_out(
    tmp_path: Path,
) -> None:
    world = await slow_world(tmp_path, "UPDATE_COMPLETE")
    key = await world.deploy()
    await world.change(key, status="CANCELLING")
    item = await world.until_ended(key)
    assert (item["status"], world.stacks.executed) == ("CANCELLED", 0)
    assert len(world.stacks.dropped) == 1
    assert await world.completed() == ["CANCELLED"]
    await world.store.close()


async def test_first_deployment__that_is_stopped_before_it_begins_leaves_no_stack(
    world: World,
) -> None:
    key = await world.deploy()
    real, stacks_of = world.stacks.plan, []

    async def planned_and_died(wish: Wish) -> Plan:
        stacks_of.append((await real(wish)).stack_id)
        raise Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")

    world.stacks.plan = planned_and_died
    try:
        await world.worker.run_due()
    finally:
        del world.stacks.plan
    state = await world.stacks.state(stacks_of[0])
    assert state is not None
    assert state.status == "REVIEW_IN_PROGRESS"
    await world.change(key, status="CANCELLING")
    item = await world.until_ended(key)
    assert (item["status"], item["statusReason"]) == ("CANCELLED", "")
    state = await world.stacks.state(stacks_of[0])
    assert state is not None
    assert state.gone


async def test_plan__that_is_dropped_while_it_is_made_leaves_no_stack(world: World) -> None:
    key = await world.deploy()
    await world.change(key, status="PLANNING")
    real, made = world.stacks.plan, []

    async def dropped_meanwhile(wish: Wish) -> Plan:
        plan = await real(wish)
        made.append(plan.stack_id)
        await world.change(key, status="CANCELLED")
        return plan

    world.stacks.plan = dropped_meanwhile
    try:
        for _ in range(4):
            await world.worker.run_due()
            world.clock.advance(5)
    finally:
        del world.stacks.plan
    assert (await world.item(key))["status"] == "CANCELLED"
    state = await world.stacks.state(made[0])
    assert (len(made), state is not None and state.gone) == (1, True)


async def test_deployment__that_a_protected_stack_keeps_back_ends_and_says_so(
    tmp_path: Path,
) -> None:
    kept_back = Conflict("STACK_NOT_READY", "An earlier deployment of this stack failed.")
    world = await slow_world(tmp_path, "ROLLBACK_COMPLETE", plan_fails=[kept_back])

    async def protected(_stack: str) -> None:
        raise Conflict("STACK_PROTECTED", "The stack is protected.")

    world.stacks.roll_back = protected
    item = await world.until_ended(await world.deploy(), most=1)
    assert (item["status"], item["statusReason"]) == (
        "FAILED",
        "STACK_PROTECTED: The stack is protected.",
    )
    await world.store.close()


async def test_plan__that_cannot_be_taken_away_is_told_and_keeps_no_end_back(
    tmp_path: Path,
) -> None:
    world = await slow_world(tmp_path, "REVIEW_IN_PROGRESS")

    async def refused(_stack: str, _plan: str) -> None:
        raise Conflict("AWS_REJECTED", "AWS refused it with AccessDenied.")

    world.stacks.drop = refused
    key = await world.deploy()
    await world.change(key, status="CANCELLING")
    item = await world.until_ended(key, most=1)
    assert (item["status"], item["statusReason"]) == (
        "CANCELLED",
        "Its plan could not be taken away (AWS_REJECTED).",
    )
    await world.store.close()


@pytest.mark.parametrize(
    ("end", "status"),
    [
        ("UPDATE_ROLLBACK_COMPLETE", "CANCELLED"),
        ("DELETE_COMPLETE", "CANCELLED"),
        ("UPDATE_COMPLETE", "SUCCESS"),
        ("UPDATE_ROLLBACK_FAILED", "FAILED"),
    ],
)
async def test_deployment__that_is_stopped_ends_as_its_stack_does(
    tmp_path: Path, end: str, status: str
) -> None:
    goes_on = ["UPDATE_IN_PROGRESS"] * 3
    world = await slow_world(tmp_path, *goes_on, "UPDATE_ROLLBACK_IN_PROGRESS", end)
    key = await world.deploy()
    await world.worker.run_due()
    await world.change(key, status="CANCELLING")
    item = await world.until_ended(key)
    assert (item["status"], world.stacks.executed) == (status, 1)
    assert world.stacks.cancelled >= 1
    await world.store.close()


@pytest.mark.parametrize(
    ("doing", "states", "status", "acts"),
    [
        ("ROLLING_BACK", ["CREATE_FAILED", "ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE"],
         "ROLLED_BACK", (1, 0)),
        ("ROLLING_BACK", ["UPDATE_ROLLBACK_COMPLETE"], "ROLLED_BACK", (0, 0)),
        ("ROLLING_BACK", ["UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS",
                          "UPDATE_ROLLBACK_FAILED"], "FAILED", (1, 0)),
        ("REMOVING", ["CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_COMPLETE"],
         "REMOVED", (0, 1)),
        ("REMOVING", ["DELETE_COMPLETE"], "REMOVED", (0, 0)),
        ("REMOVING", ["CREATE_COMPLETE", "DELETE_IN_PROGRESS", "DELETE_FAILED"],
         "FAILED", (0, 1)),
    ],
)  # fmt: skip
async def test_undoing__is_followed_until_the_stack_is_at_rest(
    tmp_path: Path, doing: str, states: list[str], status: str, acts: tuple[int, int]
) -> None:
    world = await slow_world(tmp_path, "UPDATE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_FAILED")
    key = await world.deploy()
    await world.until_ended(key)
    world.stacks.statuses, world.stacks.looks = states, 0
    at = int(world.clock.now().timestamp() * 1000)
    await world.change(key, status=doing, before="FAILED", undoTime=at, cfnStackId=STACK)
    item = await world.until_ended(key)
    assert item["status"] == status
    assert (world.stacks.rolled_back, world.stacks.removed) == acts
    await world.store.close()


async def test_undoing__that_is_refused_leaves_the_deployment_what_it_was(tmp_path: Path) -> None:
    world = await slow_world(tmp_path, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    key = await world.deploy()
    await world.until_ended(key)

    async def protected(_stack: str) -> None:
        raise Conflict("STACK_PROTECTED", "The stack is protected.")

    world.stacks.remove = protected
    at = int(world.clock.now().timestamp() * 1000)
    await world.change(key, status="REMOVING", before="SUCCESS", undoTime=at, cfnStackId=STACK)
    item = await world.until_ended(key)
    assert (item["status"], item["statusReason"]) == (
        "SUCCESS",
        "STACK_PROTECTED: The stack is protected.",
    )
    await world.store.close()


async def test_events__are_all_kept_and_told_once_though_many_come_at_once(
    tmp_path: Path,
) -> None:
    world = await slow_world(tmp_path, "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE")
    key = await world.deploy()
    await world.worker.run_due()
    for _ in range(1_200):
        world.stacks._tell("UPDATE_IN_PROGRESS", "")
    item = await world.until_ended(key)
    found, cursor = [], None
    while True:
        page = await world.store.begin().query(DEPLOYMENT_EVENTS, key[0], limit=500, cursor=cursor)
        found += [row.item for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            break
    assert [each["number"] for each in found] == list(range(1, item["eventsTold"] + 1))
    assert len({each["eventId"] for each in found}) == len(found) > 1_200
    assert len(item["stackEvents"]) == 100
    await world.store.close()
