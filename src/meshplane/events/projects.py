"""Events of the projects service."""

from typing import ClassVar

from meshplane.events.payload import Payload


class ProjectCreated(Payload):
    """A project was created."""

    source: ClassVar[str] = "management-app.projects"
    entity_field: ClassVar[str] = "project_id"

    project_id: str
    project_name: str
    domain_id: str
    created_by: str
    created_at: str


class ProjectMembersChanged(Payload):
    """Somebody got, changed or lost a role in a project; `role` is null when it was taken away."""

    source: ClassVar[str] = "management-app.projects"
    entity_field: ClassVar[str] = "project_id"

    project_id: str
    principal: str
    role: str | None
    changed_by: str


class ProjectSetupCompleted(Payload):
    """A project's folders, role and repository are there; `status` is `success`."""

    source: ClassVar[str] = "management-app.lambda"
    entity_field: ClassVar[str] = "project_id"

    project_id: str
    status: str
