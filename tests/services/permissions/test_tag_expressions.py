"""Tags: inherited, overridden, and asked for by expressions."""

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.permissions.model import AssetTags
from meshplane.services.permissions.tag_expressions import (
    as_text,
    checked,
    column_tags,
    first_mismatch,
    matches,
    table_tags,
    values_anywhere,
)
from tests.builders.policies import column, flights


def test_expression__wants_every_key_and_one_of_its_values() -> None:
    expression = (("team", ("ops", "hr")), ("level", ("1",)))
    assert matches(expression, {"team": "hr", "level": "1", "more": "x"})
    assert not matches(expression, {"team": "hr", "level": "2"})
    assert not matches(expression, {"team": "hr"})
    assert first_mismatch(expression, {"team": "hr"}) == "level"


def test_expression__without_keys_matches_nothing() -> None:
    assert not matches((), {"team": "ops"})


def test_table__inherits_its_database_and_overrides_it() -> None:
    tags = AssetTags({"team": "ops", "level": "1"}, {"team": "hr"})
    assert table_tags(flights(), tags) == {
        "team": "hr",
        "level": "1",
        "classification": "internal",
    }


def test_column__inherits_its_table_and_overrides_one_key_of_it() -> None:
    tags = AssetTags({"team": "ops"}, {"level": "1"}, {"delay": {"level": "2"}})
    found = column_tags(flights(), tags)
    assert found["delay"] == {"team": "ops", "level": "2", "classification": "internal"}
    assert found["flight"]["level"] == "1"


def test_classification__is_a_tag_that_needs_no_assignment() -> None:
    asset = flights(column("a", 1), column("b", 2, classification="public"))
    found = column_tags(asset, AssetTags({"classification": "restricted"}))
    assert found["a"]["classification"] == "internal"
    assert found["b"]["classification"] == "public"


def test_classification__assigned_to_a_table_takes_along_the_columns_that_had_its_own() -> None:
    asset = flights(column("a", 1), column("b", 2, classification="public"))
    found = column_tags(asset, AssetTags(table={"classification": "confidential"}))
    assert found["a"]["classification"] == "confidential"
    assert found["b"]["classification"] == "public"


def test_classification__assigned_to_a_column_goes_before_its_own() -> None:
    asset = flights(column("b", 2, classification="public"))
    tags = AssetTags(columns={"b": {"classification": "restricted"}})
    assert column_tags(asset, tags)["b"]["classification"] == "restricted"


def test_checked__brings_an_expression_into_one_form() -> None:
    expression = [("team", ["ops", "hr", "ops"]), ("level", ["1"])]
    assert checked(expression) == (("level", ("1",)), ("team", ("hr", "ops")))


@pytest.mark.parametrize(
    "expression",
    [
        [],
        [("team", [])],
        [("team", ["ops"]), ("team", ["hr"])],
        [("team", [str(number) for number in range(51)])],
        [(str(number), ["x"]) for number in range(51)],
    ],
)
def test_checked__refuses_what_no_expression_is(expression: list[tuple[str, list[str]]]) -> None:
    with pytest.raises(Invalid) as refused:
        checked(expression)
    assert refused.value.code == "TAG_EXPRESSION_INVALID"


def test_as_text__reads_as_people_say_it() -> None:
    expression = (("classification", ("public", "internal")), ("team", ("ops",)))
    assert as_text(expression) == "classification is public or internal, and team is ops"


def test_values_anywhere__are_those_of_the_database_the_table_and_every_column() -> None:
    asset = flights()
    tags = AssetTags({"team": "ops"}, {"team": "web", "tier": "gold"}, {"pilot": {"team": "legal"}})
    found = values_anywhere(asset, tags)
    assert found["team"] == {"ops", "web", "legal"}
    assert found["tier"] == {"gold"}
    assert found["classification"] == {"internal", "confidential"}
