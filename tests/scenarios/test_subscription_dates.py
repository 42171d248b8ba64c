"""What happens by itself when a date comes, and how a subscription goes on after its end."""

import asyncio
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from meshplane.kit.clock import SystemClock, from_text, to_text
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.run.home import Home
from meshplane.services.subscriptions.store import NOTICE_DUE, SUBSCRIPTIONS
from tests.builders.refusals import fields, problem_of
from tests.builders.second_server import second_server
from tests.builders.server import Server, running_server
from tests.builders.subscription_world import SubscriptionWorld

pytestmark = pytest.mark.scenario

MANY = 130
"""More than one page of what is due."""

FAR, FARTHER = "2090-01-01T00:00:00.000000Z", "2099-01-01T00:00:00.000000Z"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running, second_server(running):
        yield running


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[SubscriptionWorld]:
    made = SubscriptionWorld(server)
    yield made
    made.close()
    assert server.unforeseen() == []


def soon(seconds: float) -> str:
    """An instant that comes in so many seconds."""
    return to_text(SystemClock().now() + timedelta(seconds=seconds))


def counted(world: SubscriptionWorld, request: dict[str, Any], kind: str) -> int:
    """How often something was told of a request."""
    return world.happened(request).count(kind)


def reads(world: SubscriptionWorld, asset: str) -> str:
    """What Otto gets when he reads an asset: `ok`, or the code of the refusal."""
    found = world.mesh.ask("other", "GET", f"/assets/{asset}")
    sql = f"SELECT count(*) FROM {found['domainName']}.{found['name']}"
    body = {"sql": sql, "projectId": world.mesh.maps}
    answer = world.mesh.clients["other"].post("/api/v1/query", json=body)
    return "ok" if answer.is_success else str(problem_of(answer)["code"])


def test_end__comes_by_itself_and_is_told_once_after_one_notice(world: SubscriptionWorld) -> None:
    asset = world.publish("short", "internal", {})
    end = soon(2.5)
    made = world.request(asset, expiresAt=end)
    done = world.does("steward", "approve", made)
    assert (done["status"], done["expiresAt"]) == ("active", end)
    assert reads(world, asset) == "ok"
    over = world.until(made, "expired")
    assert SystemClock().now() >= from_text(end)
    assert reads(world, asset) == "ACCESS_REQUIRED"
    assert over["grantId"] == done["grantId"]
    time.sleep(2.5)  # both processes have looked again by then
    assert counted(world, made, "SubscriptionExpiring") == 1
    assert counted(world, made, "SubscriptionExpired") == 1
    told = {one["type"]: one["detail"] for one in world.events(made)}
    assert told["SubscriptionExpiring"]["expiresAt"] == end
    assert told["SubscriptionExpired"]["grantId"] == done["grantId"]
    assert world.refused("steward", "revoke", made) == (409, "ALREADY_DECIDED")


def test_end__of_more_than_a_page_comes_to_each_once(world: SubscriptionWorld) -> None:
    asset = world.asset("public")
    end = soon(9.0)
    made = [world.request(asset, expiresAt=end) for _ in range(MANY)]
    assert {one["status"] for one in made} == {"active"}, "the machine was too slow to make them"
    for one in made:
        world.until(one, "expired")
    for kind in ("SubscriptionExpiring", "SubscriptionExpired"):
        assert [counted(world, one, kind) for one in made] == [1] * MANY


def test_notice__is_due_no_more_once_it_is_revoked(world: SubscriptionWorld) -> None:
    asset = world.publish("nothing_due", "internal", {})
    made = world.request(asset, expiresAt=FAR)
    world.does("steward", "approve", made)
    assert made["requestId"] in due(world)
    world.does("steward", "revoke", made)
    assert made["requestId"] not in due(world)


def due(world: SubscriptionWorld) -> set[str]:
    """The subscriptions that are looked at, sooner or later, because of a notice."""

    async def read() -> set[str]:
        clock = SystemClock()
        place = Home(world.mesh.server.home).database
        opened = SqliteStore(place, [SUBSCRIPTIONS], clock, id_maker(clock))
        page = await opened.begin().query(SUBSCRIPTIONS, NOTICE_DUE, index="byNotice", limit=200)
        await opened.close()
        assert page.cursor is None
        return {str(row.item["requestId"]) for row in page.rows}

    return asyncio.run(read())


