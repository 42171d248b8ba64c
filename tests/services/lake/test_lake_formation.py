"""What Lake Formation must hold for a grant, and what it is said that it cannot do."""

from typing import Any

import pytest

from meshplane.services.lake.compiling import Compiled, Place
from meshplane.services.lake.lake_formation import (
    compile_for_lake_formation,
    crowded,
    filter_problems,
)
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
from tests.builders.lake_grants import held

COLUMNS = (
    GovernedColumn("id", 1, "BIGINT", "public"),
    GovernedColumn("tail", 2, "VARCHAR", "confidential"),
    GovernedColumn("at", 3, "TIMESTAMP", "internal"),
    GovernedColumn("fare", 4, "DECIMAL(9,2)", "internal"),
)
PLACE = Place("aviation", "data-lake-aviation", "flights", COLUMNS)
TABLE = Target("table", asset_id="asset-1")
ON_TABLE = {"DatabaseName": "aviation", "Name": "flights"}


def compiled(
    target: Target = TABLE,
    *permissions: str,
    principal: str = "project:proj-1",
    filters: dict[str, DataFilter] | None = None,
    **more: Any,
) -> Compiled:
    given = frozenset(permissions or ("SELECT",))
    made = Grant("grant-1", principal, target, given, "dzd-1", **more)
    return compile_for_lake_formation(made, PLACE, filters, account="123456789012")


def test_project__is_its_role() -> None:
    (made,) = compiled().entries
    assert made.principal == "arn:aws:iam::123456789012:role/project-proj-1-role"
    assert made.resource == {"Table": ON_TABLE}


@pytest.mark.parametrize(
    ("principal", "there"),
    [
        ("role:arn:aws:iam::210987654321:role/analyst", "arn:aws:iam::210987654321:role/analyst"),
        ("account:210987654321", "210987654321"),
    ],
)
def test_roles_and_accounts__are_themselves(principal: str, there: str) -> None:
    assert compiled(principal=principal).entries[0].principal == there


@pytest.mark.parametrize("principal", ["user:ada@mesh", "group:analysts"])
def test_people_and_groups__are_told_to_come_through_a_role(principal: str) -> None:
    made = compiled(principal=principal)
    assert made.entries == ()
    assert "role" in made.problems[0]


def test_organization__goes_by_its_arn() -> None:
    made = compiled(principal="organization:o-abcdefghij")
    assert made.entries == ()
    assert "ARN" in made.problems[0]


def test_end__is_the_reconcilers_to_keep() -> None:
    made = compiled(expires_at="2030-01-01T00:00:00.000000Z")
    assert any("no end" in note for note in made.notes)


def test_masked_column__is_left_out_and_said_so() -> None:
    made = compiled(TABLE, "SELECT", "INSERT", masks={"tail": MaskRule("null")})
    select, insert = made.entries
    assert select.resource == {
        "TableWithColumns": {
            **ON_TABLE,
            "ColumnWildcard": {"ExcludedColumnNames": ["tail"]},
        }
    }
    assert (select.permissions, insert.permissions) == (("SELECT",), ("INSERT",))
    assert any("cannot mask: tail is left out" in note for note in made.notes)


def test_mask_of_kind_none__masks_nothing() -> None:
    made = compiled(masks={"tail": MaskRule("none")})
    assert made.entries[0].resource == {"Table": ON_TABLE}
    assert made.notes == ()


def test_masked_column__of_included_ones_is_not_among_them() -> None:
    target = Target("columns", asset_id="asset-1", included=("tail", "id"))
    made = compiled(target, masks={"tail": MaskRule("hash")})
    assert made.entries[0].resource["TableWithColumns"]["ColumnNames"] == ["id"]


def test_view__shows_each_mask_and_leaves_a_keyed_hash_out() -> None:
    masks = {
        "tail": MaskRule("partial", keep_last=2),
        "at": MaskRule("truncate", unit="month"),
        "fare": MaskRule("round", digits=0),
        "id": MaskRule("hash"),
    }
    made = compiled(masks=masks, on_aws="view")
    (view,) = made.views
    assert view.shows == ("tail", "at", "fare")
    assert 'date_trunc(\'month\', "at") AS "at"' in view.sql
    assert 'CAST(round("fare", 0) AS decimal(9,2)) AS "fare"' in view.sql
    assert 'FROM "aviation"."flights"' in view.sql
    (on_view,) = made.entries
    assert on_view.resource == {"Table": {"DatabaseName": "aviation", "Name": view.name}}
    assert on_view.permissions == ("SELECT",)
    assert any("id: masked by a keyed hash" in note for note in made.notes)


def test_view__of_rows_keeps_their_filter_and_quotes_a_constant() -> None:
    made = compiled(
        Target("rows", asset_id="asset-1"),
        row_filter=RowFilter("(fare > 10)"),
        columns=(GrantedColumn("id"), GrantedColumn("tail", MaskRule("constant", value="it's"))),
        on_aws="view",
    )
    (view,) = made.views
    assert view.sql.endswith('WHERE ("fare" > 10)')
    assert "'it''s'" in view.sql
    assert view.shows == ("id", "tail")


def test_rows__are_a_filter_and_select_on_it_alone() -> None:
    made = compiled(
        Target("rows", asset_id="asset-1"),
        "SELECT",
        "DESCRIBE",
        row_filter=RowFilter('("fare" > 10)'),
        columns=(GrantedColumn("id"), GrantedColumn("tail", MaskRule("null"))),
    )
    (entry,) = made.entries
    assert entry.resource == {
        "DataCellsFilter": {"DatabaseName": "aviation", "TableName": "flights", "Name": "grant-1"}
    }
    assert entry.filter == {
        "RowFilter": {"FilterExpression": '("fare" > 10)'},
        "ColumnNames": ["id"],
    }
    assert entry.permissions == ("SELECT",)


