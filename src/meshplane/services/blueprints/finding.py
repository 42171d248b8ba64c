"""Finds deployments, and asks the policies who may do what with them."""

from collections.abc import AsyncIterator

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, Missing
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.blueprints.states import CHANGING
from meshplane.services.blueprints.store import BY_PROJECT, DEPLOYMENT_HISTORY
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project

_PAGE = 100
_MOST_LOOKED_AT = 10_000


class Finding:
    """Finds what an operation is about, for those who may do it.

    Args:
        projects: the service below.
    """

    def __init__(self, projects: ProjectsApi) -> None:
        self._projects = projects

    async def in_project(self, call: Call, project_id: str, environment: str | None = None) -> None:
        """Goes on only if the caller may do this in the project.

        Args:
            call: the operation.
            project_id: where.
            environment: what it changes, if anything; contributors may change `dev`.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Refused: FORBIDDEN.
        """
        project = await self._projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        await call.allow(_resource(project), also=_also(environment))

    async def deployment(self, call: Call, deployment_id: str, *, changes: bool = False) -> Row:
        """The deployment with that id.

        Args:
            call: the operation.
            deployment_id: of the deployment.
            changes: whether the operation changes its environment.

        Raises:
            Missing: DEPLOYMENT_NOT_FOUND, also for those who may not know of it.
            Refused: FORBIDDEN.
        """
        missing = Missing(
            "DEPLOYMENT_NOT_FOUND", "There is no deployment with this id.", field="deploymentId"
        )
        page = await call.work.query(DEPLOYMENT_HISTORY, deployment_id, limit=1)
        if not page.rows:
            await call.allow(
                Resource("Project", deployment_id), hide=missing, known_by="getDeployment"
            )
            raise missing
        row = page.rows[0]
        project = await self._projects.find(call.actor, row.item["projectId"])
        if project is None:
            raise missing
        also = _also(row.item["environment"]) if changes else None
        await call.allow(_resource(project), hide=missing, known_by="getDeployment", also=also)
        call.resource = f"Deployment:{deployment_id}"
        return row


async def latest(
    call: Call, project_id: str, environment: str, *, at_rest: bool = False
) -> Row | None:
    """What an environment runs: the last deployment there that succeeded and was not removed.

    Args:
        call: the operation.
        project_id: where.
        environment: where there.
        at_rest: whether nothing may go on in it.

    Raises:
        Conflict: ENVIRONMENT_CHANGING, something does.
    """
    async for row in _history(call.work, project_id):
        item = row.item
        if item["environment"] != environment:
            continue
        if at_rest and item["status"] in CHANGING:
            raise Conflict(
                "ENVIRONMENT_CHANGING",
                f"A deployment changes {environment} at this moment: wait for its end.",
                field="environment",
                details={"deploymentId": item["deploymentId"]},
            )
        if item["status"] == "SUCCESS":
            return row
        if item["status"] in {"REMOVING", "REMOVED"}:
            return None
    return None


async def last_touch(
    work: UnitOfWork, project_id: str, environment: str, besides: str
) -> str | None:
    """What changed the stack of an environment last, or does so now; None: nothing did.

    Deployments touch a stack in the order in which they were asked for: a plan that another one
    overtook is not carried out any more.

    Args:
        work: reads.
        project_id: where.
        environment: where there.
        besides: a deployment that does not count.
    """
    async for row in _history(work, project_id):
        item = row.item
        if item["environment"] != environment or item["deploymentId"] == besides:
            continue
        # What has no events has left its stack as it was.
        if item["status"] in CHANGING or item.get("stackEvents"):
            return f"{item['deploymentId']}:{item['status']}:{item['endTime']}"
    return None


async def is_last(call: Call, deployed: Row) -> bool:
    """Whether no other deployment touched the stack of an environment after one, or does so now.

    Args:
        call: the operation.
        deployed: the deployment.
    """
    own, seen = deployed.item, False
    async for row in _history(call.work, own["projectId"]):
        item = row.item
        if item["deploymentId"] == own["deploymentId"]:
            seen = True
        elif item["environment"] == own["environment"] and item.get("cfnStackId"):
            if item["status"] in CHANGING:
                return False
            if item["status"] == "SUCCESS" or item.get("stackEvents"):
                # What is older than this one is at rest.
                return seen
    return True


async def _history(work: UnitOfWork, project_id: str) -> AsyncIterator[Row]:
    """The deployments of a project, latest first; of many, the last 10,000."""
    cursor: str | None = None
    looked_at = 0
    while looked_at < _MOST_LOOKED_AT:
        page = await work.query(
            DEPLOYMENT_HISTORY,
            project_id,
            index=BY_PROJECT,
            limit=_PAGE,
            cursor=cursor,
            descending=True,
        )
        for row in page.rows:
            yield row
        looked_at += len(page.rows)
        cursor = page.cursor
        if cursor is None:
            return


def _resource(project: ProjectSummary) -> Resource:
    return Resource("Project", project.project_id, project.domain_id, project.project_id)


def _also(environment: str | None) -> str | None:
    """The action that allows a change of an environment besides its own."""
    return "changeDevelopment" if environment == "dev" else None
