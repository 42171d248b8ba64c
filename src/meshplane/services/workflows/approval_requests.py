"""What a workflow sends to the approvals' queue, and how it becomes steps in the inbox.

`sqs:sendMessage.waitForTaskToken` to `approval-queue` → `ApprovalRequests.handle` → rows of
`ApprovalWorkflows`, the deadline's message and the event, in the commit that ends the message.
"""

import hashlib
from datetime import timedelta
from typing import Annotated, Any, Literal

import orjson
from pydantic import AliasChoices, ConfigDict, Field, StringConstraints, ValidationError

from meshplane.boundary.schemas import ApiModel, Id, Line, PrincipalName, Text
from meshplane.events.queues import GiveUp, Message, QueueHandler, send
from meshplane.events.workflows import ApprovalRequested
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Invalid
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.services.workflows.approval_store import APPROVAL_STEPS, OPEN
from meshplane.services.workflows.ports import TaskAnswers, is_own
from meshplane.workflows.queue_names import APPROVALS

DEADLINES = "approval-deadlines"
_SECONDS_OF_A_YEAR = 365 * 86_400


class StepWanted(ApiModel):
    """One step: who may decide it, and by when."""

    step_name: Line
    approver_role: Literal["steward", "owner"] | None = None
    approvers: tuple[PrincipalName, ...] = Field(default=(), max_length=50, strict=False)
    deadline_seconds: int | None = Field(default=None, ge=1, le=_SECONDS_OF_A_YEAR)
    escalate_to: tuple[PrincipalName, ...] = Field(default=(), max_length=50, strict=False)


class ApprovalWanted(ApiModel):
    """The body of a message on the approvals' queue."""

    # What a workflow adds for itself does no harm.
    model_config = ConfigDict(extra="ignore")

    task_token: Annotated[str, StringConstraints(min_length=1, max_length=2048)] = Field(
        validation_alias=AliasChoices("taskToken", "approvalToken", "task_token")
    )
    title: Line | None = None
    message: Text = ""
    requested_by: Line | None = None
    domain_id: Id | None = None
    project_id: Id | None = None
    steps: tuple[StepWanted, ...] = Field(default=(), max_length=20, strict=False)


class ApprovalRequests:
    """Turns messages into approvals.

    Args:
        clock: for when they were asked for, and deadlines.
        tokens: tells a workflow at once that what it wants approved cannot be understood.
    """

    def __init__(self, clock: Clock, tokens: TaskAnswers) -> None:
        self._clock = clock
        self._tokens = tokens

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The queue that it serves."""
        return (QueueHandler(APPROVALS, self.handle),)

    async def handle(self, work: UnitOfWork, message: Message) -> None:
        """Stores an approval's steps; the first is open at once.

        Raises:
            GiveUp: APPROVAL_INVALID, the message does not say what is to be approved, nor whom to
                tell that; TASK_TOKEN_UNKNOWN, it names the token of another execution.
        """
        try:
            wanted = _wanted(message.body)
        except Invalid as error:
            token = _token_of(message.body)
            if token is None or not is_own(token, message):
                raise GiveUp(error.code, error.message, field="MessageBody") from None
            await self._tokens.fail(work, token, error.code, error.message)
            return
        if not is_own(wanted.task_token, message):
            raise GiveUp(
                "TASK_TOKEN_UNKNOWN", "The token is none of the execution that sent the message."
            )
        # Of the token, not of the message: a task that is tried again asks anew.
        workflow_id = "workflow-" + hashlib.sha256(wanted.task_token.encode()).hexdigest()[:32]
        origin = message.origin or {}
        steps = wanted.steps or (StepWanted(step_name="approval"),)
        for number, step in enumerate(steps, start=1):
            item = {
                "workflowId": workflow_id,
                "stepNumber": number,
                "stepName": step.step_name,
                "status": "PENDING",
                "escalationRequired": False,
                "taskToken": wanted.task_token,
                "executionId": origin.get("executionId"),
                "title": wanted.title or step.step_name,
                "message": wanted.message,
                "requestedBy": _requested_by(wanted, origin),
                "domainId": wanted.domain_id,
                "projectId": wanted.project_id,
                "approverRole": step.approver_role,
                "approvers": list(step.approvers),
                "deadlineSeconds": step.deadline_seconds,
                "escalateTo": list(step.escalate_to),
                "steps": len(steps),
            }
            if number == 1:
                item = self.opened(work, item)
            work.put(APPROVAL_STEPS, item, expected=ABSENT)

    def opened(self, work: UnitOfWork, item: dict[str, Any]) -> dict[str, Any]:
        """The step as it waits for its decision; its deadline is set, and its event emitted."""
        now = self._clock.now()
        opened = {**item, "status": "IN_PROGRESS", "open": OPEN, "requestedAt": to_text(now)}
        if item["deadlineSeconds"] is not None:
            deadline = now + timedelta(seconds=item["deadlineSeconds"])
            opened["approvalDeadline"] = to_text(deadline)
            _remind(work, opened, self._clock)
        work.emit(
            ApprovalRequested(
                workflow_id=item["workflowId"],
                step_number=item["stepNumber"],
                step_name=item["stepName"],
                title=item["title"],
                deadline=opened.get("approvalDeadline"),
            ).event()
        )
        return opened

    def extend(self, work: UnitOfWork, item: dict[str, Any]) -> None:
        """Gives an escalated step as much time again."""
        deadline = self._clock.now() + timedelta(seconds=item["deadlineSeconds"])
        item["approvalDeadline"] = to_text(deadline)
        _remind(work, item, self._clock)


def _remind(work: UnitOfWork, step: dict[str, Any], clock: Clock) -> None:
    """Has the step looked at when its deadline has passed."""
    workflow_id, number = step["workflowId"], step["stepNumber"]
    deadline, delay_seconds = step["approvalDeadline"], step["deadlineSeconds"]
    send(
        work,
        DEADLINES,
        {"workflowId": workflow_id, "stepNumber": number, "deadline": deadline},
        message_id=f"{workflow_id}-{number}-{deadline}",
        now=clock.now(),
        delay_seconds=delay_seconds,
        maximum_age_seconds=delay_seconds + 86_400,
    )


def _wanted(body: Any) -> ApprovalWanted:
    try:
        found = orjson.loads(body) if isinstance(body, str) else body
        return ApprovalWanted.model_validate(found, strict=False)
    except (orjson.JSONDecodeError, ValidationError) as error:
        fields = error.errors() if isinstance(error, ValidationError) else []
        named = ", ".join(".".join(str(part) for part in one["loc"]) for one in fields[:5])
        raise Invalid(
            "APPROVAL_INVALID",
            "The message to the approvals' queue is not an approval: it needs taskToken, and takes "
            "title, message, requestedBy, domainId, projectId and steps"
            + (f"; wrong here: {named}." if named else "."),
        ) from None


def _requested_by(wanted: ApprovalWanted, origin: dict[str, Any]) -> str | None:
    """Who may not decide. Only the mesh's own workflows may say that it is somebody else."""
    run_as = origin.get("runAs", {})
    if run_as and not run_as["isService"]:
        return f"user:{run_as['subject']}"
    return wanted.requested_by


def _token_of(body: Any) -> str | None:
    try:
        found = orjson.loads(body) if isinstance(body, str) else body
    except orjson.JSONDecodeError:
        return None
    if not isinstance(found, dict):
        return None
    token = found.get("taskToken") or found.get("approvalToken")
    return token if isinstance(token, str) else None