def test_notice__is_not_given_while_the_end_is_far(world: SubscriptionWorld) -> None:
    made = world.request(world.asset("public"), expiresAt=soon(8 * 86_400))
    near = world.request(world.asset("public"), expiresAt=soon(6 * 86_400))
    give_up = time.monotonic() + 20
    while not counted(world, near, "SubscriptionExpiring"):
        assert time.monotonic() < give_up
        time.sleep(0.05)
    assert counted(world, made, "SubscriptionExpiring") == 0
    told = world.events(near, "SubscriptionExpiring")[0]["detail"]
    assert told["subscriber"] == f"project:{world.mesh.maps}"


def test_request__whose_own_end_comes_first_is_turned_down_by_itself(
    world: SubscriptionWorld,
) -> None:
    made = world.request(expiresAt=soon(1.0))
    over = world.until(made, "rejected")
    assert over["decidedBy"] == "policy:request-expired"
    assert world.refused("steward", "approve", made) == (409, "REQUEST_EXPIRED")
    assert world.refused("other", "withdraw", made) == (409, "REQUEST_EXPIRED")
    time.sleep(1.2)
    assert world.happened(made) == ["SubscriptionRequested", "SubscriptionRejected"]


def granted(world: SubscriptionWorld, asset: str, end: str, **approval: Any) -> dict[str, Any]:
    """A subscription that is active until an end."""
    made = world.request(asset, expiresAt=end)
    return world.does("steward", "approve", made, **approval)


def test_renewal__extends_the_same_grant_without_a_gap(world: SubscriptionWorld) -> None:
    asset = world.publish("renewed", "internal", {})
    scope = {"rowFilter": "level < 5", "masks": {"station": {"kind": "hash"}}}
    first = granted(world, asset, FAR, **scope)
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    assert (made["status"], made["renewalOf"]) == ("requested", first["requestId"])
    assert made["requestedBy"] == "user:otto@maps"
    assert world.get(first)["status"] == "active"
    done = world.does("steward", "approve", made)
    assert (done["status"], done["grantId"]) == ("active", first["grantId"])
    assert done["expiresAt"] == FARTHER
    assert done["scope"] == first["scope"]
    before = world.get(first)
    assert (before["status"], before["renewedBy"]) == ("renewed", made["requestId"])
    grants = world.grants(asset)
    assert list(grants) == [first["grantId"]]
    assert grants[first["grantId"]]["expiresAt"] == FARTHER
    assert "SubscriptionRenewed" in world.happened(first)
    # From now on it is the renewal that can be revoked, and the grant goes with it.
    assert world.refused("steward", "revoke", first) == (409, "ALREADY_DECIDED")
    assert world.does("steward", "revoke", made)["status"] == "revoked"
    assert reads(world, asset) == "ACCESS_REQUIRED"


def test_renewal__that_is_narrowed_puts_another_grant_in_its_place(
    world: SubscriptionWorld,
) -> None:
    asset = world.publish("narrowed", "internal", {})
    first = granted(world, asset, FAR)
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    done = world.does("steward", "approve", made, excludedColumns=["station"])
    assert done["grantId"] != first["grantId"]
    assert list(world.grants(asset)) == [done["grantId"]]
    assert done["scope"]["excludedColumns"] == ["station"]


def test_renewal__goes_never_beyond_what_was_approved(world: SubscriptionWorld) -> None:
    asset = world.publish("bounded", "internal", {})
    first = granted(world, asset, FAR)
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    # A request alone moves nothing.
    assert world.grants(asset)[first["grantId"]]["expiresAt"] == FAR
    middle = "2095-01-01T00:00:00.000000Z"
    told = problem_of(world.act("steward", "approve", made, expiresAt="2080-01-01T00:00:00Z"))
    assert (told["code"], fields(told)) == ("EXPIRY_INVALID", ["expiresAt"])
    done = world.does("steward", "approve", made, expiresAt=middle)
    assert done["expiresAt"] == world.grants(asset)[first["grantId"]]["expiresAt"] == middle


