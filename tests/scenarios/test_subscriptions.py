"""Subscriptions whole: who may ask, which way a request takes, and what comes of it."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.refusals import fields, problem_of
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

LATER, MUCH_LATER = "2090-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def answer_of(world: SubscriptionWorld, who: str, sql: str, **more: Any) -> list[Any]:
    """The rows of a statement."""
    found: list[Any] = world.mesh.ask(who, "POST", "/query", {"sql": sql, **more})["rows"]
    return found


def test_public_data__is_granted_at_once_and_says_by_which_policy(world: SubscriptionWorld) -> None:
    asset = world.asset("public")
    made = world.request(asset)
    assert (made["status"], made["decidedBy"]) == ("active", "policy:auto-approve-public")
    assert made["decisionReason"]
    assert made["route"] == {"level": "public", "steps": [], "waitsFor": []}
    assert made["grantId"] in world.grants(asset)
    told = world.happened(made)
    assert told == ["SubscriptionRequested", "SubscriptionApproved", "SubscriptionActivated"]
    assert world.events(made)[1]["detail"]["reason"] == made["decisionReason"]


@pytest.mark.parametrize(
    ("level", "steps"),
    [
        ("internal", ["owner or steward"]),
        ("confidential", ["steward"]),
        ("restricted", ["steward", "owner"]),
    ],
)
def test_route__follows_from_the_classification(
    world: SubscriptionWorld, level: str, steps: list[str]
) -> None:
    made = world.request(world.asset(level))
    assert made["status"] == "requested"
    assert made["route"] == {"level": level, "steps": steps, "waitsFor": steps}
    assert world.events(made)[0]["detail"]["route"] == steps


def test_route__the_strictest_column_that_is_asked_for_decides(world: SubscriptionWorld) -> None:
    asset = world.asset("public", level="confidential")
    assert world.request(asset)["route"]["level"] == "confidential"
    assert world.request(asset, columns=["station"])["status"] == "active"
    # Whoever sees the rows that a condition leaves knows something of the column that it names.
    by_row = world.request(asset, columns=["station"], rowFilter="level > 5")
    assert by_row["route"]["level"] == "confidential"
    assert world.request(asset, columns=["level"])["route"]["level"] == "confidential"


def test_route__a_column_that_is_tagged_stricter_takes_the_stricter(
    world: SubscriptionWorld,
) -> None:
    asset = world.publish("tagged_stricter", "public", {})
    assert world.request(asset)["status"] == "active"
    tagging = {"resource": f"asset:{asset}", "column": "level"}
    world.mesh.ask(
        "steward",
        "POST",
        "/lake/lf-tag-assignments",
        {**tagging, "tags": {"classification": "restricted"}},
    )
    made = world.request(asset)
    assert (made["status"], made["route"]["level"]) == ("requested", "restricted")
    assert world.request(asset, columns=["station"])["status"] == "active"
    by_row = world.request(asset, columns=["station"], rowFilter="level > 5")
    assert by_row["route"]["level"] == "restricted"


def test_route__an_asset_that_is_classified_stricter_meanwhile_takes_the_stricter(
    world: SubscriptionWorld,
) -> None:
    asset = world.publish("later_restricted", "internal", {})
    made = world.request(asset)
    body, tag = {"classification": "restricted"}, world.mesh.tag(f"/assets/{asset}")
    path, headers = f"/api/v1/assets/{asset}", {"If-Match": tag}
    assert world.mesh.clients["owner"].patch(path, json=body, headers=headers).is_success
    first = world.does("steward", "approve", made)
    assert (first["status"], first["route"]["waitsFor"]) == ("requested", ["owner"])
    assert world.does("domain-owner", "approve", made)["status"] == "active"


def test_confidential__waits_for_a_steward_and_no_owner_will_do(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("confidential"))
    assert world.refused("domain-owner", "approve", made) == (403, "WRONG_APPROVER")
    assert world.does("steward", "approve", made)["status"] == "active"


def test_restricted__takes_two_people_in_either_order(world: SubscriptionWorld) -> None:
    asset = world.asset("restricted")
    for first, second in (("steward", "domain-owner"), ("domain-owner", "steward")):
        made = world.request(asset)
        half = world.does(first, "approve", made)
        assert (half["status"], half["grantId"], half["decidedBy"]) == ("requested", None, None)
        assert [one["by"] for one in half["approvals"]] != []
        assert len(half["route"]["waitsFor"]) == 1
        assert not any(made["requestId"] in grant for grant in world.grants(asset))
        whole = world.does(second, "approve", made)
        assert whole["status"] == "active"
        assert whole["grantId"] in world.grants(asset)
        assert [one["reason"] for one in whole["approvals"]] == ["I approve it.", "I approve it."]
        assert world.happened(made) == [
            "SubscriptionRequested",
            "SubscriptionApprovalGiven",
            "SubscriptionApproved",
            "SubscriptionActivated",
        ]


def test_restricted__one_no_ends_it(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made)
    assert world.does("domain-owner", "reject", made)["status"] == "rejected"
    assert world.refused("steward", "approve", made) == (409, "ALREADY_DECIDED")
    told = world.events(made, "SubscriptionRejected")[-1]["detail"]
    assert told["reason"] == "I reject it."


def test_several_approvers__what_each_leaves_out_adds_up(world: SubscriptionWorld) -> None:
    asset = world.publish("adding_up", "restricted", {})
    made = world.request(asset, rowFilter="level < 9", expiresAt=MUCH_LATER)
    world.does(
        "steward", "approve", made,
        rowFilter="level > 2", expiresAt=LATER,
        masks={"station": {"kind": "partial", "keepLast": 3}},
    )  # fmt: skip
    done = world.does(
        "domain-owner", "approve", made,
        rowFilter="level <> 5",
        masks={"station": {"kind": "partial", "keepLast": 1, "fill": "#"}},
    )  # fmt: skip
    assert done["expiresAt"] == LATER
    assert done["scope"]["masks"]["station"]["keepLast"] == 1
    rows = answer_of(
        world, "other", f"SELECT level, station FROM {name_of(world, asset)} ORDER BY level",
        projectId=world.mesh.maps,
    )  # fmt: skip
    assert [row[0] for row in rows] == [3, 4, 6, 7, 8]
    assert [row[1] for row in rows] == [f"####{row[0]}" for row in rows]


def test_several_approvers__together_they_may_not_leave_nothing(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made, excludedColumns=["level"])
    answer = world.act("domain-owner", "approve", made, excludedColumns=["station"])
    assert problem_of(answer)["code"] == "NOTHING_GRANTED"
    assert world.get(made)["route"]["waitsFor"] == ["owner"]


def name_of(world: SubscriptionWorld, asset: str) -> str:
    """The asset as a statement names it."""
    found = world.mesh.ask("other", "GET", f"/assets/{asset}")
    return f"{found['domainName']}.{found['name']}"


@pytest.mark.parametrize(
    ("mask", "place"),
    [
        ({"kind": "partial", "keepLast": 2, "value": "x"}, "masks.station.value"),
        ({"kind": "hash", "unit": "month"}, "masks.station.unit"),
        ({"kind": "truncate", "unit": "month"}, "masks.station"),
        ({"kind": "round", "digits": 2}, "masks.station"),
        ({"kind": "truncate"}, "masks.station"),
        ({"kind": "constant"}, "masks.station.value"),
    ],
    ids=str,
)
def test_approve__a_mask_that_does_not_fit_its_column_is_refused(
    world: SubscriptionWorld, mask: dict[str, Any], place: str
) -> None:
    told = problem_of(world.act("steward", "approve", world.request(), masks={"station": mask}))
    assert (told["code"], fields(told)) == ("MASK_INVALID", [place])


def test_person__asks_for_himself_and_reads_alone(world: SubscriptionWorld) -> None:
    asset = world.asset("internal")
    body = {"assetId": asset, "purpose": "To see for myself."}
    mine = world.mesh.ask("unrelated", "POST", "/subscriptions", body)
    assert (mine["subscriber"], mine["projectId"]) == ("user:una@nowhere", None)
    assert world.mesh.ask("unrelated", "GET", f"/subscriptions/{mine['requestId']}") == mine
    assert world.does("steward", "approve", mine)["status"] == "active"
    assert world.grants(asset)[f"grant-{mine['requestId']}"]["principal"] == "user:una@nowhere"
    sql = f"SELECT count(*) FROM {name_of(world, asset)}"
    assert answer_of(world, "unrelated", sql) == [[10]]
    with world.mesh.server.client("ulf@nowhere", ("staff",)) as ulf:
        assert problem_of(ulf.post("/api/v1/query", json={"sql": sql}))["code"] == "ACCESS_REQUIRED"
        hidden = ulf.get(f"/api/v1/subscriptions/{mine['requestId']}")
        assert problem_of(hidden)["code"] == "SUBSCRIPTION_NOT_FOUND"


def test_person__lists_his_own_and_nobody_elses(world: SubscriptionWorld) -> None:
    body = {"assetId": world.asset("public"), "purpose": "To see for myself."}
    made = world.mesh.ask("auditor", "POST", "/subscriptions", body)
    path = "/subscriptions?subscriber=user:aud@mesh"
    assert [one["requestId"] for one in world.mesh.ask("auditor", "GET", path)["items"]] == [
        made["requestId"]
    ]
    for role in ("unrelated", "administrator", "steward"):
        told = problem_of(world.mesh.clients[role].get(f"/api/v1{path}"))
        assert told["code"] == "FORBIDDEN"


def test_person__who_publishes_it_reads_it_already(world: SubscriptionWorld) -> None:
    body = {"assetId": world.mesh.readings, "purpose": "To see for myself."}
    told = problem_of(world.mesh.clients["viewer"].post("/api/v1/subscriptions", json=body))
    assert told["code"] == "OWN_ASSET"


def test_preview__shows_the_grant_that_the_approval_then_writes(world: SubscriptionWorld) -> None:
    asset = world.asset("internal")
    made = world.request(asset, columns=["station", "level"], expiresAt=LATER)
    wish = {
        "rowFilter": "level < 4",
        "masks": {"station": {"kind": "partial", "keepLast": 2}},
    }
    shown = world.does("steward", "preview", made, **wish)
    assert world.get(made) == made
    assert shown["grantId"] not in world.grants(asset)
    done = world.does("steward", "approve", made, **wish)
    assert shown["grantId"] == done["grantId"]
    assert (shown["target"], shown["principal"]) == (
        {"kind": "rows", "assetId": asset},
        f"project:{world.mesh.maps}",
    )
    assert (shown["expiresAt"], shown["rowFilter"]["text"]) == (LATER, done["scope"]["rowFilter"])
    assert [one["name"] for one in shown["rowFilter"]["columns"]] == ["level"]
    columns = {one["name"]: one for one in shown["columns"]}
    assert columns["station"]["mask"] == {
        "kind": "partial", "value": None, "keepFirst": 0, "keepLast": 2, "fill": "*"
    }  # fmt: skip
    assert all(one["fieldId"] for one in shown["columns"])
    assert world.refused("steward", "preview", made, **wish) == (409, "ALREADY_DECIDED")


def test_preview__counts_what_another_approver_left_out(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made, excludedColumns=["station"])
    shown = world.does("domain-owner", "preview", made)
    assert [one["name"] for one in shown["columns"]] == ["level"]
    assert shown["excludedColumns"] == ["station"]


def test_preview__is_what_a_simulated_approval_stands_on(world: SubscriptionWorld) -> None:
    asset = world.publish("simulated", "internal", {})
    made = world.request(asset)
    approval = {"reason": "To see.", "excludedColumns": ["station"]}
    change = {"approve": {"requestId": made["requestId"], "approval": approval}}
    path, body = "/permissions/simulate", {"changes": [change]}
    told = world.mesh.ask("steward", "POST", path, body)["changes"]
    assert [(one["principal"], one["assetId"]) for one in told] == [
        (f"project:{world.mesh.maps}", asset)
    ]
    assert world.get(made) == made
    refused = world.mesh.clients["other"].post(f"/api/v1{path}", json=body)
    assert problem_of(refused)["code"] == "FORBIDDEN"


def test_withdraw__by_who_asked_ends_the_request_and_its_workflow(world: SubscriptionWorld) -> None:
    made = world.request()
    assert world.refused("steward", "withdraw", made) == (403, "FORBIDDEN")
    gone = world.does("other", "withdraw", made)
    assert (gone["status"], gone["decisionReason"]) == ("withdrawn", "I withdraw it.")
    assert world.refused("steward", "approve", made) == (409, "ALREADY_DECIDED")
    assert world.happened(made) == ["SubscriptionRequested", "SubscriptionWithdrawn"]
    assert end_of_workflow(world, made)["output"]["decision"]["approved"] is False


def end_of_workflow(world: SubscriptionWorld, request: dict[str, Any]) -> dict[str, Any]:
    """The execution that follows a request, once it has ended."""
    path = "/executions?stateMachine=subscription&limit=200"
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        for one in world.mesh.ask("administrator", "GET", path)["items"]:
            found: dict[str, Any] = world.mesh.ask(
                "administrator", "GET", f"/executions/{one['executionId']}"
            )
            ended = found["status"] != "RUNNING"
            if ended and found["input"]["requestId"] == request["requestId"]:
                assert found["status"] == "SUCCEEDED", found
                return found
        time.sleep(0.05)
    raise AssertionError("no workflow of the request has ended")


def test_workflow__of_a_request_for_two_ends_with_the_second_approval(
    world: SubscriptionWorld,
) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made)
    world.does("domain-owner", "approve", made)
    decision = end_of_workflow(world, made)["output"]["decision"]
    assert (decision["approved"], decision["decidedBy"]) == (True, "user:dora@harbour")


def test_workflow__of_what_is_approved_by_itself_ends_well(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("public"))
    decision = end_of_workflow(world, made)["output"]["decision"]
    assert decision["decidedBy"] == "policy:auto-approve-public"


def test_each_state__is_told_with_its_reason(world: SubscriptionWorld) -> None:
    made = world.request()
    world.does("steward", "approve", made)
    world.does("steward", "revoke", made)
    told = {one["type"]: one["detail"] for one in world.events(made)}
    assert list(told) == [
        "SubscriptionRequested",
        "SubscriptionApproved",
        "SubscriptionActivated",
        "SubscriptionRevocationStarted",
        "SubscriptionRevoked",
    ]
    assert told["SubscriptionRequested"]["purpose"] == "To draw maps."
    assert told["SubscriptionApproved"]["reason"] == "I approve it."
    assert told["SubscriptionRevocationStarted"]["reason"] == "I revoke it."
    assert told["SubscriptionRevoked"]["reason"] == "I revoke it."
