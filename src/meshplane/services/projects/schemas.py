"""Bodies of the projects service."""

from typing import Literal

from pydantic import Field

from meshplane.boundary.schemas import (
    ApiModel,
    Cause,
    Document,
    Id,
    PageQuery,
    PrincipalName,
    Slug,
    Text,
)

ProjectRole = Literal["owner", "contributor", "viewer"]
Environment = Literal["dev", "staging", "prod"]
PromotionStatus = Literal["PENDING", "APPROVED", "REJECTED", "COMPLETED", "FAILED"]


class NewProjectMember(ApiModel):
    """A role for somebody, given when the project is created."""

    principal: PrincipalName
    role: ProjectRole


class NewProject(ApiModel):
    """A project to be created."""

    domain_id: Id
    name: Slug
    description: Text = ""
    members: list[NewProjectMember] = Field(default_factory=list, max_length=100)


class ProjectChange(ApiModel):
    """What may be changed of a project."""

    description: Text


class ProjectRoleChange(ApiModel):
    """The role that somebody shall hold."""

    role: ProjectRole


class ProjectQuery(PageQuery):
    """Which projects to list."""

    domain_id: Id | None = None


class ProjectView(ApiModel):
    """A project."""

    project_id: str
    domain_id: str
    name: str
    description: str
    version: int
    created_by: str
    created_at: str


class ProjectMemberView(ApiModel):
    """Somebody's role in a project."""

    principal: str
    role: ProjectRole
    added_by: str
    added_at: str


class ProjectSetupView(ApiModel):
    """What a project works with. `repository` lies below the home folder."""

    project_id: str
    bucket: str
    folders: list[str]
    role_name: str
    repository: str


class NewPromotion(ApiModel):
    """A wish that what runs in one environment of a project runs in a later one."""

    project_id: Id
    source_environment: Environment
    target_environment: Environment
    cfn_template: Document | None = None
    reason: Text | None = None


class PromotionOutcome(ApiModel):
    """How far a promotion has come."""

    status: Literal["APPROVED", "REJECTED", "COMPLETED", "FAILED"]
    reason: Cause | None = None
    approved_by: PrincipalName | None = None


class PromotionQuery(PageQuery):
    """Which promotions to list."""

    project_id: Id
    status: PromotionStatus | None = None


class PromotionView(ApiModel):
    """A promotion."""

    request_id: str
    project_id: str
    source_environment: Environment
    target_environment: Environment
    status: PromotionStatus
    reason: str | None
    created_by: str
    created_at: str
    approved_by: str | None
    approval_reason: str | None
    rejection_reason: str | None
    failure_reason: str | None
    completed_at: str | None
    version: int