def test_renewal__keeps_masks_and_columns_that_were_taken_away(world: SubscriptionWorld) -> None:
    asset = world.publish("kept_narrow", "internal", {})
    first = granted(
        world, asset, FAR, masks={"station": {"kind": "null"}}, rowFilter="level < 3"
    )  # fmt: skip
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    assert world.change(made, columns=["station", "level"]).status_code == 409
    done = world.does("steward", "approve", made, masks={"station": {"kind": "none"}})
    assert done["scope"]["masks"]["station"]["kind"] == "null"
    assert done["scope"]["rowFilter"] == first["scope"]["rowFilter"]


def test_renewal__of_one_that_has_ended_is_a_fresh_grant(world: SubscriptionWorld) -> None:
    asset = world.publish("late", "internal", {})
    first = granted(world, asset, soon(1.5))
    world.until(first, "expired")
    made = world.does("other", "renew", first, expiresAt=FAR, purpose="To go on.")
    assert reads(world, asset) == "ACCESS_REQUIRED"
    done = world.does("steward", "approve", made)
    assert done["grantId"] == f"grant-{made['requestId']}" != first["grantId"]
    assert reads(world, asset) == "ok"
    assert world.get(first)["status"] == "renewed"


def test_renewal__takes_the_route_that_its_columns_ask_for(world: SubscriptionWorld) -> None:
    public = world.request(world.asset("public"), expiresAt=FAR)
    done = world.does("other", "renew", public, expiresAt=FARTHER, purpose="To go on.")
    assert (done["status"], done["grantId"]) == ("active", public["grantId"])
    first = world.request(world.asset("restricted"), expiresAt=FAR)
    for who in ("steward", "domain-owner"):
        first = world.does(who, "approve", first)
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    assert world.does("domain-owner", "approve", made)["status"] == "requested"
    assert world.does("steward", "approve", made)["status"] == "active"


def test_renewal__of_one_that_was_revoked_meanwhile_opens_nothing(
    world: SubscriptionWorld,
) -> None:
    asset = world.publish("revoked_before", "internal", {})
    first = granted(world, asset, FAR)
    made = world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
    world.does("steward", "revoke", first)
    assert world.refused("steward", "approve", made) == (409, "RENEWED_IS_GONE")
    again = world.act("other", "renew", first, expiresAt=FARTHER, purpose="Once more.")
    assert problem_of(again)["code"] == "RENEWED_IS_GONE"
    assert world.grants(asset) == {}


def test_renewal__of_two_only_one_takes_over(world: SubscriptionWorld) -> None:
    first = granted(world, world.publish("twice", "internal", {}), FAR)
    made = [
        world.does("other", "renew", first, expiresAt=FARTHER, purpose="To go on.")
        for _ in range(2)
    ]
    assert world.does("steward", "approve", made[0])["status"] == "active"
    assert world.refused("steward", "approve", made[1]) == (409, "RENEWED_IS_GONE")


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"expiresAt": "2080-01-01T00:00:00Z", "purpose": "x"}, 400, "EXPIRY_INVALID"),
        ({"expiresAt": "2001-01-01T00:00:00Z", "purpose": "x"}, 400, "EXPIRY_INVALID"),
        ({"expiresAt": FARTHER}, 400, "REQUEST_INVALID"),
        ({"expiresAt": FARTHER, "purpose": "x", "columns": ["level"]}, 400, "REQUEST_INVALID"),
    ],
    ids=str,
)
def test_renewal__that_asks_for_what_it_may_not_is_refused(
    world: SubscriptionWorld, wish: dict[str, Any], status: int, code: str
) -> None:
    first = world.request(world.asset("public"), expiresAt=FAR)
    assert world.refused("other", "renew", first, **wish) == (status, code)


def test_renewal__of_what_is_open_or_has_no_end_is_refused(world: SubscriptionWorld) -> None:
    wish = {"expiresAt": FARTHER, "purpose": "To go on."}
    opened = world.request(expiresAt=FAR)
    assert world.refused("other", "renew", opened, **wish) == (409, "NOT_RENEWABLE")
    endless = world.request(world.asset("public"))
    assert world.refused("other", "renew", endless, **wish) == (409, "NOT_RENEWABLE")
    assert world.refused("steward", "renew", endless, **wish) == (403, "FORBIDDEN")
