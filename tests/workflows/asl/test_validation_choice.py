"""What is refused in the rules of a Choice."""

from typing import Any

import pytest

from meshplane.workflows.asl.validation import validate

TEST = {"Variable": "$.a", "StringEquals": "x"}


def refused(rule: Any, language: str = "JSONPath") -> list[str]:
    states = {"C": {"Type": "Choice", "Choices": [rule]}, "Done": {"Type": "Succeed"}}
    definition = {"StartAt": "C", "QueryLanguage": language, "States": states}
    prefix = "/States/C/Choices/0"
    problems = validate(definition)
    return [p.path.removeprefix(prefix) or "/" for p in problems if p.severity == "ERROR"]


@pytest.mark.parametrize(
    "test",
    [
        {"Variable": "$.a.b[0]", "StringMatches": "a*b"},
        {"Variable": "$$.Execution.Input.a", "NumericLessThan": 1.5},
        {"Variable": "$variable", "NumericEqualsPath": "$.b"},
        {"Variable": "$.a", "TimestampGreaterThanEquals": "2026-03-14T01:59:00Z"},
        {"Variable": "$['a b']", "IsPresent": False, "Comment": "why"},
        {"And": [TEST, {"Not": {"Or": [TEST, TEST], "Comment": "inside"}}]},
        {"Not": TEST, "Assign": {"x.$": "$.a"}},
    ],
)
def test_rule_as_the_language_has_it__is_accepted(test: dict[str, Any]) -> None:
    assert refused({**test, "Next": "Done"}) == []


@pytest.mark.parametrize(
    ("rule", "place"),
    [
        ({**TEST}, "/"),
        ({"Next": "Done"}, "/"),
        ({"Next": "Done", "Variable": "$.a"}, "/"),
        ({"Next": "Done", "StringEquals": "x"}, "/"),
        ({**TEST, "NumericEquals": 1, "Next": "Done"}, "/"),
        ({"And": [TEST], "Or": [TEST], "Next": "Done"}, "/"),
        ({"And": [TEST], "Variable": "$.a", "Next": "Done"}, "/Variable"),
        ({"And": [], "Next": "Done"}, "/And"),
        ({"Or": TEST, "Next": "Done"}, "/Or"),
        ({"Not": [TEST], "Next": "Done"}, "/Not"),
        ({"Not": {**TEST, "Next": "Done"}, "Next": "Done"}, "/Not/Next"),
        ({"And": [{}], "Next": "Done"}, "/And/0"),
        ({"And": [3], "Next": "Done"}, "/And/0"),
        ({"Not": {"And": [{"Variable": "$.a", "IsNull": "yes"}]}, "Next": "Done"},
         "/Not/And/0/IsNull"),
        ({**TEST, "Next": 3}, "/Next"),
        ({**TEST, "Next": "Done", "Condition": "{% true %}"}, "/Condition"),
        ({**TEST, "Next": "Done", "Else": 1}, "/Else"),
        ({"Variable": "$.a[*]", "IsNull": True, "Next": "Done"}, "/Variable"),
        ("Done", "/"),
    ],
)  # fmt: skip
def test_rule__is_refused_where_it_is_wrong(rule: Any, place: str) -> None:
    assert refused(rule) == [place]


@pytest.mark.parametrize(
    ("comparison", "operand"),
    [
        ("StringEquals", 1),
        ("StringMatches", None),
        ("NumericEquals", "1"),
        ("NumericLessThan", True),
        ("BooleanEquals", "true"),
        ("TimestampEquals", "2026-03-14"),
        ("StringEqualsPath", "x"),
        ("NumericGreaterThanPath", 3),
        ("IsTimestamp", 1),
    ],
)
def test_operand__is_of_the_kind_that_is_compared(comparison: str, operand: Any) -> None:
    rule = {"Variable": "$.a", comparison: operand, "Next": "Done"}
    assert refused(rule) == [f"/{comparison}"]


@pytest.mark.parametrize(
    ("rule", "places"),
    [
        ({"Condition": "{% $states.input.a > 1 %}", "Next": "Done"}, []),
        ({"Condition": True, "Next": "Done", "Output": {"a": "{% 1 %}"}}, []),
        ({"Next": "Done"}, ["/"]),
        ({"Condition": "yes", "Next": "Done"}, ["/Condition"]),
        ({"Condition": 3, "Next": "Done"}, ["/Condition"]),
        ({"Condition": "{% true %}"}, ["/"]),
        ({"Condition": "{% true %}", "Next": "Done", "Variable": "$.a"}, ["/Variable"]),
        ({"Condition": "{% true %}", "Next": "Done", "Assign": {"states": 1}}, ["/Assign/states"]),
    ],
)
def test_rule_of_a_jsonata_state__has_a_condition(rule: Any, places: list[str]) -> None:
    assert refused(rule, "JSONata") == places


@pytest.mark.parametrize("choices", [[], {}, None, "x"])
def test_choices__are_a_list_with_a_rule_in_it(choices: Any) -> None:
    states = {"C": {"Type": "Choice", "Choices": choices}, "Done": {"Type": "Succeed"}}
    problems = validate({"StartAt": "C", "States": states})
    assert [p.path for p in problems if p.severity == "ERROR"] == ["/States/C/Choices"]


@pytest.mark.parametrize("field", ["Next", "End", "Parameters", "ResultPath", "ResultSelector"])
def test_choice__has_no_field_of_a_state_that_moves_on_by_itself(field: str) -> None:
    rule = {**TEST, "Next": "Done"}
    choice = {"Type": "Choice", "Choices": [rule], field: "$.a"}
    problems = validate({"StartAt": "C", "States": {"C": choice, "Done": {"Type": "Succeed"}}})
    assert [p.path for p in problems if p.severity == "ERROR"] == [f"/States/C/{field}"]
