"""The promotion workflow as it was first printed: it does what Step Functions does with it.

As printed it loses its input after the first step, and fails. With a `ResultPath` on each task it
runs to its approval and on to the end, on this platform's own operations.
"""

import copy
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh
from tests.builders.valid_requests import TEMPLATE

pytestmark = pytest.mark.scenario

SEEDS = Path(__file__).resolve().parents[2] / "../shared/seeds"
_LONGEST_WAIT_SECONDS = 30.0


@pytest.fixture(scope="module")
def printed() -> dict[str, Any]:
    """The document, cut out of the text around it."""
    files = sorted(SEEDS.glob("001_*"))
    if not files:
        pytest.skip("the texts that the platform was built from are not beside this repository")
    text = files[0].read_text("utf-8")
    after = text[text.index("#### State Machine 1: Project Promotion Workflow") :]
    found = re.search(r"```json\n(.*?)```", after, re.DOTALL)
    assert found is not None
    document: dict[str, Any] = json.loads(found[1])
    return document


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def started(mesh: SmallMesh, name: str, definition: dict[str, Any]) -> str:
    """The id of an execution of the document, by the project's owner."""
    mesh.ask("administrator", "PUT", f"/workflows/{name}", {"definition": definition})
    given = {"projectId": mesh.tides, "cfnTemplate": TEMPLATE}
    body = {"stateMachine": name, "input": given}
    return str(mesh.ask("owner", "POST", "/executions", body)["executionId"])


def until_status(mesh: SmallMesh, execution_id: str, *statuses: str) -> dict[str, Any]:
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while True:
        found: dict[str, Any] = mesh.ask("owner", "GET", f"/executions/{execution_id}")
        if found["status"] in statuses:
            return found
        assert time.monotonic() < give_up, found
        time.sleep(0.02)


def entered(mesh: SmallMesh, execution_id: str) -> list[str]:
    """The states that were entered, in order."""
    items = mesh.ask("owner", "GET", f"/executions/{execution_id}/history?limit=1000")["items"]
    return [
        one["stateEnteredEventDetails"]["name"]
        for one in items
        if "stateEnteredEventDetails" in one
    ]


def test_as_printed__is_taken_with_warnings_that_name_its_traps(
    mesh: SmallMesh, printed: dict[str, Any]
) -> None:
    checked = mesh.ask("owner", "POST", "/workflows/validate", {"definition": printed})
    assert checked["valid"]
    assert {problem["severity"] for problem in checked["problems"]} == {"WARNING"}
    put = mesh.ask("administrator", "PUT", "/workflows/as-printed", {"definition": printed})
    assert put["definition"] == printed
    assert put["problems"] == checked["problems"]
    assert "ApprovalGate" in json.dumps(put["problems"]), "a token is waited for without end"


def test_as_printed__loses_its_input_and_fails_where_step_functions_does(
    mesh: SmallMesh, printed: dict[str, Any]
) -> None:
    execution_id = started(mesh, "as-printed", printed)
    end = until_status(mesh, execution_id, "FAILED", "SUCCEEDED")
    assert (end["status"], end["error"]) == ("FAILED", "States.Runtime")
    assert "An error occurred while executing the state 'DeployToStaging'" in end["cause"]
    assert "$.projectId" in end["cause"]
    assert "could not be found" in end["cause"]
    assert entered(mesh, execution_id) == ["ValidateSourceEnvironment", "DeployToStaging"]


def with_result_paths(printed: dict[str, Any]) -> dict[str, Any]:
    kept = copy.deepcopy(printed)
    for name, state in kept["States"].items():
        state["ResultPath"] = f"$.{name[0].lower()}{name[1:]}"
    return kept


def test_with_result_paths__runs_to_its_approval_and_on_to_the_end(
    mesh: SmallMesh, printed: dict[str, Any]
) -> None:
    execution_id = started(mesh, "kept-input", with_result_paths(printed))
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    waiting: list[dict[str, Any]] = []
    while not waiting:
        assert time.monotonic() < give_up, mesh.ask("owner", "GET", f"/executions/{execution_id}")
        items = mesh.ask("administrator", "GET", "/approvals")["items"]
        waiting = [one for one in items if one["executionId"] == execution_id]
        time.sleep(0.02)
    (step,) = waiting
    assert (step["projectId"], step["message"]) == (mesh.tides, "Ready to promote to production?")
    path = f"/approvals/{step['workflowId']}/approve"
    own = mesh.clients["owner"].post(f"/api/v1{path}", json={})
    assert (own.status_code, own.json()["code"]) == (403, "SELF_APPROVAL")
    mesh.ask("administrator", "POST", path, {"comment": "Ship it."})
    end = until_status(mesh, execution_id, "FAILED", "SUCCEEDED")
    assert end["status"] == "SUCCEEDED", (end["error"], end["cause"])
    assert entered(mesh, execution_id) == [
        "ValidateSourceEnvironment", "DeployToStaging", "RunStagingTests", "ApprovalGate",
        "DeployToProduction", "VerifyDeployment", "NotifySuccess",
    ]  # fmt: skip
    verified = end["output"]["verifyDeployment"]["ResponseBody"]
    latest = mesh.ask("owner", "GET", f"/deployments?projectId={mesh.tides}")["items"][0]
    assert verified["deploymentId"] == latest["deploymentId"]
    assert latest["deployedBy"] == "user:olga@tides"
    told = mesh.ask("administrator", "GET", "/events?type=NotificationPublished&limit=500")
    assert told["items"][-1]["detail"]["message"] == mesh.tides
    audit = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    done = {record["operation"] for record in audit if record["detail"].get("via") == execution_id}
    assert {"validateEnvironment", "createDeployment", "runEnvironmentTests"} <= done


def test_with_result_paths__a_no_fails_it(mesh: SmallMesh, printed: dict[str, Any]) -> None:
    execution_id = started(mesh, "kept-input", with_result_paths(printed))
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    waiting: list[str] = []
    while not waiting:
        assert time.monotonic() < give_up
        items = mesh.ask("administrator", "GET", "/approvals")["items"]
        waiting = [one["workflowId"] for one in items if one["executionId"] == execution_id]
        time.sleep(0.02)
    mesh.ask("administrator", "POST", f"/approvals/{waiting[0]}/reject", {"comment": "Not yet."})
    end = until_status(mesh, execution_id, "FAILED", "SUCCEEDED")
    assert (end["error"], end["cause"]) == ("APPROVAL_REJECTED", "Not yet.")
    assert "DeployToProduction" not in entered(mesh, execution_id)
