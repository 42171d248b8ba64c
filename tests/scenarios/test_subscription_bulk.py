"""Asking and approving for all assets that carry some tags: each on its own."""

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.run.home import Home
from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from meshplane.services.subscriptions.store import SUBSCRIPTIONS
from tests.builders.refusals import fields, problem_of
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        for name, level in (
            ("open_one", "public"),
            ("open_two", "public"),
            ("inside", "internal"),
            ("careful", "confidential"),
        ):
            made.publish(name, level, {})
        yield made
        made.close()
        assert server.unforeseen() == []


def tags(**wanted: str) -> list[dict[str, Any]]:
    """Tags as a body has them: `key="a|b"`."""
    return [{"key": key, "values": values.split("|")} for key, values in wanted.items()]


def ask(world: SubscriptionWorld, role: str = "other", **more: Any) -> httpx.Response:
    """The answer to a request in bulk, by default of Otto for maps."""
    body = {"projectId": world.mesh.maps, "purpose": "To draw maps.", **more}
    return world.mesh.clients[role].post("/api/v1/subscriptions/bulk", json=body)


def approve(world: SubscriptionWorld, role: str = "steward", **more: Any) -> httpx.Response:
    """The answer to an approval in bulk."""
    body = {"domainId": world.mesh.harbour, "reason": "All of them are fine.", **more}
    return world.mesh.clients[role].post("/api/v1/subscriptions/bulk/approve", json=body)


def by_name(answer: httpx.Response) -> dict[str, str]:
    """The statuses of the subscriptions in an answer, by asset."""
    assert answer.is_success, answer.text
    return {one["assetName"]: one["status"] for one in answer.json()["subscriptions"]}


def test_bulk__one_request_for_each_asset_and_each_takes_its_own_route(
    world: SubscriptionWorld,
) -> None:
    first = ask(world, tags=tags(classification="public|internal|confidential"))
    assert by_name(first) == {
        "open_one": "active",
        "open_two": "active",
        "inside": "requested",
        "careful": "requested",
    }
    # What maps has already is left out, and said.
    assert {one["name"]: one["code"] for one in first.json()["leftOut"]} == {
        "harbour.readings": "ALREADY_REQUESTED"
    }
    assert first.json()["more"] is False
    again = ask(world, tags=tags(classification="public|internal|confidential")).json()
    assert again["subscriptions"] == []
    assert {one["code"] for one in again["leftOut"]} == {"ALREADY_REQUESTED"}
    assert len(again["leftOut"]) == 5

    # Dora owns the domain: what needs a steward is not hers to decide.
    told = approve(world, "domain-owner", tags=tags(classification="internal|confidential"))
    assert by_name(told) == {"inside": "active"}
    assert [(one["name"], one["code"]) for one in told.json()["leftOut"]] == [
        ("careful", "WRONG_APPROVER")
    ]
    told = approve(world, tags=tags(classification="confidential"))
    assert by_name(told) == {"careful": "active"}
    done = told.json()["subscriptions"][0]
    assert done["decisionReason"] == "All of them are fine."
    assert done["grantId"] in world.grants(done["assetId"])
    assert approve(world, tags=tags(classification="confidential")).json() == {
        "subscriptions": [], "leftOut": [], "more": False
    }  # fmt: skip


def test_bulk__of_a_person_for_himself_leaves_out_what_he_publishes(
    world: SubscriptionWorld,
) -> None:
    told = ask(world, "viewer", projectId=None, tags=tags(classification="public"))
    assert by_name(told) == {}
    assert {one["code"] for one in told.json()["leftOut"]} == {"OWN_ASSET"}
    told = ask(world, "unrelated", projectId=None, tags=tags(classification="public"))
    assert by_name(told) == {"open_one": "active", "open_two": "active"}


def test_bulk__all_keys_must_match(world: SubscriptionWorld) -> None:
    asset = world.publish("tagged", "internal", {})
    assign(world, asset, "season", ["winter", "summer"], "winter")
    for wanted, found in (
        (tags(classification="internal", season="summer"), {}),
        (tags(season="winter", classification="public"), {}),
        (tags(season="spring|winter", classification="internal"), {"tagged": "requested"}),
    ):
        assert by_name(ask(world, "auditor", projectId=None, tags=wanted)) == found


