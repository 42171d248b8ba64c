"""Bodies of the blueprints service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Document, Id, PageQuery, Text
from meshplane.services.blueprints.ports import Action, Capability, Replacement

Environment = Literal["dev", "staging", "prod"]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,255}$")]
"""Of a template's parameter."""


class EnvironmentChoice(ApiModel):
    """An environment of a project."""

    project_id: Id
    environment: Environment


class ValidationView(ApiModel):
    """Whether an environment is in order, and what is not."""

    project_id: str
    environment: Environment
    valid: bool
    problems: list[str]


class NewDeployment(ApiModel):
    """What shall run in an environment: a CloudFormation template, as JSON or YAML text.

    `parameters` are the template's, all that have no default. `capabilities` names exactly what the
    template needs besides: `CAPABILITY_IAM` where it makes roles.
    """

    project_id: Id
    target_environment: Environment
    cfn_template: Document | None = None
    parameters: Annotated[dict[ParameterName, Text], Field(default_factory=dict, max_length=200)]
    capabilities: Annotated[list[Capability], Field(default_factory=list, max_length=3)]


class DeploymentQuery(PageQuery):
    """Whose deployments to list."""

    project_id: Id


class ChangeView(ApiModel):
    """What a deployment does to one resource; `replacement` says whether it is made anew."""

    action: Action
    logical_id: str
    resource_type: str
    physical_id: str | None
    replacement: Replacement


class StackEventView(ApiModel):
    """A step of a stack or of one of its resources."""

    event_id: str
    at: str
    logical_id: str
    resource_type: str
    status: str
    reason: str


class DeploymentView(ApiModel):
    """A deployment. Times are epoch milliseconds; `duration` is in seconds.

    Where templates become stacks, `cfnStackId` names the stack, `changes` is what was planned,
    `stackEvents` are the last 100 steps, and `outputs` are there once it has ended. `warnings` are
    what cfn-lint says of the template.
    """

    deployment_id: str
    project_id: str
    environment: Environment
    status: Literal["IN_PROGRESS", "SUCCESS", "FAILED"]
    deployed_by: str
    timestamp: int
    start_time: int
    end_time: int | None
    duration: float | None
    resources: int
    template_sha256: str | None
    tests_passed_at: str | None
    tags: dict[str, str]
    cfn_stack_id: str | None
    status_reason: str | None
    changes: list[ChangeView]
    stack_events: list[StackEventView]
    outputs: dict[str, str]
    warnings: list[str]
    version: int


class EnvironmentTestsView(ApiModel):
    """What the checks of an environment found."""

    project_id: str
    environment: Environment
    deployment_id: str
    passed: bool
    checks: list[str]
    ran_at: str


class VerificationQuery(ApiModel):
    """Which environment to verify."""

    project_id: Id
    environment: Environment = "prod"


class VerificationView(ApiModel):
    """The deployment that an environment runs."""

    project_id: str
    environment: Environment
    verified: bool
    deployment_id: str
    deployed_at: int
