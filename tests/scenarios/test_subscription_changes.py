"""A request that changes while it is open, and approvers who must know what they decide."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.builders.kept_state import kept_state, settled_state
from tests.builders.refusals import fields, problem_of
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

LATER = "2090-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def test_change__is_what_is_asked_for_then(world: SubscriptionWorld) -> None:
    made = world.request(columns=["station"], rowFilter="level < 5")
    body = {"purpose": "Other maps.", "columns": None, "rowFilter": None, "expiresAt": LATER}
    changed = world.change(made, **body).json()
    assert (changed["version"], changed["changedVersion"]) == (2, 2)
    assert changed["purpose"] == "Other maps."
    assert (changed["requestedColumns"], changed["requestedRowFilter"]) == (None, None)
    assert changed["expiresAt"] == changed["requestedExpiresAt"] == LATER
    told = world.events(made, "SubscriptionChanged")[0]["detail"]
    assert told["fields"] == ["columns", "expiresAt", "purpose", "rowFilter"]
    again = world.change(changed, columns=["level"]).json()
    assert again["requestedColumns"] == ["level"]
    assert again["purpose"] == "Other maps."


def test_change__needs_the_version_that_was_read(world: SubscriptionWorld) -> None:
    made = world.request()
    path = f"/api/v1/subscriptions/{made['requestId']}"
    told = problem_of(world.mesh.clients["other"].patch(path, json={"purpose": "x"}))
    assert (told["status"], told["code"]) == (428, "IF_MATCH_REQUIRED")
    for tag in ('"2"', '"999"'):
        told = problem_of(world.change(made, tag, purpose="x"))
        assert (told["status"], told["code"]) == (412, "STALE")
    assert world.get(made) == made


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ({"purpose": None}, "purpose"),
        ({"purpose": ""}, "purpose"),
        ({"columns": ["nowhere"]}, "columns.0"),
        ({"columns": []}, "columns"),
        ({"rowFilter": "level >"}, "rowFilter"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "expiresAt"),
        ({"assetId": "asset-1"}, "assetId"),
        ({"status": "approved"}, "status"),
    ],
    ids=str,
)
def test_change__that_does_not_fit_changes_nothing(
    world: SubscriptionWorld, body: dict[str, Any], place: str
) -> None:
    made = world.request()
    before = settled_state(world.mesh.server.home)
    told = problem_of(world.change(made, **body))
    assert (told["status"], fields(told)) == (400, [place])
    assert kept_state(world.mesh.server.home) == before


def test_change__only_by_who_asked(world: SubscriptionWorld) -> None:
    made = world.request()
    path = f"/api/v1/subscriptions/{made['requestId']}"
    for role in ("steward", "domain-owner"):
        headers = {"If-Match": '"1"'}
        told = problem_of(
            world.mesh.clients[role].patch(path, json={"purpose": "x"}, headers=headers)
        )
        assert told["code"] == "FORBIDDEN"
    member = f"/projects/{world.mesh.maps}/members/user:olaf@maps"
    world.mesh.ask("other", "PUT", member, {"role": "owner"})
    colleague = world.person("olaf@maps")
    told = problem_of(colleague.patch(path, json={"purpose": "x"}, headers={"If-Match": '"1"'}))
    assert told["code"] == "FORBIDDEN"
    # Taking it back is another matter: who asked may have left.
    assert world.does(colleague, "withdraw", made)["status"] == "withdrawn"


def test_change__takes_the_route_of_what_is_asked_for_then(world: SubscriptionWorld) -> None:
    asset = world.asset("public", level="restricted")
    made = world.request(asset, columns=["level"])
    assert made["route"]["level"] == "restricted"
    changed = world.change(made, columns=["station"]).json()
    assert (changed["status"], changed["decidedBy"]) == ("active", "policy:auto-approve-public")
    columns = world.grants(asset)[changed["grantId"]]["columns"]
    assert columns in (["station"], [{"name": "station", "mask": None}])
    hidden = world.request(asset, columns=["level"])
    more = world.change(hidden, columns=["level"], rowFilter="level > 1").json()
    assert (more["status"], more["route"]["waitsFor"]) == ("requested", ["steward", "owner"])


def test_approve__of_a_request_that_was_changed_needs_its_version(world: SubscriptionWorld) -> None:
    made = world.request(columns=["station"])
    changed = world.change(made, columns=["station", "level"]).json()
    for stale in ({}, {"version": 1}, {"if_match": '"1"'}, {"version": 3}, {"if_match": '"99"'}):
        before = settled_state(world.mesh.server.home)
        for what in ("approve", "reject"):
            told = problem_of(world.act("steward", what, made, **stale))
            assert (told["status"], told["code"]) == (412, "REQUEST_CHANGED")
            assert (told["changedVersion"], told["version"]) == (2, 2)
            assert "read it again" in told["detail"]
        assert kept_state(world.mesh.server.home) == before
    done = world.does("steward", "approve", changed, version=changed["version"])
    assert done["status"] == "active"


def test_approve__by_if_match_or_by_the_body_is_one(world: SubscriptionWorld) -> None:
    for named in ({"if_match": '"2"'}, {"version": 2}, {"if_match": '"2"', "version": 2}):
        changed = world.change(world.request(), purpose="Other maps.").json()
        assert world.does("steward", "approve", changed, **named)["status"] == "active"
    changed = world.change(world.request(), purpose="Other maps.").json()
    both = {"if_match": '"2"', "version": 1}
    assert world.refused("steward", "approve", changed, **both) == (412, "REQUEST_CHANGED")
    assert world.refused("steward", "approve", changed, if_match="2") == (400, "IF_MATCH_INVALID")


def test_approve__of_a_request_that_never_changed_needs_no_version(
    world: SubscriptionWorld,
) -> None:
    made = world.request()
    assert world.refused("steward", "approve", made, version=2) == (412, "REQUEST_CHANGED")
    assert world.does("steward", "approve", made)["status"] == "active"


def test_approve__the_second_of_two_may_have_read_it_before_the_first(
    world: SubscriptionWorld,
) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made, version=1)
    assert world.does("domain-owner", "approve", made, version=1)["status"] == "active"


def test_change__after_the_first_of_two_approvals_takes_it_back(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"), columns=["station"])
    half = world.does("steward", "approve", made)
    changed = world.change(half, columns=["station", "level"]).json()
    assert (changed["approvals"], changed["route"]["waitsFor"]) == ([], ["steward", "owner"])
    assert world.refused("domain-owner", "approve", made, version=2) == (412, "REQUEST_CHANGED")
    version = changed["version"]
    second = world.does("domain-owner", "approve", made, version=version)
    assert second["status"] == "requested"
    assert world.does("steward", "approve", made, version=version)["status"] == "active"


def test_change__of_what_is_decided_is_too_late(world: SubscriptionWorld) -> None:
    for what, then in (("approve", "active"), ("reject", "rejected")):
        made = world.request()
        assert world.does("steward", what, made)["status"] == then
        told = problem_of(world.change(made, '"2"', purpose="x"))
        assert (told["status"], told["code"]) == (409, "ALREADY_DECIDED")
        assert world.refused("other", "withdraw", made) == (409, "ALREADY_DECIDED")
