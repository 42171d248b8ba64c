"""Who had what at any instant: the history, replayed, is what a model kept beside it says."""

import random
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from meshplane.boundary.actor import service_actor
from meshplane.kit.clock import FixedClock, from_text, to_text
from meshplane.kit.errors import MeshplaneError, Missing
from meshplane.services.permissions.api import AccessAt
from meshplane.services.permissions.history import moment_after
from meshplane.services.permissions.model import Grant, GrantedColumn, Target
from meshplane.services.permissions.replaying import replay
from tests.builders import seeds
from tests.builders.known_schemas import flights
from tests.builders.policy_world import ADA, LAKE, SAM, SUBSCRIPTIONS, PolicyWorld, policy_world
from tests.builders.stores import NOON

pytestmark = pytest.mark.anyio

AUDIT, LAKE_KEEPER = service_actor("audit"), service_actor("lake")
TABLE = {"table": {"assetId": "asset-1"}}
PEOPLE = ("user:una@nowhere", "group:staff", "project:proj-1")
PERMISSIONS = ("SELECT", "INSERT", "DELETE")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path, assets=(flights("asset-1"), flights("asset-2"))) as made:
        yield made


def held(found: AccessAt) -> dict[str, tuple[str, frozenset[str]]]:
    """By grant: who held it, and what it permitted."""
    return {
        one.grant.grant_id: (one.grant.principal, one.grant.permissions) for one in found.grants
    }


async def test_access_at__tells_who_had_what_before_and_after_each_change(
    world: PolicyWorld,
) -> None:
    assert isinstance(world.clock, FixedClock)
    given = await world.grant(SAM, principal=PEOPLE[0], resource=TABLE, permissions=["SELECT"])
    world.clock.advance(60)
    await world.grant(SAM, principal=PEOPLE[0], resource=TABLE, permissions=["INSERT"])
    world.clock.advance(60)
    await world.revoke(SAM, grantId=given.grant_id, reason="The study has ended.")
    world.clock.advance(60)
    at = [NOON + timedelta(seconds=seconds) for seconds in (-1, 0, 59, 60, 119, 120)]
    found = [await world.keeper.access_at(AUDIT, "asset:asset-1", one) for one in at]
    assert [sorted(set().union(*(p for _, p in held(one).values()))) for one in found] == [
        [],
        ["SELECT"],
        ["SELECT"],
        ["INSERT", "SELECT"],
        ["INSERT", "SELECT"],
        [],
    ]
    (then,) = found[4].grants
    assert (then.how, then.changed_by, then.grant.reason) == ("changed", SAM.name, "For a test.")
    assert from_text(then.changed_at) == at[3]
    other = await world.keeper.access_at(AUDIT, "asset:asset-2", at[1])
    assert held(other) == {}


async def test_access_at__of_a_domain__tells_who_had_places_in_its_part_of_the_lake(
    world: PolicyWorld,
) -> None:
    place = {"location": {"domainId": "dzd-1", "path": "projects/raw"}}
    body = {"principal": PEOPLE[0], "permissions": ["DATA_LOCATION_ACCESS"]}
    given = await world.grant(SAM, resource=place, **body)
    found = await world.keeper.access_at(AUDIT, "domain:dzd-1", NOON)
    assert held(found) == {given.grant_id: (PEOPLE[0], frozenset({"DATA_LOCATION_ACCESS"}))}
    assert held(await world.keeper.access_at(AUDIT, "asset:asset-1", NOON)) == {}


async def test_access_at__counts_the_database_and_the_tags_of_then(world: PolicyWorld) -> None:
    assert isinstance(world.clock, FixedClock)
    everything = {"allTables": {"domainId": "dzd-1"}}
    await world.grant(SAM, principal=PEOPLE[0], resource=everything, permissions=["SELECT"])
    await world.keeper.put_tag(LAKE_KEEPER, "team", ("ops", "sales"))
    tags = {"tags": {"resourceType": "TABLE", "expression": [{"key": "team", "values": ["ops"]}]}}
    given = await world.grant(ADA, principal=PEOPLE[1], resource=tags, permissions=["SELECT"])
    world.clock.advance(10)
    await world.keeper.assign_tags(LAKE_KEEPER, "asset:asset-1", None, {"team": "ops"})
    world.clock.advance(10)
    await world.keeper.assign_tags(LAKE_KEEPER, "asset:asset-1", None, {"team": "sales"})
    world.clock.advance(10)
    reached = []
    for seconds in (5, 15, 25):
        at = NOON + timedelta(seconds=seconds)
        found = await world.keeper.access_at(AUDIT, "asset:asset-1", at)
        reached.append(given.grant_id in held(found))
        assert PEOPLE[0] in {principal for principal, _ in held(found).values()}
    assert reached == [False, True, False]
    tags_now = (await world.keeper.access_at(AUDIT, "asset:asset-1", world.clock.now())).tags
    assert [(tag.key, tag.value) for tag in tags_now] == [("team", "sales")]


