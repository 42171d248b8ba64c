"""Bodies of state machines, executions and task answers."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, PageQuery, Text

ExecutionStatus = Literal["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"]
MachineName = Annotated[
    str, StringConstraints(min_length=1, max_length=80, pattern=r"^[A-Za-z0-9_.-]+$")
]
Token = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^[A-Za-z0-9_.:-]+$")
]


class NewDefinition(ApiModel):
    """A state machine: an Amazon States Language document, as an object."""

    definition: dict[str, Any]


class ProblemView(ApiModel):
    """Something that is wrong with a definition, or that is a trap."""

    severity: Literal["ERROR", "WARNING"]
    code: str
    path: str
    message: str


class ValidationView(ApiModel):
    """What validation found; a definition without errors can be put."""

    valid: bool
    problems: list[ProblemView]


class StateMachineView(ApiModel):
    """A state machine at its newest revision."""

    name: str
    revision: int
    definition: dict[str, Any] | None
    built_in: bool
    created_by: str
    created_at: str
    updated_at: str
    problems: list[ProblemView]
    version: int


class NewExecution(ApiModel):
    """What to start. The same name with the same input starts one execution."""

    state_machine: MachineName
    name: MachineName | None = None
    input: Any = Field(default_factory=dict)


class ExecutionQuery(PageQuery):
    """Which executions to list, the newest first."""

    state_machine: MachineName | None = None
    status: ExecutionStatus | None = None


class ExecutionSummary(ApiModel):
    """An execution in a list."""

    execution_id: str
    state_machine: str
    revision: int
    name: str
    status: ExecutionStatus
    started_at: str
    ended_at: str | None


class ExecutionView(ExecutionSummary):
    """An execution."""

    input: Any
    output: Any
    error: str | None
    cause: str | None
    started_by: str
    redrive_count: int
    hops: int


class HistoryQuery(ApiModel):
    """Which part of a history to read."""

    limit: int = Field(default=100, ge=1, le=1000)
    cursor: str | None = Field(default=None, max_length=20)
    child: str | None = Field(
        default=None, max_length=200, description="The branch of a distributed Map's child."
    )


class HistoryView(ApiModel):
    """Events of an execution, as Step Functions names and shapes them."""

    items: list[dict[str, Any]]
    next_cursor: str | None


class StopBody(ApiModel):
    """Why an execution is stopped."""

    error: Annotated[Text, StringConstraints(max_length=256)] | None = None
    cause: Text | None = None


class TaskSuccess(ApiModel):
    """A task's good end."""

    task_token: Token
    output: Any


class TaskFailure(ApiModel):
    """A task's bad end."""

    task_token: Token
    error: Annotated[Text, StringConstraints(max_length=256)] | None = None
    cause: Text | None = None


class TaskBeat(ApiModel):
    """A sign that a task is still being worked on."""

    task_token: Token
