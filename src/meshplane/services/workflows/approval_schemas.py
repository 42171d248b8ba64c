"""Bodies of approvals."""

from typing import Literal

from meshplane.boundary.schemas import ApiModel, PageQuery, Text

StepStatus = Literal["PENDING", "IN_PROGRESS", "APPROVED", "REJECTED"]


class ApprovalQuery(PageQuery):
    """How the inbox pages."""


class ApprovalComment(ApiModel):
    """What somebody says with a decision."""

    comment: Text | None = None


class ApprovalStepView(ApiModel):
    """A step of an approval."""

    workflow_id: str
    step_number: int
    step_name: str
    status: StepStatus
    title: str
    message: str
    requested_by: str | None
    requested_at: str | None
    domain_id: str | None
    project_id: str | None
    execution_id: str | None
    approver: str | None
    approver_role: str | None
    approvers: list[str]
    approval_deadline: str | None
    approval_comment: str | None
    escalation_required: bool
    decided_at: str | None


class ApprovalView(ApiModel):
    """An approval with all its steps."""

    workflow_id: str
    status: Literal["IN_PROGRESS", "APPROVED", "REJECTED"]
    steps: list[ApprovalStepView]
