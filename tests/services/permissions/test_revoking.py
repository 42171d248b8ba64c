"""Taking away a part of what was granted."""

from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Missing
from meshplane.services.permissions.model import Grant, GrantedColumn, MaskRule, Target
from meshplane.services.permissions.revoking import Revoked, part_left, revoke
from tests.builders.policies import grant, target

HASH = MaskRule("hash")


def columns(grant_id: str, **members: Any) -> Grant:
    lists = {name: members.pop(name) for name in ("included", "excluded") if name in members}
    return grant(grant_id, target("columns", **lists), **members)


def test_part_left__of_some_permissions_is_the_others() -> None:
    held = grant("g1", target("table"), "SELECT", "INSERT", grantable=frozenset({"SELECT"}))
    left = part_left(held, {"SELECT"})
    assert left is not None
    assert (left.permissions, left.grantable) == (frozenset({"INSERT"}), frozenset())


def test_part_left__without_select_has_no_masks() -> None:
    left = part_left(grant("g1", target("table"), "SELECT", "DROP", masks={"a": HASH}), {"SELECT"})
    assert left is not None
    assert left.masks == {}


def test_part_left__of_all_permissions_is_nothing() -> None:
    held = grant("g1", target("table"), "SELECT", "INSERT")
    assert part_left(held, None) is None
    assert part_left(held, {"SELECT", "INSERT", "DROP"}) is None


def test_part_left__of_the_grant_option_keeps_the_permission() -> None:
    held = grant("g1", target("table"), "SELECT", grantable=frozenset({"SELECT"}))
    left = part_left(held, None, grant_option_only=True)
    assert left is not None
    assert (left.permissions, left.grantable) == (frozenset({"SELECT"}), frozenset())


@pytest.mark.parametrize("option_only", [False, True])
def test_part_left__of_what_it_does_not_permit_is_refused(option_only: bool) -> None:
    with pytest.raises(Missing) as refused:
        part_left(grant("g1", target("table"), "SELECT"), {"DROP"}, option_only)
    assert refused.value.code == "GRANT_NOT_FOUND"


def test_part_left__of_a_subscriptions_grant_is_refused() -> None:
    with pytest.raises(Conflict) as refused:
        part_left(grant("g1", target("rows"), subscription_id="sub-1"), None)
    assert refused.value.code == "GRANT_OF_SUBSCRIPTION"
    assert refused.value.details["subscriptionId"] == "sub-1"


def test_revoke__takes_from_the_grant_on_that_resource_alone() -> None:
    table = grant("g1", target("table"), "SELECT", "INSERT")
    database = grant("g2", target("database"), "DROP")
    found = revoke([table, database], target("table"), {"INSERT"})
    assert [(g.grant_id, g.permissions) for g in found.changed] == [("g1", frozenset({"SELECT"}))]
    assert (found.ended, found.still) == ((), ())


@pytest.mark.parametrize(
    ("held", "gone", "left"),
    [
        ({"included": ("a", "b")}, {"included": ("a",)}, {"included": ("b",)}),
        ({"included": ("a", "b")}, {"included": ("a", "x")}, {"included": ("b",)}),
        ({"included": ("a", "b")}, {"excluded": ("b",)}, {"included": ("b",)}),
        ({"excluded": ("a",)}, {"included": ("b",)}, {"excluded": ("a", "b")}),
        ({"excluded": ("a",)}, {"excluded": ("a", "b")}, {"included": ("b",)}),
        ({"included": ("a", "b")}, {"included": ("b", "a")}, None),
        ({"excluded": ("a",)}, {"excluded": ("a",)}, None),
        ({"included": ("a",)}, {"excluded": ("b",)}, None),
    ],
)
def test_revoke_of_columns__leaves_the_others(
    held: dict[str, Any], gone: dict[str, Any], left: dict[str, Any] | None
) -> None:
    found = revoke([columns("g1", **held)], target("columns", **gone), None)
    expected = [] if left is None else [target("columns", **left)]
    assert [g.target for g in found.changed] == expected
    assert [g.grant_id for g in found.ended] == (["g1"] if left is None else [])


