"""Events of workflows: how executions ended, approvals, and notifications."""

from typing import ClassVar

from meshplane.events.payload import Payload


class ExecutionSucceeded(Payload):
    """An execution of a state machine came to its end; `status` is `SUCCEEDED`."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "execution_id"

    execution_id: str
    state_machine: str
    name: str
    status: str
    started_at: str
    ended_at: str


class ExecutionFailed(Payload):
    """An execution ended without its result; `status` is `FAILED`, `TIMED_OUT` or `ABORTED`."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "execution_id"

    execution_id: str
    state_machine: str
    name: str
    status: str
    started_at: str
    ended_at: str
    error: str | None = None
    cause: str | None = None


class ApprovalRequested(Payload):
    """A step of an approval waits for a decision, without end where `deadline` is null."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "workflow_id"

    workflow_id: str
    step_number: int
    step_name: str
    title: str
    deadline: str | None


class ApprovalDecided(Payload):
    """Somebody decided a step of an approval; `status` is `APPROVED` or `REJECTED`."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "workflow_id"

    workflow_id: str
    step_number: int
    step_name: str
    status: str
    decided_by: str
    decided_at: str


class ApprovalEscalated(Payload):
    """Nobody decided a step in time, so that others may decide it now, until `deadline`."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "workflow_id"

    workflow_id: str
    step_number: int
    step_name: str
    title: str
    deadline: str | None


class NotificationPublished(Payload):
    """A workflow has something to say to those who listen to a topic."""

    source: ClassVar[str] = "management-app.workflows"
    entity_field: ClassVar[str] = "topic"

    notification_id: str
    topic: str
    subject: str | None
    message: str
    execution_id: str
    published_at: str
