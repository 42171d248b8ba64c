"""HTTP of the blueprints service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.blueprints.schemas import (
    DeploymentQuery,
    DeploymentView,
    EnvironmentChoice,
    EnvironmentTestsView,
    NewDeployment,
    ValidationView,
    VerificationQuery,
    VerificationView,
)
from meshplane.services.blueprints.service import Blueprints


def routes(blueprints: Blueprints, boundary: Boundary) -> list[OperationRoute]:
    """The routes /validate, /deployments, /tests/run and /verify under /api/v1."""
    operations = Operations(boundary)

    @operations.write("POST", "/validate", "validateEnvironment")
    async def validate_environment(call: Call, body: EnvironmentChoice) -> ValidationView:
        return await blueprints.validate(call, body)

    @operations.write("POST", "/deployments", "createDeployment", status=201)
    async def create_deployment(call: Call, body: NewDeployment) -> DeploymentView:
        return await blueprints.deploy(call, body)

    @operations.read("/deployments", "listDeployments")
    async def list_deployments(call: Call, query: DeploymentQuery) -> Page[DeploymentView]:
        return await blueprints.list(call, query)

    @operations.read("/deployments/{deployment_id}", "getDeployment")
    async def get_deployment(call: Call, deployment_id: str) -> DeploymentView:
        return await blueprints.get(call, deployment_id)

    @operations.write("POST", "/tests/run", "runEnvironmentTests")
    async def run_environment_tests(call: Call, body: EnvironmentChoice) -> EnvironmentTestsView:
        return await blueprints.run_tests(call, body)

    @operations.read("/verify", "verifyDeployment")
    async def verify_deployment(call: Call, query: VerificationQuery) -> VerificationView:
        return await blueprints.verify(call, query)

    return operations.routes
