"""Data filters: checked when they are put, told when they change, kept while they are granted."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Invalid, Missing, Refused
from meshplane.services.permissions.api import DataFilter, RowFilter
from meshplane.services.permissions.data_filters import MOST_FILTERS
from tests.builders.policy_world import LAKE, SAM, UNA, PolicyWorld, policy_world

pytestmark = pytest.mark.anyio


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[PolicyWorld]:
    async with policy_world(tmp_path) as made:
        yield made


async def put(world: PolicyWorld, name: str = "late", **more: Any) -> DataFilter:
    made: DataFilter = await world.keeper.put_filter(LAKE, DataFilter("asset-1", name, **more))
    return made


async def test_put__keeps_the_condition_parsed_and_the_columns_by_their_identity(
    world: PolicyWorld,
) -> None:
    made = await put(world, row_filter=RowFilter("delay > 60"), included=("carrier", "delay"))
    assert made.version == 1
    assert made.row_filter is not None
    assert [(one.name, one.field_id) for one in made.row_filter.columns] == [("delay", 2)]
    assert made.field_ids == {"carrier": 1, "delay": 2}
    again = await put(world, excluded=("tail",))
    assert (again.version, again.row_filter, again.excluded) == (2, None, ("tail",))
    page = await world.keeper.filters(LAKE, "asset-1", 10, None)
    assert page.filters == (again,)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"included": ("no_such",)}, "COLUMN_UNKNOWN"),
        ({"excluded": ("no_such",)}, "COLUMN_UNKNOWN"),
        ({"included": ("delay",), "excluded": ("tail",)}, "DATA_FILTER_INVALID"),
        ({"excluded": ("carrier", "delay", "tail", "day")}, "DATA_FILTER_INVALID"),
    ],
)
async def test_put__columns_that_make_no_sense_are_refused(
    world: PolicyWorld, more: dict[str, Any], code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await put(world, **more)
    assert refused.value.code == code
    assert (await world.keeper.filters(LAKE, "asset-1", 10, None)).filters == ()


async def test_put__of_an_asset_that_is_not_there(world: PolicyWorld) -> None:
    with pytest.raises(Missing) as refused:
        await world.keeper.put_filter(LAKE, DataFilter("asset-none", "late"))
    assert refused.value.code == "ASSET_NOT_FOUND"


async def test_put__an_asset_has_room_for_a_hundred(world: PolicyWorld) -> None:
    for number in range(MOST_FILTERS):
        await put(world, f"f{number}")
    with pytest.raises(Conflict) as refused:
        await put(world, "one_more")
    assert refused.value.code == "DATA_FILTERS_TOO_MANY"
    assert (await put(world, "f0", included=("day",))).version == 2


async def test_delete__while_granted_is_refused_and_says_by_which_grants(
    world: PolicyWorld,
) -> None:
    await put(world, row_filter=RowFilter("delay > 60"))
    given = await world.grant(
        SAM,
        principal="group:analysts",
        resource={"filter": {"assetId": "asset-1", "name": "late"}},
        permissions=["SELECT"],
    )
    with pytest.raises(Conflict) as refused:
        await world.keeper.delete_filter(LAKE, "asset-1", "late")
    assert refused.value.code == "DATA_FILTER_IN_USE"
    assert refused.value.details["usedBy"] == [given.grant_id]
    await world.revoke(SAM, grantId=given.grant_id)
    await world.keeper.delete_filter(LAKE, "asset-1", "late")
    with pytest.raises(Missing):
        await world.keeper.delete_filter(LAKE, "asset-1", "late")


async def test_change__is_told_and_counts_for_who_holds_a_grant_on_it(
    world: PolicyWorld,
) -> None:
    await put(world, included=("carrier", "tail"))
    await world.grant(
        SAM,
        principal="group:analysts",
        resource={"filter": {"assetId": "asset-1", "name": "late"}},
        permissions=["SELECT"],
    )
    assert set(await world.columns("group:analysts")) == {"carrier", "tail"}
    await put(world, included=("day",))
    assert set(await world.columns("group:analysts")) == {"day"}
    told = [detail for kind, detail in await world.events() if kind == "DataFilterChanged"]
    assert [(one["name"], one["change"]) for one in told] == [("late", "put")] * 2


async def test_filters__are_kept_for_the_lake_service_alone(world: PolicyWorld) -> None:
    for actor in (SAM, UNA):
        with pytest.raises(Refused):
            await world.keeper.put_filter(actor, DataFilter("asset-1", "late"))
