"""Finds a project for a call."""

from meshplane.boundary.call import Call
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.projects.api import no_such_project
from meshplane.services.projects.store import PROJECTS


def resource_of(row: Row) -> Resource:
    """The project, as policies speak of it."""
    project_id = row.item["projectId"]
    return Resource("Project", project_id, domain_id=row.item["domainId"], project_id=project_id)


async def existing(call: Call, project_id: str) -> Row:
    """The project with that id.

    Raises:
        Missing: PROJECT_NOT_FOUND.
    """
    row = await call.work.get(PROJECTS, project_id)
    if row is None:
        raise no_such_project()
    return row
