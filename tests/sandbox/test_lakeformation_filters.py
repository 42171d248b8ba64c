"""Data cells filters at the stand-in for Lake Formation."""

from typing import Any

import pytest

from tests.builders.fake_lake import (
    CONSUMER,
    FakeLake,
    cells,
    columns,
    filter_resource,
    refusal,
    table,
    to,
)


@pytest.fixture
def lake() -> FakeLake:
    return FakeLake()


def grant(lake: FakeLake, resource: dict[str, Any], role: str = "ann") -> None:
    lake.admin.grant_permissions(Principal=to(role), Resource=resource, Permissions=["SELECT"])


def test_filter__is_kept_with_a_version(lake: FakeLake) -> None:
    lake.admin.create_data_cells_filter(TableData=cells("late", "delay > 60", "Flight", "delay"))
    named = filter_resource("late")["DataCellsFilter"]
    shown = lake.admin.get_data_cells_filter(**named)["DataCellsFilter"]
    assert (shown["ColumnNames"], shown["RowFilter"], shown["VersionId"]) == (
        ["flight", "delay"],
        {"FilterExpression": "delay > 60"},
        "1",
    )
    changed = cells("late", None, "flight")
    stale = {**changed, "VersionId": "7"}
    code = refusal(lake.admin.update_data_cells_filter, TableData=stale)
    assert code == "ConcurrentModificationException"
    lake.admin.update_data_cells_filter(TableData={**changed, "VersionId": "1"})
    [listed] = lake.admin.list_data_cells_filter(Table=table()["Table"])["DataCellsFilters"]
    assert (listed["VersionId"], listed["RowFilter"]) == ("2", {"AllRowsWildcard": {}})
    again = refusal(lake.admin.create_data_cells_filter, TableData=changed)
    assert again == "AlreadyExistsException"
    lake.admin.delete_data_cells_filter(**named)
    gone = refusal(lake.admin.get_data_cells_filter, **named)
    assert gone == "EntityNotFoundException"


@pytest.mark.parametrize(
    "text",
    [
        "origin = 'JFK'",
        "origin <> 'it''s; --' AND delay >= -5",
        "NOT (delay BETWEEN 1 AND 2 OR origin IN ('JFK', 'LGA'))",
        "\"Origin\" LIKE 'J%' AND pilot IS NOT NULL",
        "60 < delay",
        "delay = 1.5 AND TRUE",
        "origin NOT LIKE 'J%' AND origin NOT IN ('a')",
    ],
)
def test_expression__that_is_a_predicate_is_taken(lake: FakeLake, text: str) -> None:
    given = cells("one", text)
    assert refusal(lake.admin.create_data_cells_filter, TableData=given) == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "origin",
        "delay",
        "delay = pilot",
        "gone = 1",
        "lower(origin) = 'jfk'",
        "delay + 1 > 2",
        "delay = abs(1)",
        "origin = 'x' LIMIT 1",
        "origin = 'x' -- or not",
        "origin = 'x' /* or */",
        "origin = 'x'; DROP TABLE flights",
        "origin = 'x' UNION SELECT 1",
        "delay IN (SELECT 1)",
        "EXISTS (SELECT 1)",
        "CAST(delay AS varchar) = '1'",
        "delay::varchar = '1'",
        "CASE WHEN delay = 1 THEN TRUE END",
        "flights.delay = 1",
        "seats.row = 1",
        "seats IS NULL",
        "tags IS NOT NULL",
        "origin LIKE pilot",
        "origin ILIKE 'x'",
        "origin || 'x' = 'yx'",
        "delay = 1) OR (delay = 2",
        "delay = ?",
        "delay > (1",
        "origin = 'x' AND",
        "delay IS 3",
        "origin = '" + "x" * 2048 + "'",
    ],
)
def test_expression__that_is_more_or_less_is_refused(lake: FakeLake, text: str) -> None:
    types = {"flight": "string", "origin": "string", "delay": "int", "pilot": "string"}
    lake.make_table(columns={**types, "seats": "struct<row:int>", "tags": "array<string>"})
    given = {**cells("one", None), "RowFilter": {"FilterExpression": text}}
    assert _create(lake, given) == "InvalidInputException"


