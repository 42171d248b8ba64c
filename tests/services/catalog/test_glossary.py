"""How terms may relate."""

import pytest

from meshplane.services.catalog.glossary import leads_back, relation_problems


def problems(term: str = "", *, is_a: list[str], classifies: list[str]) -> list[tuple[str, str]]:
    relations = {"isA": is_a, "classifies": classifies}
    found = relation_problems(term, relations, {"tide", "wave", "swell"})
    return [(one.field, one.message) for one in found]


def test_relations__to_terms_that_are_there__are_right() -> None:
    assert problems("swell", is_a=["wave"], classifies=["tide"]) == []


def test_relations__each_wrong_one_is_named() -> None:
    assert problems("swell", is_a=["swell", "wave"], classifies=["wave", "storm"]) == [
        ("relations.isA.0", "is the term itself"),
        ("relations.classifies.0", "cannot be both broader and narrower"),
        ("relations.classifies.1", "is no term"),
    ]


@pytest.mark.parametrize(
    ("broader", "is_circle"),
    [
        ({"a": ["b"], "b": ["c"], "c": []}, False),
        ({"a": ["b"], "b": ["c"], "c": ["a"]}, True),
        ({"a": ["b"], "b": ["c"], "c": ["b"]}, False),  # a circle, but not through a
        ({"a": []}, False),
        ({"a": ["unknown"]}, False),
    ],
)
def test_leads_back__finds_a_term_that_would_be_one_of_itself(
    broader: dict[str, list[str]], is_circle: bool
) -> None:
    assert leads_back("a", broader) == is_circle