def assign(world: SubscriptionWorld, asset: str, key: str, values: list[str], value: str) -> None:
    """Puts a tag on an asset, as the lake service does."""
    token = issuer(read_settings(home=world.mesh.server.home)).mint(
        "lake", (), service="lake", on_behalf_of="user:ada@mesh"
    )
    with world.mesh.server.client() as service:
        service.headers["Authorization"] = f"Bearer {token}"
        for method, body in (
            ("put_tag", {"key": key, "values": values}),
            (
                "assign_tags",
                {"resource": f"asset:{asset}", "column": None, "tags": {key: value}},
            ),
        ):
            answer = service.post(f"/internal/v1/permissions/{method}", json=body)
            assert answer.is_success, answer.text


def test_bulk_approval__of_a_changed_request_needs_its_version(world: SubscriptionWorld) -> None:
    asset = world.publish("moving", "internal", {})
    made = world.request(asset)
    changed = world.change(made, columns=["level"]).json()
    wanted = tags(classification="internal")
    told = approve(world, tags=wanted).json()
    assert {one["id"]: one["code"] for one in told["leftOut"]} == {
        made["requestId"]: "REQUEST_CHANGED"
    }
    told = approve(world, tags=wanted, versions={made["requestId"]: changed["version"]})
    assert by_name(told) == {"moving": "active"}


def test_bulk_approval__what_he_cannot_decide_keeps_no_approver_from_the_rest(
    world: SubscriptionWorld,
) -> None:
    asset = world.publish("crowded", "internal", {})
    made = world.request(asset)
    # Sam's own: a hundred that are older, and a hundred that are newer.
    own = [f"sub-req-{place}{number:031x}" for place in "0f" for number in range(100)]
    put_own(world, asset, own)
    assign(world, asset, "crowd", ["yes"], "yes")
    told = approve(world, tags=tags(crowd="yes"))
    assert [one["requestId"] for one in told.json()["subscriptions"]] == [made["requestId"]]
    assert len(told.json()["leftOut"]) == 100
    assert {one["code"] for one in told.json()["leftOut"]} == {"SELF_APPROVAL"}


def put_own(world: SubscriptionWorld, asset: str, request_ids: list[str]) -> None:
    """Stores requests of Sam's for himself."""

    async def store() -> None:
        clock = SystemClock()
        place = Home(world.mesh.server.home).database
        opened = SqliteStore(place, [SUBSCRIPTIONS], clock, id_maker(clock))
        work = opened.begin()
        row = await work.get(SUBSCRIPTIONS, world.request(asset)["requestId"])
        assert row is not None
        item = {name: part for name, part in row.item.items() if name != "projectId"}
        sam = {"requestedBy": "user:sam@harbour", "askedBy": ["user:sam@harbour"]}
        for request_id in request_ids:
            own = {**item, **sam, "requestId": request_id, "subscriber": "user:sam@harbour"}
            work.put(SUBSCRIPTIONS, own)
        work.put(SUBSCRIPTIONS, {**row.item, "status": "withdrawn"})
        await work.commit()
        await opened.close()

    asyncio.run(store())


def test_bulk_approval__each_decision_has_its_own_record(world: SubscriptionWorld) -> None:
    names = ("each_one", "each_two", "each_three")
    made = [world.request(world.publish(name, "internal", {})) for name in names]
    told = approve(world, tags=tags(classification="internal"))
    assert set(by_name(told)) >= set(names)
    for one in made:
        events = world.events(one, "SubscriptionApproved")
        assert [event["detail"]["reason"] for event in events] == ["All of them are fine."]
        assert events[0]["detail"]["approvedBy"] == "user:sam@harbour"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ([], "tags"),
        ([{"key": "a", "values": []}], "tags.0.values"),
        ([{"key": "", "values": ["x"]}], "tags.0.key"),
        ([{"key": "a", "values": ["x"]}, {"key": "a", "values": ["y"]}], "tags"),
    ],
    ids=str,
)
def test_bulk__tags_that_are_none_are_refused(
    world: SubscriptionWorld, wanted: list[dict[str, Any]], field: str
) -> None:
    for send in (ask, approve):
        told = problem_of(send(world, tags=wanted))
        assert (told["status"], fields(told)) == (400, [field])


def test_bulk__repeated_under_its_key_asks_once(world: SubscriptionWorld) -> None:
    world.publish("keyed", "internal", {})
    body = {"purpose": "x", "tags": tags(classification="internal"), "projectId": None}
    client = world.mesh.clients["other"]
    # Olga publishes these, so it is Otto who asks, for himself.
    headers = {"Idempotency-Key": "bulk-1"}
    first, again = (
        client.post("/api/v1/subscriptions/bulk", json=body, headers=headers) for _ in range(2)
    )
    assert "keyed" in by_name(first)
    assert again.json() == first.json()
    assert again.headers["Idempotency-Replayed"] == "true"
