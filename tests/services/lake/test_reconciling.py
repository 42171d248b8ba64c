"""Grants go into the lake and out of it; what differs is found, and mended as policies say."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import FixedClock, to_text
from meshplane.kit.errors import Invalid, Unavailable
from meshplane.services.lake.locations import Locations
from meshplane.services.lake.ports import LakeChange
from meshplane.services.lake.schemas import (
    LakeGrantRemoval,
    NewLakeGrant,
    NewLocation,
    ReconcileQuery,
)
from meshplane.services.lake.schemas import NewReconciliation as Wish
from meshplane.services.lake.store import LAKE_ENTRIES, RECONCILIATIONS
from meshplane.services.permissions.api import DataFilter, Target
from meshplane.services.permissions.store import DATA_FILTERS
from tests.builders.lake_grants import all_of, held, puts, table
from tests.builders.lake_world import ITSELF, LakeWorld
from tests.builders.stores import NOON


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LakeWorld]:
    made = LakeWorld(tmp_path, FixedClock(NOON))
    yield made
    await made.close()


def by_hand(number: int = 7, *permissions: str, principal: str = "user:eve@m") -> NewLakeGrant:
    """A grant of the lake that an administrator makes past the mesh."""
    return NewLakeGrant.model_validate(
        {
            "principal": principal,
            "resource": {"Table": {"DatabaseName": "aviation", "Name": f"t_{number}"}},
            "permissions": list(permissions or ("SELECT",)),
            "reason": "An emergency.",
        }
    )


async def put_by_hand(world: LakeWorld, body: NewLakeGrant) -> Any:
    return await world.write("putLakeGrant", lambda call: world.by_hand.put(call, body))


async def take_by_hand(world: LakeWorld, key: str) -> Any:
    body = LakeGrantRemoval(key=key, reason="An emergency.")
    return await world.write("removeLakeGrant", lambda call: world.by_hand.remove(call, body))


async def test_grant__is_in_the_lake_as_soon_as_its_event_is_told(world: LakeWorld) -> None:
    grant = await world.grant(1)
    assert await world.state(grant) == "pending"
    await world.deliver()
    (entry,) = await all_of(world.lake)
    assert (entry.principal, entry.permissions) == ("group:analysts", ("SELECT",))
    assert entry.made_by == "service:lake"
    assert await world.state(grant) == "applied"
    assert await world.drift() == {}


async def test_revoke__takes_it_out_of_the_lake(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.deliver()
    assert await all_of(world.lake) == []
    assert await world.drift() == {}


async def test_revoke__before_the_grant_was_told_leaves_nothing(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.deliver()
    assert await all_of(world.lake) == []


async def test_revoke__while_the_grant_is_being_put_leaves_nothing(world: LakeWorld) -> None:
    grant = await world.grant(1)

    async def revoke(changes: Sequence[LakeChange]) -> None:
        world.lake.before = None
        await world.permissions.revoke(ITSELF, grant.grant_id)

    world.lake.before = revoke
    (outcome,) = await world.keeping.ensure(ITSELF, [grant.grant_id])
    assert outcome.state == "ended"
    assert await all_of(world.lake) == []


async def test_end__is_an_end_in_the_lake_too(world: LakeWorld) -> None:
    clock = world.clock
    assert isinstance(clock, FixedClock)
    soon = to_text(clock.now() + timedelta(hours=1))
    await world.grant(1, expires_at=soon)
    await world.deliver()
    clock.advance(3601)
    assert list((await world.drift()).values()) == ["excess"]
    assert (await world.check()).reconciliation is not None
    await world.worker.run_due()
    assert await all_of(world.lake) == []


async def test_filter__that_changes_is_changed_in_the_lake(world: LakeWorld) -> None:
    async def put(included: tuple[str, ...] | None) -> None:
        work = world.store.begin()
        work.put(DATA_FILTERS, DataFilter("asset-1", "low", None, included).to_json())
        await work.commit()

    await put(None)
    target = Target("filter", asset_id="asset-1", filter_name="low")
    grant = await world.grant(1, target=target)
    await world.deliver()
    await put(("id",))
    assert list((await world.drift()).values()) == ["changed"]
    await world.keeping.ensure(ITSELF, [grant.grant_id])
    (entry,) = await all_of(world.lake)
    assert entry.filter is not None
    assert entry.filter["ColumnNames"] == ["id"]


async def test_grant__on_a_filter_that_is_gone_fails_and_says_why(world: LakeWorld) -> None:
    target = Target("filter", asset_id="asset-1", filter_name="gone")
    grant = await world.grant(1, target=target)
    await world.deliver()
    assert await world.state(grant) == "failed"
    found = await world.permissions.find(ITSELF, grant.grant_id)
    assert found is not None
    assert "gone" in (found.lake_reason or "")
    types = [event.type for event in await world.store.events_after(0, 100)]
    assert "LakeGrantFailed" in types


async def test_edit_by_hand__that_the_lake_does_not_take__closes_nothing(
    world: LakeWorld,
) -> None:
    grant = await world.grant(7, "user:eve@m")
    await world.deliver()
    (entry,) = (await world.lake.read(10, None)).entries
    world.lake.refused.add(entry.key)
    with pytest.raises(Invalid):
        await put_by_hand(world, by_hand(7, "SELECT", "DROP"))
    with pytest.raises(Invalid):
        await take_by_hand(world, entry.key)
    assert (await world.state(grant), await world.drift()) == ("applied", {})


async def test_removal_by_hand__closes_the_grant_at_once_and_reconciling_opens_it(
    world: LakeWorld,
) -> None:
    grant = await world.grant(1)
    await world.deliver()
    (entry,) = await all_of(world.lake)
    told = await take_by_hand(world, entry.key)
    assert (told.drift, told.grant_id) == ("missing", grant.grant_id)
    assert await world.state(grant) == "missing"
    assert await world.drift() == {entry.key: "missing"}
    done = await world.reconcile()
    assert (done["repaired"], done["failed"]) == (1, 0)
    assert await world.state(grant) == "applied"
    assert await world.drift() == {}


async def test_removal_by_hand__is_not_undone_because_something_else_changes(
    world: LakeWorld,
) -> None:
    grant = await world.grant(1, expires_at=to_text(NOON + timedelta(days=1)))
    await world.deliver()
    (entry,) = await all_of(world.lake)
    await take_by_hand(world, entry.key)
    await world.permissions.extend(ITSELF, grant.grant_id, None)
    await world.deliver()
    assert await world.state(grant) == "missing"
    assert await all_of(world.lake) == []
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.deliver()
    assert (await world.reconcile())["total"] == 0


async def test_removal_by_hand__is_closed_even_if_the_lake_then_fails(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    (entry,) = await all_of(world.lake)

    async def go_away(changes: Sequence[LakeChange]) -> None:
        raise Unavailable("LAKE_UNAVAILABLE", "It went away.")

    world.lake.before = go_away
    with pytest.raises(Unavailable):
        await take_by_hand(world, entry.key)
    assert await world.state(grant) == "missing"
    world.lake.before = None
    await world.check()
    assert await world.state(grant) == "applied"


async def test_change_by_hand__closes_and_putting_it_back_by_hand_opens(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    wider = by_hand(1, "SELECT", "INSERT", principal="group:analysts")
    told = await put_by_hand(world, wider)
    assert (told.drift, told.grant_id) == ("changed", grant.grant_id)
    assert await world.state(grant) == "changed"
    look = await world.looking.look(ITSELF)
    (found,) = look.found
    assert found.difference.severity == "critical"
    assert found.difference.sentences == ["permits INSERT, which was not granted"]
    assert found.difference.actual is not None
    assert found.difference.actual.made_by == "user:ada@mesh"
    told = await put_by_hand(world, by_hand(1, "SELECT", principal="group:analysts"))
    assert told.drift == "none"
    assert await world.state(grant) == "applied"


async def test_check__closes_what_went_past_the_door_and_opens_what_came_back(
    world: LakeWorld,
) -> None:
    grant = await world.grant(1)
    await world.deliver()
    (entry,) = await all_of(world.lake)
    await world.lake.inner.apply([LakeChange("remove", entry)])  # nobody told the mesh
    told = await world.check()
    assert (told.missing, told.reconciliation) == (1, None)
    assert await world.state(grant) == "missing"
    await world.lake.inner.apply(puts(entry))
    assert (await world.check()).missing == 0
    assert await world.state(grant) == "applied"


async def test_check__mends_by_itself_where_the_domain_says_so(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    (entry,) = await all_of(world.lake)
    await world.policy("remove", automatic=True)
    await world.lake.inner.apply([LakeChange("remove", entry), *puts(held("user:eve@m"))])
    told = await world.check()
    assert (told.missing, told.excess, told.critical) == (1, 1, 1)
    await world.worker.run_due()
    assert [one.key for one in await all_of(world.lake)] == [entry.key]
    assert await world.state(grant) == "applied"


async def test_check__tells_the_same_drift_once_and_another_again(world: LakeWorld) -> None:
    await world.lake.inner.apply(puts(held("user:eve@m")))
    for _ in range(3):
        await world.check()
    await world.lake.inner.apply(puts(held("user:eve@m", permissions=("SELECT", "DROP"))))
    await world.check()
    types = [event.type for event in await world.store.events_after(0, 100)]
    assert types.count("LakeDriftFound") == 2


async def test_check__puts_what_was_granted_before_there_was_a_lake(world: LakeWorld) -> None:
    grants = [await world.grant(number) for number in range(5)]
    told = await world.check()
    assert told.reconciliation is not None
    assert {await world.state(grant) for grant in grants} == {"pending"}, "open all the while"
    await world.worker.run_due()
    assert {await world.state(grant) for grant in grants} == {"applied"}


async def test_check__an_unreachable_lake_changes_nothing(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    world.lake.away = True
    with pytest.raises(Unavailable):
        await world.check()
    assert await world.state(grant) == "applied"


async def test_plan__changes_nothing(world: LakeWorld) -> None:
    await world.grant(1)
    await put_by_hand(world, by_hand())
    events = len(await world.store.events_after(0, 1000))
    before = [(one.key, one.revision) for one in await all_of(world.lake)]
    plan = await world.write(
        "reconcileLake", lambda call: world.cases.reconcile(call, Wish(), ReconcileQuery(plan=True))
    )
    await world.worker.run_due()
    assert (plan.status, plan.reconciliation_id) == ("PLANNED", None)
    assert plan.actions == {"put": 1, "remove": 0, "adopt": 0, "report": 1}
    assert [(one.key, one.revision) for one in await all_of(world.lake)] == before
    assert len(await world.store.events_after(0, 1000)) == events
    page = await world.store.begin().query(RECONCILIATIONS, "all", index="byTime")
    assert page.rows == ()


async def test_excess__is_reported_removed_or_adopted(world: LakeWorld) -> None:
    key = (await put_by_hand(world, by_hand())).key
    done = await world.reconcile()
    assert (done["reported"], done["removed"], done["adopted"]) == (1, 0, 0)
    assert await world.drift() == {key: "excess"}

    await world.policy("adopt")
    done = await world.reconcile()
    assert (done["adopted"], done["failed"]) == (1, 0)
    assert await world.drift() == {}
    (adopted,) = (await world.permissions.desired(ITSELF, 10, None)).grants
    assert (adopted.principal, adopted.target.asset_id) == ("user:eve@m", "asset-7")
    assert adopted.lake_state == "applied"
    assert "user:ada@mesh" in adopted.reason

    await world.policy("remove")
    other = (await put_by_hand(world, by_hand(8))).key
    done = await world.reconcile()
    assert done["removed"] == 1
    assert await world.lake.find(other) is None
    assert await world.lake.find(key) is not None


@pytest.mark.parametrize("excess", ["adopt", "report", "remove"])
@pytest.mark.parametrize("wider", [False, True])
async def test_revoked_right__put_back_by_hand_is_never_granted_again_by_any_policy(
    world: LakeWorld, excess: str, wider: bool
) -> None:
    grant = await world.grant(7, "user:eve@m")
    await world.deliver()
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.deliver()
    body = by_hand(7)
    if wider:
        resource = {"Table": {"DatabaseName": "aviation", "TableWildcard": {}}}
        told = {**body.model_dump(by_alias=True), "resource": resource}
        body = NewLakeGrant.model_validate(told)
    await put_by_hand(world, body)
    await world.policy(excess, automatic=True)
    await world.check()
    await world.worker.run_due()
    done = await world.reconcile()
    assert (done["adopted"], done["repaired"]) == (0, 0)
    page = await world.permissions.desired(ITSELF, 100, None)
    assert page.grants == ()
    left = await all_of(world.lake)
    assert len(left) == (0 if excess == "remove" else 1)
    if left:
        look = await world.looking.look(ITSELF)
        assert [one.difference.severity for one in look.found] == ["critical"]


async def test_adopted_right__that_was_revoked_is_not_adopted_once_more(world: LakeWorld) -> None:
    await world.policy("adopt")
    await put_by_hand(world, by_hand())
    await world.reconcile()
    (adopted,) = (await world.permissions.desired(ITSELF, 10, None)).grants
    await world.permissions.revoke(ITSELF, adopted.grant_id)
    await world.deliver()
    assert await all_of(world.lake) == []
    await put_by_hand(world, by_hand())
    done = await world.reconcile()
    assert done["adopted"] == 0
    assert await world.permissions.find(ITSELF, adopted.grant_id) is None


@pytest.mark.parametrize(
    "resource",
    [
        {"Table": {"DatabaseName": "nowhere", "Name": "t_1"}},
        {"Table": {"DatabaseName": "aviation", "Name": "no_such_table"}},
        {"DataCellsFilter": {"DatabaseName": "aviation", "TableName": "t_1", "Name": "unknown"}},
        {"TableWithColumns": {"DatabaseName": "aviation", "Name": "t_1", "ColumnNames": ["x"]}},
    ],
)
async def test_excess__that_the_mesh_does_not_understand_is_not_adopted_but_told(
    world: LakeWorld, resource: dict[str, Any]
) -> None:
    await world.policy("adopt")
    rows: dict[str, Any] = {"RowFilter": {"AllRowsWildcard": {}}}
    cells = rows if "DataCellsFilter" in resource else None
    found = held("user:eve@m", resource, filter=cells, made_by="user:ada@mesh")
    await world.lake.inner.apply(puts(found))
    done = await world.reconcile()
    assert done["adopted"] == 0
    assert done["reported"] + done["failed"] == 1
    assert len(await world.drift()) == 1


async def test_excess__changed_after_the_plan_is_left_for_the_next(world: LakeWorld) -> None:
    await world.policy("remove")
    await put_by_hand(world, by_hand())
    view = await world.write(
        "reconcileLake", lambda call: world.cases.reconcile(call, Wish(), ReconcileQuery())
    )
    await put_by_hand(world, by_hand(7, "SELECT", "INSERT"))
    await world.worker.run_due()
    row = await world.store.begin().get(RECONCILIATIONS, view.reconciliation_id)
    assert row is not None
    assert (row.item["status"], row.item["skipped"], row.item["removed"]) == ("COMPLETED", 1, 0)
    assert len(await all_of(world.lake)) == 1


async def test_missing__revoked_after_the_plan_is_not_put(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.write(
        "reconcileLake", lambda call: world.cases.reconcile(call, Wish(), ReconcileQuery())
    )
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.worker.run_due()
    assert await all_of(world.lake) == []


async def test_some_that_the_lake_refuses__are_told_and_the_others_are_mended(
    world: LakeWorld,
) -> None:
    grants = [await world.grant(number) for number in range(250)]
    bad = {held("group:analysts", table(f"t_{number}")).key for number in (3, 120, 249)}
    world.lake.refused = bad
    done = await world.reconcile()
    assert (done["status"], done["repaired"], done["failed"]) == ("COMPLETED", 247, 3)
    assert {one["key"] for one in done["failures"]} == bad
    assert {one["code"] for one in done["failures"]} == {"LAKE_REFUSED"}
    assert [await world.state(grants[number]) for number in (3, 4, 120)] == [
        "failed", "applied", "failed",
    ]  # fmt: skip
    world.lake.refused = set()
    assert (await world.reconcile())["repaired"] == 3
    assert await world.drift() == {}


async def test_throttled_changes__are_tried_again(world: LakeWorld) -> None:
    grants = [await world.grant(number) for number in range(150)]
    keys = [held("group:analysts", table(f"t_{number}")).key for number in range(0, 150, 2)]
    world.lake.throttled = {key: 1 + number % 2 for number, key in enumerate(keys)}
    done = await world.reconcile()
    assert (done["repaired"], done["failed"]) == (150, 0)
    assert {await world.state(grant) for grant in grants} == {"applied"}


async def test_batches__hold_at_most_a_hundred_changes(world: LakeWorld) -> None:
    for number in range(230):
        await world.grant(number)
    sizes: list[int] = []

    async def count(changes: Sequence[LakeChange]) -> None:
        sizes.append(len(changes))

    world.lake.before = count
    done = await world.reconcile()
    assert done["total"] == done["done"] == 230
    assert max(sizes) == 100
    assert sum(sizes) == 230


async def test_reconciling_again__finds_nothing_to_do(world: LakeWorld) -> None:
    for number in range(20):
        await world.grant(number)
    await world.reconcile()
    before = [(one.key, one.revision, one.made_at) for one in await all_of(world.lake)]
    done = await world.reconcile()
    assert done["total"] == 0
    assert [(one.key, one.revision, one.made_at) for one in await all_of(world.lake)] == before


async def test_a_batch_delivered_twice__has_one_effect(world: LakeWorld, tmp_path: Path) -> None:
    grants = [await world.grant(number) for number in range(10)]

    async def die(changes: Sequence[LakeChange]) -> None:
        world.lake.after = None
        raise asyncio.CancelledError  # the process ends after the lake took it

    world.lake.after = die
    with pytest.raises(asyncio.CancelledError):
        await world.keeping.ensure(ITSELF, [grant.grant_id for grant in grants])
    before = {one.key: one.revision for one in await all_of(world.lake)}
    assert len(before) == 10
    done = await world.reconcile()
    assert done["total"] == 0
    await world.check()
    assert {await world.state(grant) for grant in grants} == {"applied"}
    assert {one.key: one.revision for one in await all_of(world.lake)} == before


async def test_grant_on_a_location__waits_until_the_location_is_registered(
    world: LakeWorld,
) -> None:
    target = Target("location", domain_id="dzd-1", path="raw/2024")
    grant = await world.grant(1, target=target, permissions=frozenset({"DATA_LOCATION_ACCESS"}))
    await world.deliver()
    assert await world.state(grant) == "failed"
    assert await all_of(world.lake) == []
    domains: Any = world.cases._domains
    body = NewLocation(domain_id="dzd-1", path="raw")
    locations = Locations(domains, world.permissions)
    await world.write("registerLocation", lambda call: locations.register(call, body))
    await world.deliver()
    assert await world.state(grant) == "applied"
    (entry,) = await all_of(world.lake)
    arn = entry.resource["DataLocation"]["ResourceArn"]
    assert arn == "arn:aws:s3:::data-lake-aviation/raw/2024"


async def test_memory_of_what_was_put__ends_with_the_grant(world: LakeWorld) -> None:
    grant = await world.grant(1)
    await world.deliver()
    (entry,) = await all_of(world.lake)
    row = await world.store.begin().get(LAKE_ENTRIES, entry.key)
    assert row is not None
    assert row.item["grantId"] == grant.grant_id
    await world.permissions.revoke(ITSELF, grant.grant_id)
    await world.deliver()
    assert await world.store.begin().get(LAKE_ENTRIES, entry.key) is None


async def test_two_processes__reconcile_one_mesh_at_once(tmp_path: Path) -> None:
    one, two = LakeWorld(tmp_path / "home"), LakeWorld(tmp_path / "home")
    try:
        grants = [await one.grant(number) for number in range(120)]
        await one.lake.apply(puts(held("user:eve@m")))
        await one.policy("remove")
        first, second = await asyncio.gather(one.reconcile(), two.reconcile())
        assert first["failed"] == second["failed"] == 0
        assert await one.drift() == {}
        assert len(await all_of(two.lake)) == 120
        assert {await two.state(grant) for grant in grants} == {"applied"}
    finally:
        await one.close()
        await two.close()


async def test_grant_that_changes__is_changed_in_the_lake_and_stays_open(world: LakeWorld) -> None:
    soon = to_text(NOON + timedelta(days=1))
    grant = await world.grant(1, expires_at=soon)
    await world.deliver()
    await world.permissions.extend(ITSELF, grant.grant_id, None)
    await world.deliver()
    assert await world.state(grant) == "applied"
    changed = await world.permissions.find(ITSELF, grant.grant_id)
    assert changed is not None
    assert replace(changed, lake_state="pending").expires_at is None
