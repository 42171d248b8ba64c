"""Nobody decides what he asked for, in whatever disguise he comes, and nobody decides twice."""

import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.builders.refusals import problem_of
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

DECISIONS = ("approve", "reject")
SELF, SAME, WRONG = (403, "SELF_APPROVAL"), (403, "SAME_APPROVER"), (403, "WRONG_APPROVER")


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        yield made
        made.close()
        assert server.unforeseen() == []


@pytest.fixture(scope="module")
def tess(world: SubscriptionWorld) -> httpx.Client:
    """Tess asks for the project maps, and is a steward and an owner of the data's domain."""
    mesh = world.mesh
    mesh.ask("other", "PUT", f"/projects/{mesh.maps}/members/user:tess@both", {"role": "owner"})
    for role in ("steward", "owner"):
        group = f"/domains/{mesh.harbour}/members/group:tess-{role}s"
        mesh.ask("administrator", "PUT", group, {"role": role})
    return world.person("tess@both", "tess-stewards", "tess-owners")


def asks(world: SubscriptionWorld, client: httpx.Client, **wish: Any) -> dict[str, Any]:
    """A request that somebody made."""
    body = {"assetId": world.mesh.readings, "projectId": world.mesh.maps, "purpose": "x", **wish}
    answer = client.post("/api/v1/subscriptions", json=body)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def is_open(world: SubscriptionWorld, request: dict[str, Any]) -> bool:
    """Whether nothing has come of a request."""
    now = world.get(request)
    return (now["status"], now["approvals"], now["grantId"]) == ("requested", [], None)


@pytest.mark.parametrize("wish", [{}, {"projectId": None}], ids=["for a project", "for herself"])
def test_own_request__is_decided_by_somebody_else(
    world: SubscriptionWorld, tess: httpx.Client, wish: dict[str, Any]
) -> None:
    made = asks(world, tess, **wish)
    for what in DECISIONS:
        assert world.refused(tess, what, made) == SELF
    assert is_open(world, made)
    assert world.does("steward", "approve", made)["status"] == "active"


def test_own_request__stays_ones_own_under_another_spelling(
    world: SubscriptionWorld, tess: httpx.Client
) -> None:
    made = asks(world, tess)
    for spelling in ("Tess@both", "TESS@BOTH"):
        with world.member(spelling, "steward"):
            for what in DECISIONS:
                assert world.refused(world.person(spelling), what, made) == SELF
    assert is_open(world, made)


def test_own_request__stays_ones_own_when_the_project_was_left(
    world: SubscriptionWorld, tess: httpx.Client
) -> None:
    made = asks(world, tess)
    member = f"/projects/{world.mesh.maps}/members/user:tess@both"
    world.mesh.ask("other", "DELETE", member)
    for what in DECISIONS:
        assert world.refused(tess, what, made) == SELF
    world.mesh.ask("other", "PUT", member, {"role": "owner"})
    assert is_open(world, made)


def test_own_request__stays_ones_own_when_the_role_came_later(world: SubscriptionWorld) -> None:
    made = world.request()
    with world.member("otto@maps", "steward"):
        for what in DECISIONS:
            assert world.refused("other", what, made) == SELF
    assert is_open(world, made)


def test_own_request__is_not_decided_in_bulk(world: SubscriptionWorld, tess: httpx.Client) -> None:
    asset = world.publish("bulk_own", "internal", {})
    made = asks(world, tess, assetId=asset)
    body = {
        "domainId": world.mesh.harbour,
        "tags": [{"key": "classification", "values": ["internal"]}],
        "reason": "All of them.",
    }
    told = tess.post("/api/v1/subscriptions/bulk/approve", json=body).json()
    left_out = {one["id"]: one["code"] for one in told["leftOut"]}
    assert left_out[made["requestId"]] == "SELF_APPROVAL"
    assert is_open(world, made)


def test_own_request__is_not_decided_by_ones_own_workflow(
    world: SubscriptionWorld, tess: httpx.Client
) -> None:
    made = asks(world, tess)
    task = {
        "Type": "Task",
        "Resource": "arn:aws:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint.$": "$.url",
            "Method": "POST",
            "RequestBody": {"reason": "My workflow says so."},
        },
        "End": True,
    }
    definition = {"StartAt": "Approve", "States": {"Approve": task}}
    mesh = world.mesh
    mesh.ask("administrator", "PUT", "/workflows/approves", {"definition": definition})
    url = f"https://internal-alb.vpc.local/api/v1/subscriptions/{made['requestId']}/approve"
    body = {"stateMachine": "approves", "input": {"url": url}}
    started = tess.post("/api/v1/executions", json=body).json()
    path, give_up = f"/api/v1/executions/{started['executionId']}", time.monotonic() + 30
    while (end := tess.get(path).json())["status"] == "RUNNING":
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert end["status"] == "FAILED"
    assert is_open(world, made)
    assert "SELF_APPROVAL" in codes_on(world, made)


