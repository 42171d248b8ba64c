"""What other services do with grants: write those of subscriptions, ask what they come to."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import FixedClock, to_text
from meshplane.kit.errors import Conflict, MeshplaneError, Refused
from meshplane.platform.events import StoredEvent
from meshplane.services.permissions.consumers import CONSUMERS
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.permissions.model import Grant, GrantedColumn, RowFilter, TagMask, Target
from meshplane.services.permissions.store import GRANTS
from tests.builders.known_schemas import flights
from tests.builders.policy_world import (
    LAKE,
    SAM,
    SUBSCRIPTIONS,
    UNA,
    PolicyWorld,
    policy_world,
)
from tests.builders.stores import NOON

pytestmark = pytest.mark.anyio

PROJECT = "project:proj-1"
TABLE = {"table": {"assetId": "asset-1"}}

# A row as the version before wrote it: no target, no permissions, the filter as text.
EARLIER = {
    "grantId": "grant-sub-req-old",
    "principal": PROJECT,
    "assetId": "asset-1",
    "domainId": "dzd-1",
    "rowFilter": "delay > 15",
    "columns": [
        {"name": "carrier", "mask": None},
        {"name": "tail", "mask": {"kind": "hash", "value": None}},
    ],
    "excludedColumns": ["delay"],
    "expiresAt": None,
    "subscriptionId": "sub-req-old",
}


def fulfilled(grant_id: str = "grant-sub-req-1", **change: Any) -> Grant:
    """The grant of a subscription to some rows and columns of `asset-1`."""
    grant = Grant(
        grant_id=grant_id,
        principal=PROJECT,
        target=Target("rows", asset_id="asset-1"),
        permissions=frozenset({"SELECT", "DESCRIBE"}),
        domain_id="dzd-1",
        row_filter=RowFilter("delay > 15"),
        columns=(GrantedColumn("carrier", None, 1), GrantedColumn("tail", None, 3)),
        subscription_id="sub-req-1",
        granted_by="user:sam@aviation",
        reason="They need it.",
    )
    return replace(grant, **change)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path) as made:
        yield made


async def put_earlier(world: PolicyWorld) -> None:
    work = world.store.begin()
    work.put(GRANTS, EARLIER)
    await work.commit()


async def bring_up_to_date(world: PolicyWorld, *, at: int = 1) -> None:
    """Delivers the event of the earlier grant to the consumer that follows grants."""
    (follower,) = (one for one in CONSUMERS if one.name == "permissions.earlier-grants")
    detail = {"grantId": EARLIER["grantId"]}
    event = StoredEvent(
        at,
        f"evt-{at}",
        "PermissionGranted",
        "management-app.permissions",
        "grant",
        to_text(NOON),
        detail,
        0,
    )
    work = world.store.begin()
    await follower.handle(work, event)
    await work.commit()


async def test_grant__twice__is_one_grant_and_one_event(world: PolicyWorld) -> None:
    await asyncio.gather(*(world.keeper.grant(SUBSCRIPTIONS, fulfilled()) for _ in range(8)))
    assert [kind for kind, _ in await world.events()] == ["PermissionGranted"]
    assert await world.columns(PROJECT) == {"carrier": "plain", "tail": "plain"}
    found = await world.keeper.find(SUBSCRIPTIONS, "grant-sub-req-1")
    assert found is not None
    assert (found.granted_by, found.reason) == ("user:sam@aviation", "They need it.")


async def test_revoke__before_or_after__ends_it_for_good(world: PolicyWorld) -> None:
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled())
    await world.keeper.revoke(SUBSCRIPTIONS, "grant-sub-req-1")
    await world.keeper.revoke(SUBSCRIPTIONS, "grant-late")
    for grant_id in ("grant-sub-req-1", "grant-late"):
        await world.keeper.grant(SUBSCRIPTIONS, fulfilled(grant_id))
        assert await world.keeper.find(SUBSCRIPTIONS, grant_id) is None
    assert await world.columns(PROJECT) == {}
    kinds = [kind for kind, _ in await world.events()]
    assert kinds == ["PermissionGranted", "PermissionRevoked"]


async def test_grant__by_another_service_or_a_person__is_refused(world: PolicyWorld) -> None:
    for actor in (SAM, UNA):
        with pytest.raises(Refused):
            await world.keeper.grant(actor, fulfilled())
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled())
    with pytest.raises(Refused):
        await world.keeper.record_lake_state(SUBSCRIPTIONS, "grant-sub-req-1", "missing", None)


async def test_grant_of_a_subscription__cannot_be_touched_by_hand(world: PolicyWorld) -> None:
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled())
    for body in (
        {"grantId": "grant-sub-req-1"},
        {"grantId": "grant-sub-req-1", "permissions": ["SELECT"]},
        {"principal": PROJECT, "resource": TABLE},
    ):
        with pytest.raises(Conflict) as caught:
            await world.revoke(SAM, **body)
        assert caught.value.code == "GRANT_OF_SUBSCRIPTION"
    # A grant by hand beside it is another grant, and goes without it.
    given = await world.grant(SAM, principal=PROJECT, resource=TABLE, permissions=["SELECT"])
    assert given.grant_id != "grant-sub-req-1"
    await world.revoke(SAM, grantId=given.grant_id)
    assert await world.columns(PROJECT) == {"carrier": "plain", "tail": "plain"}


async def test_extend__moves_the_end_with_no_gap_and_only_while_it_is_in_force(
    world: PolicyWorld,
) -> None:
    assert isinstance(world.clock, FixedClock)
    soon, later = to_text(NOON + timedelta(seconds=10)), to_text(NOON + timedelta(seconds=20))
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled(expires_at=soon))
    world.clock.advance(9)
    await world.keeper.extend(SUBSCRIPTIONS, "grant-sub-req-1", later)
    world.clock.advance(10)
    assert await world.ending.note_all() == 0
    assert len(await world.columns(PROJECT)) == 2
    world.clock.advance(1)
    assert await world.columns(PROJECT) == {}
    with pytest.raises(Conflict) as caught:
        await world.keeper.extend(SUBSCRIPTIONS, "grant-sub-req-1", None)
    assert caught.value.code == "GRANT_ENDED"


async def test_end_of_a_grant__is_noted_once_by_however_many_look(world: PolicyWorld) -> None:
    assert isinstance(world.clock, FixedClock)
    await world.keeper.grant(
        SUBSCRIPTIONS, fulfilled(expires_at=to_text(NOON + timedelta(seconds=10)))
    )
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled("grant-sub-req-2"))
    world.clock.advance(11)
    await asyncio.gather(*(world.ending.note_all() for _ in range(5)))
    assert await world.ending.note_all() == 0
    kinds = [kind for kind, _ in await world.events()]
    assert kinds == ["PermissionGranted", "PermissionGranted", "PermissionExpired"]
    page = await world.keeper.desired(LAKE, 10, None)
    assert [grant.grant_id for grant in page.grants] == ["grant-sub-req-2"]


async def test_desired__gives_every_grant_in_force_once_page_by_page(world: PolicyWorld) -> None:
    for number in range(7):
        await world.keeper.grant(SUBSCRIPTIONS, fulfilled(f"grant-{number}"))
    await world.keeper.revoke(SUBSCRIPTIONS, "grant-3")
    found, cursor = [], None
    while True:
        page = await world.keeper.desired(LAKE, 2, cursor)
        found += [grant.grant_id for grant in page.grants]
        cursor = page.cursor
        if cursor is None:
            break
    assert found == [f"grant-{number}" for number in (0, 1, 2, 4, 5, 6)]


async def test_access__counts_grants_of_all_principals_and_of_the_asset_alone(
    tmp_path: Path,
) -> None:
    assets = (flights("asset-1"), flights("asset-2"))
    async with policy_world(tmp_path, assets=assets) as world:
        await world.keeper.grant(SUBSCRIPTIONS, fulfilled())
        everything = {"allTables": {"domainId": "dzd-1"}}
        await world.grant(SAM, principal="group:staff", resource=everything, permissions=["SELECT"])
        for asset in assets:
            both = await world.access(PROJECT, "group:staff", asset=asset)
            alone = await world.access(PROJECT, asset=asset)
            own = 1 if asset.asset_id == "asset-1" else 0
            assert (len(both.scopes), len(alone.scopes)) == (own + 1, own)


async def test_table_rights__come_of_the_table_its_database_and_its_tags(
    world: PolicyWorld,
) -> None:
    keeper, una = world.keeper, [UNA.name]
    assert await keeper.table_rights(UNA, "tbl-asset-1", "dzd-1", una) == []
    await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["INSERT"])
    assert await keeper.table_rights(UNA, "tbl-asset-1", "dzd-1", una) == ["DESCRIBE", "INSERT"]
    assert await keeper.table_rights(UNA, "tbl-unpublished", "dzd-1", una) == []
    everything = {"allTables": {"domainId": "dzd-1"}}
    await world.grant(SAM, principal=UNA.name, resource=everything, permissions=["DELETE"])
    assert await keeper.table_rights(UNA, "tbl-unpublished", "dzd-1", una) == [
        "DELETE",
        "DESCRIBE",
    ]
    assert await keeper.table_rights(UNA, "tbl-unpublished", "dzd-2", una) == []
    database = {"database": {"domainId": "dzd-1"}}
    await world.grant(SAM, principal=UNA.name, resource=database, permissions=["CREATE_TABLE"])
    rights = await keeper.table_rights(UNA, None, "dzd-1", una)
    assert rights == ["CREATE_TABLE", "DESCRIBE"]
    # Tags of the whole table reach it; one column that has another value keeps INSERT shut.
    tags = {
        "tags": {
            "resourceType": "TABLE",
            "expression": [{"key": "classification", "values": ["internal", "confidential"]}],
            "domainId": "dzd-1",
        }
    }
    await world.grant(SAM, principal="group:staff", resource=tags, permissions=["INSERT"])
    rights = await keeper.table_rights(UNA, "tbl-asset-1", "dzd-1", ["group:staff"])
    assert rights == ["DESCRIBE", "INSERT"]


async def test_table_rights__name_select_only_beside_delete_and_of_the_whole_table(
    world: PolicyWorld,
) -> None:
    keeper, una, table = world.keeper, [UNA.name], "tbl-asset-1"
    await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"])
    assert "SELECT" not in await keeper.table_rights(UNA, table, "dzd-1", una)
    await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["DELETE"])
    assert "SELECT" in await keeper.table_rights(UNA, table, "dzd-1", una)
    masked = {"masks": {"tail": {"kind": "hash"}}}
    await world.grant(SAM, principal=UNA.name, resource=TABLE, permissions=["SELECT"], **masked)
    rights = await keeper.table_rights(UNA, table, "dzd-1", una)
    assert rights == ["DELETE", "DESCRIBE"]
    everything = {"allTables": {"domainId": "dzd-1"}}
    both = ["SELECT", "DELETE"]
    await world.grant(SAM, principal="group:staff", resource=everything, permissions=both)
    rights = await keeper.table_rights(UNA, "tbl-unpublished", "dzd-1", ["group:staff"])
    assert rights == ["DELETE", "DESCRIBE", "SELECT"]
    # A table that nobody published carries the tags of its domain, and so their masks.
    await keeper.assign_tags(LAKE, "domain:dzd-1", None, {"classification": "confidential"})
    hashed = TagMask("classification", "confidential", MaskRule("hash"))
    await keeper.put_tag_mask(LAKE, hashed)
    rights = await keeper.table_rights(UNA, "tbl-unpublished", "dzd-1", ["group:staff"])
    assert rights == ["DELETE", "DESCRIBE"]


async def test_earlier_row__reads_as_a_grant_on_rows_before_and_after_it_is_brought_up_to_date(
    world: PolicyWorld,
) -> None:
    await put_earlier(world)
    for round_number in range(3):
        (scope,) = (await world.access(PROJECT)).scopes
        assert scope.filter is not None
        assert scope.filter.text == "delay > 15"
        seen = {name: mask.kind if mask else "plain" for name, mask in scope.columns.items()}
        assert seen == {"carrier": "plain", "tail": "hash"}
        await bring_up_to_date(world, at=round_number + 1)
    row = await world.store.begin().get(GRANTS, "grant-sub-req-old")
    assert row is not None
    assert row.version == 2  # written anew once
    held = await world.store.begin().query(GRANTS, PROJECT, index="byHolder")
    assert [one.item["grantId"] for one in held.rows] == ["grant-sub-req-old"]
    page = await world.keeper.desired(LAKE, 10, None)
    assert [grant.target.kind for grant in page.grants] == ["rows"]


async def test_earlier_row__that_was_revoked_meanwhile__stays_revoked(world: PolicyWorld) -> None:
    await put_earlier(world)
    await world.keeper.revoke(SUBSCRIPTIONS, "grant-sub-req-old")
    await bring_up_to_date(world)
    assert await world.keeper.find(SUBSCRIPTIONS, "grant-sub-req-old") is None
    assert await world.columns(PROJECT) == {}


async def test_ending__of_a_damaged_row__holds_up_no_other(world: PolicyWorld) -> None:
    assert isinstance(world.clock, FixedClock)
    soon = to_text(NOON + timedelta(seconds=1))
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled(expires_at=to_text(NOON)))
    await world.keeper.grant(SUBSCRIPTIONS, fulfilled("grant-sub-req-2", expires_at=soon))
    work = world.store.begin()
    row = await work.get(GRANTS, "grant-sub-req-1")
    assert row is not None
    work.put(GRANTS, {**row.item, "masks": {"tail": 7}}, expected=row.version)
    await work.commit()
    world.clock.advance(2)
    assert await world.ending.note_all() == 1
    ended = [d["grantId"] for kind, d in await world.events() if kind == "PermissionExpired"]
    assert ended == ["grant-sub-req-2"]


async def test_writers_at_once__each_change_counts_or_is_told(world: PolicyWorld) -> None:
    """Twenty people grant and revoke on one row at once; the row is what the last one left."""
    permissions = ["SELECT", "INSERT", "DELETE", "ALTER", "DROP"]

    async def change(number: int) -> str:
        one = [permissions[number % 5]]
        body = {"principal": UNA.name, "resource": TABLE, "permissions": one}
        try:
            await (world.revoke(SAM, **body) if number % 3 == 2 else world.grant(SAM, **body))
        except MeshplaneError as error:
            return error.code
        return "done"

    told = await asyncio.gather(*(change(number) for number in range(20)))
    assert set(told) <= {"done", "GRANT_NOT_FOUND"}
    changes = await world.events()
    assert len(changes) == told.count("done")
    assert len({detail["at"] for _, detail in changes}) == len(changes)
    kind, newest = max(changes, key=lambda change: change[1]["at"])
    left = set() if kind == "PermissionRevoked" else set(newest["permissions"])
    assert set((await world.access(UNA.name)).rights) - {"DESCRIBE"} == left
