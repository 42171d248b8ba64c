"""What tags mask here is not shown plainly by what a grant compiles to for Lake Formation."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.lake.compiled import CompiledGrants
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.schemas import CompiledQuery, CompiledView
from meshplane.services.lake.tag_masking import masked_by_tags, masked_tags
from meshplane.services.permissions.api import (
    AssetTags,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    TagMask,
    Target,
)
from meshplane.services.tables.api import ColumnSummary, TableSummary
from tests.builders.lake_world import DOMAIN, ITSELF, LakeWorld

pytestmark = pytest.mark.anyio

HASHED = TagMask("classification", "confidential", MaskRule("hash"))
READER = "role:arn:aws:iam::210987654321:role/analyst"


class OneAsset:
    """`aviation.flights`, of which `tail` is confidential."""

    async def find(self, actor: Any, asset_id: str) -> AssetSummary | None:
        """See `AssetsApi.find`."""
        columns = (
            AssetColumn("carrier", "string", "", "internal"),
            AssetColumn("tail", "string", "", "confidential"),
        )
        return AssetSummary(
            asset_id, "flights", DOMAIN, "aviation", "proj-1", "flying", "tbl-1", "", "internal",
            "user:o@m", columns, None, PUBLISHED,
        )  # fmt: skip


class OneTable:
    """Its table."""

    async def find(self, actor: Any, table_id: str) -> TableSummary | None:
        """See `TablesApi.find`."""
        columns = (
            ColumnSummary("carrier", 1, "string", "VARCHAR"),
            ColumnSummary("tail", 2, "string", "VARCHAR"),
        )
        return TableSummary(table_id, "t", "proj-1", DOMAIN, "aviation", "", columns, None, 0)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[LakeWorld]:
    made = LakeWorld(tmp_path)
    await made.permissions.put_tag_mask(ITSELF, HASHED)
    yield made
    await made.close()


async def compiled(world: LakeWorld, target: Target, **more: Any) -> CompiledView:
    """What `GET /lake/compiled/{grantId}?target=lake-formation` answers."""
    grant = Grant("grant-1", READER, target, frozenset({"SELECT"}), DOMAIN, **more)
    await world.permissions.grant(ITSELF, grant)
    assets: Any = OneAsset()
    tables: Any = OneTable()
    domains: Any = None
    desired = DesiredGrants(world.permissions, assets, domains, world.store)
    cases = CompiledGrants(world.permissions, assets, tables, desired)
    query = CompiledQuery.model_validate({"target": "lake-formation"})
    view: CompiledView = await world.write(
        "getCompiledGrant", lambda call: cases.show(call, "grant-1", query)
    )
    return view


async def test_table__leaves_out_the_column_that_a_tag_masks(world: LakeWorld) -> None:
    view = await compiled(world, Target("table", asset_id="asset-1"))
    (made,) = view.entries
    left_out = made.resource["TableWithColumns"]["ColumnWildcard"]["ExcludedColumnNames"]
    assert left_out == ["tail"]
    assert "tail is left out" in view.notes[0]


async def test_table__of_a_grant_that_lifts_the_mask__shows_the_column(world: LakeWorld) -> None:
    lifted = {"tail": MaskRule("none")}
    view = await compiled(world, Target("table", asset_id="asset-1"), masks=lifted)
    assert "Table" in view.entries[0].resource


async def test_rows__leave_out_the_column_that_a_tag_masks(world: LakeWorld) -> None:
    columns = (GrantedColumn("carrier", None, 1), GrantedColumn("tail", None, 2))
    view = await compiled(world, Target("rows", asset_id="asset-1"), columns=columns)
    assert view.entries[0].filter is not None
    assert view.entries[0].filter["ColumnNames"] == ["carrier"]


async def test_columns__of_which_a_tag_masks_all__cannot_be_carried_there(
    world: LakeWorld,
) -> None:
    target = Target("columns", asset_id="asset-1", included=("tail",))
    view = await compiled(world, target)
    assert view.entries == []
    assert "none would be left" in view.problems[0]


async def test_tags__that_may_reach_a_masked_column__cannot_be_carried_there(
    world: LakeWorld,
) -> None:
    team = Target("tags", resource_type="TABLE", expression=(("team", ("ops",)),))
    view = await compiled(world, team)
    assert view.entries == []
    assert "classification=confidential" in view.problems[0]


def test_masked_tags__are_those_that_the_expression_lets_be_reached() -> None:
    def told(*values: str) -> list[str]:
        on = Target("tags", resource_type="TABLE", expression=(("classification", values),))
        return masked_tags(Grant("g", READER, on, frozenset({"SELECT"}), ""), [HASHED])

    assert told("public", "internal") == []
    assert told("public", "confidential") == ["classification=confidential"]


def test_masked_by_tags__is_the_strictest_that_fits_and_of_this_domain_alone() -> None:
    columns = (
        GovernedColumn("tail", 1, "VARCHAR", "confidential"),
        GovernedColumn("fare", 2, "INTEGER", "confidential"),
        GovernedColumn("day", 3, "DATE", "internal"),
    )
    asset = GovernedAsset("a", "flights", DOMAIN, "aviation", "p", "t", "internal", columns)
    last = TagMask("classification", "confidential", MaskRule("partial", keep_last=2), DOMAIN)
    elsewhere = TagMask("classification", "internal", MaskRule("null"), "dzd-2")
    assert masked_by_tags(asset, AssetTags(), [last, elsewhere]) == {
        "tail": last.mask,
        "fare": MaskRule("null"),
    }
    assert masked_by_tags(asset, AssetTags(), [last, HASHED])["tail"] == HASHED.mask
