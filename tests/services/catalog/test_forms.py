"""What forms ask for and what fits, and how they read in Smithy."""

import json
from typing import Any

import pytest

from meshplane.sandbox.datazone.forms import check_content, read_model
from meshplane.services.catalog.forms import (
    FormField,
    field_item,
    field_of,
    form_problems,
    value_problems,
)
from meshplane.services.catalog.forms_smithy import form_type_name, smithy_of


def wrong(field: FormField, value: Any) -> list[str]:
    return [one.message for one in value_problems([field], {field.name: value}, "values")]


@pytest.mark.parametrize(
    ("kind", "right", "misfits"),
    [
        ("string", ["", "a text"], [1, 1.5, True]),
        ("integer", [0, -(2**63), 2**63 - 1], [2**63, 1.0, True, "1"]),
        ("decimal", [0, 1.5, -3], [float("inf"), float("nan"), False, "1.5"]),
        ("boolean", [True, False], [0, 1, "true"]),
        ("date", ["2026-01-31", "2024-02-29"], ["2026-02-29", "20260131", "2026-W05", 20260131]),
        (
            "timestamp",
            ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00+01:00"],
            ["2026-01-31", "2026-01-31T12:00:00", "soon"],
        ),
    ],
)
def test_value__fits_its_type_or_is_named(kind: str, right: list[Any], misfits: list[Any]) -> None:
    field = FormField("it", kind)
    assert [wrong(field, one) for one in right] == [[] for _ in right]
    assert [one for one in misfits if not wrong(field, one)] == []


def test_values__required_ones_are_filled_and_none_is_unknown() -> None:
    fields = [FormField("days", "integer", required=True), FormField("why", "string")]
    found = value_problems(fields, {"whom": "me"}, "forms.0.values")
    assert [(one.field, one.message) for one in found] == [
        ("forms.0.values.whom", "is no field of the form"),
        ("forms.0.values.days", "must be filled in"),
    ]
    assert wrong(FormField("why", "string", required=True), "") == ["must be filled in"]


def test_values__are_among_those_allowed() -> None:
    field = FormField("days", "integer", allowed=(7, 30))
    assert wrong(field, 30) == []
    assert wrong(field, 8) == ["is none of the values allowed"]


def test_form__cannot_contradict_itself() -> None:
    fields = [
        FormField("days", "integer", allowed=(7, "30")),
        FormField("Days", "string"),
        FormField("kind", "integer", glossary_id="gloss-1"),
        FormField("is_open", "boolean", allowed=(True,)),
    ]
    assert [one.field for one in form_problems(fields)] == [
        "fields.0.allowed.1",
        "fields.1.name",
        "fields.2.type",
        "fields.3.allowed",
    ]


def test_field__comes_back_from_its_row() -> None:
    field = FormField("days", "integer", "How long", True, (7, 30), "")
    assert field_of(json.loads(json.dumps(field_item(field)))) == field


def test_smithy__takes_what_the_form_takes_and_nothing_else() -> None:
    fields = [
        FormField("days", "integer", 'In {days}, see "the // law"', True),
        FormField("price", "decimal"),
        FormField("until", "date"),
        FormField("is_open", "boolean"),
        FormField("kind", "string", glossary_id="gloss-1"),
    ]
    name = form_type_name("form-0123456789abcdef")
    model = smithy_of(name, 'A "form"\nof two lines', fields, {"gloss-1": "abc123"})
    read = read_model(name, model)
    good = {"days": 7, "price": 1.5, "until": "2026-01-31", "is_open": True, "kind": ["t1"]}
    assert check_content("f", read, json.dumps(good)) == good
    assert '@amazon.datazone#glossaryterm("abc123")' in model
    assert "@length(min: 1, max: 1)\nlist KindTerms { member: String }" in model
    for bad in ({}, {**good, "days": "7"}, {**good, "kind": "t1"}, {**good, "more": 1}):
        with pytest.raises(Exception, match=r"needs a member|must be|has no member"):
            check_content("f", read, json.dumps(bad))


def test_smithy__tells_some_of_many_allowed_values() -> None:
    field = FormField("days", "integer", allowed=tuple(range(100)))
    model = smithy_of("Form", "Form", [field], {})
    assert '@documentation("One of: 0, 1, 2' in model
    assert "19, …" in model


def test_smithy__of_the_largest_form__is_as_long_as_a_model_may_be() -> None:
    allowed = tuple('"' * 4_000 + str(one) for one in range(20))
    fields = [
        FormField(f"{one:02}".rjust(64, "a"), "string", '"' * 500, True, allowed)
        for one in range(50)
    ]
    assert len(smithy_of("MeshplaneForm_1", '"' * 200, fields, {})) <= 100_000
