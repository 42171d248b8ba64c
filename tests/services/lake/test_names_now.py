"""Grants on columns that were renamed, dropped or made anew, for a lake that knows names alone."""

from dataclasses import replace

import pytest

from meshplane.services.lake.names_now import BrokenGrantError, NamesNow
from meshplane.services.permissions.api import (
    DataFilter,
    FilterColumn,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    Target,
)

# Once there were flight (1), origin (2) and pilot (3): pilot was renamed to captain, and origin was
# dropped and made anew.
NOW = NamesNow(
    [
        GovernedColumn("flight", 1, "VARCHAR", "internal"),
        GovernedColumn("captain", 3, "VARCHAR", "internal"),
        GovernedColumn("origin", 4, "VARCHAR", "internal"),
    ]
)
PINS = (
    GrantedColumn("flight", field_id=1),
    GrantedColumn("origin", field_id=2),
    GrantedColumn("pilot", field_id=3),
)
SELECT = frozenset({"SELECT"})


def on_columns(
    included: tuple[str, ...] | None = None, excluded: tuple[str, ...] | None = None
) -> Grant:
    target = Target("columns", asset_id="asset-1", included=included, excluded=excluded)
    return Grant("grant-1", "project:p", target, SELECT, "dzd-1", columns=PINS)


def test_included__follows_a_rename_and_not_a_name() -> None:
    grant = NOW.grant(on_columns(included=("flight", "origin", "pilot")))
    assert grant.target.included == ("flight", "captain")


def test_excluded__stays_out_under_its_identity_and_its_name() -> None:
    grant = NOW.grant(on_columns(excluded=("origin", "pilot")))
    assert grant.target.excluded == ("origin", "captain")


def test_rows__keep_the_columns_that_were_granted() -> None:
    grant = Grant(
        "grant-1", "project:p", Target("rows", asset_id="asset-1"), SELECT, "dzd-1", columns=PINS
    )
    assert [column.name for column in NOW.grant(grant).columns] == ["flight", "captain"]


def test_masks__follow_and_stay_and_the_stricter_wins() -> None:
    grant = replace(
        on_columns(included=("flight", "pilot")),
        masks={"pilot": MaskRule("hash"), "captain": MaskRule("null")},
    )
    assert NOW.grant(grant).masks == {"captain": MaskRule("null")}


def test_filter__on_a_column_that_is_another_now_is_broken() -> None:
    rows = RowFilter("(origin = 'JFK')", (FilterColumn("origin", 2, "VARCHAR"),))
    with pytest.raises(BrokenGrantError, match="another column"):
        NOW.data_filter(DataFilter("asset-1", "jfk", rows))


def test_data_filter__lists_follow_as_well() -> None:
    found = NOW.data_filter(
        DataFilter(
            "asset-1", "crew", None, ("pilot", "origin"), field_ids={"pilot": 3, "origin": 2}
        )
    )
    assert found.included == ("captain",)


@pytest.mark.parametrize("names", [{"included": ("origin",)}, {"excluded": ("gone",)}])
def test_grant__of_which_nobody_can_tell_what_was_meant_is_broken(
    names: dict[str, tuple[str, ...]],
) -> None:
    with pytest.raises(BrokenGrantError):
        NOW.grant(on_columns(**names))
