"""What the embedded lake must hold for each kind of grant."""

from typing import Any

import pytest

from meshplane.services.lake.compiling import Place, compile_embedded
from meshplane.services.lake.entries import described
from meshplane.services.permissions.api import (
    DataFilter,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    Target,
)

PLACE = Place("aviation", "data-lake-aviation", "flights")
FLIGHTS = {"DatabaseName": "aviation", "Name": "flights"}


def grant(target: Target, *permissions: str, **more: Any) -> Grant:
    given = frozenset(permissions or ("SELECT",))
    return Grant("grant-1", "group:analysts", target, given, "dzd-1", **more)


@pytest.mark.parametrize(
    ("target", "resource", "words"),
    [
        (
            Target("database", domain_id="dzd-1"),
            {"Database": {"Name": "aviation"}},
            "database aviation",
        ),
        (
            Target("tables", domain_id="dzd-1"),
            {"Table": {"DatabaseName": "aviation", "TableWildcard": {}}},
            "all tables of aviation",
        ),
        (Target("table", asset_id="asset-1"), {"Table": FLIGHTS}, "aviation.flights"),
        (
            Target("columns", asset_id="asset-1", included=("b", "a")),
            {"TableWithColumns": {**FLIGHTS, "ColumnNames": ["a", "b"]}},
            "aviation.flights (columns a, b)",
        ),
        (
            Target("columns", asset_id="asset-1", excluded=("b", "a")),
            {
                "TableWithColumns": {
                    **FLIGHTS,
                    "ColumnWildcard": {"ExcludedColumnNames": ["a", "b"]},
                }
            },
            "aviation.flights (all but a, b)",
        ),
        (
            Target(
                "tags",
                resource_type="TABLE",
                expression=(("team", ("sea", "ops")), ("class", ("public",))),
            ),
            {
                "LFTagPolicy": {
                    "ResourceType": "TABLE",
                    "Expression": [
                        {"TagKey": "class", "TagValues": ["public"]},
                        {"TagKey": "team", "TagValues": ["ops", "sea"]},
                    ],
                }
            },
            "tables tagged class=public and team=ops|sea",
        ),
        (
            Target("location", domain_id="dzd-1", path="/raw/2024/"),
            {"DataLocation": {"ResourceArn": "arn:aws:s3:::data-lake-aviation/raw/2024"}},
            "arn:aws:s3:::data-lake-aviation/raw/2024",
        ),
    ],
)
def test_resource__is_in_lake_formations_terms(
    target: Target, resource: dict[str, Any], words: str
) -> None:
    (made,) = compile_embedded(grant(target), PLACE).entries
    assert made.resource == resource
    assert described(made.resource) == words


def test_tags_of_one_domain__name_its_database() -> None:
    target = Target(
        "tags", domain_id="dzd-1", resource_type="DATABASE", expression=(("team", ("ops",)),)
    )
    (made,) = compile_embedded(grant(target, "DESCRIBE"), PLACE).entries
    assert made.resource["LFTagPolicy"]["DatabaseName"] == "aviation"


def test_rows__are_a_filter_of_the_grants_own_with_its_masks() -> None:
    columns = (
        GrantedColumn("carrier"),
        GrantedColumn("tail", MaskRule("partial", keep_last=2)),
    )
    rows = grant(
        Target("rows", asset_id="asset-1"),
        "SELECT",
        "DESCRIBE",
        row_filter=RowFilter("(delay > 10)"),
        columns=columns,
    )
    (made,) = compile_embedded(rows, PLACE).entries
    assert made.resource["DataCellsFilter"]["Name"] == "grant-1"
    assert made.filter == {
        "RowFilter": {"FilterExpression": "(delay > 10)"},
        "ColumnNames": ["carrier", "tail"],
    }
    assert made.masks["tail"]["kind"] == "partial"
    assert made.permissions == ("DESCRIBE", "SELECT")


def test_filter__holds_what_the_data_filter_says_now() -> None:
    on_filter = grant(Target("filter", asset_id="asset-1", filter_name="late"))
    wide = DataFilter("asset-1", "late", None, None, None)
    narrow = DataFilter("asset-1", "late", RowFilter("(delay > 60)"), ("delay",))
    (first,) = compile_embedded(on_filter, PLACE, {"late": wide}).entries
    (second,) = compile_embedded(on_filter, PLACE, {"late": narrow}).entries
    assert first.filter == {
        "RowFilter": {"AllRowsWildcard": {}},
        "ColumnWildcard": {"ExcludedColumnNames": []},
    }
    assert first.key == second.key
    assert first.fingerprint != second.fingerprint


def test_filter__that_is_gone_gives_no_entry_and_says_why() -> None:
    on_filter = grant(Target("filter", asset_id="asset-1", filter_name="late"))
    compiled = compile_embedded(on_filter, PLACE, {})
    assert compiled.entries == ()
    assert "late" in compiled.problems[0]


def test_fingerprint__changes_with_each_thing_that_a_grant_permits() -> None:
    target = Target("table", asset_id="asset-1")
    variants = [
        grant(target),
        grant(target, "SELECT", "INSERT"),
        grant(target, grantable=frozenset({"SELECT"})),
        grant(target, masks={"tail": MaskRule("null")}),
        grant(target, masks={"tail": MaskRule("hash")}),
    ]
    made = [compile_embedded(one, PLACE).entries[0] for one in variants]
    assert len({one.key for one in made}) == 1
    assert len({one.fingerprint for one in made}) == len(variants)


def test_fingerprint__does_not_change_with_who_granted_when_or_why() -> None:
    target = Target("table", asset_id="asset-1")
    one = grant(target, granted_by="user:a@b", granted_at="2024-01-01T00:00:00Z", reason="x")
    two = grant(target, granted_by="user:c@d", reason="y", lake_state="missing")
    first, second = (compile_embedded(each, PLACE).entries[0] for each in (one, two))
    assert (first.key, first.fingerprint) == (second.key, second.fingerprint)
