"""How strict what is asked for is, and what is left of it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid
from meshplane.services.assets.api import PUBLISHED, AssetColumn, AssetSummary
from meshplane.services.permissions.api import FilterColumn, MaskRule, RowFilter
from meshplane.services.query.api import QueryApi
from meshplane.services.subscriptions.narrowing import Narrowing
from meshplane.services.subscriptions.scope import Checks, Product, granted_columns, level_of
from meshplane.services.tables.api import ColumnSummary, ExternalSource

ASSET = AssetSummary(
    asset_id="asset-1",
    name="people",
    domain_id="dzd-1",
    domain_name="staff",
    project_id="proj-1",
    project_name="desk",
    table_id="tbl-1",
    description="",
    classification="internal",
    owner="user:ada@here",
    columns=(
        AssetColumn("name", "string", "", "internal"),
        AssetColumn("town", "string", "", "public"),
        AssetColumn("salary", "long", "", "restricted"),
    ),
    quality_score=None,
    status=PUBLISHED,
)
PUBLIC = replace(ASSET, classification="public")


def about(*names: str) -> RowFilter:
    """A condition that names these columns."""
    return RowFilter("TRUE", tuple(FilterColumn(name, 1, "BIGINT") for name in names))


@pytest.mark.parametrize(
    ("asset", "columns", "row_filter", "level"),
    [
        (ASSET, None, None, "restricted"),
        (ASSET, ["name"], None, "internal"),
        # A column that is said to be public makes no asset public that is not.
        (ASSET, ["town"], None, "internal"),
        (PUBLIC, ["town"], None, "public"),
        (PUBLIC, ["town"], about("town"), "public"),
        (PUBLIC, ["town"], about("salary"), "restricted"),
        (PUBLIC, ["town"], about("town", "name"), "internal"),
        # Of what the asset does not list, nobody has said how open it is.
        (PUBLIC, ["town"], about("added_later"), "restricted"),
    ],
)
def test_level__is_the_strictest_of_all_that_is_touched(
    asset: AssetSummary, columns: list[str] | None, row_filter: RowFilter | None, level: str
) -> None:
    assert level_of(Product(asset, {}), columns, row_filter) == level


@pytest.mark.parametrize(
    ("tagged", "columns", "row_filter", "level"),
    [
        ({"town": "confidential"}, ["town"], None, "confidential"),
        ({"town": "confidential"}, ["town"], about("name"), "confidential"),
        ({"town": "confidential"}, None, None, "restricted"),
        ({"": "confidential"}, ["town"], None, "confidential"),
        # One that is not asked for counts only where the rows tell of it.
        ({"name": "confidential"}, ["town"], None, "public"),
        ({"name": "confidential"}, ["town"], about("name"), "confidential"),
        ({"": "public", "salary": "public"}, ["salary"], None, "restricted"),
    ],
)
def test_level__is_made_stricter_by_tags_and_never_more_open(
    tagged: dict[str, str], columns: list[str] | None, row_filter: RowFilter | None, level: str
) -> None:
    assert level_of(Product(PUBLIC, {}, tagged), columns, row_filter) == level


def product(*names: str) -> Product:
    """The asset, whose table has these columns now."""
    columns = {
        name: ColumnSummary(name, place, "string", "VARCHAR")
        for place, name in enumerate(names, start=10)
    }
    return Product(ASSET, columns)


class Bound:
    """Takes every row filter, and notes the columns that it may name."""

    def __init__(self) -> None:
        self.columns: list[str] = []

    async def check_row_filter(
        self,
        actor: Actor,
        expression: str,
        columns: Sequence[FilterColumn],
        source: ExternalSource | None = None,
    ) -> RowFilter:
        self.columns = [column.name for column in columns]
        return about()


async def test_wished_filter__may_name_what_the_asset_lists_and_nothing_else() -> None:
    bound, actor = Bound(), Actor("una@nowhere")
    checks = Checks(cast(Any, None), cast(QueryApi, bound), cast(Any, None))
    made = product("name", "added_later", "town")
    await checks.wished_filter(actor, "added_later > 1", made)
    assert bound.columns == ["name", "town"]
    # An approver answers for the data, and may.
    await checks.row_filter(actor, "added_later > 1", made)
    assert bound.columns == ["name", "added_later", "town"]
    assert await checks.wished_filter(actor, None, made) is None


def test_columns__are_those_that_the_asset_lists_and_the_table_still_has() -> None:
    found = granted_columns(product("town", "name", "added_later"), None, Narrowing())
    assert [(one.name, one.field_id) for one in found] == [("name", 11), ("town", 10)]


def test_columns__carry_their_masks_and_are_never_none() -> None:
    narrowing = Narrowing(masks={"name": MaskRule("hash")}, excluded_columns=frozenset({"town"}))
    (found,) = granted_columns(product("name", "town"), ["name", "town"], narrowing)
    assert (found.name, found.mask) == ("name", MaskRule("hash"))
    with pytest.raises(Invalid) as told:
        granted_columns(product("name", "town"), ["town"], narrowing)
    assert told.value.code == "NOTHING_GRANTED"
