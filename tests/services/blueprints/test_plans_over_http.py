"""Plans, and what is done with deployments, as those who ask for it see them."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from tests.services.blueprints.test_deploying_over_http import (
    OWNER,
    ROLE,
    TEMPLATE,
    VIEWER,
    Office,
)

CONTRIBUTOR = Actor("carl@harbour")
TWO = TEMPLATE.replace("Outputs:", '  Outbox: {Type: "AWS::SQS::Queue"}\nOutputs:')


@pytest.fixture
async def office(tmp_path: Path) -> AsyncIterator[Office]:
    office = Office(tmp_path, patience_seconds=10.0)
    office.worker.start()
    yield office
    await office.worker.stop()
    await office.store.close()


async def planned(office: Office, actor: Actor = OWNER, **changed: Any) -> dict[str, Any]:
    body = {
        "projectId": "proj-1",
        "targetEnvironment": "staging",
        "cfnTemplate": TEMPLATE,
        "parameters": {"Name": "tides"},
    }
    answer = await office.ask(actor, "POST", "/deployments/plan", {**body, **changed})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def act(office: Office, deployment: dict[str, Any], name: str, body: Any = None) -> Any:
    return await office.ask(
        OWNER, "POST", f"/deployments/{deployment['deploymentId']}/{name}", body
    )


async def seen(office: Office, deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = (
        await office.ask(VIEWER, "GET", f"/deployments/{deployment['deploymentId']}")
    ).json()
    return found


async def test_plan__tells_what_would_change_and_changes_nothing(office: Office) -> None:
    plan = await planned(office, tags={"Team": "tides"})
    assert plan["status"] == "PLANNED"
    assert plan["changes"] == [
        {
            "action": "Add",
            "logicalId": "Inbox",
            "resourceType": "AWS::SQS::Queue",
            "physicalId": None,
            "replacement": "no",
        }
    ]
    assert plan["tags"] == {
        "Team": "tides",
        "ManagedBy": "ManagementApp",
        "ProjectId": "proj-1",
    }
    assert (plan["stackEvents"], plan["endTime"]) == ([], None)
    where = "/verify?projectId=proj-1&environment=staging"
    assert (await office.ask(VIEWER, "GET", where)).status_code == 409
    assert len(office.linted) == 1


async def test_execute__carries_the_plan_out_and_once(office: Office) -> None:
    plan = await planned(office)
    answers = await asyncio.gather(*(act(office, plan, "execute") for _ in range(4)))
    assert {each.status_code for each in answers} == {200}
    done = await seen(office, plan)
    assert (done["status"], done["outputs"]) == ("SUCCESS", {"Name": "tides"})
    again = await act(office, plan, "execute")
    assert (again.status_code, again.json()["status"]) == (200, "SUCCESS")
    events = (
        await office.ask(VIEWER, "GET", f"/deployments/{plan['deploymentId']}/events")
    ).json()["items"]
    assert [each["status"] for each in events].count("CREATE_IN_PROGRESS") == 1


async def test_plan__that_another_deployment_overtook_is_outdated(office: Office) -> None:
    plan = await planned(office)
    other = (await office.deploy(cfnTemplate=TWO)).json()
    assert other["status"] == "SUCCESS"
    late = await act(office, plan, "execute")
    assert (late.status_code, late.json()["code"]) == (412, "PLAN_OUTDATED")
    assert (await seen(office, plan))["status"] == "PLANNED"
    fresh = await planned(office)
    assert [(each["action"], each["logicalId"]) for each in fresh["changes"]] == [
        ("Remove", "Outbox")
    ]


async def test_plan__that_changed_past_the_mesh_fails_as_outdated(office: Office) -> None:
    plan = await planned(office)
    await office.stacks.remove(plan["cfnStackId"])
    done = (await act(office, plan, "execute")).json()
    assert (done["status"], done["statusReason"][:13]) == ("FAILED", "PLAN_OUTDATED")


async def test_plan__of_what_is_there_succeeds_and_changes_nothing(office: Office) -> None:
    await office.deploy()
    plan = await planned(office)
    assert (plan["status"], plan["changes"]) == ("PLANNED", [])
    done = (await act(office, plan, "execute")).json()
    assert (done["status"], done["stackEvents"]) == ("SUCCESS", [])


async def test_plan__that_is_dropped_is_not_carried_out(office: Office) -> None:
    plan = await planned(office)
    assert (await act(office, plan, "cancel")).json()["status"] == "CANCELLED"
    assert (await act(office, plan, "cancel")).json()["status"] == "CANCELLED"
    refused = await act(office, plan, "execute")
    assert (refused.status_code, refused.json()["code"]) == (409, "DEPLOYMENT_NOT_PLANNED")
    for _ in range(500):
        if await office.stacks.state("proj-1-staging") is None:
            break
        await asyncio.sleep(0.02)
    gone = await office.stacks.state(plan["cfnStackId"])
    assert gone is not None
    assert gone.gone


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"parameters": {}}, "PARAMETERS_INVALID"),
        ({"cfnTemplate": ROLE, "parameters": {}}, "CAPABILITY_MISSING"),
        ({"capabilities": ["CAPABILITY_IAM"]}, "CAPABILITY_NOT_NEEDED"),
        ({"tags": {"aws:mine": "x"}}, "STACK_TAGS_INVALID"),
        ({"tags": {"ManagedBy": "me"}}, "STACK_TAGS_INVALID"),
        ({"cfnTemplate": None}, "REQUEST_INVALID"),
    ],
)
async def test_plan__of_what_cannot_be_is_refused(
    office: Office, changed: dict[str, Any], code: str
) -> None:
    body = {
        "projectId": "proj-1",
        "targetEnvironment": "staging",
        "cfnTemplate": TEMPLATE,
        "parameters": {"Name": "tides"},
    }
    answer = await office.ask(OWNER, "POST", "/deployments/plan", {**body, **changed})
    assert (answer.status_code, answer.json()["code"]) == (400, code)


async def test_what_ended_well__is_neither_stopped_nor_rolled_back(office: Office) -> None:
    done = (await office.deploy()).json()
    for name, body, code in (
        ("cancel", None, "DEPLOYMENT_ENDED"),
        ("rollback", {}, "DEPLOYMENT_NOT_FAILED"),
    ):
        answer = await act(office, done, name, body)
        assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_remove__takes_the_stack_away_by_its_last_deployment(office: Office) -> None:
    first = (await office.deploy()).json()
    last = (await office.deploy(cfnTemplate=TWO)).json()
    path = f"/deployments/{first['deploymentId']}"
    refused = await office.ask(OWNER, "DELETE", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "DEPLOYMENT_SUPERSEDED")
    path = f"/deployments/{last['deploymentId']}"
    for _ in range(2):
        gone = await office.ask(OWNER, "DELETE", path)
        assert (gone.status_code, gone.json()["status"]) == (200, "REMOVED")
    state = await office.stacks.state(last["cfnStackId"])
    assert state is not None
    assert state.gone
    where = "/verify?projectId=proj-1&environment=staging"
    answer = await office.ask(VIEWER, "GET", where)
    assert (answer.status_code, answer.json()["code"]) == (409, "ENVIRONMENT_NOT_DEPLOYED")
    anew = (await office.deploy()).json()
    assert (anew["status"], anew["cfnStackId"] != last["cfnStackId"]) == ("SUCCESS", True)


async def test_remove__by_a_plan_that_did_nothing_leaves_what_others_made(office: Office) -> None:
    live = (await office.deploy()).json()
    plan = await planned(office, cfnTemplate=TWO)
    await act(office, plan, "cancel")
    refused = await office.ask(OWNER, "DELETE", f"/deployments/{plan['deploymentId']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "DEPLOYMENT_DID_NOTHING")
    state = await office.stacks.state(live["cfnStackId"])
    assert state is not None
    assert state.well


async def test_events__are_paged_oldest_first(office: Office) -> None:
    done = (await office.deploy(cfnTemplate=TWO)).json()
    path, found = f"/deployments/{done['deploymentId']}/events", []
    cursor: str | None = ""
    while cursor is not None:
        page = (await office.ask(VIEWER, "GET", f"{path}?limit=2{cursor}")).json()
        assert len(page["items"]) <= 2
        found += page["items"]
        cursor = page["nextCursor"] and f"&cursor={page['nextCursor']}"
    assert found == done["stackEvents"]
    assert (found[0]["status"], found[-1]["status"]) == ("CREATE_IN_PROGRESS", "CREATE_COMPLETE")


async def test_stream__tells_each_step_and_ends_with_the_deployment(office: Office) -> None:
    done = (await office.deploy()).json()
    path = f"/deployments/{done['deploymentId']}/events/stream"
    answer = await office.ask(VIEWER, "GET", path)
    assert answer.headers["content-type"].startswith("text/event-stream")
    parts = [part.split("\n") for part in answer.text.strip().split("\n\n")[1:]]
    told = [(lines[1], json.loads(lines[2].removeprefix("data: "))) for lines in parts]
    assert [one["status"] for kind, one in told if kind == "event: step"] == [
        one["status"] for one in done["stackEvents"]
    ]
    assert told[-1][0] == "event: ended"
    assert (told[-1][1]["status"], told[-1][1]["succeeded"]) == ("SUCCESS", True)


async def test_stream__leaves_when_the_process_stops(tmp_path: Path) -> None:
    office = Office(tmp_path)
    begun = (await office.deploy()).json()
    assert begun["status"] == "IN_PROGRESS"
    path = f"/deployments/{begun['deploymentId']}/events/stream"
    streaming = asyncio.create_task(office.ask(VIEWER, "GET", path))
    await asyncio.sleep(0.2)
    assert not streaming.done()
    office.hanging.hang_up()
    assert "ended" not in (await streaming).text
    await office.store.close()


async def test_drift__of_what_is_only_recorded_is_none(office: Office) -> None:
    done = (await office.deploy()).json()
    found = await office.ask(VIEWER, "GET", f"/deployments/{done['deploymentId']}/drift")
    assert (found.status_code, found.json()["items"]) == (200, [])
    bare = (await office.deploy(cfnTemplate=None, parameters={})).json()
    answer = await office.ask(VIEWER, "GET", f"/deployments/{bare['deploymentId']}/drift")
    assert (answer.status_code, answer.json()["code"]) == (409, "DEPLOYMENT_HAS_NO_STACK")


async def test_contributor__changes_dev_and_nothing_else(office: Office) -> None:
    plan = await planned(office, CONTRIBUTOR, targetEnvironment="dev")
    path = f"/deployments/{plan['deploymentId']}"
    done = (await office.ask(CONTRIBUTOR, "POST", f"{path}/execute")).json()
    assert done["status"] == "SUCCESS"
    assert (await office.ask(CONTRIBUTOR, "DELETE", path)).json()["status"] == "REMOVED"
    for environment in ("staging", "prod"):
        refused = await office.deploy(CONTRIBUTOR, targetEnvironment=environment)
        assert refused.status_code == 403
    plan = await planned(office)
    for method, name in (("POST", "/execute"), ("POST", "/cancel"), ("DELETE", "")):
        path = f"/deployments/{plan['deploymentId']}{name}"
        assert (await office.ask(CONTRIBUTOR, method, path)).status_code == 403
    assert (await seen(office, plan))["status"] == "PLANNED"
