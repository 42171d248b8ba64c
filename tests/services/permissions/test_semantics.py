"""What grants come to on a table, edge by edge. The guide (docs/guide/grants.md) tells the same."""

import time
from datetime import timedelta

import pytest

from meshplane.services.permissions.effective import effective
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    Grant,
    GrantedColumn,
    MaskRule,
    RowScope,
    TagMask,
)
from meshplane.services.permissions.semantics import database_access, needed
from tests.builders.policies import NOW, accessed, column, flights, grant, shown, target, where

HASH, NULL, NONE = MaskRule("hash"), MaskRule("null"), MaskRule("none")
ALL = {"flight": None, "origin": None, "delay": None, "pilot": None}
JFK = where("origin = 'JFK'", ("origin", 2))
OPS = (("team", ("ops",)),)


def pins(**ids: int) -> tuple[GrantedColumn, ...]:
    return tuple(GrantedColumn(name, field_id=number) for name, number in ids.items())


# Tables and columns


def test_table_grant__shows_all_columns_and_rows_and_later_columns_too() -> None:
    later = flights(*flights().columns, column("gate", 9))
    found = accessed(grant("g1", target("table")), asset=later)
    assert found.scopes == (RowScope("g1", None, {**ALL, "gate": None}),)


def test_all_tables_grant__is_a_grant_on_each_table_of_the_database_alone() -> None:
    assert shown(accessed(grant("g1", target("tables")))) == [ALL]
    assert accessed(grant("g1", target("tables", domain_id="dzd-2"))).rights == {}


def test_included_columns__are_shown_and_no_others() -> None:
    on = target("columns", included=("flight", "delay"))
    assert shown(accessed(grant("g1", on))) == [{"flight": None, "delay": None}]


def test_excluded_columns__stay_out_and_later_columns_come_in() -> None:
    later = flights(*flights().columns, column("gate", 9))
    on = target("columns", excluded=("pilot",))
    [columns] = shown(accessed(grant("g1", on), asset=later))
    assert list(columns) == ["flight", "origin", "delay", "gate"]


def test_column_grant__permits_nothing_but_select() -> None:
    on = target("columns", included=("flight",))
    found = accessed(grant("g1", on, "SELECT", "INSERT", "DROP"))
    assert found.rights == {"SELECT": ("g1",), "DESCRIBE": ("g1",)}


def test_table_grant_beside_a_column_grant__shows_the_whole_table() -> None:
    narrow = grant("g1", target("columns", included=("flight",)))
    found = accessed(narrow, grant("g2", target("table")))
    assert [column.access for column in effective(flights(), found).columns] == ["plain"] * 4
    assert needed(found.scopes) == (RowScope("g2", None, ALL),)


def test_any_permission__implies_describe_and_says_by_which_grant() -> None:
    found = accessed(grant("g1", target("table"), "INSERT"), grant("g2", target("table"), "DROP"))
    assert found.rights["DESCRIBE"] == ("g1", "g2")
    assert found.scopes == ()


def test_grant_option__is_told_with_its_grants_and_for_what_is_permitted_alone() -> None:
    lent = grant("g1", target("table"), "SELECT", grantable=frozenset({"SELECT", "DROP"}))
    assert accessed(lent).grantable == {"SELECT": ("g1",)}


def test_grant_on_another_table__does_nothing_here() -> None:
    assert accessed(grant("g1", target("table", asset_id="asset-2"))).rights == {}


# Rows


def test_data_filters__are_a_union_of_rows_and_columns_cell_by_cell() -> None:
    filters = [
        DataFilter("asset-1", "jfk", JFK, ("flight", "delay")),
        DataFilter("asset-1", "late", where("delay > 60", ("delay", 3)), ("flight", "pilot")),
    ]
    found = accessed(
        grant("g1", target("filter", filter_name="jfk")),
        grant("g2", target("filter", filter_name="late")),
        filters=filters,
    )
    assert [
        (scope.filter and scope.filter.text, list(scope.columns)) for scope in found.scopes
    ] == [
        ("origin = 'JFK'", ["flight", "delay"]),
        ("delay > 60", ["flight", "pilot"]),
    ]
    seen = effective(flights(), found)
    assert (seen.all_rows, seen.row_filters) == (False, ("origin = 'JFK'", "delay > 60"))


def test_data_filter__of_all_rows_and_columns_shows_all() -> None:
    on = grant("g1", target("filter", filter_name="all"))
    assert shown(accessed(on, filters=[DataFilter("asset-1", "all")])) == [ALL]


