"""Approvals: the inbox, and the decision of a step.

A decision, the token that it answers, its event and its audit record are one commit. Of two people
who decide at once, the step's version lets one win, and the other learns that it is decided.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.queues import Message, QueueHandler
from meshplane.events.workflows import ApprovalDecided, ApprovalEscalated
from meshplane.kit.errors import Conflict, Missing, Refused
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.workflows.approval_requests import DEADLINES, ApprovalRequests
from meshplane.services.workflows.approval_schemas import (
    ApprovalComment,
    ApprovalQuery,
    ApprovalStepView,
    ApprovalView,
)
from meshplane.services.workflows.approval_store import APPROVAL_STEPS, EVERY_STEP, OPEN
from meshplane.services.workflows.ports import TaskAnswers

_MOST_READ = 1000
_LOOKED_AT_AT_ONCE = 20


class Approvals:
    """The use cases of approvals.

    Args:
        requests: opens the steps that follow.
        tokens: answers the workflow.
    """

    def __init__(self, requests: ApprovalRequests, tokens: TaskAnswers) -> None:
        self._requests = requests
        self._tokens = tokens

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """Where deadlines come due."""
        return (QueueHandler(DEADLINES, self.on_deadline),)

    async def inbox(self, call: Call, query: ApprovalQuery) -> Page[ApprovalStepView]:
        """The open steps that the caller may decide, oldest first."""
        found: list[ApprovalStepView] = []
        cursor, read = query.cursor, 0
        await call.allow(Resource("Mesh", "mesh"))
        while read < _MOST_READ and len(found) < query.limit:
            page = await call.work.query(
                APPROVAL_STEPS, OPEN, index="byOpen", limit=query.limit - len(found), cursor=cursor
            )
            for number, row in enumerate(page.rows):
                if await self._may_decide(call, row.item) and await self._waits(call, row.item):
                    found.append(step_view(row.item))
                if number % _LOOKED_AT_AT_ONCE == 0:
                    # Thousands may wait for others: nobody else's request stands behind them.
                    await asyncio.sleep(0)
            read, cursor = read + len(page.rows), page.cursor
            if cursor is None:
                break
        return Page[ApprovalStepView](items=found, next_cursor=cursor)

    async def get(self, call: Call, workflow_id: str) -> ApprovalView:
        """An approval with all its steps."""
        rows = await self._steps(call, workflow_id)
        current = next((row for row in rows if row.item["status"] == "IN_PROGRESS"), rows[-1])
        await call.allow(_resource(call, current.item), hide=_no_such_approval())
        return view(rows)

    async def approve(self, call: Call, workflow_id: str, body: ApprovalComment) -> ApprovalView:
        """Says yes to the open step; after the last one the workflow goes on.

        Raises:
            Missing: APPROVAL_NOT_FOUND.
            Refused: SELF_APPROVAL, SAME_APPROVER.
            Conflict: ALREADY_DECIDED, APPROVAL_CLOSED.
        """
        rows, row = await self._open_step(call, workflow_id)
        decided = _decide(call, row, "APPROVED", body.comment)
        number = row.item["stepNumber"]
        after = rows[number:]
        if number < row.item["steps"]:
            following = rows[number]
            opened = self._requests.opened(call.work, following.item)
            call.work.put(APPROVAL_STEPS, opened, expected=following.version)
            after = [Row(opened, following.version + 1), *rows[number + 1 :]]
        else:
            output = {
                "approved": True,
                "workflowId": workflow_id,
                "approvedBy": call.actor.name,
                "comment": body.comment or "",
            }
            with _told_as_an_approver():
                await self._tokens.succeed(call.work, row.item["taskToken"], output)
        return view([*rows[: number - 1], Row(decided, row.version + 1), *after])

    async def reject(self, call: Call, workflow_id: str, body: ApprovalComment) -> ApprovalView:
        """Says no: the workflow's task fails with the error APPROVAL_REJECTED.

        Raises:
            Missing, Refused, Conflict: as `approve`.
        """
        rows, row = await self._open_step(call, workflow_id)
        decided = _decide(call, row, "REJECTED", body.comment)
        cause = body.comment or "It was rejected without a comment."
        with _told_as_an_approver():
            await self._tokens.fail(call.work, row.item["taskToken"], "APPROVAL_REJECTED", cause)
        number = row.item["stepNumber"]
        return view([*rows[: number - 1], Row(decided, row.version + 1), *rows[number:]])

    async def on_deadline(self, work: UnitOfWork, message: Message) -> None:
        """Escalates a step whose deadline has passed, or lets its task fail if nobody is left."""
        workflow_id, number = message.body["workflowId"], message.body["stepNumber"]
        row = await work.get(APPROVAL_STEPS, workflow_id, number)
        if row is None or row.item["status"] != "IN_PROGRESS":
            return
        item = row.item
        if item.get("approvalDeadline") != message.body["deadline"]:
            return
        if not await self._tokens.is_waiting(work, item["taskToken"]):
            return
        if item["escalateTo"] and not item["escalationRequired"]:
            escalated = {
                **item,
                "escalationRequired": True,
                "approvers": [*item["approvers"], *item["escalateTo"]],
            }
            self._requests.extend(work, escalated)
            work.put(APPROVAL_STEPS, escalated, expected=row.version)
            work.emit(
                ApprovalEscalated(
                    workflow_id=workflow_id,
                    step_number=number,
                    step_name=item["stepName"],
                    title=item["title"],
                    deadline=escalated["approvalDeadline"],
                ).event()
            )
            return
        closed = {**_closed(item), "status": "REJECTED", "approvalComment": "The deadline passed."}
        work.put(APPROVAL_STEPS, closed, expected=row.version)
        cause = f"Nobody decided {item['stepName']} before {item['approvalDeadline']}."
        await self._tokens.fail(work, item["taskToken"], "APPROVAL_EXPIRED", cause)

    async def _steps(self, call: Call, workflow_id: str) -> list[Row]:
        page = await call.work.query(APPROVAL_STEPS, workflow_id, limit=EVERY_STEP)
        if not page.rows:
            # Asked all the same, so that this answer takes the way of the other.
            await call.allow(Resource("Approval", workflow_id), hide=_no_such_approval())
            raise _no_such_approval()
        return list(page.rows)

    async def _open_step(self, call: Call, workflow_id: str) -> tuple[list[Row], Row]:
        """All steps, and the one that waits, once it is sure that the caller may decide it."""
        rows = await self._steps(call, workflow_id)
        row = next((row for row in rows if row.item["status"] == "IN_PROGRESS"), None)
        judged = (row or rows[-1]).item
        try:
            await call.allow(
                _resource(call, judged), hide=_no_such_approval(), known_by="getApproval"
            )
        except Refused as error:
            if judged["requestedBy"] == call.actor.name:
                raise Refused(
                    "SELF_APPROVAL",
                    "You asked for this, so somebody else must decide it.",
                    field="workflowId",
                ) from error
            raise
        if row is None:
            raise _already_decided()
        if any(other.item.get("approver") == call.actor.name for other in rows):
            raise Refused(
                "SAME_APPROVER", "You decided an earlier step, so somebody else must decide this."
            )
        if not await self._waits(call, judged):
            raise _closed_meanwhile()
        return rows, row

    async def _may_decide(self, call: Call, item: dict[str, Any]) -> bool:
        return await call.judge.allows(call.actor, "approveStep", _resource(call, item))

    async def _waits(self, call: Call, item: dict[str, Any]) -> bool:
        return await self._tokens.is_waiting(call.work, item["taskToken"])


def _decide(call: Call, row: Row, status: str, comment: str | None) -> dict[str, Any]:
    item = {
        **_closed(row.item),
        "status": status,
        "approver": call.actor.name,
        "decidedAt": call.now,
    }
    if comment is not None:
        item["approvalComment"] = comment
    call.note(workflow=item["workflowId"], step=item["stepName"], status=status)
    call.work.put(APPROVAL_STEPS, item, expected=row.version, otherwise=_already_decided())
    call.work.emit(
        ApprovalDecided(
            workflow_id=item["workflowId"],
            step_number=item["stepNumber"],
            step_name=item["stepName"],
            status=status,
            decided_by=call.actor.name,
            decided_at=call.now,
        ).event()
    )
    return item


def _closed(item: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "open"}


def _resource(call: Call, item: dict[str, Any]) -> Resource:
    """The step as policies see it: `approverRole` says by what right this caller may decide."""
    if set(item["approvers"]) & set(call.actor.principals):
        right = "named"
    else:
        right = item["approverRole"] or ("none" if item["approvers"] else "any")
    requested_by = (item["requestedBy"] or "").removeprefix("user:")
    return Resource(
        "Approval",
        item["workflowId"],
        item["domainId"],
        item["projectId"],
        (("approverRole", right), ("requestedBy", requested_by)),
    )


def _already_decided() -> Conflict:
    return Conflict("ALREADY_DECIDED", "The step is decided: read it again.", field="workflowId")


def _closed_meanwhile() -> Conflict:
    return Conflict(
        "APPROVAL_CLOSED",
        "The workflow no longer waits for this: it was stopped, or its time ran out.",
        field="workflowId",
    )


@contextmanager
def _told_as_an_approver() -> Iterator[None]:
    """What became of the token since it was looked at, in words for one who knows no token."""
    try:
        yield
    except Conflict as error:
        used = error.code == "TASK_TOKEN_USED"
        raise (_already_decided() if used else _closed_meanwhile()) from error


def _no_such_approval() -> Missing:
    return Missing("APPROVAL_NOT_FOUND", "There is no approval with this id.", field="workflowId")


def step_view(item: dict[str, Any]) -> ApprovalStepView:
    """A step as the API shows it; never its token."""
    return ApprovalStepView(
        workflow_id=item["workflowId"],
        step_number=item["stepNumber"],
        step_name=item["stepName"],
        status=item["status"],
        title=item["title"],
        message=item["message"],
        requested_by=item["requestedBy"],
        requested_at=item.get("requestedAt"),
        domain_id=item["domainId"],
        project_id=item["projectId"],
        execution_id=item["executionId"],
        approver=item.get("approver"),
        approver_role=item["approverRole"],
        approvers=item["approvers"],
        approval_deadline=item.get("approvalDeadline"),
        approval_comment=item.get("approvalComment"),
        escalation_required=item["escalationRequired"],
        decided_at=item.get("decidedAt"),
    )


def view(rows: list[Row]) -> ApprovalView:
    """An approval as the API shows it."""
    steps = [step_view(row.item) for row in rows]
    statuses = {step.status for step in steps}
    status: Literal["IN_PROGRESS", "APPROVED", "REJECTED"] = "IN_PROGRESS"
    if "REJECTED" in statuses:
        status = "REJECTED"
    elif statuses == {"APPROVED"}:
        status = "APPROVED"
    return ApprovalView(workflow_id=steps[0].workflow_id, status=status, steps=steps)
