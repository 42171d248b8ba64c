"""On AWS a mask leaves a column out, so a mask that changes changes what a grant is there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.platform.events import StoredEvent
from meshplane.services.lake.aws_following import FollowingTables
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.keeping import Keeping
from meshplane.services.lake.lake_formation_grants import LakeFormationGrants
from meshplane.services.permissions.api import MaskRule, TagMask
from meshplane.services.tables.api import ColumnSummary, TableSummary
from tests.builders.lake_world import DOMAIN, ITSELF, LakeWorld
from tests.services.lake.test_aws_owners import ACCOUNT, OWNER, OneAsset

pytestmark = pytest.mark.anyio

READERS = "project:proj-1"
WHOLE = {"Table": {"DatabaseName": "aviation", "Name": "flights"}}


class TwoColumns:
    """A table with one column that is confidential, and one that is not."""

    async def find(self, actor: object, table_id: str) -> TableSummary | None:
        columns = (
            ColumnSummary("tail", 1, "string", "VARCHAR"),
            ColumnSummary("day", 2, "date", "DATE"),
        )
        return TableSummary(table_id, "t", "proj-1", DOMAIN, "aviation", "", columns, None, 0)


class Followed:
    """A grant on the whole table, carried to Lake Formation's terms."""

    def __init__(self, world: LakeWorld) -> None:
        assets: Any = OneAsset()
        tables: Any = TwoColumns()
        domains: Any = None
        permissions, store = world.permissions, world.store
        there = LakeFormationGrants(permissions, assets, tables, ACCOUNT)
        desired = DesiredGrants(permissions, assets, domains, store, there)
        self.world = world
        self.keeping = Keeping(world.lake, permissions, desired, store, world.clock)
        self.following = FollowingTables(self.keeping, permissions, world.clock)

    async def granted(self) -> None:
        grant = await self.world.grant(1, READERS)
        await self.keeping.ensure(ITSELF, [grant.grant_id])

    async def follow(self) -> None:
        """Hands every event of permissions since the beginning to whoever follows it."""
        for event in await self.world.store.events_after(0, 1_000):
            await self._hand(event)

    async def _hand(self, event: StoredEvent) -> None:
        for consumer in self.following.consumers:
            if consumer.wants(event):
                work = self.world.store.begin()
                await consumer.handle(work, event)
                await work.commit()

    async def held(self) -> list[dict[str, Any]]:
        page = await self.world.lake.read(100, None)
        assert {one.principal for one in page.entries} <= {OWNER}
        return [dict(one.resource) for one in page.entries]


@pytest.fixture
async def lake(tmp_path: Path) -> AsyncIterator[Followed]:
    world = LakeWorld(tmp_path)
    yield Followed(world)
    await world.close()


def without_tail(held: list[dict[str, Any]]) -> bool:
    (on,) = held
    return on["TableWithColumns"]["ColumnWildcard"] == {"ExcludedColumnNames": ["tail"]}


@pytest.mark.parametrize("domain_id", [None, DOMAIN])
async def test_mask_put_on_a_tag__the_column_is_left_out_of_what_was_granted_before(
    lake: Followed, domain_id: str | None
) -> None:
    await lake.granted()
    assert await lake.held() == [WHOLE]
    mask = TagMask("classification", "confidential", MaskRule("hash"), domain_id)
    await lake.world.permissions.put_tag_mask(ITSELF, mask)
    await lake.follow()
    assert without_tail(await lake.held())


async def test_mask_taken_off_a_tag__the_column_comes_back(lake: Followed) -> None:
    mask = TagMask("classification", "confidential", MaskRule("hash"))
    await lake.world.permissions.put_tag_mask(ITSELF, mask)
    await lake.granted()
    assert without_tail(await lake.held())
    await lake.world.permissions.delete_tag_mask(ITSELF, "classification", "confidential", None)
    await lake.follow()
    assert await lake.held() == [WHOLE]


async def test_tag_assigned_to_a_whole_domain__its_masks_reach_the_tables_in_it(
    lake: Followed,
) -> None:
    await lake.world.permissions.put_tag(ITSELF, "secrecy", ["high"])
    mask = TagMask("secrecy", "high", MaskRule("hash"))
    await lake.world.permissions.put_tag_mask(ITSELF, mask)
    await lake.granted()
    assert await lake.held() == [WHOLE]
    await lake.world.permissions.assign_tags(ITSELF, f"domain:{DOMAIN}", None, {"secrecy": "high"})
    await lake.follow()
    assert await lake.held() == []
