"""Requests and subscriptions of the version before routes, renewals and people were there."""

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from meshplane.kit.clock import SystemClock, to_text
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.run.home import Home
from meshplane.services.subscriptions.store import SUBSCRIPTIONS
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with running_server() as server:
        made = SubscriptionWorld(server)
        yield made
        made.close()
        assert server.unforeseen() == []


def put(world: SubscriptionWorld, request_id: str, **more: Any) -> dict[str, Any]:
    """Stores a row as the version before wrote it; the request that it is."""
    mesh = world.mesh
    item = {
        "requestId": request_id,
        "assetId": mesh.readings,
        "assetName": "readings",
        "domainId": mesh.harbour,
        "projectId": mesh.maps,
        "projectName": "maps",
        "requestedBy": "user:otto@maps",
        "purpose": "To draw maps.",
        "status": "requested",
        "requestedAt": to_text(SystemClock().now()),
        "requestedColumns": None,
        "requestedRowFilter": None,
        "grant": None,
        "grantId": None,
        "expiresAt": None,
        "decidedBy": None,
        "decidedAt": None,
        "decisionReason": None,
        "revokedBy": None,
        "revokedAt": None,
        "revocationReason": None,
        **more,
    }

    async def store() -> None:
        clock = SystemClock()
        place = Home(mesh.server.home).database
        opened = SqliteStore(place, [SUBSCRIPTIONS], clock, id_maker(clock))
        work = opened.begin()
        work.put(SUBSCRIPTIONS, item)
        await work.commit()
        await opened.close()

    asyncio.run(store())
    return item


GRANT = {
    "rowFilter": "(level < 5)",
    "columns": [
        {"name": "station", "mask": {"kind": "hash", "value": None}},
        {"name": "level", "mask": None},
    ],
    "excludedColumns": [],
}


def active(request_id: str, end: str) -> dict[str, Any]:
    """What such a row holds once it is active."""
    return {
        "status": "active",
        "grant": GRANT,
        "grantId": f"grant-{request_id}",
        "expiresAt": end,
        "decidedBy": "user:sam@harbour",
        "decidedAt": to_text(SystemClock().now()),
        "decisionReason": "Fine.",
    }


def test_open_request__takes_the_route_of_today(world: SubscriptionWorld) -> None:
    item = put(world, "sub-req-earlier-open")
    shown = world.get(item)
    assert (shown["subscriber"], shown["route"]) == (f"project:{world.mesh.maps}", None)
    assert (shown["approvals"], shown["changedVersion"]) == ([], 1)
    assert world.refused("other", "approve", item) == (403, "SELF_APPROVAL")
    done = world.does("steward", "approve", item)
    assert (done["status"], done["route"]["level"]) == ("active", "internal")
    restricted = put(world, "sub-req-earlier-strict", assetId=world.asset("restricted"))
    assert world.does("steward", "approve", restricted)["status"] == "requested"
    assert world.does("domain-owner", "approve", restricted)["status"] == "active"


def test_open_request__for_public_data_is_approved_by_whoever_looks_at_it(
    world: SubscriptionWorld,
) -> None:
    item = put(world, "sub-req-earlier-public", assetId=world.asset("public"))
    assert world.does("domain-owner", "approve", item)["status"] == "active"


def test_open_request__can_be_changed_rejected_and_withdrawn(world: SubscriptionWorld) -> None:
    item = put(world, "sub-req-earlier-changed")
    changed = world.change({**item, "version": 1}, columns=["level"]).json()
    assert changed["route"]["level"] == "internal"
    assert world.does("steward", "reject", item, version=changed["version"])["status"] == "rejected"
    item = put(world, "sub-req-earlier-withdrawn")
    assert world.does("other", "withdraw", item)["status"] == "withdrawn"


def test_active_one__ends_by_itself_at_its_date(world: SubscriptionWorld) -> None:
    end = to_text(SystemClock().now() + timedelta(seconds=1.5))
    item = put(world, "sub-req-earlier-ends", **active("sub-req-earlier-ends", end))
    assert world.get(item)["scope"]["masks"] == {"station": {"kind": "hash", "value": None}}
    world.until(item, "expired")
    assert world.happened(item) == ["SubscriptionExpired"]


def test_active_one__can_be_renewed_and_revoked(world: SubscriptionWorld) -> None:
    name = "sub-req-earlier-renewed"
    item = put(world, name, **active(name, "2090-01-01T00:00:00.000000Z"))
    wish = {"expiresAt": "2091-01-01T00:00:00Z", "purpose": "To go on."}
    renewal = world.does("other", "renew", item, **wish)
    done = world.does("steward", "approve", renewal)
    assert done["status"] == "active"
    assert done["scope"]["masks"] == {"station": {"kind": "hash", "value": None}}
    assert world.does("steward", "revoke", renewal)["status"] == "revoked"
    assert done["grantId"] not in world.grants(world.mesh.readings)
    name = "sub-req-earlier-revoked"
    item = put(world, name, **active(name, "2090-01-01T00:00:00.000000Z"))
    assert world.does("steward", "revoke", item)["status"] == "revoked"


def test_renewal__whose_grant_ended_before_it_was_carried_out_gets_its_own(
    world: SubscriptionWorld,
) -> None:
    first = world.request(expiresAt="2090-01-01T00:00:00Z")
    world.does("steward", "approve", first)
    world.does("steward", "revoke", first)
    name = "sub-req-of-an-ended-grant"
    state = active(name, "2091-01-01T00:00:00.000000Z")
    # As a process left it that died right after the approval.
    state |= {"status": "approved", "grantId": f"grant-{first['requestId']}"}
    item = put(world, name, **state, renewalOf=first["requestId"])
    path = f"/api/v1/subscriptions/{name}/fulfil"
    with world.mesh.server.service("workflows") as service:
        done = service.post(path).json()
    assert (done["status"], done["grantId"]) == ("active", f"grant-{name}")
    grants = world.grants(world.mesh.readings)
    assert f"grant-{name}" in grants
    assert f"grant-{first['requestId']}" not in grants
    assert world.does("steward", "revoke", item)["status"] == "revoked"
    assert f"grant-{name}" not in world.grants(world.mesh.readings)
