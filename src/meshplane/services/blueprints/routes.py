"""HTTP of the blueprints service."""

from typing import Any

from starlette.responses import Response

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.platform.store import Store
from meshplane.services.blueprints.acting import Acting
from meshplane.services.blueprints.deploying import StackDeployments
from meshplane.services.blueprints.finding import Finding
from meshplane.services.blueprints.schemas import (
    DeploymentDriftView,
    DeploymentQuery,
    DeploymentStatusView,
    DeploymentView,
    EnvironmentChoice,
    EnvironmentTestsView,
    NewDeployment,
    NewPlan,
    NewRollback,
    StackEventView,
    ValidationView,
    VerificationQuery,
    VerificationView,
)
from meshplane.services.blueprints.service import Blueprints
from meshplane.services.blueprints.settling import DeploymentSettling
from meshplane.services.blueprints.states import AT_WORK
from meshplane.services.blueprints.stream import DeploymentStream, Hanging
from meshplane.services.projects.api import ProjectsApi

_PLAN_PATIENCE_SECONDS = 10.0


def routes(
    projects: ProjectsApi,
    deployments: StackDeployments,
    *,
    boundary: Boundary,
    store: Store,
    hanging: Hanging,
) -> list[OperationRoute]:
    """The routes /validate, /deployments, /tests/run and /verify under /api/v1.

    Args:
        projects: the service below.
        deployments: makes stacks of templates.
        boundary: runs operations.
        store: of this process's home, for what goes on after the commit.
        hanging: whether streams should leave.
    """
    finding = Finding(projects)
    blueprints, acting = Blueprints(finding, deployments), Acting(finding, deployments)
    settled = _Settled(blueprints, boundary, store, deployments.patience_seconds)
    operations = Operations(boundary)
    _environments(operations, blueprints)
    _deploying(operations, blueprints, settled)
    _acting(operations, acting, settled)

    @operations.read(
        "/deployments/{deployment_id}/events/stream",
        "streamDeploymentEvents",
        {"text/event-stream": None},
    )
    async def stream_deployment_events(call: Call, deployment_id: str) -> Response:
        """What happens to a deployment's stack as it happens, until the deployment ends."""
        return DeploymentStream(store, await finding.deployment(call, deployment_id), hanging)

    return operations.routes


class _Settled:
    """Answers with a deployment as it is once what was begun has ended, if that is soon.

    Args:
        blueprints: reads deployments.
        boundary: runs the reads.
        store: holds the deployments.
        patience_seconds: how long to wait for an end; for a plan it is longer.
    """

    def __init__(
        self, blueprints: Blueprints, boundary: Boundary, store: Store, patience_seconds: float
    ) -> None:
        self._blueprints = blueprints
        self._boundary = boundary
        self._settling = DeploymentSettling(store)
        self._patience_seconds = patience_seconds

    async def planned(self, actor: Actor, answer: dict[str, Any]) -> DeploymentView:
        """The answer to a wish for a plan."""
        return await self._after(actor, answer, _PLAN_PATIENCE_SECONDS)

    async def ended(self, actor: Actor, answer: dict[str, Any]) -> DeploymentView:
        """The answer to a new deployment."""
        return await self._after(actor, answer, self._patience_seconds)

    async def one(self, actor: Actor, deployment_id: str, answer: dict[str, Any]) -> DeploymentView:
        """The answer to what was asked of a deployment that was there."""
        return await self._after(actor, answer, self._patience_seconds)

    async def _after(
        self, actor: Actor, answer: dict[str, Any], patience_seconds: float
    ) -> DeploymentView:
        if answer["status"] not in AT_WORK:
            return DeploymentView.model_validate(answer)
        deployment_id = answer["deploymentId"]
        await self._settling.settle(deployment_id, answer["timestamp"], patience_seconds)
        # Read as anybody reads it: a stored answer may be repeated long after a role was lost.
        return await self._boundary.read(
            "getDeployment", actor, lambda call: self._blueprints.get(call, deployment_id)
        )


