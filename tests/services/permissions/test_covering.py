"""Passing on: nobody gives more than he has."""

from datetime import timedelta
from typing import Any

import pytest

from meshplane.services.permissions.covering import grantable_targets, uncovered
from meshplane.services.permissions.governed import AssetPolicy
from meshplane.services.permissions.model import (
    AssetTags,
    DataFilter,
    Grant,
    GrantedColumn,
    MaskRule,
    TagMask,
    Target,
)
from tests.builders.policies import NOW, flights, grant, target, where

HASH, NULL, NONE = MaskRule("hash"), MaskRule("null"), MaskRule("none")
FILTERS = (
    DataFilter("asset-1", "jfk", where("origin = 'JFK'", ("origin", 2))),
    DataFilter("asset-1", "names", None, ("flight",)),
)
OPS = (("team", ("ops",)),)


def policy(**members: Any) -> AssetPolicy:
    members.setdefault("filters", FILTERS)
    return AssetPolicy(flights(), members.pop("tags", AssetTags()), (), **members)


def lent(on: Target, *permissions: str, **members: Any) -> Grant:
    """A grant whose holder may pass all of it on."""
    permissions = permissions or ("SELECT",)
    return grant("mine", on, *permissions, grantable=frozenset(permissions), **members)


def wish(on: Target, *permissions: str, **members: Any) -> Grant:
    return grant("wished", on, *permissions, principal="user:ben", **members)


INCLUDED = target("columns", included=("flight", "delay"))


@pytest.mark.parametrize(
    ("held", "wished"),
    [
        (lent(target("table")), wish(target("table"))),
        (lent(target("table")), wish(INCLUDED)),
        (lent(target("table")), wish(target("columns", excluded=("pilot",)))),
        (lent(target("table")), wish(target("filter", filter_name="jfk"))),
        (lent(target("tables")), wish(target("table"))),
        (lent(INCLUDED), wish(target("columns", included=("delay",)))),
        (lent(INCLUDED), wish(target("filter", filter_name="names"))),
        (
            lent(target("filter", filter_name="jfk")),
            wish(target("filter", filter_name="jfk")),
        ),
        (lent(target("table"), masks={"pilot": HASH}), wish(INCLUDED)),
        (
            lent(target("table"), masks={"pilot": HASH}),
            wish(target("table"), masks={"pilot": HASH}),
        ),
        (
            lent(target("table"), masks={"pilot": HASH}),
            wish(target("table"), masks={"pilot": NULL}),
        ),
        (lent(target("table"), "INSERT", "DROP"), wish(target("table"), "DROP")),
        (
            lent(target("table"), expires_at="2031-01-01T00:00:00Z"),
            wish(target("table"), expires_at="2030-12-31T00:00:00Z"),
        ),
    ],
)
def test_holder__passes_on_what_he_has_or_less(held: Grant, wished: Grant) -> None:
    assert uncovered(wished, [held], policy(), NOW) is None


@pytest.mark.parametrize(
    ("held", "wished", "said"),
    [
        (grant("mine", target("table")), wish(target("table")), "pass on SELECT"),
        (lent(target("table"), "DESCRIBE"), wish(target("table")), "pass on SELECT"),
        (lent(target("table"), "SELECT"), wish(target("table"), "SELECT", "DROP"), "DROP"),
        (lent(INCLUDED), wish(target("columns", included=("flight", "pilot"))), "column pilot"),
        (lent(INCLUDED), wish(target("table")), "later"),
        (
            lent(target("columns", included=("flight", "origin", "delay", "pilot"))),
            wish(target("table")),
            "later",
        ),
        (
            lent(target("columns", included=("flight", "origin", "delay", "pilot"))),
            wish(target("columns", excluded=("pilot",))),
            "later",
        ),
        (lent(target("filter", filter_name="jfk")), wish(INCLUDED), "all rows"),
        (lent(INCLUDED), wish(target("filter", filter_name="jfk")), "later"),
        (
            lent(target("table"), masks={"pilot": HASH}),
            wish(target("table")),
            "pilot is masked for you",
        ),
        (
            lent(target("table"), masks={"pilot": MaskRule("partial", keep_last=4)}),
            wish(target("table"), masks={"pilot": MaskRule("partial", keep_first=4)}),
            "pilot is masked for you",
        ),
        (
            lent(target("table"), masks={"pilot": HASH}),
            wish(target("table"), masks={"pilot": NONE}),
            "pilot is masked for you",
        ),
        (lent(target("table")), wish(target("table"), masks={"delay": NONE}), "column delay"),
        (
            lent(target("table"), expires_at=(NOW - timedelta(days=1)).isoformat()),
            wish(target("table")),
            "pass on SELECT",
        ),
        (
            lent(target("table"), expires_at=(NOW + timedelta(days=1)).isoformat()),
            wish(target("table")),
            "outlast",
        ),
        (lent(target("table"), lake_state="missing"), wish(target("table")), "pass on SELECT"),
        (lent(target("table", asset_id="asset-2")), wish(target("table")), "does not reach"),
        (lent(target("database"), "DROP"), wish(target("table"), "DROP"), "not on the table"),
        (lent(target("table")), wish(target("filter", filter_name="gone")), "gone"),
    ],
)
def test_holder__does_not_pass_on_more(held: Grant, wished: Grant, said: str) -> None:
    problem = uncovered(wished, [held], policy(), NOW)
    assert problem is not None
    assert said in problem


