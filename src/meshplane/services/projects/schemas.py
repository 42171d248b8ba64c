"""Bodies of the projects service."""

from typing import Literal

from pydantic import Field

from meshplane.boundary.schemas import ApiModel, Id, PageQuery, PrincipalName, Slug, Text

ProjectRole = Literal["owner", "contributor", "viewer"]


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