def test_revoke_of_columns__keeps_masks_and_identities_of_what_is_left() -> None:
    pins = tuple(GrantedColumn(name, field_id=n) for n, name in enumerate("abc"))
    held = columns("g1", included=("a", "b", "c"), masks={"a": HASH, "b": HASH}, columns=pins)
    [left] = revoke([held], target("columns", included=("a",)), None).changed
    assert left.masks == {"b": HASH}
    assert left.columns == pins[1:]


def test_revoke_of_columns__reaches_all_column_grants_on_the_table() -> None:
    held = [
        columns("g1", included=("a", "b")),
        columns("g2", included=("b",)),
        columns("g3", included=("c",)),
        grant("g4", target("columns", asset_id="asset-2", included=("b",))),
    ]
    found = revoke(held, target("columns", included=("b",)), {"SELECT"})
    assert [g.grant_id for g in found.changed] == ["g1"]
    assert [g.grant_id for g in found.ended] == ["g2"]
    assert found.still == ()


def test_revoke_of_columns__tells_of_a_wider_grant_that_stays() -> None:
    table = grant("g2", target("table"))
    held = [columns("g1", included=("a",)), table]
    found = revoke(held, target("columns", included=("a",)), None)
    assert found == Revoked((), (held[0],), (table,))


@pytest.mark.parametrize(
    ("held", "gone", "said"),
    [
        (target("table"), target("columns", included=("a",)), "all columns but these"),
        (target("tables"), target("columns", included=("a",)), "all tables of the database"),
        (target("tables"), target("table"), "what he keeps"),
        (target("tags", expression=(("team", ("ops",)),)), target("table"), "team is ops"),
        (target("table"), target("filter", filter_name="eu"), "the table"),
    ],
)
def test_revoke__of_a_part_of_something_wider_is_refused_and_says_what_to_do(
    held: Target, gone: Target, said: str
) -> None:
    with pytest.raises(Conflict) as refused:
        revoke([grant("g1", held)], gone, None)
    assert refused.value.code == "GRANT_IS_WIDER"
    assert said in refused.value.message
    assert refused.value.details == {"grantIds": ["g1"]}


def test_revoke__of_a_table_from_one_who_has_columns_of_it_names_them() -> None:
    with pytest.raises(Missing) as refused:
        revoke([columns("g1", included=("a",))], target("table"), None)
    assert "the columns a (g1)" in refused.value.message


def test_revoke__where_there_is_nothing_is_refused() -> None:
    held = [
        grant("g1", target("table", asset_id="asset-2")),
        grant("g2", target("database"), "DROP"),
    ]
    with pytest.raises(Missing):
        revoke(held, target("table"), None)
    with pytest.raises(Missing):
        revoke([grant("g1", target("table"), "SELECT")], target("table"), {"DROP"})


def test_revoke__never_touches_a_subscriptions_grant() -> None:
    bought = grant("g1", target("rows"), subscription_id="sub-1")
    with pytest.raises(Conflict) as refused:
        revoke([bought], target("columns", included=("a",)), None)
    assert refused.value.code == "GRANT_OF_SUBSCRIPTION"
    held = [bought, columns("g2", included=("a",))]
    found = revoke(held, target("columns", included=("a",)), None)
    assert ([g.grant_id for g in found.ended], found.still) == (["g2"], (bought,))


def test_revoke_of_the_grant_option__keeps_the_columns() -> None:
    held = columns("g1", included=("a", "b"), grantable=frozenset({"SELECT"}))
    [left] = revoke([held], target("columns", included=("a",)), None, True).changed
    assert (left.target, left.permissions, left.grantable) == (
        held.target,
        held.permissions,
        frozenset(),
    )