async def test_access_at__of_what_is_not_there__is_missing(world: PolicyWorld) -> None:
    with pytest.raises(Missing) as caught:
        await world.keeper.access_at(AUDIT, "asset:asset-7", NOON)
    assert caught.value.code == "RESOURCE_NOT_FOUND"


async def test_grant_that_the_lake_lacked__shows_so_for_that_time(world: PolicyWorld) -> None:
    assert isinstance(world.clock, FixedClock)
    given = await world.grant(SAM, principal=PEOPLE[0], resource=TABLE, permissions=["SELECT"])
    states = []
    for state in ("applied", "missing", "applied"):
        world.clock.advance(10)
        await world.keeper.record_lake_state(LAKE, given.grant_id, state, None)
    for seconds in (15, 25, 35):
        at = NOON + timedelta(seconds=seconds)
        (one,) = (await world.keeper.access_at(AUDIT, "asset:asset-1", at)).grants
        states.append(one.grant.lake_state in {"missing", "changed", "failed"})
    assert states == [False, True, False]


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_history__at_any_instant_is_what_a_model_kept(world: PolicyWorld, seed: int) -> None:
    """A few hundred changes by hand and by subscriptions, then questions about random instants."""
    assert isinstance(world.clock, FixedClock)
    chance = random.Random(seeds.shown(seed))
    kept: list[tuple[datetime, dict[str, tuple[str, frozenset[str]]]]] = []
    now: dict[str, Grant] = {}
    for number in range(150):
        world.clock.advance(chance.choice((0, 1, 30)))
        await change(world, chance, number)
        page = await world.keeper.desired(LAKE, 500, None)
        now = {one.grant_id: one for one in page.grants if one.target.asset_id == "asset-1"}
        model = {grant_id: (one.principal, one.permissions) for grant_id, one in now.items()}
        kept.append((world.clock.now(), model))
    # Of changes at one instant, the last one counts; each was dated after the one before it.
    last = dict(kept)
    world.clock.advance(60)
    for instant in chance.sample(sorted(last), 25):
        found = await world.keeper.access_at(
            AUDIT, "asset:asset-1", instant + timedelta(milliseconds=1)
        )
        assert held(found) == last[instant]


async def change(world: PolicyWorld, chance: random.Random, number: int) -> None:
    """One change of the policy of two assets; some find nothing to do."""
    asset_id = chance.choice(("asset-1", "asset-1", "asset-2"))
    principal = chance.choice(PEOPLE)
    resource = chance.choice(
        (
            {"table": {"assetId": asset_id}},
            {"columns": {"assetId": asset_id, "included": ["carrier", "delay"]}},
        )
    )
    wanted = ["SELECT"] if "columns" in resource else [chance.choice(PERMISSIONS)]
    until = world.clock.now() + timedelta(seconds=chance.choice((20, 300)))
    ends = {"expiresAt": to_text(until)} if chance.random() < 0.3 else {}
    body = {"principal": principal, "resource": resource, "permissions": wanted}
    try:
        match chance.randrange(6):
            case 0 | 1 | 2:
                await world.grant(SAM, **body, **ends)
            case 3:
                await world.revoke(SAM, **body)
            case 4:
                grant = Grant(
                    grant_id=f"grant-sub-req-{number}",
                    principal=principal,
                    target=Target("rows", asset_id=asset_id),
                    permissions=frozenset({"SELECT", "DESCRIBE"}),
                    domain_id="dzd-1",
                    columns=(GrantedColumn("carrier", None, 1),),
                    subscription_id=f"sub-req-{number}",
                )
                await world.keeper.grant(SUBSCRIPTIONS, replace(grant, expires_at=None))
            case 5:
                of = chance.randrange(number + 1)
                await world.keeper.revoke(SUBSCRIPTIONS, f"grant-sub-req-{of}")
    except MeshplaneError as error:
        assert error.code in {"GRANT_NOT_FOUND", "GRANT_IS_WIDER", "GRANT_OF_SUBSCRIPTION"}  # noqa: PT017
    await world.ending.note_all()


def test_moment_after__is_always_later_than_the_change_before() -> None:
    now = to_text(NOON)
    assert moment_after(now, None) == now
    assert moment_after(now, to_text(NOON - timedelta(seconds=1))) == now
    assert from_text(moment_after(now, now)) > NOON
    later = to_text(NOON + timedelta(days=1))  # the clock was put back meanwhile
    assert moment_after(now, later) > later


def test_replay__of_an_unordered_mix_of_resources__keeps_each_in_its_order() -> None:
    lines = [
        {
            "scope": scope,
            "kind": "tagged",
            "by": "user:x",
            "at": to_text(NOON + timedelta(seconds=seconds)),
            "content": {"column": "", "key": "team", "value": value},
        }
        for scope, seconds, value in (
            ("asset:b", 5, "late"),
            ("asset:a", 1, "first"),
            ("asset:a", 3, "second"),
        )
    ]
    then = replay(lines, to_text(NOON + timedelta(seconds=4)))
    assert then.tags == {("asset:a", "", "team"): "second"}
