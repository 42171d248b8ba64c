"""Bodies of the blueprints service."""

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from meshplane.boundary.schemas import ApiModel, Document, Id, Line, PageQuery, Text
from meshplane.platform.templates.capabilities import Capability
from meshplane.services.blueprints.ports import Action, Replacement
from meshplane.services.blueprints.states import Status

Environment = Literal["dev", "staging", "prod"]
ParameterName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9]{1,255}$")]
"""Of a template's parameter."""

TagKey = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.:/=+@-]{1,127}$")]
TagValue = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9 _.:/=+@-]{1,255}$")]


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


class _Wished(ApiModel):
    """What a template is deployed with."""

    project_id: Id
    target_environment: Environment
    parameters: Annotated[dict[ParameterName, Text], Field(default_factory=dict, max_length=200)]
    capabilities: Annotated[list[Capability], Field(default_factory=list, max_length=3)]
    tags: Annotated[dict[TagKey, TagValue], Field(default_factory=dict, max_length=40)]


class NewDeployment(_Wished):
    """What shall run in an environment: a CloudFormation template, as JSON or YAML text.

    `parameters` are the template's, all that have no default. `capabilities` names exactly what the
    template needs besides: `CAPABILITY_IAM` where it makes roles. `tags` go on the stack and all it
    has, beside the mesh's own `ManagedBy` and `ProjectId`.
    """

    cfn_template: Document | None = None


class NewPlan(_Wished):
    """What shall be planned for an environment; as for a deployment, and nothing is changed yet."""

    cfn_template: Document


class NewRollback(ApiModel):
    """Why a deployment is undone."""

    reason: Line | None = None


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

    `cfnStackId` names the stack of its template, `changes` is what was planned, `stackEvents` are
    the last 100 steps, and `outputs` are there once it has ended. `warnings` are what cfn-lint says
    of the template, `statusReason` why it did not end well, `rollbackReason` why it was undone.
    """

    deployment_id: str
    project_id: str
    environment: Environment
    status: Status
    deployed_by: str
    timestamp: int
    start_time: int
    end_time: int | None
    duration: float | None
    resources: int
    template_sha256: str | None
    tests_passed_at: str | None
    tags: dict[str, str]
    capabilities: list[str]
    cfn_stack_id: str | None
    status_reason: str | None
    rollback_reason: str | None
    changes: list[ChangeView]
    stack_events: list[StackEventView]
    outputs: dict[str, str]
    warnings: list[str]
    version: int


class DeploymentStatusView(ApiModel):
    """How far a deployment has come. `statusReason` is empty where all is well."""

    deployment_id: str
    status: Status
    ended: bool
    succeeded: bool
    status_reason: str


class DriftedResourceView(ApiModel):
    """A resource that is not as its template says; `properties` names what differs."""

    logical_id: str
    resource_type: str
    how: Literal["MODIFIED", "DELETED"]
    properties: list[str]


class DeploymentDriftView(ApiModel):
    """What others changed past a deployment's stack."""

    deployment_id: str
    cfn_stack_id: str
    items: list[DriftedResourceView]


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