def test_data_filter__that_is_gone_or_of_another_table_closes_its_grants() -> None:
    on = grant("g1", target("filter", filter_name="jfk"))
    found = accessed(on, filters=[DataFilter("asset-2", "jfk")])
    assert (found.rights, found.scopes) == ({}, ())
    assert found.broken[0].why == "its data filter jfk is gone"


def test_rows_grant__shows_its_rows_and_the_columns_that_it_names() -> None:
    rows = grant(
        "g1",
        target("rows"),
        "SELECT",
        "DESCRIBE",
        row_filter=JFK,
        columns=(GrantedColumn("flight"), GrantedColumn("pilot", HASH)),
    )
    assert accessed(rows).scopes == (RowScope("g1", JFK, {"flight": None, "pilot": HASH}),)


def test_needed__drops_scopes_beside_which_nothing_is_missing() -> None:
    wide = RowScope("g1", None, {"flight": None, "pilot": HASH})
    same = RowScope("g2", None, {"flight": None, "pilot": HASH})
    stricter = RowScope("g3", JFK, {"pilot": NULL})
    weaker = RowScope("g4", JFK, {"pilot": None})
    assert needed([stricter, wide, same, weaker]) == (wide, weaker)


# Tags


def test_tag_grant__on_a_table_whose_tags_match_permits_all_that_it_says() -> None:
    found = accessed(
        grant("g1", target("tags", expression=OPS), "SELECT", "INSERT"),
        tags=AssetTags(database={"team": "ops"}),
    )
    assert set(found.rights) == {"SELECT", "INSERT", "DESCRIBE"}
    assert shown(found) == [ALL]


def test_tag_grant__does_not_reach_a_column_that_overrides_the_tag() -> None:
    tags = AssetTags(table={"team": "ops"}, columns={"pilot": {"team": "hr"}})
    found = accessed(grant("g1", target("tags", expression=OPS), "SELECT", "INSERT"), tags=tags)
    assert [list(columns) for columns in shown(found)] == [["flight", "origin", "delay"]]
    assert set(found.rights) == {"SELECT", "DESCRIBE"}, "INSERT needs all columns"


def test_tag_grant__reaches_single_columns_of_a_table_that_does_not_match() -> None:
    tags = AssetTags(table={"team": "hr"}, columns={"delay": {"team": "ops"}})
    found = accessed(grant("g1", target("tags", expression=OPS)), tags=tags)
    assert shown(found) == [{"delay": None}]


def test_tag_grant__of_what_needs_all_columns_comes_down_to_describe() -> None:
    tags = AssetTags(table={"team": "ops"}, columns={"pilot": {"team": "hr"}})
    found = accessed(grant("g1", target("tags", expression=OPS), "DROP"), tags=tags)
    assert set(found.rights) == {"DESCRIBE"}


def test_tag_grant__takes_classification_as_a_tag() -> None:
    public = target("tags", expression=(("classification", ("internal",)),))
    [columns] = shown(accessed(grant("g1", public)))
    assert list(columns) == ["flight", "origin", "delay"]  # the pilot is confidential


def test_tag_grant__of_one_database_does_nothing_in_another() -> None:
    tags = AssetTags(table={"team": "ops"})
    elsewhere = grant("g1", target("tags", expression=OPS, domain_id="dzd-2"))
    here = grant("g2", target("tags", expression=OPS, domain_id="dzd-1"))
    assert accessed(elsewhere, here, tags=tags).rights["SELECT"] == ("g2",)


def test_tag_grant__for_databases_gives_nothing_on_their_tables() -> None:
    tags = AssetTags(database={"team": "ops"})
    on = target("tags", expression=OPS, resource_type="DATABASE")
    assert accessed(grant("g1", on, "DESCRIBE", "DROP"), tags=tags).rights == {}


# Databases


def test_database_grant__is_on_the_database_and_not_on_its_tables() -> None:
    drop = grant("g1", target("database"), "DROP", "CREATE_TABLE")
    assert accessed(drop).rights == {}
    found = database_access("dzd-1", {}, [drop], NOW)
    assert set(found.rights) == {"DROP", "CREATE_TABLE", "DESCRIBE"}


def test_database__has_no_select() -> None:
    found = database_access("dzd-1", {}, [grant("g1", target("database"), "SELECT")], NOW)
    assert found.rights == {}


