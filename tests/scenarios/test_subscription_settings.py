"""A mesh that has its own routes of approval, and tells of ends at its own time."""

import time
from collections.abc import Iterator
from datetime import timedelta

import pytest

from meshplane.kit.clock import SystemClock, to_text
from tests.builders.server import running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

ROUTES = "public:steward internal:steward|owner confidential:owner restricted:steward+steward"


@pytest.fixture(scope="module")
def world() -> Iterator[SubscriptionWorld]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MESHPLANE_SUBSCRIPTION_ROUTES", ROUTES)
        patch.setenv("MESHPLANE_SUBSCRIPTION_NOTICE_DAYS", "0.5")
        with running_server() as server:
            made = SubscriptionWorld(server)
            yield made
            made.close()


def test_routes__are_those_of_the_mesh(world: SubscriptionWorld) -> None:
    public = world.request(world.asset("public"))
    assert (public["status"], public["route"]["steps"]) == ("requested", ["steward"])
    assert world.refused("domain-owner", "approve", public) == (403, "WRONG_APPROVER")
    confidential = world.request(world.asset("confidential"))
    assert world.does("domain-owner", "approve", confidential)["status"] == "active"


def test_routes__two_of_one_role_are_two_people(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("restricted"))
    world.does("steward", "approve", made)
    assert world.refused("steward", "approve", made) == (403, "SAME_APPROVER")
    with world.member("sue@harbour", "steward"):
        assert world.does(world.person("sue@harbour"), "approve", made)["status"] == "active"


def test_notice__comes_when_the_mesh_says(world: SubscriptionWorld) -> None:
    now = SystemClock().now()
    far, near = (
        world.does("steward", "approve", world.request(expiresAt=to_text(now + timedelta(hours=h))))
        for h in (13, 11)
    )
    give_up = time.monotonic() + 20
    while "SubscriptionExpiring" not in world.happened(near):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert "SubscriptionExpiring" not in world.happened(far)
