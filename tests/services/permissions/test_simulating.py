"""What would change for whom."""

import random
from collections.abc import Sequence
from typing import Any

from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    Grant,
    GrantedColumn,
    MaskRule,
    TagMask,
)
from meshplane.services.permissions.simulating import (
    Change,
    EndFilter,
    EndGrant,
    PolicyState,
    PutFilter,
    PutGrant,
    PutTag,
    PutTagMask,
    applied,
    concerned,
    simulate,
)
from tests.builders.policies import NOW, flights, grant, random_world, target, where
from tests.builders.seeds import fresh

HASH = MaskRule("hash")
JFK = where("origin = 'JFK'", ("origin", 2))
LGA = where("origin = 'LGA'", ("origin", 2))
OPS = (("team", ("ops",)),)


def state(*grants: Grant, **members: Any) -> PolicyState:
    return PolicyState((flights(),), grants=grants, **members)


def told(before: PolicyState, *changes: Change, **members: Any) -> dict[str, tuple[str, ...]]:
    """The sentences by principal."""
    return {d.principal: d.sentences for d in simulate(before, changes, NOW, **members).differences}


def rows(grant_id: str, *filters: Any, names: Sequence[str] = ("flight",)) -> Grant:
    [row_filter] = filters or (None,)
    columns = tuple(GrantedColumn(name) for name in names)
    return grant(grant_id, target("rows"), row_filter=row_filter, columns=columns)


def test_grant__makes_columns_visible() -> None:
    new = grant("g1", target("columns", included=("flight", "pilot")), masks={"pilot": HASH})
    assert told(state(), PutGrant(new)) == {
        "user:ana": (
            "Gains SELECT and DESCRIBE.",
            "flight becomes visible as it is.",
            "pilot becomes visible as a keyed hash.",
        )
    }


def test_grant__beside_a_wider_one_changes_nothing() -> None:
    held = state(grant("g1", target("table")))
    assert told(held, PutGrant(grant("g2", target("columns", included=("flight",))))) == {}


def test_revoke__of_one_of_two_equal_grants_changes_nothing() -> None:
    held = state(grant("g1", target("table")), grant("g2", target("tables")))
    assert told(held, EndGrant("g1")) == {}
    assert told(held, EndGrant("g1"), EndGrant("g2"))["user:ana"][0] == "Loses SELECT and DESCRIBE."


def test_revoke__hides_what_no_other_grant_shows() -> None:
    held = state(grant("g1", target("table")), rows("g2", JFK))
    assert told(held, EndGrant("g1"))["user:ana"] == (
        "Sees only the rows where (origin = 'JFK'), no longer all rows.",
        "flight is shown as it is in other rows than before.",
        "origin, delay and pilot are hidden; each was shown as it is.",
    )


def test_filters__that_come_and_go_are_told() -> None:
    [sentences] = told(state(rows("g1", JFK)), PutGrant(rows("g1", LGA))).values()
    assert sentences[:2] == (
        "Sees the rows where (origin = 'LGA') as well.",
        "No longer sees rows only because (origin = 'JFK').",
    )
    [sentences] = told(state(rows("g1", JFK)), PutGrant(rows("g2"))).values()
    assert sentences[0] == "Sees all rows, no longer only those where (origin = 'JFK')."


def test_grant_option__is_told() -> None:
    held = state(grant("g1", target("table")))
    may = grant("g1", target("table"), grantable=frozenset({"SELECT"}))
    assert told(held, PutGrant(may)) == {"user:ana": ("May pass on SELECT.",)}
    assert told(state(may), PutGrant(held.grants[0])) == {
        "user:ana": ("May no longer pass on SELECT.",)
    }


def test_tag__on_a_table_opens_it_to_those_who_hold_the_tag() -> None:
    held = state(
        grant("g1", target("tags", expression=OPS)),
        grant("g2", target("tags", expression=(("team", ("hr",)),)), principal="user:ben"),
        tags={"asset-1": AssetTags(database={"team": "hr"})},
    )
    found = told(held, PutTag("asset:asset-1", None, "team", "ops"))
    assert found["user:ana"][0] == "Gains SELECT and DESCRIBE."
    assert found["user:ben"][0] == "Loses SELECT and DESCRIBE."


