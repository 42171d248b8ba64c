"""Use cases of blueprints.

Where templates become stacks, a deployment is `IN_PROGRESS` until its stack has ended. Elsewhere it
is checked and recorded in one step: it has ended then, and `cfnStackId` is not set.
"""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.blueprints import DeploymentCompleted
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.schemas import (
    ChangeView,
    DeploymentQuery,
    DeploymentView,
    EnvironmentChoice,
    EnvironmentTestsView,
    NewDeployment,
    StackEventView,
    ValidationView,
    VerificationQuery,
    VerificationView,
)
from meshplane.services.blueprints.store import BY_PROJECT, DEPLOYMENT_HISTORY
from meshplane.services.blueprints.template import resources_of
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project

_KEPT = timedelta(days=365)
_PAGE = 100
_MOST_LOOKED_AT = 10_000


class Blueprints:
    """Deploys to environments and tells what runs there.

    Args:
        projects: the service below.
        deployments: makes stacks; None: deployments are recorded alone.
    """

    def __init__(self, projects: ProjectsApi, deployments: StackDeployments | None = None) -> None:
        self._projects = projects
        self._deployments = deployments

    async def validate(self, call: Call, body: EnvironmentChoice) -> ValidationView:
        """Whether an environment is in order, to be deployed to or promoted from.

        `dev` comes with the project; the others are there once something was deployed to them.
        """
        await self._allowed(call, body.project_id)
        problems = []
        if body.environment != "dev":
            deployed = await _latest(call, body.project_id, body.environment)
            if deployed is None:
                problems.append(f"Nothing was deployed to {body.environment} yet.")
        return ValidationView(
            project_id=body.project_id,
            environment=body.environment,
            valid=not problems,
            problems=problems,
        )

    async def deploy(self, call: Call, body: NewDeployment) -> DeploymentView:
        """Checks a template and records its deployment; where stacks are made, begins one.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Invalid: TEMPLATE_INVALID; as `StackDeployments.accept`.
        """
        await self._allowed(call, body.project_id)
        template = body.cfn_template
        resources = await asyncio.to_thread(resources_of, template) if template else {}
        item = _new_item(call, body, resources)
        call.resource = f"Deployment:{item['deploymentId']}"
        call.note(project=body.project_id, environment=body.target_environment)
        if self._deployments is not None and template is not None:
            return await _begin(self._deployments, call, body, template, item)
        call.work.put(DEPLOYMENT_HISTORY, item, expected=ABSENT)
        call.work.emit(
            DeploymentCompleted(
                deployment_id=item["deploymentId"],
                project_id=body.project_id,
                environment=body.target_environment,
                status=item["status"],
                deployed_by=item["deployedBy"],
                completed_at=call.now,
            ).event()
        )
        return _view(Row(item, 1))

    async def get(self, call: Call, deployment_id: str) -> DeploymentView:
        """The deployment with that id."""
        missing = Missing(
            "DEPLOYMENT_NOT_FOUND", "There is no deployment with this id.", field="deploymentId"
        )
        page = await call.work.query(DEPLOYMENT_HISTORY, deployment_id, limit=1)
        if not page.rows:
            await call.allow(Resource("Project", deployment_id), hide=missing)
            raise missing
        project = await self._projects.find(call.actor, page.rows[0].item["projectId"])
        if project is None:
            raise missing
        await call.allow(_resource(project), hide=missing)
        return _view(page.rows[0])

    async def list(self, call: Call, query: DeploymentQuery) -> Page[DeploymentView]:
        """The deployments of a project, latest first."""
        await self._allowed(call, query.project_id)
        page = await call.work.query(
            DEPLOYMENT_HISTORY,
            query.project_id,
            index=BY_PROJECT,
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[DeploymentView](
            items=[_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def run_tests(self, call: Call, body: EnvironmentChoice) -> EnvironmentTestsView:
        """Checks what was last deployed to an environment, and records that it passed.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Conflict: ENVIRONMENT_NOT_DEPLOYED.
        """
        await self._allowed(call, body.project_id)
        row = await _demand_latest(call, body.project_id, body.environment)
        item = {**row.item, "testsPassedAt": call.now}
        call.resource = f"Deployment:{item['deploymentId']}"
        moved = BaseMoved("STALE", "The deployment was changed meanwhile: try again.")
        call.work.put(DEPLOYMENT_HISTORY, item, expected=row.version, otherwise=moved)
        return EnvironmentTestsView(
            project_id=body.project_id,
            environment=body.environment,
            deployment_id=item["deploymentId"],
            passed=True,
            checks=["the deployment succeeded", "its template was accepted"],
            ran_at=call.now,
        )

    async def verify(self, call: Call, query: VerificationQuery) -> VerificationView:
        """Which deployment an environment runs.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Conflict: ENVIRONMENT_NOT_DEPLOYED.
        """
        await self._allowed(call, query.project_id)
        row = await _demand_latest(call, query.project_id, query.environment)
        return VerificationView(
            project_id=query.project_id,
            environment=query.environment,
            verified=True,
            deployment_id=row.item["deploymentId"],
            deployed_at=row.item["timestamp"],
        )

    async def _allowed(self, call: Call, project_id: str) -> None:
        project = await self._projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        await call.allow(_resource(project))


async def _begin(
    deployments: StackDeployments,
    call: Call,
    body: NewDeployment,
    template: str,
    item: dict[str, Any],
) -> DeploymentView:
    wish = deployments.wish(item, template, body.parameters, body.capabilities)
    warnings = await deployments.accept(wish)
    item = {
        **item,
        "status": "IN_PROGRESS",
        "endTime": None,
        "duration": None,
        "warnings": [f"{each.field}: {each.message}" for each in warnings],
    }
    call.work.put(DEPLOYMENT_HISTORY, item, expected=ABSENT)
    deployments.begin(call.work, item, wish)
    return _view(Row(item, 1))


def _resource(project: ProjectSummary) -> Resource:
    return Resource("Project", project.project_id, project.domain_id, project.project_id)


async def _demand_latest(call: Call, project_id: str, environment: str) -> Row:
    row = await _latest(call, project_id, environment)
    if row is None:
        raise Conflict(
            "ENVIRONMENT_NOT_DEPLOYED",
            f"Nothing was deployed to {environment} yet: deploy to it first.",
            field="environment",
        )
    return row


async def _latest(call: Call, project_id: str, environment: str) -> Row | None:
    """The last deployment to an environment that succeeded."""
    cursor: str | None = None
    looked_at = 0
    while looked_at < _MOST_LOOKED_AT:
        page = await call.work.query(
            DEPLOYMENT_HISTORY,
            project_id,
            index=BY_PROJECT,
            limit=_PAGE,
            cursor=cursor,
            descending=True,
        )
        for row in page.rows:
            if row.item["environment"] == environment and row.item["status"] == "SUCCESS":
                return row
        looked_at += len(page.rows)
        cursor = page.cursor
        if cursor is None:
            break
    return None


def _new_item(call: Call, body: NewDeployment, resources: dict[str, str]) -> dict[str, Any]:
    now = call.clock.now()
    milliseconds = int(now.timestamp() * 1000)
    template = body.cfn_template
    return {
        "deploymentId": call.new_id("dep"),
        "timestamp": milliseconds,
        "projectId": body.project_id,
        "environment": body.target_environment,
        "status": "SUCCESS",
        "deployedBy": call.actor.on_behalf_of or call.actor.name,
        "startTime": milliseconds,
        "endTime": milliseconds,
        "duration": 0.0,
        "resources": resources,
        "templateSha256": hashlib.sha256(template.encode()).hexdigest() if template else None,
        "testsPassedAt": None,
        "tags": {"ManagedBy": "ManagementApp"},
        "expirationTime": int((now + _KEPT).timestamp()),
    }


def _view(row: Row) -> DeploymentView:
    item = row.item
    return DeploymentView(
        deployment_id=item["deploymentId"],
        project_id=item["projectId"],
        environment=item["environment"],
        status=item["status"],
        deployed_by=item["deployedBy"],
        timestamp=item["timestamp"],
        start_time=item["startTime"],
        end_time=item["endTime"],
        duration=item["duration"],
        resources=len(item["resources"]),
        template_sha256=item["templateSha256"],
        tests_passed_at=item["testsPassedAt"],
        tags=item["tags"],
        cfn_stack_id=item.get("cfnStackId"),
        status_reason=item.get("statusReason") or None,
        changes=[ChangeView(**each) for each in item.get("changes", ())],
        stack_events=[_event_view(each) for each in item.get("stackEvents", ())],
        outputs=item.get("outputs", {}),
        warnings=item.get("warnings", []),
        version=row.version,
    )


def _event_view(kept: dict[str, Any]) -> StackEventView:
    return StackEventView(
        event_id=kept["eventId"],
        at=kept["at"],
        logical_id=kept["logicalId"],
        resource_type=kept["resourceType"],
        status=kept["status"],
        reason=kept["reason"],
    )