def test_database__can_be_described_by_one_who_has_all_its_tables() -> None:
    found = database_access("dzd-1", {}, [grant("g1", target("tables"), "SELECT")], NOW)
    assert found.rights == {"DESCRIBE": ("g1",)}


def test_database__is_reached_by_its_tags() -> None:
    on = target("tags", expression=OPS, resource_type="DATABASE")
    held = [grant("g1", on, "CREATE_TABLE")]
    assert "CREATE_TABLE" in database_access("dzd-1", {"team": "ops"}, held, NOW).rights
    assert database_access("dzd-1", {"team": "hr"}, held, NOW).rights == {}


# Masks


def test_grants_mask__shows_the_column_masked() -> None:
    found = accessed(grant("g1", target("table"), masks={"pilot": HASH}))
    assert shown(found) == [{**ALL, "pilot": HASH}]


def test_tag_mask__masks_every_column_with_the_tag() -> None:
    masks = [TagMask("classification", "confidential", HASH)]
    assert shown(accessed(grant("g1", target("table")), tag_masks=masks)) == [
        {**ALL, "pilot": HASH}
    ]


def test_tag_masks__of_which_several_apply_leave_the_strictest() -> None:
    masks = [
        TagMask("classification", "confidential", HASH),
        TagMask("classification", "confidential", NULL, "dzd-1"),
        TagMask("team", "ops", MaskRule("partial", keep_last=1)),
    ]
    tags = AssetTags(columns={"pilot": {"team": "ops"}})
    [columns] = shown(accessed(grant("g1", target("table")), tags=tags, tag_masks=masks))
    assert columns["pilot"] == NULL


def test_tag_mask__of_another_domain_does_nothing_here() -> None:
    masks = [TagMask("classification", "confidential", HASH, "dzd-2")]
    assert shown(accessed(grant("g1", target("table")), tag_masks=masks)) == [ALL]


@pytest.mark.parametrize(("own", "then"), [(NONE, None), (MaskRule("partial"),) * 2])
def test_grants_mask__goes_before_a_tags_mask(own: MaskRule, then: MaskRule | None) -> None:
    masks = [TagMask("classification", "confidential", NULL)]
    found = accessed(grant("g1", target("table"), masks={"pilot": own}), tag_masks=masks)
    assert shown(found) == [{**ALL, "pilot": then}]


def test_rows_grant__is_masked_by_tags_where_it_names_no_mask() -> None:
    columns = (GrantedColumn("pilot"), GrantedColumn("origin", MaskRule("partial")))
    masks = [TagMask("classification", c, HASH) for c in ("internal", "confidential")]
    found = accessed(grant("g1", target("rows"), columns=columns), tag_masks=masks)
    assert shown(found) == [{"pilot": HASH, "origin": MaskRule("partial")}]


def test_mask__that_does_not_fit_its_column_shows_nothing() -> None:
    found = accessed(grant("g1", target("table"), masks={"delay": MaskRule("partial")}))
    assert shown(found) == [{**ALL, "delay": NULL}]


def test_masks__of_several_grants_leave_the_weakest_in_the_effective_column() -> None:
    found = accessed(
        grant("g1", target("table"), masks={"pilot": NULL}),
        grant("g2", target("columns", included=("pilot",)), masks={"pilot": HASH}),
    )
    pilot = effective(flights(), found).columns[3]
    assert (pilot.access, pilot.mask, pilot.grants) == ("masked", HASH, ("g2",))
    assert [way.grant_id for way in pilot.ways] == ["g2", "g1"]


# Ends, the lake, and schemas that change


def test_expired_grant__gives_nothing_from_its_instant_on() -> None:
    ended = grant("g1", target("table"), expires_at=NOW.isoformat())
    lasting = grant("g2", target("table"), expires_at=(NOW + timedelta(seconds=1)).isoformat())
    found = accessed(ended, lasting)
    assert found.rights["SELECT"] == ("g2",)
    assert found.broken == ()


@pytest.mark.parametrize("state", ["missing", "changed", "failed"])
def test_grant_that_the_lake_does_not_hold__gives_nothing_here_either(state: str) -> None:
    closed = grant("g1", target("table"), "SELECT", "INSERT", lake_state=state)
    found = accessed(closed)
    assert (found.rights, found.scopes) == ({}, ())
    assert "the lake" in found.broken[0].why


@pytest.mark.parametrize("state", ["pending", "applied"])
def test_grant_that_the_lake_may_hold__counts(state: str) -> None:
    assert accessed(grant("g1", target("table"), lake_state=state)).broken == ()


