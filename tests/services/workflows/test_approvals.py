"""Approvals: who sees a step, who decides it, and what the workflow learns."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.workflows.run_as import RunAs
from tests.builders.workflow_service import (
    ADA,
    CARL,
    DORA,
    HARBOUR,
    SAM,
    TIDES,
    UNA,
    WorkflowService,
    asking,
    workflow_service,
)

pytestmark = pytest.mark.anyio

EVE, FAY = Actor("eve@office"), Actor("fay@office", frozenset({"night-shift"}))
YES = {"comment": "Looks right."}
STEWARD = {"stepName": "look", "approverRole": "steward"}


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[WorkflowService]:
    async with workflow_service(tmp_path) as made:
        yield made


async def asked(mesh: WorkflowService, *steps: dict[str, Any], **more: Any) -> tuple[str, str]:
    """The ids of an execution that waits for these steps, and of its approval."""
    body = {
        "title": "Publish readings",
        "requestedBy": "user:carl@tides",
        "domainId": HARBOUR,
        "steps": list(steps or [STEWARD]),
        **more,
    }
    await mesh.put("asks", asking(body))
    execution_id = await mesh.start("asks")
    return execution_id, await mesh.approval()


async def inbox(mesh: WorkflowService, actor: Actor) -> list[str]:
    page = await mesh.ask(actor, "GET", "/approvals")
    return [step["stepName"] for step in page["items"]]


async def decide(
    mesh: WorkflowService, actor: Actor, workflow_id: str, how: str = "approve"
) -> tuple[int, str]:
    return await mesh.refusal(actor, "POST", f"/approvals/{workflow_id}/{how}", YES)


async def test_inbox__shows_each_what_he_may_decide_and_nobody_the_token(
    mesh: WorkflowService,
) -> None:
    await asked(mesh)
    found = {actor: await inbox(mesh, actor) for actor in (SAM, DORA, CARL, ADA, UNA)}
    assert found == {SAM: ["look"], DORA: ["look"], CARL: [], ADA: [], UNA: []}
    shown = (await mesh.answer(SAM, "GET", "/approvals", None)).text
    (row,) = await mesh.steps()
    assert row["taskToken"] not in shown
    assert "oken" not in shown


async def test_step__its_row_has_the_keys_and_attributes_of_the_table(
    mesh: WorkflowService,
) -> None:
    _, workflow_id = await asked(mesh, {**STEWARD, "deadlineSeconds": 3600})
    (before,) = await mesh.steps()
    assert (before["workflowId"], before["stepNumber"], before["stepName"]) == (
        workflow_id,
        1,
        "look",
    )
    assert (before["status"], before["escalationRequired"]) == ("IN_PROGRESS", False)
    assert before["approvalDeadline"] == "2024-05-01T13:00:00.000000Z"
    assert not before.keys() & {"approver", "approvalComment"}, "nobody has decided yet"
    view = await mesh.ask(SAM, "POST", f"/approvals/{workflow_id}/approve", YES)
    assert (view["status"], view["steps"][0]["approver"], view["steps"][0]["approvalComment"]) == (
        "APPROVED",
        "user:sam@harbour",
        "Looks right.",
    )


async def test_approval__the_workflow_goes_on_with_who_said_yes(mesh: WorkflowService) -> None:
    execution_id, workflow_id = await asked(mesh)
    await mesh.ask(SAM, "POST", f"/approvals/{workflow_id}/approve", YES)
    end = await mesh.end_of(execution_id)
    assert end.output == {
        "approved": True,
        "workflowId": workflow_id,
        "approvedBy": "user:sam@harbour",
        "comment": "Looks right.",
    }
    assert await inbox(mesh, SAM) == []
    (told,) = await mesh.events("ApprovalDecided")
    assert (told["status"], told["decidedBy"]) == ("APPROVED", "user:sam@harbour")


@pytest.mark.parametrize(
    ("comment", "cause"),
    [("Too early.", "Too early."), (None, "It was rejected without a comment.")],
)
async def test_rejection__the_task_fails_with_its_reason(
    mesh: WorkflowService, comment: str | None, cause: str
) -> None:
    execution_id, workflow_id = await asked(mesh)
    await mesh.ask(DORA, "POST", f"/approvals/{workflow_id}/reject", {"comment": comment})
    end = await mesh.end_of(execution_id)
    assert (end.status, end.error, end.cause) == ("FAILED", "APPROVAL_REJECTED", cause)


async def test_requester__sees_it_and_cannot_decide_it_even_as_a_steward(
    mesh: WorkflowService,
) -> None:
    _, workflow_id = await asked(mesh, requestedBy="user:sam@harbour")
    assert await inbox(mesh, SAM) == []
    assert (await mesh.ask(SAM, "GET", f"/approvals/{workflow_id}"))["status"] == "IN_PROGRESS"
    for how in ("approve", "reject"):
        assert await decide(mesh, SAM, workflow_id, how) == (403, "SELF_APPROVAL")
    assert await inbox(mesh, DORA) == ["look"]


async def test_outsiders__do_not_learn_that_it_exists(mesh: WorkflowService) -> None:
    _, workflow_id = await asked(mesh)
    hidden = await mesh.answer(UNA, "POST", f"/approvals/{workflow_id}/approve", YES)
    random = await mesh.answer(UNA, "POST", "/approvals/workflow-nowhere/approve", YES)
    assert hidden.status_code == 404
    assert hidden.content == random.content
    assert await decide(mesh, ADA, workflow_id) == (403, "FORBIDDEN")


async def test_steps__follow_one_another_and_no_two_are_decided_by_one_person(
    mesh: WorkflowService,
) -> None:
    execution_id, workflow_id = await asked(
        mesh, STEWARD, {"stepName": "sign", "approverRole": "steward"}
    )
    assert [step["status"] for step in await mesh.steps()] == ["IN_PROGRESS", "PENDING"]
    view = await mesh.ask(SAM, "POST", f"/approvals/{workflow_id}/approve", YES)
    assert view["status"] == "IN_PROGRESS"
    assert [step["status"] for step in view["steps"]] == ["APPROVED", "IN_PROGRESS"]
    assert (await mesh.look(execution_id)).status == "RUNNING"
    assert await decide(mesh, SAM, workflow_id) == (403, "SAME_APPROVER")
    await mesh.ask(DORA, "POST", f"/approvals/{workflow_id}/approve", YES)
    assert (await mesh.end_of(execution_id)).output["approvedBy"] == "user:dora@harbour"


async def test_steps__a_no_to_the_second_ends_it(mesh: WorkflowService) -> None:
    execution_id, workflow_id = await asked(mesh, STEWARD, {**STEWARD, "stepName": "sign"})
    await mesh.ask(SAM, "POST", f"/approvals/{workflow_id}/approve", YES)
    view = await mesh.ask(DORA, "POST", f"/approvals/{workflow_id}/reject", YES)
    assert [step["status"] for step in view["steps"]] == ["APPROVED", "REJECTED"]
    assert (await mesh.end_of(execution_id)).error == "APPROVAL_REJECTED"


async def test_approvers__named_ones_and_their_groups_decide_and_no_steward(
    mesh: WorkflowService,
) -> None:
    step = {"stepName": "look", "approvers": ["user:eve@office", "group:night-shift"]}
    execution_id, workflow_id = await asked(mesh, step)
    found = {actor: await inbox(mesh, actor) for actor in (EVE, FAY, SAM, ADA)}
    assert found == {EVE: ["look"], FAY: ["look"], SAM: [], ADA: []}
    assert await decide(mesh, SAM, workflow_id) == (404, "APPROVAL_NOT_FOUND")
    await mesh.ask(FAY, "POST", f"/approvals/{workflow_id}/approve", YES)
    assert (await mesh.end_of(execution_id)).status == "SUCCEEDED"


async def test_deadline__escalates_and_then_expires(mesh: WorkflowService) -> None:
    step = {**STEWARD, "deadlineSeconds": 3600, "escalateTo": ["user:eve@office"]}
    execution_id, workflow_id = await asked(mesh, step)
    mesh.clock.advance(3599)
    await mesh.settle()
    assert await inbox(mesh, EVE) == []
    mesh.clock.advance(1)
    await mesh.settle()
    (row,) = await mesh.steps()
    assert (row["escalationRequired"], row["status"]) == (True, "IN_PROGRESS")
    assert row["approvalDeadline"] == "2024-05-01T14:00:00.000000Z"
    assert (await inbox(mesh, EVE), await inbox(mesh, SAM)) == (["look"], ["look"])
    assert len(await mesh.events("ApprovalEscalated")) == 1
    mesh.clock.advance(3600)
    end = await mesh.end_of(execution_id)
    assert (end.status, end.error) == ("FAILED", "APPROVAL_EXPIRED")
    assert (await inbox(mesh, EVE), await inbox(mesh, SAM)) == ([], [])
    assert await decide(mesh, SAM, workflow_id) == (409, "ALREADY_DECIDED")


async def test_deadline__who_was_escalated_to_may_still_decide(mesh: WorkflowService) -> None:
    step = {**STEWARD, "deadlineSeconds": 60, "escalateTo": ["group:night-shift"]}
    execution_id, workflow_id = await asked(mesh, step)
    mesh.clock.advance(60)
    await mesh.settle()
    await mesh.ask(FAY, "POST", f"/approvals/{workflow_id}/approve", YES)
    assert (await mesh.end_of(execution_id)).output["approvedBy"] == "user:fay@office"
    mesh.clock.advance(60)
    await mesh.settle()
    assert await mesh.letters() == []


async def test_deadline__of_a_decided_step_does_nothing(mesh: WorkflowService) -> None:
    execution_id, workflow_id = await asked(mesh, {**STEWARD, "deadlineSeconds": 60})
    await mesh.ask(SAM, "POST", f"/approvals/{workflow_id}/approve", YES)
    mesh.clock.advance(120)
    assert (await mesh.end_of(execution_id)).status == "SUCCEEDED"
    view = await mesh.ask(SAM, "GET", f"/approvals/{workflow_id}")
    assert view["status"] == "APPROVED"


async def test_two_at_once__one_wins_and_the_other_learns_it(mesh: WorkflowService) -> None:
    for _ in range(10):
        execution_id, workflow_id = await asked(mesh)
        answers = await asyncio.gather(
            mesh.answer(SAM, "POST", f"/approvals/{workflow_id}/approve", YES),
            mesh.answer(DORA, "POST", f"/approvals/{workflow_id}/reject", YES),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        (lost,) = [answer.json() for answer in answers if answer.status_code == 409]
        assert lost["code"] == "ALREADY_DECIDED"
        won = "SUCCEEDED" if answers[0].status_code == 200 else "FAILED"
        assert (await mesh.end_of(execution_id)).status == won


async def test_decision__after_the_workflow_was_stopped_is_refused(mesh: WorkflowService) -> None:
    execution_id, workflow_id = await asked(mesh)
    await mesh.ask(ADA, "POST", f"/executions/{execution_id}/stop", {})
    assert await inbox(mesh, SAM) == []
    assert await decide(mesh, SAM, workflow_id) == (409, "APPROVAL_CLOSED")
    assert await decide(mesh, SAM, workflow_id, "reject") == (409, "APPROVAL_CLOSED")
    assert (await mesh.look(execution_id)).status == "ABORTED"


async def test_decision__after_the_tasks_own_timeout_is_refused(mesh: WorkflowService) -> None:
    await mesh.put("asks", asking({"steps": [STEWARD], "domainId": HARBOUR}, TimeoutSeconds=60))
    execution_id = await mesh.start("asks")
    workflow_id = await mesh.approval()
    mesh.clock.advance(61)
    assert (await mesh.end_of(execution_id)).error == "States.Timeout"
    assert await decide(mesh, SAM, workflow_id) == (409, "APPROVAL_CLOSED")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": [{"stepName": ""}]},
        {"steps": [{"stepName": "look", "approverRole": "king"}]},
        {"steps": [{"stepName": "look", "deadlineSeconds": 0}]},
        {"steps": [{"stepName": "look", "approvers": ["nobody"]}]},
        {"steps": [{"surplus": 1, "stepName": "look"}]},
        {"steps": "look"},
        {"steps": [STEWARD] * 21},
        {"title": 7},
    ],
)
async def test_message__that_cannot_be_understood_fails_its_task(
    mesh: WorkflowService, wrong: dict[str, Any]
) -> None:
    await mesh.put("asks", asking(wrong))
    end = await mesh.end_of(await mesh.start("asks"))
    assert (end.status, end.error) == ("FAILED", "APPROVAL_INVALID")
    assert await mesh.steps() == []
    assert await mesh.letters() == []


@pytest.mark.parametrize("body", ["no JSON", "[1]", "{}", '{"taskToken": 5}', '"text"'])
async def test_message__that_names_no_token_is_a_dead_letter(
    mesh: WorkflowService, body: str
) -> None:
    sends = {
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": "approval-queue", "MessageBody": body},
        "End": True,
    }
    await mesh.put("sends", {"StartAt": "Send", "States": {"Send": sends}})
    await mesh.end_of(await mesh.start("sends"))
    assert await mesh.letters() == ["APPROVAL_INVALID"]


async def test_message__as_the_printed_promotion_writes_it(mesh: WorkflowService) -> None:
    body = {"projectId.$": "$.projectId", "message": "Ready to promote to production?"}
    definition = asking(body, "arn:aws:sqs:us-east-1:123456789012:approval-queue")
    message = definition["States"]["Ask"]["Parameters"]["MessageBody"]
    message["approvalToken.$"] = message.pop("taskToken.$")
    await mesh.put("asks", definition)
    execution_id = await mesh.start("asks", {"projectId": TIDES})
    workflow_id = await mesh.approval()
    olga = Actor("olga@tides")
    assert await inbox(mesh, olga) == ["approval"]
    assert await inbox(mesh, ADA) == ["approval"]
    view = await mesh.ask(olga, "POST", f"/approvals/{workflow_id}/approve", {})
    assert view["steps"][0]["message"] == "Ready to promote to production?"
    assert (await mesh.end_of(execution_id)).output["comment"] == ""


async def test_requester__of_ones_own_workflow_is_oneself_whatever_the_message_says(
    mesh: WorkflowService,
) -> None:
    body = {"requestedBy": "user:una@nowhere", "domainId": HARBOUR, "steps": [STEWARD]}
    await mesh.put("asks", asking(body))
    await mesh.start("asks", run_as=RunAs.of(SAM))
    workflow_id = await mesh.approval()
    assert await decide(mesh, SAM, workflow_id) == (403, "SELF_APPROVAL")
    view = await mesh.ask(SAM, "GET", f"/approvals/{workflow_id}")
    assert view["steps"][0]["requestedBy"] == "user:sam@harbour"


async def test_requester__finds_no_token_to_answer_in_his_stead(mesh: WorkflowService) -> None:
    await mesh.put("asks", asking({"domainId": HARBOUR, "steps": [STEWARD]}))
    execution_id = await mesh.start("asks", run_as=RunAs.of(CARL))
    await mesh.approval()
    (row,) = await mesh.steps()
    token = row["taskToken"]
    for part in ("", "/history", "/diagram"):
        shown = await mesh.answer(CARL, "GET", f"/executions/{execution_id}{part}", None)
        assert shown.status_code == 200
        assert token not in shown.text
    for how, said in (("success", {"output": {"approved": True}}), ("failure", {})):
        told = {"taskToken": token, **said}
        answer = await mesh.refusal(CARL, "POST", f"/executions/tasks/{how}", told)
        assert answer == (404, "TASK_TOKEN_UNKNOWN")
    assert (await mesh.look(execution_id)).status == "RUNNING"


async def test_task_that_is_tried_again__asks_anew(mesh: WorkflowService) -> None:
    again = [{"ErrorEquals": ["APPROVAL_REJECTED"], "MaxAttempts": 1, "IntervalSeconds": 1}]
    body = {"domainId": HARBOUR, "steps": [STEWARD]}
    await mesh.put("asks", asking(body, Retry=again))
    execution_id = await mesh.start("asks")
    first = await mesh.approval()
    await mesh.ask(SAM, "POST", f"/approvals/{first}/reject", YES)
    await mesh.settle()
    mesh.clock.advance(5)
    assert (await mesh.look(execution_id)).status == "RUNNING"
    second = await mesh.approval()
    assert second != first
    await mesh.ask(SAM, "POST", f"/approvals/{second}/approve", YES)
    assert (await mesh.end_of(execution_id)).status == "SUCCEEDED"
