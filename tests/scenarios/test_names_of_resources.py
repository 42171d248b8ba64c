"""Where stacks are made as their project, a template is refused for its names before all else."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.builders.server import Server, running_server

pytestmark = pytest.mark.scenario

# Nobody answers there: whatever is refused is refused without AWS.
NOWHERE = "http://127.0.0.1:9"
QUEUE = "Resources:\n  Inbox:\n    Type: AWS::SQS::Queue\n    Properties: {QueueName: %s}\n"
OURS, THEIRS = QUEUE % '!Sub "${AWS::StackName}-inbox"', QUEUE % "inbox"
# The name that CloudFormation gives fits whole in `dev` and `prod`, and not in `staging`.
TIGHT = f'Resources: {{{"A" * 23}: {{Type: "AWS::SQS::Queue"}}}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A mesh of whose parts `blueprints` alone is on AWS."""
    given = {
        "MESHPLANE_AWS_PARTS": "blueprints",
        "MESHPLANE_AWS_PART_ROLES": "made",
        "MESHPLANE_AWS_REGION": "eu-central-1",
        "MESHPLANE_AWS_ACCOUNT": "111122223333",
        "MESHPLANE_AWS_ENDPOINT_URL": NOWHERE,
        "MESHPLANE_AWS_ATTEMPTS": "1",
        "AWS_ACCESS_KEY_ID": "AKIANOBODY",
        "AWS_SECRET_ACCESS_KEY": "secret",
    }
    with pytest.MonkeyPatch.context() as variables:
        for name, value in given.items():
            variables.setenv(name, value)
        with running_server() as running:
            yield running


@pytest.fixture(scope="module")
def owner(server: Server) -> Iterator[httpx.Client]:
    with server.client("olga@tides") as client:
        yield client


@pytest.fixture(scope="module")
def project(server: Server) -> str:
    """The owner's project."""
    members = [{"principal": "user:olga@tides", "role": "owner"}]
    with server.client("ada@mesh", ("mesh-admins",)) as client:
        domain = asked(client, "/domains", {"name": "harbour", "members": []}, 201)["domainId"]
        body = {"domainId": domain, "name": "tides", "members": members}
        return str(asked(client, "/projects", body, 201)["projectId"])


def asked(client: httpx.Client, path: str, body: dict[str, Any], status: int) -> Any:
    answer = client.post(f"/api/v1{path}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


def wish(project: str, template: str, **more: str) -> dict[str, str]:
    return {"projectId": project, "cfnTemplate": template, **more}


@pytest.mark.parametrize("path", ["/deployments", "/deployments/plan"])
def test_deployment__of_a_name_that_is_not_the_stacks__is_refused_with_what_to_write(
    owner: httpx.Client, project: str, path: str
) -> None:
    body = wish(project, THEIRS, targetEnvironment="dev")
    told = asked(owner, path, body, 400)
    assert told["code"] == "TEMPLATE_NAMES_INVALID"
    assert told["errors"] == [
        {
            "field": "cfnTemplate.Resources.Inbox.Properties.QueueName",
            "message": "must begin with the name of the stack: write "
            '!Sub "${AWS::StackName}-inbox"',
        }
    ]


def test_promotion__is_checked_for_the_stacks_that_it_will_be_deployed_to(
    owner: httpx.Client, project: str
) -> None:
    to_staging = {"sourceEnvironment": "dev", "targetEnvironment": "staging"}
    to_prod = {"sourceEnvironment": "staging", "targetEnvironment": "prod"}
    told = asked(owner, "/promotions", wish(project, THEIRS, **to_staging), 400)
    assert told["code"] == "TEMPLATE_NAMES_INVALID"
    # On its way to prod it is deployed to staging first, where the name would be cut.
    told = asked(owner, "/promotions", wish(project, TIGHT, **to_prod), 400)
    assert told["code"] == "TEMPLATE_NAMES_INVALID"
    assert asked(owner, "/promotions", wish(project, OURS, **to_prod), 201)["status"] == "PENDING"