def test_filter_whose_column_is_gone__closes_its_grant_and_leaves_others() -> None:
    without = flights(column("flight", 1), column("delay", 3, "INTEGER"))
    filters = [DataFilter("asset-1", "jfk", JFK)]
    found = accessed(
        grant("g1", target("filter", filter_name="jfk")),
        grant("g2", target("columns", included=("delay",))),
        asset=without,
        filters=filters,
    )
    assert [scope.grant_id for scope in found.scopes] == ["g2"]
    assert [(b.grant_id, "origin" in b.why) for b in found.broken] == [("g1", True)]
    assert found.rights["SELECT"] == ("g2",)


def test_filter_whose_column_was_made_anew__closes_its_grant() -> None:
    anew = flights(column("flight", 1), column("origin", 20))
    rows = grant("g1", target("rows"), row_filter=JFK, columns=(GrantedColumn("flight"),))
    assert accessed(rows, asset=anew).scopes == ()


def test_granted_column_that_was_made_anew__stays_hidden() -> None:
    anew = flights(column("flight", 1), column("pilot", 40))
    included = grant(
        "g1",
        target("columns", included=("flight", "pilot")),
        columns=pins(flight=1, pilot=4),
    )
    rows = grant(
        "g2", target("rows"), columns=(GrantedColumn("flight"), GrantedColumn("pilot", None, 4))
    )
    assert shown(accessed(included, rows, asset=anew)) == [{"flight": None}] * 2


def test_granted_column_that_was_renamed__is_the_same_column() -> None:
    renamed = flights(column("flight_number", 1))
    on = grant("g1", target("columns", included=("flight",)), columns=pins(flight=1))
    assert shown(accessed(on, asset=renamed)) == [{"flight_number": None}]


def test_grant_none_of_whose_columns_is_left__is_broken_and_shows_no_row() -> None:
    found = accessed(grant("g1", target("columns", included=("gone",))))
    assert (found.scopes, found.rights) == ((), {})
    assert found.broken[0].why == "none of the columns that it names is there any more"


def test_excluded_column__stays_out_under_its_identity_and_its_name() -> None:
    changed = flights(column("flight", 1), column("captain", 4), column("pilot", 40))
    on = grant("g1", target("columns", excluded=("pilot",)), columns=pins(pilot=4))
    assert shown(accessed(on, asset=changed)) == [{"flight": None}]


def test_masked_column__stays_masked_under_its_identity_and_its_name() -> None:
    changed = flights(column("flight", 1), column("captain", 4), column("pilot", 40))
    on = grant("g1", target("table"), masks={"pilot": HASH}, columns=pins(pilot=4))
    assert shown(accessed(on, asset=changed)) == [{"flight": None, "captain": HASH, "pilot": HASH}]


@pytest.mark.parametrize(
    "on",
    [
        grant("g1", target("columns", excluded=("ssn",))),
        grant("g1", target("table"), masks={"ssn": HASH}),
    ],
    ids=["excluded", "masked"],
)
def test_protected_column__that_nobody_can_find_closes_the_grant(on: Grant) -> None:
    found = accessed(on)
    assert found.scopes == ()
    assert "ssn" in found.broken[0].why


def test_masks_on_many_tables__need_not_be_of_columns_that_each_has() -> None:
    assert shown(accessed(grant("g1", target("tables"), masks={"ssn": HASH}))) == [ALL]


def test_access__of_a_few_dozen_grants_takes_well_under_a_millisecond() -> None:
    kinds = (
        target("table"),
        target("columns", included=("flight", "delay")),
        target("columns", excluded=("pilot",)),
        target("filter", filter_name="jfk"),
        target("tags", expression=OPS),
    )
    held = [grant(f"g{n}", kinds[n % 5], masks={"delay": NULL}) for n in range(36)]
    wide = flights(*flights().columns, *(column(f"c{n}", n + 100) for n in range(30)))
    policy = {
        "asset": wide,
        "filters": [DataFilter("asset-1", "jfk", JFK)],
        "tags": AssetTags({"team": "ops"}),
        "tag_masks": [TagMask("classification", "confidential", HASH)],
    }
    quickest = 1.0
    for _ in range(200):
        start = time.perf_counter()
        accessed(*held, **policy)  # type: ignore[arg-type]
        quickest = min(quickest, time.perf_counter() - start)
    assert quickest < 0.0005
