"""In Lake Formation, who owns a table needs a grant to read it, though nobody grants it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetPage, AssetSummary
from meshplane.services.lake.aws_owners import FollowingOwners, OwnerGrants
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.ports import LakeChange
from meshplane.services.permissions.api import MaskRule, TagMask
from meshplane.services.tables.api import ColumnSummary, TableSummary
from tests.builders.lake_world import DOMAIN, ITSELF, LakeWorld

pytestmark = pytest.mark.anyio

ACCOUNT = "111122223333"
OWNER = f"arn:aws:iam::{ACCOUNT}:role/project-proj-1-role"
QUALITY = f"arn:aws:iam::{ACCOUNT}:role/meshplane-quality"
FLIGHTS = {"Table": {"DatabaseName": "aviation", "Name": "flights"}}
LISTED = AssetSummary(
    "asset-1", "flights", DOMAIN, "aviation", "proj-1", "flying", "tbl-1", "", "internal",
    "user:o@m", (AssetColumn("tail", "string", "", "confidential"),), None, PUBLISHED,
)  # fmt: skip


class OneAsset:
    """One data product; it may be taken off the list."""

    def __init__(self) -> None:
        self.asset = LISTED

    async def find(self, actor: Actor, asset_id: str) -> AssetSummary | None:
        return self.asset if asset_id == self.asset.asset_id else None

    async def listed(self, actor: Actor, limit: int, cursor: str | None) -> AssetPage:
        return AssetPage((self.asset,) if self.asset.is_published else (), None)


class OneTable:
    """Its table."""

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        columns = (ColumnSummary("tail", 1, "string", "VARCHAR"),)
        return TableSummary(table_id, "t", "proj-1", DOMAIN, "aviation", "", columns, None, 0)


@dataclass
class Owned:
    """A lake that is kept for owners as well.

    Attributes:
        assets: what is listed.
    """

    world: LakeWorld
    assets: OneAsset
    looking: Looking
    following: FollowingOwners

    async def tell(self, kind: str) -> None:
        """Hands the event of that type about the asset to the consumer."""
        (consumer,) = self.following.consumers
        work = self.world.store.begin()
        event = StoredEvent(
            1, "evt-1", kind, "management-app.assets", "", "", {"assetId": "asset-1"}
        )
        await consumer.handle(work, event)
        await work.commit()

    async def held(self) -> dict[str, tuple[dict[str, Any], tuple[str, ...]]]:
        """What the lake holds, by principal."""
        page = await self.world.lake.read(100, None)
        return {one.principal: (dict(one.resource), one.permissions) for one in page.entries}

    async def drift(self) -> list[str]:
        look = await self.looking.look(ITSELF)
        return [one.difference.kind for one in look.found]


def owned(world: LakeWorld, quality_role: str | None = None) -> Owned:
    listed = OneAsset()
    assets: Any = listed
    tables: Any = OneTable()
    domains: Any = None
    permissions, store = world.permissions, world.store
    owners = OwnerGrants(assets, ACCOUNT, quality_role)
    there = LakeFormationGrants(permissions, assets, tables, ACCOUNT)
    desired = DesiredGrants(permissions, assets, domains, store, there, owners=owners)
    keeping = Keeping(world.lake, permissions, desired, store, world.clock)
    looking = Looking(world.lake, desired, permissions, domains, store, clock=world.clock)
    return Owned(world, listed, looking, FollowingOwners(keeping, owners))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LakeWorld]:
    made = LakeWorld(tmp_path)
    yield made
    await made.close()


async def test_published__the_projects_role_may_read_the_table(world: LakeWorld) -> None:
    lake = owned(world)
    assert await lake.drift() == ["missing"]
    await lake.tell("AssetPublished")
    assert await lake.held() == {OWNER: (FLIGHTS, ("DESCRIBE", "SELECT"))}
    assert await lake.drift() == []


async def test_published__where_glue_evaluates_rulesets__its_role_may_read_it_too(
    world: LakeWorld,
) -> None:
    lake = owned(world, QUALITY)
    await lake.tell("AssetPublished")
    assert (await lake.held()).keys() == {OWNER, QUALITY}
    assert await lake.drift() == []


async def test_published__a_tag_that_masks_a_column__masks_it_to_others_alone(
    world: LakeWorld,
) -> None:
    await world.permissions.put_tag_mask(
        ITSELF, TagMask("classification", "confidential", MaskRule("hash"))
    )
    lake = owned(world)
    await lake.tell("AssetPublished")
    assert await lake.held() == {OWNER: (FLIGHTS, ("DESCRIBE", "SELECT"))}


async def test_taken_off_the_list__the_grant_is_taken_away(world: LakeWorld) -> None:
    lake = owned(world, QUALITY)
    await lake.tell("AssetPublished")
    lake.assets.asset = replace(LISTED, status="withdrawn")
    await lake.tell("AssetUnpublished")
    assert await lake.held() == {}
    assert await lake.drift() == []


async def test_taken_out_of_the_lake_by_hand__is_drift_until_it_is_put_again(
    world: LakeWorld,
) -> None:
    lake = owned(world)
    await lake.tell("AssetPublished")
    (entry,) = (await world.lake.read(10, None)).entries
    await world.lake.inner.apply([LakeChange("remove", entry)])
    assert await lake.drift() == ["missing"]
    await lake.tell("AssetPublished")
    assert await lake.drift() == []


async def test_a_lake_that_does_not_take_it_yet__the_event_comes_again(world: LakeWorld) -> None:
    lake = owned(world)
    await lake.tell("AssetPublished")
    (entry,) = (await world.lake.read(10, None)).entries
    await world.lake.inner.apply([LakeChange("remove", entry)])
    world.lake.refused.add(entry.key)
    with pytest.raises(Unavailable):
        await lake.tell("AssetPublished")
    world.lake.refused.clear()
    await lake.tell("AssetPublished")
    assert await lake.drift() == []
