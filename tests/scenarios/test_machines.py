"""The mesh's own state machines on a real server, from the request that starts each to its end."""

import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from tests.builders.server import running_server
from tests.builders.small_mesh import CONTRACT, SmallMesh
from tests.builders.valid_requests import TEMPLATE

pytestmark = pytest.mark.scenario

_LONGEST_WAIT_SECONDS = 30.0
_ENDED = {"SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"}

T = TypeVar("T")


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def until(found: Callable[[], T | None]) -> T:
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    while not (it := found()):
        assert time.monotonic() < give_up, "it does not come"
        time.sleep(0.02)
    return it


def execution_of(mesh: SmallMesh, machine: str, field: str, value: str) -> dict[str, Any]:
    """The execution of a machine that was started with that value, when it has ended."""

    def ended() -> dict[str, Any] | None:
        path = f"/executions?stateMachine={machine}&limit=50"
        for one in mesh.ask("administrator", "GET", path)["items"]:
            found: dict[str, Any] = mesh.ask(
                "administrator", "GET", f"/executions/{one['executionId']}"
            )
            if found["input"].get(field) == value:
                return found if found["status"] in _ENDED else None
        return None

    return until(ended)


def approval_for(mesh: SmallMesh, role: str, title: str) -> str:
    """The id of the approval with that title in somebody's inbox."""

    def found() -> str | None:
        items = mesh.ask(role, "GET", "/approvals?limit=200")["items"]
        ids = [str(one["workflowId"]) for one in items if one["title"] == title]
        return ids[0] if ids else None

    return until(found)


def events(mesh: SmallMesh, kind: str, field: str, value: str) -> list[dict[str, Any]]:
    items = mesh.ask("administrator", "GET", f"/events?type={kind}&limit=500")["items"]
    return [item["detail"] for item in items if item["detail"].get(field) == value]


def test_project_setup__a_new_project_gets_folders_a_role_and_a_repository(
    mesh: SmallMesh,
) -> None:
    body = {"domainId": mesh.harbour, "name": "currents"}
    project = mesh.ask("administrator", "POST", "/projects", body)["projectId"]
    end = execution_of(mesh, "project-setup", "projectId", project)
    assert (end["status"], end["startedBy"]) == ("SUCCEEDED", "service:workflows")
    told = until(lambda: events(mesh, "ProjectSetupCompleted", "projectId", project))
    assert told == [{"projectId": project, "status": "success"}]
    home = mesh.server.home
    (folder,) = home.glob(f"lake/*/projects/{project}")
    assert {one.name for one in folder.iterdir()} == {"raw", "processed", "metadata"}
    deployed = mesh.ask("administrator", "GET", f"/deployments?projectId={project}")["items"]
    assert [(one["environment"], one["status"]) for one in deployed] == [("dev", "SUCCESS")]
    records = mesh.ask("auditor", "GET", "/audit?limit=1000")["items"]
    via = {one["operation"]: one["detail"].get("via") for one in records
           if one["actor"] == "service:workflows"}  # fmt: skip
    assert str(via["createDeployment"]).startswith("project-setup:")
    assert via["setupProject"] == "rule/project-creation-automation"


def test_promotion__goes_through_a_steward_of_the_projects_domain_to_production(
    mesh: SmallMesh,
) -> None:
    wish = {
        "projectId": mesh.tides,
        "sourceEnvironment": "dev",
        "targetEnvironment": "prod",
        "cfnTemplate": TEMPLATE,
    }
    asked = mesh.ask("owner", "POST", "/promotions", wish)
    (requested,) = events(mesh, "PromotionRequested", "requestId", asked["requestId"])
    assert (requested["createdBy"], requested["domainId"]) == ("user:olga@tides", mesh.harbour)
    title = f"Promote {mesh.tides} to prod"
    workflow_id = approval_for(mesh, "steward", title)
    own = mesh.clients["owner"].post(f"/api/v1/approvals/{workflow_id}/approve", json={})
    assert (own.status_code, own.json()["code"]) == (403, "SELF_APPROVAL")
    assert mesh.clients["other"].get(f"/api/v1/approvals/{workflow_id}").status_code == 404
    mesh.ask("steward", "POST", f"/approvals/{workflow_id}/approve", {"comment": "Ship it."})
    end = execution_of(mesh, "promotion", "requestId", asked["requestId"])
    assert end["status"] == "SUCCEEDED", (end["error"], end["cause"])
    found = mesh.ask("owner", "GET", f"/promotions/{asked['requestId']}")
    assert (found["status"], found["approvedBy"], found["approvalReason"]) == (
        "COMPLETED",
        "user:sam@harbour",
        "Ship it.",
    )
    deployed = mesh.ask("owner", "GET", f"/deployments?projectId={mesh.tides}&limit=2")["items"]
    assert [one["environment"] for one in deployed] == ["prod", "staging"]
    assert [one["resources"] for one in deployed] == [1, 1], "its own template was deployed"


def test_promotion__that_is_rejected_says_why(mesh: SmallMesh) -> None:
    wish = {"projectId": mesh.tides, "sourceEnvironment": "dev", "targetEnvironment": "prod"}
    asked = mesh.ask("contributor", "POST", "/promotions", wish)
    workflow_id = approval_for(mesh, "domain-owner", f"Promote {mesh.tides} to prod")
    mesh.ask("domain-owner", "POST", f"/approvals/{workflow_id}/reject", {"comment": "Too early."})
    end = execution_of(mesh, "promotion", "requestId", asked["requestId"])
    assert (end["status"], end["error"]) == ("FAILED", "APPROVAL_REJECTED")
    found = mesh.ask("owner", "GET", f"/promotions/{asked['requestId']}")
    assert (found["status"], found["rejectionReason"]) == ("REJECTED", "Too early.")