def test_holder__does_not_pass_on_a_column_plainly_that_a_tag_masks_for_him() -> None:
    masked = policy(tag_masks=(TagMask("classification", "confidential", HASH),))
    held = [lent(target("table"))]
    assert uncovered(wish(target("table")), held, masked, NOW) is None, "the tag masks it for both"
    weaker = wish(target("table"), masks={"pilot": MaskRule("partial", keep_last=4)})
    assert uncovered(weaker, held, masked, NOW) is not None


def test_holder__passes_on_the_grant_option_only_if_he_may() -> None:
    again = wish(target("table"), grantable=frozenset({"SELECT"}))
    assert uncovered(again, [lent(target("table"))], policy(), NOW) is None


def test_holders_grants__together_cover_what_none_covers_alone() -> None:
    held = [
        lent(target("columns", included=("flight",))),
        lent(target("columns", included=("delay",))),
    ]
    assert uncovered(wish(INCLUDED), held, policy(), NOW) is None
    assert uncovered(wish(INCLUDED), held[:1], policy(), NOW) is not None


def test_holder_by_tags__passes_on_the_columns_that_they_reach_now() -> None:
    tagged = policy(tags=AssetTags(columns={"delay": {"team": "ops"}}))
    held = [lent(target("tags", expression=OPS))]
    delay = wish(target("columns", included=("delay",)))
    assert uncovered(delay, held, tagged, NOW) is None
    assert uncovered(wish(INCLUDED), held, tagged, NOW) is not None


TAGS = (("class", ("a", "b")),)


@pytest.mark.parametrize(
    ("held", "wished"),
    [
        (target("tags", expression=TAGS), target("tags", expression=(("class", ("a",)),))),
        (target("tags", expression=TAGS), target("tags", expression=(*TAGS, *OPS))),
        (target("tags", expression=TAGS), target("tags", expression=TAGS, domain_id="dzd-1")),
        (target("tables"), target("tables")),
        (target("tables"), target("tags", expression=OPS, domain_id="dzd-1")),
    ],
)
def test_holder_of_many_tables__passes_on_fewer(held: Target, wished: Target) -> None:
    assert uncovered(wish(wished), [lent(held)], None, NOW) is None


@pytest.mark.parametrize(
    ("held", "wished"),
    [
        (target("tags", expression=(("class", ("a",)),)), target("tags", expression=TAGS)),
        (target("tags", expression=(*TAGS, *OPS)), target("tags", expression=TAGS)),
        (target("tags", expression=TAGS, domain_id="dzd-1"), target("tags", expression=TAGS)),
        (target("tables"), target("tables", domain_id="dzd-2")),
        (target("tables"), target("tags", expression=OPS)),
        (target("table"), target("tables")),
        (target("database"), target("tables")),
    ],
)
def test_holder_of_some_tables__does_not_pass_on_more(held: Target, wished: Target) -> None:
    assert uncovered(wish(wished), [lent(held)], None, NOW) is not None


@pytest.mark.parametrize(
    ("held", "wished", "may"),
    [
        ({"ssn": HASH}, {"ssn": HASH}, True),
        ({"ssn": HASH}, {"ssn": NULL, "name": NULL}, True),
        ({"ssn": HASH}, {}, False),
        ({}, {"ssn": NONE}, False),
        ({}, {"ssn": MaskRule("round", digits=2)}, False),  # a tag may mask it more strictly
        ({}, {"ssn": NULL}, True),
    ],
)
def test_masks_on_many_tables__are_passed_on_or_made_stricter(
    held: dict[str, MaskRule], wished: dict[str, MaskRule], may: bool
) -> None:
    found = uncovered(
        wish(target("tables"), masks=wished), [lent(target("tables"), masks=held)], None, NOW
    )
    assert (found is None) == may


@pytest.mark.parametrize(
    ("path", "may"),
    [("raw/in", True), ("raw", True), ("raw/", True), ("rawer", False), ("raw/../x", False)],
)
def test_location__reaches_what_lies_below_it(path: str, may: bool) -> None:
    held = lent(target("location", path="raw"), "DATA_LOCATION_ACCESS")
    wished = wish(target("location", path=path), "DATA_LOCATION_ACCESS")
    assert (uncovered(wished, [held], None, NOW) is None) == may


def test_pinned_columns__are_passed_on_by_identity() -> None:
    pins = (GrantedColumn("delay", field_id=30),)  # the column that was delay then is gone
    held = lent(target("columns", included=("flight", "delay")), columns=pins)
    assert (
        uncovered(wish(target("columns", included=("delay",))), [held], policy(), NOW) is not None
    )


def test_grantable_targets__tell_what_may_be_passed_on() -> None:
    held = [lent(target("table"), "SELECT", "INSERT"), grant("other", target("tables"))]
    assert grantable_targets(held, NOW) == ["SELECT and INSERT on the table"]