def codes_on(world: SubscriptionWorld, request: dict[str, Any]) -> set[str | None]:
    """The codes that the audit trail holds of what was tried on a request."""
    found: set[str | None] = set()
    cursor: str | None = ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        page = world.mesh.ask("administrator", "GET", f"/audit?limit=200{more}")
        resource = f"Subscription:{request['requestId']}"
        found |= {one["code"] for one in page["items"] if one["resource"] == resource}
        cursor = page["nextCursor"]
    return found


def test_own_renewal__is_decided_by_none_who_asked_for_what_it_renews(
    world: SubscriptionWorld, tess: httpx.Client
) -> None:
    first = asks(world, tess, expiresAt="2090-01-01T00:00:00Z")
    world.does("steward", "approve", first)
    wish = {"expiresAt": "2091-01-01T00:00:00Z", "purpose": "To go on."}
    made = world.does("other", "renew", first, **wish)
    for what in DECISIONS:
        assert world.refused(tess, what, made) == SELF
    with world.member("otto@maps", "steward"):
        assert world.refused("other", "approve", made) == SELF
    assert is_open(world, made)


def test_two_steps__are_not_both_of_one_who_holds_both_roles(
    world: SubscriptionWorld, tess: httpx.Client
) -> None:
    made = world.request(world.asset("restricted"))
    world.does(tess, "approve", made)
    for _ in range(3):
        assert world.refused(tess, "approve", made) == SAME
    with world.member("TESS@both", "owner"):
        assert world.refused(world.person("TESS@both"), "approve", made) == SAME
    assert world.get(made)["status"] == "requested"
    # Of her two roles she fills the one that nobody else can.
    assert world.does("steward", "approve", made)["status"] == "active"


def test_two_steps__are_not_filled_by_two_stewards(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made)
    with world.member("sue@harbour", "steward"):
        assert world.refused(world.person("sue@harbour"), "approve", made) == WRONG
    assert world.get(made)["route"]["waitsFor"] == ["owner"]


def test_approver__who_lost_his_role_decides_no_more(world: SubscriptionWorld) -> None:
    made = world.request()
    client = world.person("sue@harbour")
    with world.member("sue@harbour", "steward") as path:
        assert client.get(f"/api/v1/subscriptions/{made['requestId']}").is_success
        world.mesh.ask("domain-owner", "DELETE", path)
        for what in (*DECISIONS, "preview", "revoke"):
            assert world.refused(client, what, made) == (404, "SUBSCRIPTION_NOT_FOUND")
    assert is_open(world, made)


def test_approver__whose_role_went_while_it_was_pending_counts_no_more(
    world: SubscriptionWorld,
) -> None:
    made = world.request(world.asset("restricted"))
    client = world.person("sue@harbour")
    with world.member("sue@harbour", "steward") as path:
        world.does(client, "approve", made)
        world.mesh.ask("domain-owner", "DELETE", path)
    half = world.does("domain-owner", "approve", made)
    assert (half["status"], half["route"]["waitsFor"]) == ("requested", ["steward"])
    assert [one["lapsed"] for one in half["approvals"]] == [True, False]
    assert world.does("steward", "approve", made)["status"] == "active"


def test_approver__whose_group_lost_its_role_counts_no_more(
    world: SubscriptionWorld,
) -> None:
    made = world.request(world.asset("restricted"))
    group = f"/domains/{world.mesh.harbour}/members/group:pilots"
    world.mesh.ask("domain-owner", "PUT", group, {"role": "steward"})
    world.does(world.person("paul@port", "pilots"), "approve", made)
    world.mesh.ask("domain-owner", "DELETE", group)
    half = world.does("domain-owner", "approve", made)
    assert (half["status"], half["approvals"][0]["lapsed"]) == ("requested", True)


def test_approver__whose_role_changed_fills_only_what_he_still_may(
    world: SubscriptionWorld,
) -> None:
    made = world.request(world.asset("restricted"))
    client = world.person("sue@harbour")
    with world.member("sue@harbour", "owner") as path:
        world.does(client, "approve", made)
        world.mesh.ask("administrator", "PUT", path, {"role": "steward"})
        # Whoever approved as an owner has not approved as a steward.
        half = world.does("steward", "approve", made)
        assert (half["status"], half["route"]["waitsFor"]) == ("requested", ["owner"])
    assert world.does("domain-owner", "approve", made)["status"] == "active"


def test_outsiders__decide_nothing(world: SubscriptionWorld) -> None:
    made = world.request()
    for role in ("unrelated", "viewer", "contributor", "owner", "administrator", "auditor"):
        for what in (*DECISIONS, "preview"):
            assert world.refused(role, what, made) == (404, "SUBSCRIPTION_NOT_FOUND"), role
    for name in ("subscriptions", "permissions", "query", "workflows"):
        with world.mesh.server.service(name) as service:
            told = problem_of(world.act(service, "approve", made))
            assert told["status"] in {403, 404}, name
    assert is_open(world, made)
