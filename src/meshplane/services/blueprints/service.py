"""Use cases of blueprints: what runs in an environment, and new deployments to it.

A deployment of a template is `IN_PROGRESS` until its stack has ended; one without a template is
recorded, and has ended then.
"""

import asyncio
import hashlib
from datetime import timedelta
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.events.blueprints import DeploymentCompleted
from meshplane.kit.errors import BaseMoved, Conflict, Invalid
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.platform.templates.document import resources_of
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.finding import Finding, latest
from meshplane.services.blueprints.ports import Wish
from meshplane.services.blueprints.schemas import (
    DeploymentQuery,
    DeploymentView,
    EnvironmentChoice,
    EnvironmentTestsView,
    NewDeployment,
    NewPlan,
    ValidationView,
    VerificationQuery,
    VerificationView,
)
from meshplane.services.blueprints.store import BY_PROJECT, DEPLOYMENT_HISTORY
from meshplane.services.blueprints.views import deployment_view

_KEPT = timedelta(days=365)


class Blueprints:
    """Deploys to environments and tells what runs there.

    Args:
        finding: finds what operations are about, for those who may do them.
        deployments: makes stacks of templates.
    """

    def __init__(self, finding: Finding, deployments: StackDeployments) -> None:
        self._finding = finding
        self._deployments = deployments

    async def validate(self, call: Call, body: EnvironmentChoice) -> ValidationView:
        """Whether an environment is in order, to be deployed to or promoted from.

        `dev` comes with the project; the others are there once something was deployed to them.
        """
        await self._finding.in_project(call, body.project_id)
        problems = []
        if body.environment != "dev":
            deployed = await latest(call, body.project_id, body.environment)
            if deployed is None:
                problems.append(f"Nothing was deployed to {body.environment} yet.")
        return ValidationView(
            project_id=body.project_id,
            environment=body.environment,
            valid=not problems,
            problems=problems,
        )

    async def deploy(self, call: Call, body: NewDeployment) -> DeploymentView:
        """Checks a template and begins its deployment; without one, records a deployment.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Invalid: TEMPLATE_INVALID, STACK_TAGS_INVALID; as `StackDeployments.accept`.
        """
        await self._finding.in_project(call, body.project_id, body.target_environment)
        if body.cfn_template is not None:
            return await self._begin(call, body, body.cfn_template, "IN_PROGRESS")
        item = _new_item(call, body, {})
        _note(call, item)
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
        return deployment_view(Row(item, 1))

    async def plan(self, call: Call, body: NewPlan) -> DeploymentView:
        """Checks a template, and has it planned what its deployment would change.

        Raises:
            Missing, Invalid: as `deploy`.
        """
        await self._finding.in_project(call, body.project_id, body.target_environment)
        return await self._begin(call, body, body.cfn_template, "PLANNING")

    async def _begin(
        self, call: Call, body: NewDeployment | NewPlan, template: str, status: str
    ) -> DeploymentView:
        resources = await asyncio.to_thread(resources_of, template)
        item = _new_item(call, body, resources)
        _note(call, item)
        wish: Wish = self._deployments.wish(item, template, body.parameters, body.capabilities)
        warnings = await self._deployments.accept(wish)
        item = {
            **item,
            "status": status,
            "endTime": None,
            "duration": None,
            "warnings": [f"{each.field}: {each.message}" for each in warnings],
        }
        call.work.put(DEPLOYMENT_HISTORY, item, expected=ABSENT)
        self._deployments.begin(call.work, item, wish)
        return deployment_view(Row(item, 1))

    async def get(self, call: Call, deployment_id: str) -> DeploymentView:
        """The deployment with that id."""
        return deployment_view(await self._finding.deployment(call, deployment_id))

    async def list(self, call: Call, query: DeploymentQuery) -> Page[DeploymentView]:
        """The deployments of a project, latest first."""
        await self._finding.in_project(call, query.project_id)
        page = await call.work.query(
            DEPLOYMENT_HISTORY,
            query.project_id,
            index=BY_PROJECT,
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[DeploymentView](
            items=[deployment_view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def run_tests(self, call: Call, body: EnvironmentChoice) -> EnvironmentTestsView:
        """Checks what was last deployed to an environment, and records that it passed.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Conflict: ENVIRONMENT_NOT_DEPLOYED, ENVIRONMENT_CHANGING.
        """
        await self._finding.in_project(call, body.project_id)
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
            Conflict: ENVIRONMENT_NOT_DEPLOYED, ENVIRONMENT_CHANGING.
        """
        await self._finding.in_project(call, query.project_id)
        row = await _demand_latest(call, query.project_id, query.environment)
        return VerificationView(
            project_id=query.project_id,
            environment=query.environment,
            verified=True,
            deployment_id=row.item["deploymentId"],
            deployed_at=row.item["timestamp"],
        )


async def _demand_latest(call: Call, project_id: str, environment: str) -> Row:
    row = await latest(call, project_id, environment, at_rest=True)
    if row is None:
        raise Conflict(
            "ENVIRONMENT_NOT_DEPLOYED",
            f"Nothing was deployed to {environment} yet: deploy to it first.",
            field="environment",
        )
    return row


def _note(call: Call, item: dict[str, Any]) -> None:
    call.resource = f"Deployment:{item['deploymentId']}"
    call.note(project=item["projectId"], environment=item["environment"])


def _new_item(
    call: Call, body: NewDeployment | NewPlan, resources: dict[str, str]
) -> dict[str, Any]:
    now = call.clock.now()
    milliseconds = int(now.timestamp() * 1000)
    template = body.cfn_template
    own = {"ManagedBy": "ManagementApp", "ProjectId": body.project_id}
    if taken := sorted(own.keys() & body.tags.keys()):
        raise Invalid(
            "STACK_TAGS_INVALID",
            f"The mesh itself sets the tags {', '.join(sorted(own))}: leave them out.",
            field=f"tags.{taken[0]}",
        )
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
        "tags": {**body.tags, **own},
        "capabilities": sorted(body.capabilities),
        "expirationTime": int((now + _KEPT).timestamp()),
    }