@pytest.mark.parametrize("passes_on", [False, True])
def test_table__whose_every_column_is_masked_has_nothing_left(passes_on: bool) -> None:
    names = [column.name for column in PLACE.columns]
    made = compiled(
        Target("table", asset_id="asset-1"),
        masks=dict.fromkeys(names, MaskRule("null")),
        grantable=frozenset({"SELECT"}) if passes_on else frozenset(),
    )
    assert made.entries == ()
    assert "none would be left" in made.problems[0]


def test_rows__whose_every_column_is_masked_have_nothing_left() -> None:
    made = compiled(
        Target("rows", asset_id="asset-1"), columns=(GrantedColumn("tail", MaskRule("null")),)
    )
    assert made.entries == ()
    assert "view" in made.problems[0]


def test_filter__with_masks_becomes_one_of_the_grants_own() -> None:
    filters = {"low": DataFilter("asset-1", "low", RowFilter('("fare" < 9)'))}
    target = Target("filter", asset_id="asset-1", filter_name="low")
    plain = compiled(target, filters=filters).entries[0]
    masked = compiled(target, filters=filters, masks={"tail": MaskRule("null")}).entries[0]
    assert plain.resource["DataCellsFilter"]["Name"] == "low"
    assert masked.resource["DataCellsFilter"]["Name"] == "grant-1"
    assert masked.filter is not None
    assert masked.filter["ColumnWildcard"] == {"ExcludedColumnNames": ["tail"]}


@pytest.mark.parametrize(
    "text",
    [
        '("fare" > 10)',
        '(("tail" = \'N1(x)\') AND ("id" IN (1, 2)))',
        '("tail" LIKE \'N%\') OR (NOT ("tail" IS NULL))',
        '("id" BETWEEN 1 AND 5)',
    ],
)
def test_row_filter__of_comparisons_goes_over(text: str) -> None:
    assert filter_problems(RowFilter(text)) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('("tail" = current_principal())', "current_principal"),
        ("in_group('ops')", "in_group"),
        ("(lower(\"tail\") = 'n1')", "lower"),
        ('("lower"("tail") = \'n1\')', "lower"),
        ("(\"id\"::VARCHAR = '1')", "comparisons"),
        ('CASE WHEN ("id" > 1) THEN true ELSE false END', "comparisons"),
    ],
)
def test_row_filter__that_says_more_is_a_problem(text: str, word: str) -> None:
    problems = filter_problems(RowFilter(text))
    assert any(word in problem for problem in problems)


def test_row_filter__on_a_nested_column_is_a_problem() -> None:
    nested = RowFilter("(a = 1)", (FilterColumn("a", 1, "STRUCT(b INTEGER)"),))
    assert "nested" in filter_problems(nested)[0]


def test_right_to_grant_columns__needs_a_list_of_them() -> None:
    target = Target("columns", asset_id="asset-1", excluded=("tail",))
    made = compiled(target, grantable=frozenset({"SELECT"}))
    (entry,) = made.entries
    assert entry.resource["TableWithColumns"]["ColumnNames"] == ["at", "fare", "id"]
    assert entry.grantable == ("SELECT",)
    assert any("columns of today" in note for note in made.notes)


def test_tags_of_one_domain__go_by_a_tag_of_its_database() -> None:
    target = Target(
        "tags", domain_id="dzd-1", resource_type="TABLE", expression=(("team", ("ops",)),)
    )
    made = compiled(target)
    terms = made.entries[0].resource["LFTagPolicy"]["Expression"]
    assert {"TagKey": "meshplane_domain", "TagValues": ["aviation"]} in terms
    assert any("know no domains" in note for note in made.notes)


def test_masks_on_many_tables__are_a_problem() -> None:
    made = compiled(Target("tables", domain_id="dzd-1"), masks={"tail": MaskRule("null")})
    assert made.entries == ()
    assert "table by table" in made.problems[0]


def test_crowded__more_than_a_hundred_filters_of_one_principal_on_a_table() -> None:
    def cells(count: int, principal: str) -> list[Any]:
        return [
            held(
                principal,
                {"DataCellsFilter": {"DatabaseName": "a", "TableName": "t", "Name": f"f{number}"}},
            )
            for number in range(count)
        ]

    assert crowded([*cells(100, "p"), *cells(60, "q")]) == []
    (problem,) = crowded([*cells(101, "p"), *cells(60, "q")])
    assert "p holds 101 filters on a.t" in problem


def test_tag_values__that_differ_in_capitals_alone_differ_there_too() -> None:
    target = Target("tags", resource_type="TABLE", expression=(("team", ("OPS", "Ops", "ops")),))
    (entry,) = compiled(target).entries
    (term,) = entry.resource["LFTagPolicy"]["Expression"]
    assert term["TagValues"] == ["=o=p=s", "=ops", "ops"]


def test_tags_of_a_domain__stand_in_the_order_in_which_they_are_read_back() -> None:
    expression = (("level", ("1",)), ("team", ("ops",)))
    target = Target("tags", domain_id="dzd-1", resource_type="TABLE", expression=expression)
    (entry,) = compiled(target).entries
    keys = [term["TagKey"] for term in entry.resource["LFTagPolicy"]["Expression"]]
    assert keys == ["level", "meshplane_domain", "team"]


def test_rows_without_select__permit_nothing_there() -> None:
    made = compiled(Target("rows", asset_id="asset-1"), "DESCRIBE", columns=(GrantedColumn("id"),))
    assert made.entries == ()
    assert "SELECT alone" in made.notes[0]
    assert compiled(Target("columns", asset_id="asset-1", included=("id",)), "INSERT").entries == ()
