"""Masks: which fit a column, which shows less, and what can be made of what one shows."""

import itertools
import random

import pytest

from meshplane.services.permissions.mask_strength import can_make, strength, strictest, weakest
from meshplane.services.permissions.masks import MaskRule
from tests.builders.policies import random_mask
from tests.builders.seeds import fresh

LAST_FOUR = MaskRule("partial", keep_last=4)
FIRST_FOUR = MaskRule("partial", keep_first=4)
HASH, NULL, NONE = MaskRule("hash"), MaskRule("null"), MaskRule("none")
X = MaskRule("constant", "x")


def cut(unit: str) -> MaskRule:
    return MaskRule("truncate", unit=unit)  # type: ignore[arg-type]


def rounded(digits: int) -> MaskRule:
    return MaskRule("round", digits=digits)


@pytest.mark.parametrize(
    ("mask", "sql_type"),
    [
        (LAST_FOUR, "VARCHAR"),
        (X, "VARCHAR"),
        (cut("month"), "DATE"),
        (cut("hour"), "TIMESTAMP"),
        (cut("day"), "TIMESTAMP WITH TIME ZONE"),
        (rounded(-3), "BIGINT"),
        (rounded(0), "DECIMAL(10,2)"),
        (rounded(2), "DOUBLE"),
        (rounded(2), "DECIMAL(18, 3)"),
        *((mask, t) for mask in (HASH, NULL, NONE) for t in ("VARCHAR", "BIGINT", "INTEGER[]")),
    ],
)
def test_mask__fits_its_types(mask: MaskRule, sql_type: str) -> None:
    assert mask.problem(sql_type) is None


@pytest.mark.parametrize(
    ("mask", "sql_type", "said"),
    [
        (LAST_FOUR, "BIGINT", "BIGINT"),
        (LAST_FOUR, "VARCHAR[]", "VARCHAR[]"),
        (X, "INTEGER", "null"),
        (cut("month"), "VARCHAR", "VARCHAR"),
        (cut("day"), "DATE", "date itself"),
        (cut("hour"), "DATE", "date itself"),
        (cut("month"), "TIME", "TIME"),
        (rounded(0), "BIGINT", "whole"),
        (rounded(2), "DECIMAL(10,2)", "whole"),
        (rounded(2), "VARCHAR", "VARCHAR"),
        (rounded(2), "BOOLEAN", "BOOLEAN"),
        (MaskRule("round"), "BIGINT", "digits"),
        (rounded(99), "DOUBLE", "30"),
        (MaskRule("truncate"), "DATE", "unit"),
        (MaskRule("constant"), "VARCHAR", "value"),
        (MaskRule("constant", "x" * 5000), "VARCHAR", "4096"),
        (MaskRule("partial", keep_last=-1), "VARCHAR", "between"),
        (MaskRule("partial", keep_last=4, fill="**"), "VARCHAR", "one character"),
        (MaskRule("rot13"), "VARCHAR", "no such mask"),  # type: ignore[arg-type]
    ],
)
def test_mask__says_why_it_does_not_fit(mask: MaskRule, sql_type: str, said: str) -> None:
    problem = mask.problem(sql_type)
    assert problem is not None
    assert said in problem


def test_strength__goes_by_kind_and_then_by_what_is_left() -> None:
    weakest_first: list[MaskRule] = [
        NONE,
        rounded(2),
        rounded(-3),
        cut("hour"),
        cut("year"),
        MaskRule("partial", keep_first=3, keep_last=3),
        LAST_FOUR,
        MaskRule("partial"),
        HASH,
        X,
        NULL,
    ]
    mixed = random.Random(1).sample(weakest_first, len(weakest_first))
    assert sorted(mixed, key=strength) == weakest_first


def test_strength__has_no_ties_but_between_equal_masks() -> None:
    rng = random.Random(fresh())
    masks = [random_mask(rng) for _ in range(200)]
    for one, other in itertools.pairwise(masks):
        assert (strength(one) == strength(other)) == (one == other)


def test_weakest__is_plain_if_one_is() -> None:
    assert weakest([NULL, HASH, LAST_FOUR]) == LAST_FOUR
    assert weakest([NULL, None]) is None
    assert weakest([NULL, NONE]) is None
    with pytest.raises(ValueError, match="empty"):
        weakest([])


def test_strictest__is_none_if_there_is_no_mask() -> None:
    assert strictest([HASH, NULL, X]) == NULL
    assert strictest([]) is None


@pytest.mark.parametrize(
    ("seen", "wished"),
    [
        (None, None),
        (NONE, None),
        (None, HASH),
        (HASH, HASH),
        (LAST_FOUR, NULL),
        (HASH, X),
        (NULL, X),
        (cut("day"), cut("week")),
        (cut("day"), cut("year")),
        (cut("month"), cut("quarter")),
        (cut("week"), cut("week")),
    ],
)
def test_can_make__what_tells_no_more(seen: MaskRule | None, wished: MaskRule | None) -> None:
    assert can_make(seen, wished)


@pytest.mark.parametrize(
    ("seen", "wished"),
    [
        (HASH, None),
        (NULL, NONE),
        (LAST_FOUR, FIRST_FOUR),
        (LAST_FOUR, MaskRule("partial", keep_last=2)),  # shows ends of texts that were hidden whole
        (LAST_FOUR, HASH),
        (HASH, LAST_FOUR),
        (NULL, HASH),
        (cut("week"), cut("month")),
        (cut("year"), cut("month")),
        (rounded(2), rounded(0)),
    ],
)
def test_can_make__nothing_that_tells_more(seen: MaskRule | None, wished: MaskRule | None) -> None:
    assert not can_make(seen, wished)


@pytest.mark.parametrize(
    "mask", [NONE, HASH, NULL, X, LAST_FOUR, rounded(-3), cut("quarter"), MaskRule("partial")]
)
def test_mask__comes_back_from_the_store_as_it_was(mask: MaskRule) -> None:
    assert MaskRule.from_json(mask.to_json()) == mask