def _environments(operations: Operations, blueprints: Blueprints) -> None:
    @operations.write("POST", "/validate", "validateEnvironment")
    async def validate_environment(call: Call, body: EnvironmentChoice) -> ValidationView:
        return await blueprints.validate(call, body)

    @operations.write("POST", "/tests/run", "runEnvironmentTests")
    async def run_environment_tests(call: Call, body: EnvironmentChoice) -> EnvironmentTestsView:
        return await blueprints.run_tests(call, body)

    @operations.read("/verify", "verifyDeployment")
    async def verify_deployment(call: Call, query: VerificationQuery) -> VerificationView:
        return await blueprints.verify(call, query)


def _deploying(operations: Operations, blueprints: Blueprints, settled: _Settled) -> None:
    @operations.write("POST", "/deployments", "createDeployment", status=201, settle=settled.ended)
    async def create_deployment(call: Call, body: NewDeployment) -> DeploymentView:
        """Begins to deploy a template; it has ended when its status says so."""
        return await blueprints.deploy(call, body)

    @operations.write(
        "POST", "/deployments/plan", "planDeployment", status=201, settle=settled.planned
    )
    async def plan_deployment(call: Call, body: NewPlan) -> DeploymentView:
        """Plans a deployment: what it would change, before anything is changed."""
        return await blueprints.plan(call, body)

    @operations.read("/deployments", "listDeployments")
    async def list_deployments(call: Call, query: DeploymentQuery) -> Page[DeploymentView]:
        return await blueprints.list(call, query)

    @operations.read("/deployments/{deployment_id}", "getDeployment")
    async def get_deployment(call: Call, deployment_id: str) -> DeploymentView:
        return await blueprints.get(call, deployment_id)


def _acting(operations: Operations, acting: Acting, settled: _Settled) -> None:
    one = "/deployments/{deployment_id}"

    @operations.write("POST", f"{one}/execute", "executeDeployment", settle=settled.one)
    async def execute_deployment(call: Call, deployment_id: str) -> DeploymentView:
        """Carries a plan out, once however often it is asked for."""
        return await acting.execute(call, deployment_id)

    @operations.write("POST", f"{one}/cancel", "cancelDeployment", settle=settled.one)
    async def cancel_deployment(call: Call, deployment_id: str) -> DeploymentView:
        """Drops a plan, or stops a deployment and brings its stack back."""
        return await acting.cancel(call, deployment_id)

    @operations.write("POST", f"{one}/rollback", "rollBackDeployment", settle=settled.one)
    async def roll_back_deployment(
        call: Call, deployment_id: str, body: NewRollback
    ) -> DeploymentView:
        """Brings the stack of a deployment that failed back to where it can be deployed to."""
        return await acting.roll_back(call, deployment_id, body)

    @operations.write("DELETE", one, "removeDeployment", settle=settled.one)
    async def remove_deployment(call: Call, deployment_id: str) -> DeploymentView:
        """Removes the stack of the last deployment to an environment, with all it has."""
        return await acting.remove(call, deployment_id)

    @operations.read(f"{one}/status", "getDeploymentStatus")
    async def get_deployment_status(call: Call, deployment_id: str) -> DeploymentStatusView:
        """How far a deployment has come, and nothing else."""
        return await acting.status(call, deployment_id)

    @operations.read(f"{one}/events", "listDeploymentEvents")
    async def list_deployment_events(
        call: Call, deployment_id: str, query: PageQuery
    ) -> Page[StackEventView]:
        """What happened to a deployment's stack, oldest first."""
        return await acting.events(call, deployment_id, query)

    @operations.read(f"{one}/drift", "getDeploymentDrift")
    async def get_deployment_drift(call: Call, deployment_id: str) -> DeploymentDriftView:
        """What others changed past a deployment's stack. It may take a minute."""
        return await acting.drift(call, deployment_id)
