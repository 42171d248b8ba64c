"""Stacks that take their time: whoever depends on one waits for its end, and learns how it ended.

A real mesh on the sandbox of AWS, with stacks there that go on until the test lets them end; its
workflows run on Step Functions, and once more here.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import pytest

from tests.builders.aws_mesh import ADMIN, STEWARD, AwsMesh, aws_mesh
from tests.builders.slow_stacks import SlowStacks, slow_stacks

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

OWNER = "olga@tides"
TEMPLATE = '{"Resources": {"Inbox": {"Type": "AWS::SQS::Queue"}}}'


@dataclass
class Yard:
    """A mesh, the stacks that go on, and a project."""

    mesh: AwsMesh
    slow: SlowStacks
    project: str

    def promotion(self) -> str:
        """The id of a request to bring the project to staging."""
        body = {
            "projectId": self.project,
            "sourceEnvironment": "dev",
            "targetEnvironment": "staging",
            "cfnTemplate": TEMPLATE,
        }
        return str(self.mesh.ask(OWNER, "POST", "/promotions", body)["requestId"])

    def held(self) -> str:
        """The name of the stack that goes on, once there is one."""
        return self.mesh.until("a stack is begun", lambda: next(iter(self.slow.held), None))

    def deployment(self) -> dict[str, Any]:
        """The project's last deployment to staging."""
        listed = self.mesh.ask(OWNER, "GET", f"/deployments?projectId={self.project}")["items"]
        found: dict[str, Any] = next(one for one in listed if one["environment"] == "staging")
        return found

    def request(self, request_id: str) -> dict[str, Any]:
        """A promotion as it is."""
        found: dict[str, Any] = self.mesh.ask(OWNER, "GET", f"/promotions/{request_id}")
        return found

    def approvals(self) -> list[dict[str, Any]]:
        """What waits for the steward."""
        listed: list[dict[str, Any]] = self.mesh.ask(STEWARD, "GET", "/approvals")["items"]
        return listed


@pytest.fixture(scope="module", params=["blueprints,workflows,bus", "blueprints"])
def yard(request: pytest.FixtureRequest) -> Iterator[Yard]:
    # A call that is given up on a busy machine and made again has moto make a second stack.
    patient = {"MESHPLANE_AWS_READ_SECONDS": "60"}
    with aws_mesh(request.param, **patient) as mesh, slow_stacks() as slow:
        steward = {"principal": f"user:{STEWARD}", "role": "steward"}
        body: dict[str, Any] = {"name": "harbour", "members": [steward]}
        domain = mesh.ask(ADMIN, "POST", "/domains", body)["domainId"]
        owner = {"principal": f"user:{OWNER}", "role": "owner"}
        body = {"domainId": domain, "name": "tides", "members": [owner]}
        yield Yard(mesh, slow, mesh.ask(ADMIN, "POST", "/projects", body)["projectId"])


def test_promotion__waits_for_its_stack_before_it_tests_and_asks(yard: Yard) -> None:
    request_id = yard.promotion()
    stack = yard.held()
    yard.mesh.until("its begin is told", lambda: yard.deployment()["stackEvents"] or None)
    time.sleep(2.0)
    deployment = yard.deployment()
    assert (deployment["status"], deployment["testsPassedAt"]) == ("IN_PROGRESS", None)
    assert [one["status"] for one in deployment["stackEvents"]] == ["CREATE_IN_PROGRESS"]
    assert yard.approvals() == []
    environment = {"projectId": yard.project, "environment": "staging"}
    refused = yard.mesh.client(OWNER).post("/api/v1/tests/run", json=environment)
    assert (refused.status_code, refused.json()["code"]) == (409, "ENVIRONMENT_CHANGING")
    yard.slow.finish(stack)
    (waiting,) = yard.mesh.until("somebody is asked", lambda: yard.approvals() or None)
    deployment = yard.deployment()
    assert deployment["status"] == "SUCCESS"
    assert deployment["testsPassedAt"] is not None
    yard.mesh.ask(STEWARD, "POST", f"/approvals/{waiting['workflowId']}/approve", {"comment": "Go"})
    yard.mesh.until(
        "the promotion is complete",
        lambda: yard.request(request_id)["status"] == "COMPLETED" or None,
    )


def test_promotion__whose_stack_fails_says_why_and_leaves_nothing_half_done(yard: Yard) -> None:
    found = yard.deployment()
    yard.mesh.ask(OWNER, "DELETE", f"/deployments/{found['deploymentId']}")
    yard.mesh.until("staging is empty", lambda: yard.deployment()["status"] == "REMOVED" or None)
    request_id = yard.promotion()
    yard.slow.fail(yard.held(), "Inbox", "its name is taken")
    yard.mesh.until(
        "the promotion has failed", lambda: yard.request(request_id)["status"] == "FAILED" or None
    )
    reason = yard.request(request_id)["failureReason"]
    assert reason == "DEPLOYMENT_FAILED: To staging: Inbox: its name is taken"
    yard.mesh.until(
        "it is rolled back", lambda: yard.deployment()["status"] == "ROLLED_BACK" or None
    )
    deployment = yard.deployment()
    assert deployment["rollbackReason"] == "What it was made for failed."
    events = yard.mesh.all(OWNER, f"/deployments/{deployment['deploymentId']}/events")
    assert [one["status"] for one in events if one["logicalId"] == "Inbox"][-1] == "CREATE_FAILED"
    assert yard.approvals() == []


def test_deployment__that_is_cancelled_is_gone(yard: Yard) -> None:
    body = {"projectId": yard.project, "targetEnvironment": "prod", "cfnTemplate": TEMPLATE}
    begun = yard.mesh.ask(OWNER, "POST", "/deployments", body)
    assert begun["status"] == "IN_PROGRESS"
    yard.held()
    path = f"/deployments/{begun['deploymentId']}"
    assert yard.mesh.ask(OWNER, "POST", f"{path}/cancel")["status"] == "CANCELLING"
    yard.mesh.until(
        "it is cancelled",
        lambda: yard.mesh.ask(OWNER, "GET", path)["status"] == "CANCELLED" or None,
    )
    yard.slow.held.clear()
    stack = yard.mesh.ask(OWNER, "GET", path)["cfnStackId"]
    told = yard.mesh.owner.run("cloudformation", "describe_stacks", StackName=stack)["Stacks"]
    assert [one["StackStatus"] for one in told] == ["DELETE_COMPLETE"]
