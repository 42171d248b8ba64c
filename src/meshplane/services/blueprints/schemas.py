"""Bodies of the blueprints service."""

from typing import Literal

from meshplane.boundary.schemas import ApiModel, Document, Id, PageQuery

Environment = Literal["dev", "staging", "prod"]


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
    """What shall run in an environment: a CloudFormation template, as JSON or YAML text."""

    project_id: Id
    target_environment: Environment
    cfn_template: Document | None = None


class DeploymentQuery(PageQuery):
    """Whose deployments to list."""

    project_id: Id


class DeploymentView(ApiModel):
    """A deployment. Times are epoch milliseconds; `duration` is in seconds."""

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
