"""Tasks, approvals and starts on Step Functions: in whose name, how often, and what is left."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Invalid, Missing, TooLarge
from meshplane.platform.aws.calls import Aws
from meshplane.services.workflows.approval_store import APPROVAL_STEPS
from meshplane.workflows.aws_inbox import own_token
from meshplane.workflows.aws_tables import AWS_TASK_TOKENS
from meshplane.workflows.queue_names import APPROVALS, TASKS
from meshplane.workflows.run_as import WORKFLOWS_SERVICE, RunAs
from tests.builders.aws_workflows import ADA, AwsWorld, aws_in_sandbox, aws_world
from tests.builders.until import until

WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"
EVE = RunAs("eve@maps")
_numbers = count(1)


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_sandbox(prefix="one-") as made:
        yield made


@pytest.fixture
async def mesh(aws: Aws, tmp_path: Path) -> AsyncIterator[AwsWorld]:
    async with aws_world(aws, tmp_path) as made:
        yield made


def task(operation: str, **more: Any) -> dict[str, Any]:
    state = {"Type": "Task", "Resource": f"meshplane:{operation}", "End": True, **more}
    return {"StartAt": "T", "States": {"T": state}}


def approval(**more: Any) -> dict[str, Any]:
    body = {"taskToken.$": "$$.Task.Token", "title": "May it?", "steps": [{"stepName": "one"}]}
    state = {
        "Type": "Task",
        "Resource": WAIT,
        "Parameters": {"QueueUrl": APPROVALS, "MessageBody": body},
        "TimeoutSeconds": 60,
        "End": True,
        **more,
    }
    return {"StartAt": "T", "States": {"T": state}}


async def put(mesh: AwsWorld, definition: dict[str, Any]) -> str:
    name = f"machine-{next(_numbers)}"
    await mesh.machines.put(name, definition)
    return name


async def the_approval(mesh: AwsWorld) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    async def look() -> bool:
        page = await mesh.store.begin().query(APPROVAL_STEPS, "open", index="byOpen")
        found[:] = [row.item for row in page.rows]
        return bool(found)

    await until(look)
    return found[0]


async def test_operation__is_done_in_the_name_of_whoever_started_it(mesh: AwsWorld) -> None:
    mesh.platform.operations["do"] = _nothing
    name = await put(mesh, task("do", Parameters={"a": 1}))
    await mesh.start(name, name="one", run_as=EVE)
    assert (await mesh.end_of(name, "one")).status == "SUCCEEDED"
    ((operation, arguments, actor, _),) = mesh.platform.asked
    assert (operation, arguments) == ("do", {"a": 1})
    assert (actor.name, actor.via, actor.hops) == ("user:eve@maps", f"{name}:one", 1)


async def test_execution_that_the_mesh_did_not_start__has_nothing_done_for_it(
    mesh: AwsWorld,
) -> None:
    mesh.platform.operations["do"] = _nothing
    name = await put(mesh, task("do", TimeoutSeconds=2))
    await mesh.executions.start(name, {}, name="beside")
    assert (await mesh.end_of(name, "beside")).error == "States.Timeout"
    assert mesh.platform.asked == []


async def test_execution_of_the_products_own_machine_that_a_rule_started__acts_as_the_mesh(
    mesh: AwsWorld,
) -> None:
    arn = mesh.places.execution_arn("promotion", "of-eventbridge")
    started = await mesh.ledger.by_arn(arn)
    assert started is not None
    assert started.run_as == WORKFLOWS_SERVICE
    assert await mesh.ledger.by_arn(arn.replace("promotion", "of-somebody")) is None
    assert await mesh.ledger.by_arn(arn.replace("111122223333", "444455556666")) is None


async def test_long_operation__shows_that_it_is_still_at_work(mesh: AwsWorld) -> None:
    async def slow(given: dict[str, Any]) -> Any:
        await asyncio.sleep(2.5)
        return {"done": True}

    mesh.platform.operations["slow"] = slow
    name = await put(mesh, task("slow", TimeoutSeconds=30, HeartbeatSeconds=1))
    await mesh.start(name, name="one")
    end = await mesh.end_of(name, "one")
    assert (end.status, end.output) == ("SUCCEEDED", {"done": True})


async def test_answer_for_a_task_that_is_over__is_dropped(mesh: AwsWorld) -> None:
    async def late(given: dict[str, Any]) -> Any:
        await asyncio.sleep(2)

    mesh.platform.operations["late"] = late
    name = await put(mesh, task("late", TimeoutSeconds=1))
    await mesh.start(name, name="one")
    assert (await mesh.end_of(name, "one")).error == "States.Timeout"
    await asyncio.sleep(1.5)
    assert await mesh.received(mesh.places.queue_urls[TASKS]) == []
    assert not await mesh.tokens.succeed("no-token-of-anybody", {})
    assert not await mesh.tokens.fail("no-token-of-anybody", "E", "C")


async def test_answer_too_large__fails_the_task(mesh: AwsWorld) -> None:
    async def large(given: dict[str, Any]) -> Any:
        return "x" * 300_000

    mesh.platform.operations["large"] = large
    name = await put(mesh, task("large"))
    await mesh.start(name, name="one")
    assert (await mesh.end_of(name, "one")).error == "OUTPUT_TOO_LARGE"


async def test_message_that_nobody_can_carry_out__ends_in_the_dead_letter_queue(
    mesh: AwsWorld,
) -> None:
    async def broken(given: dict[str, Any]) -> Any:
        raise RuntimeError("a fault of the mesh's own")

    mesh.platform.operations["broken"] = broken
    name = await put(mesh, task("broken", TimeoutSeconds=30))
    # Nobody else reads while this one gives up.
    await mesh.close_readers()
    await mesh.start(name, name="one")
    reader = mesh.reader(TASKS, mesh.task_worker.handle, visibility_seconds=0)

    async def is_dead() -> bool:
        await reader.run_due()
        return bool(await mesh.received(mesh.dead_letter_url))

    await until(is_dead)
    assert len(mesh.platform.asked) == 5
    await mesh.executions.stop(name, "one")


async def test_approval__is_asked_once_and_its_answer_goes_on_with_the_workflow(
    mesh: AwsWorld,
) -> None:
    name = await put(mesh, approval())
    await mesh.start(name, name="one", run_as=EVE)
    step = await the_approval(mesh)
    # Nobody sees a token of Step Functions, and who asks is whoever started it.
    assert step["taskToken"].startswith(f"{name}:one:")
    assert step["requestedBy"] == "user:eve@maps"
    work = mesh.store.begin()
    assert await mesh.answers.is_waiting(work, step["taskToken"])
    await mesh.answers.succeed(work, step["taskToken"], {"approved": True})
    assert (await mesh.look(name, "one")).status == "RUNNING"  # type: ignore[union-attr]
    await work.commit()
    end = await mesh.end_of(name, "one")
    assert (end.status, end.output) == ("SUCCEEDED", {"approved": True})


async def test_rejection__is_the_error_that_the_workflow_catches(mesh: AwsWorld) -> None:
    caught = [{"ErrorEquals": ["APPROVAL_REJECTED"], "ResultPath": "$.no", "Next": "N"}]
    definition = approval(Catch=caught)
    definition["States"]["N"] = {"Type": "Pass", "End": True}
    name = await put(mesh, definition)
    await mesh.start(name, name="one")
    step = await the_approval(mesh)
    work = mesh.store.begin()
    await mesh.answers.fail(work, step["taskToken"], "APPROVAL_REJECTED", "No.")
    await work.commit()
    end = await mesh.end_of(name, "one")
    assert end.output["no"]["Error"] == "APPROVAL_REJECTED"


async def test_token__is_answered_once(mesh: AwsWorld) -> None:
    name = await put(mesh, approval())
    await mesh.start(name, name="one")
    token = (await the_approval(mesh))["taskToken"]
    first, second = mesh.store.begin(), mesh.store.begin()
    await mesh.answers.succeed(first, token, {"n": 1})
    await mesh.answers.succeed(second, token, {"n": 2})
    await first.commit()
    with pytest.raises(Exception, match="another"):
        await second.commit()
    with pytest.raises(Conflict) as used:
        await mesh.answers.fail(mesh.store.begin(), token, "E", "C")
    assert used.value.code == "TASK_TOKEN_USED"
    assert not await mesh.answers.is_waiting(mesh.store.begin(), token)
    with pytest.raises(Missing):
        await mesh.answers.succeed(mesh.store.begin(), f"{name}:one:{'0' * 32}", {})
    assert (await mesh.end_of(name, "one")).output == {"n": 1}


async def test_answer_after_the_time_for_it__is_dropped_and_noted(mesh: AwsWorld) -> None:
    name = await put(mesh, approval(TimeoutSeconds=2))
    await mesh.start(name, name="one")
    token = (await the_approval(mesh))["taskToken"]
    assert (await mesh.end_of(name, "one")).error == "States.Timeout"
    work = mesh.store.begin()
    await mesh.answers.succeed(work, token, {})
    await work.commit()

    async def is_gone() -> bool:
        row = await mesh.store.begin().get(AWS_TASK_TOKENS, token)
        return row is not None and row.item["state"] == "GONE"

    await until(is_gone)


async def test_message_that_sqs_delivers_twice__asks_for_one_approval(mesh: AwsWorld) -> None:
    name = await put(mesh, task("never"))
    await mesh.start(name, name="one")
    body = {
        "taskToken": "the-token",
        "title": "May it?",
        "execution": {
            "id": mesh.places.execution_arn(name, "one"),
            "state": "T",
            "enteredAt": "2026-11-01T00:00:00Z",
        },
    }
    for _ in range(2):
        await mesh.aws.call(
            "sqs",
            "send_message",
            QueueUrl=mesh.places.queue_urls[APPROVALS],
            MessageBody=json.dumps(body),
        )
    step = await the_approval(mesh)
    assert step["taskToken"] == own_token(f"{name}:one", "the-token")
    await asyncio.sleep(0.5)
    page = await mesh.store.begin().query(APPROVAL_STEPS, "open", index="byOpen")
    assert len(page.rows) == 1


async def test_start__is_refused_before_it_is_noted(mesh: AwsWorld) -> None:
    work = mesh.store.begin()
    with pytest.raises(Invalid):
        await mesh.commands.start(work, "m", {}, run_as=ADA, name="not a name")
    with pytest.raises(TooLarge):
        await mesh.commands.start(work, "m", "x" * 300_000, run_as=ADA, name="n")


async def test_machine__is_written_when_it_differs_and_drift_tells_how(mesh: AwsWorld) -> None:
    definition = task("do")
    name = await put(mesh, definition)
    assert not (await mesh.machines.put(name, definition)).changed
    other = task("other")
    assert await mesh.machines.drift({name: definition}, built_in=False) == {}
    assert await mesh.machines.drift({name: other}, built_in=False) == {name: "definition"}
    assert await mesh.machines.drift({name: definition}, built_in=True) == {name: "role"}
    assert await mesh.machines.drift({"nowhere": definition}) == {"nowhere": "missing"}
    second = await mesh.machines.put(name, other)
    assert second.changed
    assert str(second.version_arn).endswith(f":one-{name}:2")
    assert name in await mesh.machines.listed()
    with pytest.raises(Invalid) as refused:
        await mesh.machines.put(name, {"StartAt": "A", "States": {}})
    assert refused.value.code == "DEFINITION_INVALID"


async def test_executions__are_listed_by_state_the_newest_first(mesh: AwsWorld) -> None:
    name = await put(mesh, {"StartAt": "A", "States": {"A": {"Type": "Succeed"}}})
    for number in range(3):
        await mesh.start(name, {"n": number}, name=f"run-{number}")
        await mesh.end_of(name, f"run-{number}")
    page = await mesh.executions.listed(name, status="SUCCEEDED", limit=2)
    assert [one.name for one in page.executions] == ["run-2", "run-1"]
    rest = await mesh.executions.listed(name, status="SUCCEEDED", limit=2, cursor=page.cursor)
    assert ([one.name for one in rest.executions], rest.cursor) == (["run-0"], None)
    assert (await mesh.executions.listed(name, status="FAILED")).executions == []
    with pytest.raises(Missing):
        await mesh.executions.listed("nowhere")
    with pytest.raises(Missing):
        await mesh.executions.history(name, "nobody")


async def _nothing(given: dict[str, Any]) -> Any:
    return None