def test_tag__on_a_column_and_on_the_database_count_too() -> None:
    held = state(grant("g1", target("tags", expression=OPS)))
    assert told(held, PutTag("asset:asset-1", "delay", "team", "ops"))["user:ana"][1:] == (
        "delay becomes visible as it is.",
    )
    on_database = PutTag("domain:dzd-1", None, "team", "ops")
    assert told(held, on_database)["user:ana"] == (
        "Gains SELECT and DESCRIBE.",
        "flight, origin, delay and pilot become visible, each as it is.",
    )
    assert told(held, on_database, PutTag("domain:dzd-1", None, "team", None)) == {}
    assert told(held, PutTag("domain:dzd-2", None, "team", "ops")) == {}


def test_mask_of_a_tag__is_told_for_everybody_whom_it_meets() -> None:
    held = state(
        grant("g1", target("table")),
        grant("g2", target("table"), principal="user:ben", masks={"pilot": MaskRule("none")}),
    )
    put = PutTagMask("classification", "confidential", None, HASH)
    assert told(held, put) == {
        "user:ana": ("pilot is shown as a keyed hash; it was shown as it is.",)
    }
    masked = applied(held, [put])
    assert masked.tag_masks == (TagMask("classification", "confidential", HASH),)
    taken = PutTagMask("classification", "confidential", None, None)
    assert told(masked, taken)["user:ana"] == (
        "pilot is shown as it is; it was shown as a keyed hash.",
    )


def test_data_filter__that_changes_or_goes_is_told() -> None:
    held = state(
        grant("g1", target("filter", filter_name="jfk")),
        filters=(DataFilter("asset-1", "jfk", JFK, ("flight",)),),
    )
    wider = PutFilter(DataFilter("asset-1", "jfk", JFK, ("flight", "delay")))
    assert told(held, wider)["user:ana"] == ("delay becomes visible as it is.",)
    assert told(held, EndFilter("asset-1", "jfk"))["user:ana"] == (
        "Loses SELECT and DESCRIBE.",
        "flight is hidden; it was shown as it is.",
        "g1 would let nothing through, because its data filter jfk is gone.",
    )


def test_simulate__looks_at_those_who_are_named_with_all_as_whom_they_act() -> None:
    held = state(grant("g1", target("table"), principal="group:pilots"))
    who = {"user:ana": ("user:ana", "group:pilots"), "user:ben": ("user:ben",)}
    assert list(told(held, EndGrant("g1"), principals=who)) == ["user:ana"]


def test_concerned__by_a_grant_its_principal_alone_and_by_a_tag_everybody() -> None:
    held = state(
        grant("g1", target("table"), principal="user:ana"),
        grant("g2", target("table"), principal="user:ben"),
    )
    put = PutGrant(grant("g3", target("table"), principal="user:cy"))
    assert concerned(held, [put]) == ("user:cy",)
    assert concerned(held, [EndGrant("g2"), put]) == ("user:ben", "user:cy")
    tagged = PutTag("asset:asset-1", None, "team", "ops")
    assert concerned(held, [tagged, put]) == ("user:ana", "user:ben", "user:cy")


def test_simulate__tells_when_there_is_more() -> None:
    grants = [grant(f"g{n}", target("table"), principal=f"user:u{n}") for n in range(5)]
    found = simulate(state(), [PutGrant(new) for new in grants], NOW, most=3)
    assert (len(found.differences), found.truncated) == (3, True)
    found = simulate(state(), [PutGrant(new) for new in grants], NOW, most=5)
    assert (len(found.differences), found.truncated) == (5, False)


def test_simulate__tells_no_difference_exactly_where_nothing_is_different() -> None:
    seed = fresh()
    silent = 0
    for number in range(1_000):
        rng = random.Random(f"{seed}-{number}")
        world = random_world(rng)
        before = PolicyState(
            (world.asset,),
            {world.asset.asset_id: world.tags},
            tuple(world.grants),
            tuple(world.filters),
            tuple(world.tag_masks),
        )
        gone = rng.choice(world.grants)
        assert simulate(before, [PutGrant(gone)], NOW).differences == (), (seed, number)
        found = simulate(before, [EndGrant(gone.grant_id)], NOW).differences
        silent += not found
        back = simulate(applied(before, [EndGrant(gone.grant_id)]), [PutGrant(gone)], NOW)
        for there, again in zip(found, back.differences, strict=False):
            assert (there.before, there.after.rights) == (there.before, again.before.rights)
    assert 0 < silent < 1_000
