"""What somebody would try with the bus, and what comes of it."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.builders.attacks import ended, eventually, letter_codes, started
from tests.builders.server import running_server
from tests.builders.small_mesh import SmallMesh

pytestmark = pytest.mark.scenario

SAYS = {
    "StartAt": "Say",
    "States": {
        "Say": {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents",
            "Parameters": {
                "Entries": [
                    {
                        "Source.$": "$.source",
                        "DetailType.$": "$.type",
                        "Detail.$": "$.detail",
                        "Resources.$": "States.Array($.entity)",
                    }
                ]
            },
            "End": True,
        }
    },
}
"""A state machine that sends whatever event whoever starts it likes."""

EVENT = {
    "id": "7bf73129-1428-4cd3-a780-95db273d1602",
    "detail-type": "GaugeRead",
    "source": "harbour.gauges",
    "account": "000000000000",
    "time": "2026-01-31T12:00:00Z",
    "region": "local",
    "resources": [],
}


@pytest.fixture(scope="module")
def mesh() -> Iterator[SmallMesh]:
    with running_server() as server:
        made = SmallMesh(server)
        made.ask("administrator", "PUT", "/workflows/says", {"definition": SAYS})
        yield made
        made.close()
        assert server.unforeseen() == []


def said(
    mesh: SmallMesh, kind: str, entity: str, detail: dict[str, Any], source: str = "my.app"
) -> dict[str, Any]:
    """The execution in which somebody without a role sent an event."""
    given = {"source": source, "type": kind, "entity": entity, "detail": detail}
    return ended(mesh, "unrelated", started(mesh, "unrelated", "says", given))


def test_forged_quality__does_not_become_the_score_of_an_asset(mesh: SmallMesh) -> None:
    forged = {
        "assetId": mesh.readings,
        "score": 1.0,
        "rulesPassed": 999,
        "rulesTotal": 999,
        "runId": "forged",
        "completedAt": "2099-01-01T00:00:00Z",
    }
    assert said(mesh, "DataQualityRunCompleted", mesh.readings, forged)["status"] == "SUCCEEDED"
    run = mesh.ask("owner", "POST", "/data-quality/run", {"assetId": mesh.readings})["runId"]

    def run_stored() -> str | None:
        found = mesh.ask("owner", "GET", f"/assets/{mesh.readings}")["quality"]["runId"]
        assert found != "forged"
        return str(found) if found == run else None

    assert eventually(run_stored) == run


def test_forged_decision__moves_no_subscription(mesh: SmallMesh) -> None:
    request_id = mesh.new_subscription()
    detail = {
        "requestId": request_id,
        "approvedBy": "user:nobody",
        "approvedAt": "2026-01-01T00:00:00Z",
    }
    assert said(mesh, "SubscriptionApproved", request_id, detail)["status"] == "SUCCEEDED"
    mesh.ask("steward", "POST", f"/subscriptions/{request_id}/reject", {"reason": "No."})

    def waits() -> dict[str, Any] | None:
        items = mesh.ask("administrator", "GET", "/executions?stateMachine=subscription")["items"]
        paths = [f"/executions/{item['executionId']}" for item in items]
        found = [mesh.ask("administrator", "GET", path) for path in paths]
        mine = [one for one in found if one["input"]["requestId"] == request_id]
        return next((one for one in mine if one["status"] != "RUNNING"), None)

    assert eventually(waits)["output"]["decision"]["decidedBy"] == "user:sam@harbour"


def test_damaged_event_of_a_known_type__holds_up_no_real_one(mesh: SmallMesh) -> None:
    assert said(mesh, "AssetPublished", mesh.readings, {})["status"] == "SUCCEEDED"
    letters = mesh.ask("administrator", "GET", "/events/dead-letters?limit=200")["items"]
    assert not [one for one in letters if one["queue"].startswith("consumer:")]
    table = mesh.new_table("tolls")
    assert mesh.ask("owner", "GET", f"/assets/{mesh.new_asset('tolls', table)}")["assetId"]


@pytest.mark.parametrize(
    "source",
    [
        "management-app.assets",
        "MANAGEMENT-APP.Assets",
        "management-app",
        "aws.s3",
        "meshplane.x",
        "\uff4danagement-app.assets",
        "Meshplane",
        "AWS",
    ],
)
def test_source_of_the_mesh__is_refused_to_people_and_their_workflows(
    mesh: SmallMesh, source: str
) -> None:
    execution = said(mesh, "AssetSubmitted", "x", {}, source)
    assert (execution["status"], execution["error"]) == ("FAILED", "EventBridge.FailedEntry")
    body = {"entries": [{"source": source, "detailType": "AssetSubmitted", "detail": {}}]}
    answer = mesh.clients["administrator"].post("/api/v1/events", json=body)
    assert (answer.status_code, answer.json()["code"]) == (403, "SOURCE_RESERVED")


def test_rules_that_start_each_other__stop_after_sixteen_hops(mesh: SmallMesh) -> None:
    turning = {
        "Type": "Task",
        "Resource": "arn:aws:states:::events:putEvents",
        "End": True,
        "Parameters": {
            "Entries": [
                {
                    "Source": "my.app",
                    "DetailType.$": "$.next",
                    "Detail": {"next.$": "$.own", "own.$": "$.next"},
                }
            ]
        },
    }
    definition = {"StartAt": "Say", "States": {"Say": turning}}
    mesh.ask("administrator", "PUT", "/workflows/turns", {"definition": definition})
    for kind in ("Ping", "Pong"):
        target = {"id": "turn", "type": "workflow", "name": "turns", "inputPath": "$.detail"}
        pattern = {"source": ["my.app"], "detail-type": [kind]}
        rule = {"eventPattern": pattern, "targets": [target]}
        mesh.ask("administrator", "PUT", f"/events/rules/{kind.lower()}", rule)
    entry = {"source": "my.app", "detailType": "Ping", "detail": {"next": "Pong", "own": "Ping"}}
    mesh.ask("administrator", "POST", "/events", {"entries": [entry]})

    assert eventually(lambda: "EVENT_LOOP" in letter_codes(mesh))
    found = mesh.ask("administrator", "GET", "/executions?stateMachine=turns&limit=200")["items"]
    assert len(found) == 8


def test_operation_that_starts_its_own_workflow__stops_after_sixteen_hops(mesh: SmallMesh) -> None:
    starts = {
        "Type": "Task",
        "Resource": "meshplane:startExecution",
        "Parameters": {"stateMachine": "breeds"},
        "End": True,
    }
    definition = {"StartAt": "Start", "States": {"Start": starts}}
    mesh.ask("administrator", "PUT", "/workflows/breeds", {"definition": definition})
    mesh.ask("unrelated", "POST", "/executions", {"stateMachine": "breeds"})

    def last_failed() -> list[Any] | None:
        path = "/executions?stateMachine=breeds&limit=200"
        items = mesh.ask("administrator", "GET", path)["items"]
        return items if any(item["status"] == "FAILED" for item in items) else None

    newest = eventually(last_failed)[0]
    execution = mesh.ask("administrator", "GET", f"/executions/{newest['executionId']}")
    assert (execution["error"], execution["hops"]) == ("EVENT_LOOP", 15)


def test_event_of_many_values__is_matched_while_others_are_served(mesh: SmallMesh) -> None:
    values = [[{"d": ["q"] * 30}] * 20] * 75
    event = {**EVENT, "detail": {"a": [{"b": [{"c": one}]} for one in values]}}
    body = {"eventPattern": {"detail": {"a": {"b": {"c": {"d": ["z"]}}}}}, "event": event}
    began = time.monotonic()
    assert mesh.ask("unrelated", "POST", "/events/test-pattern", body) == {"result": False}
    # It took minutes for each million values once.
    assert time.monotonic() - began < 5


def test_event_that_no_bus_takes__is_not_tried_either(mesh: SmallMesh) -> None:
    event = {**EVENT, "detail": {"text": "x" * 262_144}}
    for given in (event, str(event)):
        body = {"eventPattern": {"source": ["x"]}, "event": given}
        answer = mesh.clients["unrelated"].post("/api/v1/events/test-pattern", json=body)
        assert (answer.status_code, answer.json()["code"]) == (413, "EVENT_TOO_LARGE")


@pytest.mark.parametrize("number", ["18446744073709551616", "-9223372036854775809", "1e999", "NaN"])
def test_number_that_nothing_can_hold__is_refused_with_its_place(
    mesh: SmallMesh, number: str
) -> None:
    bodies = {
        "POST /events": '{"entries":[{"source":"a","detailType":"b","detail":{"n":[0,%s]}}]}',
        "PUT /events/archives/many": '{"eventPattern":{"source":[%s]}}',
        "PUT /workflows/many": '{"definition":{"StartAt":%s}}',
        "POST /executions": '{"stateMachine":"says","input":{"n":%s}}',
        "POST /executions/tasks/success": '{"taskToken":"a:b:c","output":%s}',
    }
    client = mesh.clients["administrator"]
    for route, body in bodies.items():
        method, path = route.split()
        answer = _sent(client, method, path, body.replace("%s", number))
        assert (answer.status_code, answer.json()["code"]) == (400, "NUMBER_TOO_LARGE"), route
        assert answer.json()["errors"][0]["field"]


def test_largest_numbers__are_taken(mesh: SmallMesh) -> None:
    for number in ("18446744073709551615", "-9223372036854775808", "1e308"):
        body = '{"entries":[{"source":"a","detailType":"b","detail":{"n":%s}}]}'.replace(
            "%s", number
        )
        assert _sent(mesh.clients["administrator"], "POST", "/events", body).status_code == 201


def _sent(client: httpx.Client, method: str, path: str, body: str) -> httpx.Response:
    headers = {"content-type": "application/json"}
    return client.request(method, f"/api/v1{path}", content=body.encode(), headers=headers)
