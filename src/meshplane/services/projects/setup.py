"""Use case: making ready what a new project works with."""

import asyncio
from collections.abc import Mapping
from typing import Any

from meshplane.boundary.call import Call
from meshplane.events.projects import ProjectSetupCompleted
from meshplane.kit.errors import BaseMoved
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.services.projects.ports import ProjectWorkspaces
from meshplane.services.projects.rows import existing, resource_of
from meshplane.services.projects.schemas import ProjectSetupView
from meshplane.services.projects.store import PROJECT_ROLES

ACCOUNT = "000000000000"
"""The account of a mesh that runs on one machine."""


class ProjectSetup:
    """Makes folders, a role and a repository.

    Args:
        workspaces: where folders and repositories are made.
        trust: who may act as a project, as a policy of IAM.
    """

    def __init__(
        self, workspaces: ProjectWorkspaces, trust: Mapping[str, Any] | None = None
    ) -> None:
        self._workspaces = workspaces
        self._trust = dict(trust) if trust is not None else trust_here()

    async def run(self, call: Call, project_id: str) -> ProjectSetupView:
        """Makes what is missing of a project's workspace; done again, it changes nothing.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Unavailable, Conflict: as `ProjectWorkspaces.prepare`.
        """
        row = await existing(call, project_id)
        await call.allow(resource_of(row))
        bucket = row.item["bucket"]
        # Files first: they may be made again and again. The commit then says that they are there.
        workspace = await asyncio.to_thread(self._workspaces.prepare, bucket, project_id)
        role = await self._role(call, row)
        return ProjectSetupView(
            project_id=project_id,
            bucket=bucket,
            folders=list(workspace.folders),
            role_name=role["roleName"],
            repository=workspace.repository,
        )

    async def _role(self, call: Call, row: Row) -> dict[str, Any]:
        project_id = row.item["projectId"]
        known = await call.work.get(PROJECT_ROLES, project_id)
        if known is not None:
            return known.item
        item = {
            "projectId": project_id,
            "roleName": f"project-{project_id}-role",
            "trustPolicy": self._trust,
            "createdBy": call.actor.on_behalf_of or call.actor.name,
            "createdAt": call.now,
        }
        moved = BaseMoved("STALE", "The project was set up meanwhile: try again.")
        call.work.put(PROJECT_ROLES, item, expected=ABSENT, otherwise=moved)
        call.work.emit(ProjectSetupCompleted(project_id=project_id, status="success").event())
        return item


def trust_here() -> dict[str, Any]:
    """Who may act as a project on one machine: principals of the mesh's own account alone."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"aws:PrincipalAccount": ACCOUNT}},
            }
        ],
    }
