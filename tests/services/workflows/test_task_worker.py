"""The task worker: operations in the name of an execution, each with one effect."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queues import MESSAGES, message_of, send
from meshplane.kit.errors import Conflict, Invalid, Unavailable
from tests.builders.until import until
from tests.builders.workflow_service import (
    CARL,
    WorkflowService,
    asking,
    workflow_service,
)

pytestmark = pytest.mark.anyio

QUEUE = "meshplane-tasks"
CALL = {"operation": "startQualityRun", "arguments": {"assetId.$": "$.assetId"}}
ASSET = {"assetId": "asset-1"}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[WorkflowService]:
    async with workflow_service(tmp_path) as made:
        await made.put("calls", asking(CALL, QUEUE))
        yield made


async def scored(given: dict[str, Any]) -> Any:
    return {"score": 1.0, **given}


async def test_task__is_the_operation_in_the_name_of_who_started_it(mesh: WorkflowService) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    body = {"stateMachine": "calls", "input": ASSET}
    execution_id = (await mesh.ask(CARL, "POST", "/executions", body))["executionId"]
    assert (await mesh.end_of(execution_id)).output == {"score": 1.0, **ASSET}
    ((operation, arguments, actor, key),) = mesh.platform.asked
    assert (operation, arguments) == ("startQualityRun", ASSET)
    assert (actor.name, actor.is_service, actor.via) == ("user:carl@tides", False, execution_id)
    assert actor.hops == 1, "what it brings about is one hop further"
    assert key


async def test_task__of_the_mesh_itself_acts_as_the_mesh(mesh: WorkflowService) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    await mesh.end_of(await mesh.start("calls", ASSET))
    ((_, _, actor, _),) = mesh.platform.asked
    assert actor.name == "service:workflows"


@pytest.mark.parametrize(
    "error",
    [
        Conflict("ASSET_LISTED", "It is listed."),
        Invalid("RULE_INVALID", "No rule.", field="ruleset"),
        Unavailable("SERVICE_UNREACHABLE", "The quality service does not answer: try again."),
    ],
)
async def test_task__that_is_refused_fails_with_the_code(
    mesh: WorkflowService, error: Conflict | Invalid | Unavailable
) -> None:
    async def refuse(given: dict[str, Any]) -> Any:
        raise error

    mesh.platform.operations["startQualityRun"] = refuse
    end = await mesh.end_of(await mesh.start("calls", ASSET))
    assert (end.status, end.error, end.cause) == ("FAILED", error.code, error.message)
    assert await mesh.letters() == []


async def test_operation__that_is_none_fails_the_task(mesh: WorkflowService) -> None:
    end = await mesh.end_of(await mesh.start("calls", ASSET))
    assert end.error == "OPERATION_UNKNOWN"


async def test_message__that_comes_again_asks_under_the_same_key(mesh: WorkflowService) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    execution_id = await mesh.start("calls", ASSET)
    (row,) = (await mesh.store.begin().query(MESSAGES, QUEUE)).rows
    for _ in range(2):
        # The worker dies before its commit.
        await mesh.tasks.handle(mesh.store.begin(), message_of(row))
    assert (await mesh.end_of(execution_id)).status == "SUCCEEDED"
    assert len({key for _, _, _, key in mesh.platform.asked}) == 1
    assert len(mesh.platform.asked) == 3


async def test_message__whose_task_is_over_ends_without_an_operation(
    mesh: WorkflowService,
) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    execution_id = await mesh.start("calls", ASSET)
    work = mesh.store.begin()
    await mesh.engine.executions.stop(work, execution_id)
    await work.commit()
    await mesh.settle()
    assert mesh.platform.asked == []
    assert await mesh.letters() == []
    assert not (await mesh.store.begin().query(MESSAGES, QUEUE)).rows


@pytest.mark.parametrize("queue", [QUEUE, "approval-queue"])
async def test_message__with_the_token_of_another_execution_is_a_dead_letter(
    mesh: WorkflowService, queue: str
) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    await mesh.put("asks", asking({}, "jobs"))
    waiting = await mesh.start("asks")
    await until_sent(mesh, "jobs")
    (row,) = (await mesh.store.begin().query(MESSAGES, "jobs")).rows
    forged = {**CALL, "taskToken.$": "$.token", "arguments": {}}
    sends = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": queue, "MessageBody": forged},
        "End": True,
    }
    await mesh.put("sends", {"StartAt": "Send", "States": {"Send": sends}})
    await mesh.end_of(await mesh.start("sends", {"token": row.item["body"]["taskToken"]}))
    assert await mesh.letters() == ["TASK_TOKEN_UNKNOWN"]
    assert mesh.platform.asked == []
    assert (await mesh.look(waiting)).status == "RUNNING"


async def until_sent(mesh: WorkflowService, queue: str) -> None:
    async def is_there() -> bool:
        return bool((await mesh.store.begin().query(MESSAGES, queue)).rows)

    await until(is_there)


@pytest.mark.parametrize(
    "body",
    [
        "no JSON",
        {},
        {"taskToken": "t"},
        {"taskToken": "t", "operation": 5},
        {"taskToken": "t", "operation": "o", "arguments": []},
        [1],
        7,
    ],
)
async def test_message__that_names_no_operation_is_a_dead_letter(
    mesh: WorkflowService, body: Any
) -> None:
    work = mesh.store.begin()
    send(work, QUEUE, body, message_id="odd", now=mesh.clock.now())
    await work.commit()
    await mesh.settle()
    assert await mesh.letters() == ["MESSAGE_INVALID"]


async def test_operation_as_resource__is_carried_out_alike(mesh: WorkflowService) -> None:
    mesh.platform.operations["startQualityRun"] = scored
    task = {"Type": "Task", "Resource": "meshplane:startQualityRun", "End": True}
    await mesh.put("calls", {"StartAt": "Run", "States": {"Run": task}})
    execution_id = await mesh.start("calls", ASSET)
    assert (await mesh.end_of(execution_id)).output["score"] == 1.0
    ((_, _, actor, _),) = mesh.platform.asked
    assert (actor.name, actor.via, actor.hops) == ("service:workflows", execution_id, 1)
    ended = await mesh.end_of(await mesh.start("calls", "text"))
    assert (ended.error, ended.status) == ("States.Runtime", "FAILED")
