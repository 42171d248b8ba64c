"""What can be granted at all, and how a grant is tied to the columns that it names."""

from typing import Any

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.permissions.model import DataFilter, Grant, GrantedColumn, MaskRule
from meshplane.services.permissions.pinning import pinned, pinned_filter
from meshplane.services.permissions.validity import check_grant, permitted_on
from tests.builders.policies import flights, grant, target

HASH = MaskRule("hash")


@pytest.mark.parametrize(
    "given",
    [
        grant("g1", target("table"), "SELECT", "INSERT", "DROP", grantable=frozenset({"DROP"})),
        grant("g1", target("tables"), "SELECT", masks={"ssn": HASH}),
        grant("g1", target("columns", excluded=("pilot",))),
        grant("g1", target("columns", included=("a",)), grantable=frozenset({"SELECT"})),
        grant("g1", target("database"), "CREATE_TABLE", "DESCRIBE"),
        grant("g1", target("location", path="raw"), "DATA_LOCATION_ACCESS"),
        grant("g1", target("tags", expression=(("a", ("b",)),)), "SELECT", "ALTER"),
    ],
)
def test_check_grant__lets_pass_what_can_be_granted(given: Grant) -> None:
    check_grant(given)
    assert given.permissions <= permitted_on(given.target)


@pytest.mark.parametrize(
    ("given", "code", "said"),
    [
        (
            grant("g1", target("database"), "SELECT"),
            "PERMISSION_NOT_OF_RESOURCE",
            "all tables of it",
        ),
        (
            grant("g1", target("columns", included=("a",)), "SELECT", "INSERT"),
            "PERMISSION_NOT_OF_RESOURCE",
            "granted on the table",
        ),
        (
            grant("g1", target("filter", filter_name="eu"), "DROP"),
            "PERMISSION_NOT_OF_RESOURCE",
            "SELECT",
        ),
        (
            grant("g1", target("tags", expression=(), resource_type="DATABASE"), "SELECT"),
            "PERMISSION_NOT_OF_RESOURCE",
            "tags of databases",
        ),
        (grant("g1", target("table"), "CREATE_TABLE"), "PERMISSION_NOT_OF_RESOURCE", "INSERT"),
        (
            grant("g1", target("table"), grantable=frozenset({"DROP"})),
            "GRANT_OPTION_WITHOUT_PERMISSION",
            "permissions",
        ),
        (
            grant("g1", target("columns", excluded=("a",)), grantable=frozenset({"SELECT"})),
            "GRANT_OPTION_NEEDS_INCLUDE_LIST",
            "included",
        ),
        (grant("g1", target("columns", included=())), "COLUMNS_EMPTY", "Name the columns"),
        (
            grant("g1", target("columns", included=("a",), excluded=("b",))),
            "COLUMNS_EMPTY",
            "not both",
        ),
        (
            grant("g1", target("table"), "DROP", masks={"a": HASH}),
            "MASKS_WITHOUT_SELECT",
            "SELECT",
        ),
        (
            grant("g1", target("table"), masks={"a": MaskRule("round")}),
            "MASK_INVALID",
            "digits",
        ),
    ],
)
def test_check_grant__refuses_what_cannot(given: Grant, code: str, said: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_grant(given)
    assert refused.value.code == code
    assert said in refused.value.message


def test_check_grant__refuses_one_that_permits_nothing() -> None:
    empty = Grant("g1", "user:ana", target("table"), frozenset(), "dzd-1")
    with pytest.raises(Invalid, match="what the grant permits"):
        check_grant(empty)


def ids(given: Grant) -> dict[str, int | None]:
    return {column.name: column.field_id for column in given.columns}


def test_pinned__knows_the_columns_that_the_grant_names() -> None:
    on = target("columns", excluded=("pilot",))
    assert ids(pinned(grant("g1", on, masks={"origin": HASH}), flights())) == {
        "pilot": 4,
        "origin": 2,
    }
    assert pinned(grant("g1", target("table")), flights()).columns == ()


def test_pinned__keeps_what_a_rows_grant_knows() -> None:
    rows = grant(
        "g1",
        target("rows"),
        columns=(GrantedColumn("flight", HASH), GrantedColumn("delay", None, 9)),
    )
    assert pinned(rows, flights()).columns == (
        GrantedColumn("flight", HASH, 1),
        GrantedColumn("delay", None, 9),
    )


@pytest.mark.parametrize(
    ("members", "code", "field"),
    [
        ({"included": ("gate",)}, "COLUMN_UNKNOWN", "resource.columns.included.0"),
        ({"excluded": ("gate",)}, "COLUMN_UNKNOWN", "resource.columns.excluded.0"),
        ({"included": ("flight",), "masks": {"gate": HASH}}, "COLUMN_UNKNOWN", "masks.0"),
        (
            {"included": ("delay",), "masks": {"delay": MaskRule("partial")}},
            "MASK_DOES_NOT_FIT",
            "masks.delay",
        ),
        ({"included": ("delay",), "masks": {"pilot": HASH}}, "MASK_DOES_NOT_FIT", "masks.pilot"),
        ({"excluded": ("pilot",), "masks": {"pilot": HASH}}, "MASK_DOES_NOT_FIT", "masks.pilot"),
    ],
)
def test_pinned__refuses_columns_and_masks_that_do_not_fit(
    members: dict[str, Any], code: str, field: str
) -> None:
    masks = members.pop("masks", {})
    with pytest.raises(Invalid) as refused:
        pinned(grant("g1", target("columns", **members), masks=masks), flights())
    assert (refused.value.code, refused.value.fields[0].field) == (code, field)


def test_pinned_filter__knows_the_columns_that_it_names() -> None:
    found = pinned_filter(DataFilter("asset-1", "eu", None, excluded=("pilot",)), flights())
    assert found.field_ids == {"pilot": 4}
    assert pinned_filter(DataFilter("asset-1", "eu"), flights()).field_ids == {}
    with pytest.raises(Invalid):
        pinned_filter(DataFilter("asset-1", "eu", None, included=("gate",)), flights())
