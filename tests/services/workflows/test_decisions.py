"""The decision on a subscription and the workflow that waits for it, in whatever order."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.platform.events import NewEvent, StoredEvent
from meshplane.services.workflows.decisions import DECISIONS
from tests.builders.until import until
from tests.builders.workflow_service import (
    CARL,
    WorkflowService,
    asking,
    workflow_service,
)

pytestmark = pytest.mark.anyio

QUEUE = "subscription-decisions"


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[WorkflowService]:
    async with workflow_service(tmp_path) as made:
        await made.put("waits", asking({"requestId.$": "$.requestId"}, QUEUE))
        yield made


async def decided(mesh: WorkflowService, request_id: str, *, approved: bool = True) -> StoredEvent:
    """The event of a decision, as it lies in the outbox."""
    word = "approved" if approved else "rejected"
    detail = {
        "requestId": request_id,
        f"{word}By": "user:sam@harbour",
        f"{word}At": "2024-05-01T12:00:00.000000Z",
    }
    work = mesh.store.begin()
    kind = f"Subscription{word.capitalize()}"
    work.emit(NewEvent(kind, "management-app.subscriptions", request_id, detail))
    await work.commit()
    return (await mesh.store.events_after(0, 1000))[-1]


async def hear(mesh: WorkflowService, event: StoredEvent) -> None:
    """Hands an event to the consumer, as the relay does."""
    work = mesh.store.begin()
    await mesh.decisions.on_decision(work, event)
    await work.commit()


@pytest.mark.parametrize("approved", [True, False])
async def test_wait_first__is_answered_by_the_decision(
    mesh: WorkflowService, approved: bool
) -> None:
    execution_id = await mesh.start("waits", {"requestId": "sub-1"})
    assert (await mesh.look(execution_id)).status == "RUNNING"
    await hear(mesh, await decided(mesh, "sub-1", approved=approved))
    assert (await mesh.end_of(execution_id)).output == {
        "approved": approved,
        "decidedBy": "user:sam@harbour",
        "decidedAt": "2024-05-01T12:00:00.000000Z",
    }


async def test_withdrawal__ends_the_wait_as_a_no(mesh: WorkflowService) -> None:
    execution_id = await mesh.start("waits", {"requestId": "sub-1"})
    detail = {
        "requestId": "sub-1",
        "withdrawnBy": "user:otto@maps",
        "withdrawnAt": "2024-05-01T12:00:00.000000Z",
    }
    work = mesh.store.begin()
    work.emit(NewEvent("SubscriptionWithdrawn", "management-app.subscriptions", "sub-1", detail))
    await work.commit()
    await hear(mesh, (await mesh.store.events_after(0, 1000))[-1])
    output = (await mesh.end_of(execution_id)).output
    assert (output["approved"], output["decidedBy"]) == (False, "user:otto@maps")


async def test_decision_first__is_found_by_who_waits(mesh: WorkflowService) -> None:
    await hear(mesh, await decided(mesh, "sub-1"))
    for _ in range(2):
        execution_id = await mesh.start("waits", {"requestId": "sub-1"})
        assert (await mesh.end_of(execution_id)).output["approved"] is True


async def test_decision__of_another_request_wakes_nobody(mesh: WorkflowService) -> None:
    execution_id = await mesh.start("waits", {"requestId": "sub-1"})
    await mesh.settle()
    await hear(mesh, await decided(mesh, "sub-2"))
    assert (await mesh.look(execution_id)).status == "RUNNING"


async def test_both_at_once__neither_misses_the_other(mesh: WorkflowService) -> None:
    mesh.relay.start()
    mesh.worker.start()
    try:
        for number in range(25):
            request_id = f"sub-{number}"
            execution_id, _ = await asyncio.gather(
                mesh.start("waits", {"requestId": request_id}), decided(mesh, request_id)
            )

            async def has_ended(which: str = execution_id) -> bool:
                work = mesh.store.begin()
                # What was parked is tried again when some time has passed.
                mesh.clock.advance(0.1)
                return (await mesh.engine.executions.describe(work, which)).status != "RUNNING"

            await until(has_ended)
            found = await mesh.engine.executions.describe(mesh.store.begin(), execution_id)
            assert found.output["approved"] is True
    finally:
        await mesh.worker.stop()
        await mesh.relay.stop()


async def test_decision__that_comes_twice_answers_once(mesh: WorkflowService) -> None:
    execution_id = await mesh.start("waits", {"requestId": "sub-1"})
    await mesh.settle()
    event = await decided(mesh, "sub-1")
    await hear(mesh, event)
    await hear(mesh, event)
    assert (await mesh.end_of(execution_id)).status == "SUCCEEDED"


async def test_decision__for_a_workflow_that_was_stopped_does_nothing(
    mesh: WorkflowService,
) -> None:
    execution_id = await mesh.start("waits", {"requestId": "sub-1"})
    await mesh.settle()
    work = mesh.store.begin()
    await mesh.engine.executions.stop(work, execution_id)
    await work.commit()
    await hear(mesh, await decided(mesh, "sub-1"))
    assert (await mesh.look(execution_id)).status == "ABORTED"


async def test_decision__is_forgotten_after_a_while(mesh: WorkflowService) -> None:
    await hear(mesh, await decided(mesh, "sub-1"))
    row = await mesh.store.begin().get(DECISIONS, "sub-1")
    assert row is not None
    assert row.item["expires"] == mesh.clock.now().timestamp() + 60 * 86_400


@pytest.mark.parametrize("body", ["no JSON", "{}", "[1]", '{"taskToken": 1, "requestId": 2}'])
async def test_message__that_says_nothing_is_a_dead_letter(
    mesh: WorkflowService, body: str
) -> None:
    sends = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": QUEUE, "MessageBody": body},
        "End": True,
    }
    await mesh.put("sends", {"StartAt": "Send", "States": {"Send": sends}})
    await mesh.end_of(await mesh.start("sends"))
    assert await mesh.letters() == ["MESSAGE_INVALID"]


@pytest.mark.parametrize("queue", [QUEUE, "approval-deadlines", "workflow-starts", "functions"])
async def test_persons_workflow__cannot_send_to_what_the_mesh_alone_sends_to(
    mesh: WorkflowService, queue: str
) -> None:
    await mesh.put("waits", asking({"requestId": "sub-1"}, queue))
    body: dict[str, Any] = {"stateMachine": "waits"}
    started = await mesh.ask(CARL, "POST", "/executions", body)
    end = await mesh.end_of(started["executionId"])
    assert (end.status, end.error) == ("FAILED", "SQS.SqsException")
    assert "reserved" in str(end.cause)