def test_promotion__from_where_nothing_runs_fails_and_is_recorded(mesh: SmallMesh) -> None:
    wish = {"projectId": mesh.maps, "sourceEnvironment": "staging", "targetEnvironment": "prod"}
    asked = mesh.ask("other", "POST", "/promotions", wish)
    end = execution_of(mesh, "promotion", "requestId", asked["requestId"])
    assert (end["status"], end["error"]) == ("FAILED", "ENVIRONMENT_INVALID")
    found = mesh.ask("other", "GET", f"/promotions/{asked['requestId']}")
    assert found["status"] == "FAILED"
    assert found["failureReason"].startswith("ENVIRONMENT_INVALID: ")


def test_share__becomes_active_once_the_other_account_has_accepted(mesh: SmallMesh) -> None:
    wish = {"assetId": mesh.readings, "targetAccount": "111122223333", "permissions": ["SELECT"]}
    share = mesh.ask("steward", "POST", "/cross-account-share", wish)["shareId"]
    path = f"/cross-account-share/{share}"
    until(lambda: mesh.ask("steward", "GET", path)["status"] == "GRANTED")
    mesh.ask("administrator", "POST", f"{path}/accept")
    # The workflow looks once a minute, by the server's own clock.
    give_up = time.monotonic() + 90
    while mesh.ask("steward", "GET", path)["status"] != "ACTIVE":
        assert time.monotonic() < give_up, mesh.ask("steward", "GET", path)
        time.sleep(0.2)
    end = execution_of(mesh, "cross-account-share", "shareId", share)
    assert end["status"] == "SUCCEEDED"
    (told,) = events(mesh, "CrossAccountShareCompleted", "shareId", share)
    assert told["status"] == "ACTIVE"


def test_subscription__that_is_rejected_ends_its_workflow_well(mesh: SmallMesh) -> None:
    request_id = mesh.new_subscription()
    mesh.ask("steward", "POST", f"/subscriptions/{request_id}/reject", {"reason": "Not now."})
    end = execution_of(mesh, "subscription", "requestId", request_id)
    assert (end["status"], end["output"]["decision"]["approved"]) == ("SUCCEEDED", False)
    assert end["output"]["decision"]["decidedBy"] == "user:sam@harbour"
    assert mesh.ask("other", "GET", f"/subscriptions/{request_id}")["status"] == "rejected"


def sensitive(mesh: SmallMesh, name: str, table: str) -> dict[str, Any]:
    return {
        "projectId": mesh.tides,
        "tableId": table,
        "name": name,
        "description": "Where nobody goes.",
        "classification": "internal",
        "columnClassifications": {"station": "restricted"},
        "contract": CONTRACT,
    }


def test_publication__that_a_steward_rejects_frees_the_name_and_the_table(
    mesh: SmallMesh,
) -> None:
    table = mesh.new_table("depths")
    body = sensitive(mesh, "depths", table)
    asset = mesh.ask("owner", "POST", "/assets", body)
    assert asset["status"] == "submitted"
    hidden = mesh.clients["other"].get(f"/api/v1/assets/{asset['assetId']}")
    assert hidden.status_code == 404, "it is not published yet"
    workflow_id = approval_for(mesh, "steward", "Publish depths")
    mesh.ask("steward", "POST", f"/approvals/{workflow_id}/reject", {"comment": "Too exact."})
    end = execution_of(mesh, "asset-publication", "assetId", asset["assetId"])
    assert (end["status"], end["error"]) == ("FAILED", "APPROVAL_REJECTED")
    found = mesh.ask("owner", "GET", f"/assets/{asset['assetId']}")
    assert (found["status"], found["statusReason"]) == (
        "rejected",
        "APPROVAL_REJECTED: Too exact.",
    )
    assert mesh.ask("other", "GET", "/catalog/search?q=depths")["items"] == []
    again = mesh.ask("owner", "POST", "/assets", {**body, "description": "Rounded depths."})
    assert again["assetId"] != asset["assetId"]
    workflow_id = approval_for(mesh, "steward", "Publish depths")
    mesh.ask("steward", "POST", f"/approvals/{workflow_id}/approve", {"comment": "Better."})
    end = execution_of(mesh, "asset-publication", "assetId", again["assetId"])
    assert end["status"] == "SUCCEEDED"
    names = [one["name"] for one in mesh.ask("other", "GET", "/catalog/search?q=depths")["items"]]
    assert names == ["depths"]


def test_publication__its_diagram_shows_where_it_waits(mesh: SmallMesh) -> None:
    mesh.ask("owner", "POST", "/assets", sensitive(mesh, "shoals", mesh.new_table("shoals")))
    workflow_id = approval_for(mesh, "steward", "Publish shoals")
    step = mesh.ask("steward", "GET", f"/approvals/{workflow_id}")["steps"][0]
    answer = mesh.clients["administrator"].get(f"/api/v1/executions/{step['executionId']}/diagram")
    lines = answer.text.splitlines()
    assert lines[0] == "flowchart TD"
    assert any("WaitForApproval" in line and ":::waits" in line for line in lines)
    assert any("RunDataQualityChecks" in line and ":::ran" in line for line in lines)
    assert any("IndexInSearch" in line and ":::untouched" in line for line in lines)
