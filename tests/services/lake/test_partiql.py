"""Row filters in the words of Lake Formation's filter expressions."""

import pytest

from meshplane.services.lake.partiql import CannotSayError, expression_of
from meshplane.services.permissions.api import FilterColumn, RowFilter

TYPES = {
    "id": "INTEGER",
    "name": "VARCHAR",
    "day": "DATE",
    "moment": "TIMESTAMP",
    "seen": "TIMESTAMP WITH TIME ZONE",
    "flag": "BOOLEAN",
    "place": "STRUCT(city VARCHAR)",
}


def said(text: str) -> str:
    columns = (
        FilterColumn(name, number, kind)
        for number, (name, kind) in enumerate(TYPES.items(), 1)
        if name in text.replace('"', "")
    )
    return expression_of(RowFilter(text, tuple(columns)))


@pytest.mark.parametrize(
    ("kept", "expression"),
    [
        ("(id != -5)", '("id" <> -5)'),
        ("(5 < id)", '("id" > 5)'),
        ("(id BETWEEN 1 AND 7)", '("id" BETWEEN 1 AND 7)'),
        ("(\"name\" ~~ 'E%')", "(\"name\" LIKE 'E%')"),
        ("(\"name\" !~~ '%x')", "(\"name\" NOT LIKE '%x')"),
        ("(NOT (\"name\" IN ('O''Hare', NULL)))", "(NOT (\"name\" IN ('O''Hare', NULL)))"),
        ("(\"day\" >= CAST('2020-01-01' AS DATE))", "(\"day\" >= DATE '2020-01-01')"),
        ("(\"day\" > '2020-01-01')", "(\"day\" > DATE '2020-01-01')"),
        ("(moment < '2020-01-01')", "(\"moment\" < TIMESTAMP '2020-01-01 00:00:00')"),
        ("flag", '"flag" = TRUE'),
        ("(NOT flag)", '(NOT "flag" = TRUE)'),
        ("(CAST(flag AS BOOLEAN) IS NOT DISTINCT FROM true)",
         '("flag" = TRUE AND "flag" IS NOT NULL)'),
        ("(id IS DISTINCT FROM 3)", '("id" <> 3 OR "id" IS NULL)'),
        ("((id = 1) OR (\"name\" IS NULL))", '(("id" = 1) OR ("name" IS NULL))'),
    ],
)  # fmt: skip
def test_expression__says_the_same(kept: str, expression: str) -> None:
    assert said(kept) == expression


@pytest.mark.parametrize(
    ("kept", "word"),
    [
        ("((id % 2) = 0)", "more than comparisons"),
        ("(id > (id + 1))", "more than comparisons"),
        ("(\"name\" ~~* 'e%')", "more than comparisons"),
        ('(length("name") > 2)', "length()"),
        ("(seen < CAST('2020-01-01 10:00:00+00' AS TIMESTAMPTZ))", "without a zone"),
        ('("name" > 5)', "compares a number"),
        ("(id = 'a')", "compares a text"),
        ("(place.city = 'Rome')", "nested"),
        ("(id = 99999999999999999999)", "too long"),
        ("(\"day\" > 'soon')", "do not read"),
        (f"(\"name\" = '{'x' * 2100}')", "longer"),
        ("(id = (SELECT 1))", "more than comparisons"),
        ("((id = 1) AND", "more than comparisons"),
    ],
)
def test_expression__that_cannot_be_said_tells_why(kept: str, word: str) -> None:
    with pytest.raises(CannotSayError) as refused:
        said(kept)
    assert word in str(refused.value)
    assert "soon" not in str(refused.value), "no value of the filter is repeated"
