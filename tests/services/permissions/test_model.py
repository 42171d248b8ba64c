"""The words of permissions: keys that tell targets apart, and what is read back from the store."""

import pytest

from meshplane.services.permissions.model import (
    DataFilter,
    FilterColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    Target,
    in_order,
)
from tests.builders.policies import grant, target, where

EXPRESSION = (("team", ("ops",)), ("classification", ("public", "internal")))


@pytest.mark.parametrize(
    ("on", "key", "holder"),
    [
        (target("table"), "asset:asset-1", "asset:asset-1"),
        (
            target("columns", included=("b", "a")),
            "asset:asset-1#columns(+a,b)",
            "asset:asset-1",
        ),
        (target("columns", excluded=("b",)), "asset:asset-1#columns(-b)", "asset:asset-1"),
        (target("filter", filter_name="eu"), "asset:asset-1#filter(eu)", "asset:asset-1"),
        (target("rows"), "asset:asset-1#rows", "asset:asset-1"),
        (target("database"), "domain:dzd-1", "domain:dzd-1"),
        (target("tables"), "domain:dzd-1#tables", "domain:dzd-1"),
        (
            target("tags", expression=EXPRESSION, domain_id="dzd-1"),
            "tags:TABLE(classification=internal|public&team=ops)@dzd-1",
            "tags",
        ),
        (target("tags", expression=EXPRESSION[:1]), "tags:TABLE(team=ops)", "tags"),
        (target("location", path="raw/in"), "location:dzd-1#raw/in", "location:dzd-1"),
    ],
)
def test_target__has_a_key_and_a_place_where_it_is_found(on: Target, key: str, holder: str) -> None:
    assert (on.key, on.holder) == (key, holder)
    assert Target.from_json(on.to_json()) == on


def test_target__means_the_same_in_whatever_order_it_is_written() -> None:
    turned = tuple((key, values[::-1]) for key, values in EXPRESSION[::-1])
    assert target("tags", expression=EXPRESSION).key == target("tags", expression=turned).key


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (target("columns", included=("a,b",)), target("columns", included=("a", "b"))),
        (target("columns", included=("a",)), target("columns", excluded=("a",))),
        (
            target("tags", expression=(("a", ("b&c=d",)),)),
            target("tags", expression=(("a", ("b",)), ("c", ("d",)))),
        ),
        (
            target("tags", expression=(("a=b", ("c",)),)),
            target("tags", expression=(("a", ("b=c",)),)),
        ),
        (
            target("tags", expression=(("a", ("b|c",)),)),
            target("tags", expression=(("a", ("b", "c")),)),
        ),
        (target("filter", filter_name="a%28"), target("filter", filter_name="a(")),
    ],
)
def test_target__is_told_from_one_that_only_looks_alike(one: Target, other: Target) -> None:
    assert one.key != other.key


def test_grant__comes_back_from_the_store_as_it_was() -> None:
    full = grant(
        "g1",
        target("rows"),
        "SELECT",
        "DESCRIBE",
        grantable=frozenset({"SELECT"}),
        row_filter=RowFilter("a = 1", (FilterColumn("a", 1, "BIGINT"),)),
        columns=(
            GrantedColumn("a", MaskRule("partial", keep_last=4, fill="#"), 1),
            GrantedColumn("b"),
        ),
        excluded_columns=("c",),
        masks={"d": MaskRule("round", digits=-3), "e": MaskRule("truncate", unit="month")},
        expires_at="2031-01-01T00:00:00Z",
        subscription_id="sub-1",
        granted_by="user:steward",
        granted_at="2030-01-01T00:00:00Z",
        reason="A study",
        on_aws="view",
        lake_state="failed",
        lake_reason="throttled",
    )
    assert Grant.from_json(full.to_json()) == full
    assert full.to_json()["permissions"] == ["SELECT", "DESCRIBE"]


def test_grant__of_an_older_row_reads_as_rows_and_columns_of_its_asset() -> None:
    old = {
        "grantId": "grant-1",
        "principal": "project:proj-1",
        "assetId": "asset-1",
        "domainId": "dzd-1",
        "rowFilter": "origin = 'JFK'",
        "columns": [
            {"name": "flight", "mask": None},
            {"name": "pilot", "mask": {"kind": "constant", "value": "x"}},
        ],
        "excludedColumns": ["delay"],
        "expiresAt": None,
        "subscriptionId": "sub-1",
    }
    found = Grant.from_json(old)
    assert found.target == Target("rows", asset_id="asset-1")
    assert found.permissions == {"SELECT", "DESCRIBE"}
    assert found.row_filter == RowFilter("origin = 'JFK'")
    assert found.columns == (
        GrantedColumn("flight"),
        GrantedColumn("pilot", MaskRule("constant", "x")),
    )
    assert (found.lake_state, found.subscription_id) == ("pending", "sub-1")
    assert Grant.from_json(found.to_json()) == found


@pytest.mark.parametrize(
    "data_filter",
    [
        DataFilter("asset-1", "eu", where("a = 1", ("a", 1)), ("a", "b"), None, 3, {"a": 1}),
        DataFilter("asset-1", "eu", None, None, ("c",)),
        DataFilter("asset-1", "eu"),
    ],
)
def test_data_filter__comes_back_from_the_store_as_it_was(data_filter: DataFilter) -> None:
    assert DataFilter.from_json(data_filter.to_json()) == data_filter


def test_in_order__lists_permissions_as_people_read_them() -> None:
    assert in_order({"DROP", "SELECT", "DESCRIBE"}) == ["SELECT", "DESCRIBE", "DROP"]