def _create(lake: FakeLake, data: dict[str, Any]) -> str:
    """Past the model's check of lengths, which would refuse the longest one sooner."""
    from meshplane.sandbox.fake import FakeError

    try:
        lake.fake.handlers["CreateDataCellsFilter"](lake.caller("admin"), {"TableData": data})
    except FakeError as error:
        return error.code
    return ""


@pytest.mark.parametrize(
    "change",
    [
        {"TableName": "nowhere"},
        {"ColumnNames": ["gone"]},
        {"ColumnWildcard": {"ExcludedColumnNames": ["gone"]}},
        {"ColumnNames": ["flight"], "ColumnWildcard": {}},
        {"RowFilter": {}},
        {"RowFilter": {"AllRowsWildcard": {}, "FilterExpression": "delay > 1"}},
    ],
)
def test_filter__must_fit_its_table(lake: FakeLake, change: dict[str, Any]) -> None:
    given = cells("one", "delay > 60")
    if "ColumnNames" in change and "ColumnWildcard" not in change:
        del given["ColumnWildcard"]
    code = refusal(lake.admin.create_data_cells_filter, TableData={**given, **change})
    assert code in {"InvalidInputException", "EntityNotFoundException"}


def test_several_filters__are_a_union_cell_by_cell(lake: FakeLake) -> None:
    lake.admin.create_data_cells_filter(TableData=cells("a", "origin = 'JFK'", "flight", "delay"))
    lake.admin.create_data_cells_filter(TableData=cells("b", "delay > 60", "flight", "pilot"))
    grant(lake, filter_resource("a"))
    grant(lake, filter_resource("b"))
    assert lake.sees("ann") == {
        ("flight", "origin = 'JFK'"),
        ("delay", "origin = 'JFK'"),
        ("flight", "delay > 60"),
        ("pilot", "delay > 60"),
    }
    grant(lake, columns("flight"))
    assert ("flight", None) in lake.sees("ann")
    grant(lake, table())
    assert lake.sees("ann") == {(name, None) for name in ("flight", "origin", "delay", "pilot")}


def test_filter_of_a_dropped_column__shows_nothing(lake: FakeLake) -> None:
    lake.admin.create_data_cells_filter(TableData=cells("late", "delay > 60", "flight"))
    grant(lake, filter_resource("late"))
    lake.make_table(columns={"flight": "string"})
    assert lake.sees("ann") == set()


def test_deleted_filter__takes_its_grants_along(lake: FakeLake) -> None:
    lake.admin.create_data_cells_filter(TableData=cells("late", "delay > 60", "flight"))
    grant(lake, filter_resource("late"))
    rows = lake.admin.list_permissions(Resource=table(), IncludeRelated="TRUE")
    assert len(rows["PrincipalResourcePermissions"]) == 1
    lake.admin.delete_data_cells_filter(**filter_resource("late")["DataCellsFilter"])
    lake.admin.create_data_cells_filter(TableData=cells("late", None, "pilot"))
    assert lake.sees("ann") == set()


def test_who_may_filter__holds_select_on_all_columns_with_grant_option(lake: FakeLake) -> None:
    ann, data = lake.lake("ann"), cells("late", "delay > 60")
    given = {"Permissions": ["SELECT"], "PermissionsWithGrantOption": ["SELECT"]}
    lake.admin.grant_permissions(Principal=to("ann"), Resource=columns("flight"), **given)
    code = refusal(ann.create_data_cells_filter, TableData=data)
    assert code == "AccessDeniedException"
    lake.admin.grant_permissions(Principal=to("ann"), Resource=table(), **given)
    assert refusal(ann.create_data_cells_filter, TableData=data) == ""
    other = lake.lake("admin", CONSUMER)
    code = refusal(other.create_data_cells_filter, TableData=cells("other", "delay > 60"))
    assert code == "AccessDeniedException"
