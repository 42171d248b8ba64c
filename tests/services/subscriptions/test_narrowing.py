"""What approvers leave out adds up."""

import itertools
import random

import pytest

from meshplane.services.permissions.mask_strength import can_make, strength
from meshplane.services.permissions.masks import MaskRule
from meshplane.services.subscriptions.narrowing import (
    Narrowing,
    all_of,
    both_filters,
    sooner,
    strictest_of,
)
from tests.builders.seeds import fresh

NONE, HASH, NULL = MaskRule("none"), MaskRule("hash"), MaskRule("null")
X = MaskRule("constant", value="x")
LAST_4, LAST_2 = MaskRule("partial", keep_last=4), MaskRule("partial", keep_last=2)
FIRST_2 = MaskRule("partial", keep_first=2)
WEEK, MONTH = MaskRule("truncate", unit="week"), MaskRule("truncate", unit="month")
YEAR = MaskRule("truncate", unit="year")
CENTS, THOUSANDS = MaskRule("round", digits=2), MaskRule("round", digits=-3)


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        (None, None, None),
        (None, HASH, HASH),
        (None, NONE, None),
        (NONE, NONE, NONE),
        (NONE, LAST_4, LAST_4),
        (LAST_4, LAST_2, LAST_2),
        (LAST_4, FIRST_2, MaskRule("partial")),
        (LAST_4, HASH, NULL),
        (HASH, X, X),
        (X, NULL, NULL),
        (WEEK, MONTH, NULL),
        (MONTH, YEAR, YEAR),
        (CENTS, THOUSANDS, THOUSANDS),
        (THOUSANDS, NULL, NULL),
    ],
)
def test_masks__of_two_the_stricter_hides(
    first: MaskRule | None, second: MaskRule | None, both: MaskRule | None
) -> None:
    assert strictest_of([first, second]) == strictest_of([second, first]) == both


def test_masks__the_result_is_never_weaker_than_either() -> None:
    masks = (None, NONE, HASH, NULL, X, LAST_4, LAST_2, FIRST_2, WEEK, MONTH, CENTS, THOUSANDS)
    for first, second in itertools.product(masks, repeat=2):
        found = strictest_of([first, second])
        for one in (first, second):
            assert strength(found) >= strength(one)
            # What neither kind of partial text nor of rounded number can be made of is null.
            same_kind = found is not None and one is not None and found.kind == one.kind
            assert same_kind or can_make(one, found)


def test_filters__both_hold_and_keep_their_meaning() -> None:
    assert both_filters("a OR b", "c") == "(a OR b) AND (c)"
    assert both_filters(None, "c") == both_filters("c", None) == "c"
    assert both_filters(None, None) is None


def test_ends__the_sooner_counts() -> None:
    assert sooner(None, "2031", "2030", None) == "2030"
    assert sooner(None) is None


def test_all__is_the_same_in_any_order_and_stored_and_read_again() -> None:
    rolls = random.Random(fresh())
    masks = (NONE, HASH, NULL, X, LAST_4, LAST_2)
    for _ in range(500):
        some = [
            Narrowing(
                None,
                {name: rolls.choice(masks) for name in rolls.sample("abcd", rolls.randrange(5))},
                frozenset(rolls.sample("abcd", rolls.randrange(3))),
                rolls.choice((None, "2030", "2031", "2032")),
            )
            for _ in range(rolls.randrange(1, 4))
        ]
        found = all_of([Narrowing.from_json(one.to_json()) for one in some])
        shuffled = rolls.sample(some, len(some))
        assert all_of(shuffled) == found
        assert found.excluded_columns == frozenset().union(*(one.excluded_columns for one in some))
        for one in some:
            assert one.expires_at is None or (found.expires_at or "9") <= one.expires_at
            for name, mask in one.masks.items():
                assert strength(found.masks.get(name)) >= strength(mask)


def test_all__of_nothing_takes_nothing_away() -> None:
    assert all_of([]) == Narrowing()
