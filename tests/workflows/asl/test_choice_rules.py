"""Choice: what each comparison takes for a match."""

from typing import Any

import pytest

from meshplane.workflows.asl import execute
from meshplane.workflows.asl.wildcards import compile_wildcard

MOMENT = "2016-03-14T01:59:00Z"
JSON_VALUES: list[Any] = [
    None,
    True,
    0,
    1.5,
    "",
    "text",
    "2016-03-14T01:59:00Z",
    [],
    [1],
    {},
    {"a": 1},
]


def chosen(rule: dict[str, Any], value: Any) -> Any:
    """Where a choice with one rule goes: "yes" or "no"."""
    definition = {
        "StartAt": "Choose",
        "States": {
            "Choose": {
                "Type": "Choice",
                "Choices": [{**rule, "Next": "Yes"}],
                "Default": "No",
            },
            "Yes": {"Type": "Pass", "Result": "yes", "End": True},
            "No": {"Type": "Pass", "Result": "no", "End": True},
        },
    }
    result = execute(definition, value)
    return result.output if result.status == "SUCCEEDED" else result


def x(**comparison: Any) -> dict[str, Any]:
    return {"Variable": "$.x", **comparison}


@pytest.mark.parametrize(
    ("comparison", "value", "expected"),
    [
        ({"NumericEquals": 1}, 1.0, "yes"),
        ({"NumericEquals": 1}, True, "no"),
        ({"NumericEquals": 0}, False, "no"),
        ({"NumericLessThan": 2}, 1.5, "yes"),
        ({"NumericGreaterThanEquals": 2}, 2, "yes"),
        ({"NumericEquals": 1}, "1", "no"),
        ({"StringEquals": "é"}, "é", "yes"),
        ({"StringEquals": "é"}, "e", "no"),
        ({"StringLessThan": "b"}, "a", "yes"),
        ({"StringLessThan": "é"}, "z", "yes"),
        ({"StringLessThan": "\ufffd"}, "\U0001f600", "yes"),
        ({"BooleanEquals": True}, 1, "no"),
        ({"BooleanEquals": False}, False, "yes"),
        ({"TimestampEquals": "2020-01-01T00:00:00Z"}, "2020-01-01T01:00:00+01:00", "yes"),
        ({"TimestampLessThan": "2020-01-01T00:00:00Z"}, "2019-12-31T23:59:59.999Z", "yes"),
        ({"TimestampLessThan": "2020-01-01T00:00:00Z"}, "2019-12-31", "no"),
        ({"StringMatches": "log-*.txt"}, "log-1.txt", "yes"),
        ({"StringMatches": "log-*.txt"}, "log-1.tx", "no"),
        ({"StringMatches": "*"}, 5, "no"),
    ],
)
def test_comparison(comparison: dict[str, Any], value: Any, expected: str) -> None:
    assert chosen(x(**comparison), {"x": value}) == expected


@pytest.mark.parametrize("value", JSON_VALUES)
def test_type_tests__tell_each_type_and_no_other(value: Any) -> None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    expected = {
        "IsNull": value is None,
        "IsBoolean": isinstance(value, bool),
        "IsNumeric": is_number,
        "IsString": isinstance(value, str),
        "IsTimestamp": isinstance(value, str) and value == MOMENT,
        "IsPresent": True,
    }
    for name, holds in expected.items():
        assert chosen(x(**{name: True}), {"x": value}) == ("yes" if holds else "no"), name
        assert chosen(x(**{name: False}), {"x": value}) == ("no" if holds else "yes"), name


def test_missing_variable__only_is_present_may_ask_for_it() -> None:
    assert chosen(x(IsPresent=True), {}) == "no"
    assert chosen(x(IsPresent=False), {}) == "yes"
    failed = chosen(x(StringEquals="a"), {})
    assert failed.error == "States.Runtime"
    assert failed.cause == (
        "An error occurred while executing the state 'Choose' (entered at the event id #2). Invalid"
        " path '$.x': The choice state's condition path references an invalid value."
    )


def test_two_paths__are_compared() -> None:
    rule = {"Variable": "$.x", "NumericLessThanPath": "$.y"}
    assert chosen(rule, {"x": 1, "y": 2}) == "yes"
    assert chosen(rule, {"x": 1, "y": "2"}) == "no"


def test_and_or_not__stop_as_soon_as_they_know() -> None:
    present = {"Variable": "$.x", "IsPresent": True}
    large = {"Variable": "$.x", "NumericGreaterThan": 5}
    assert chosen({"And": [present, large]}, {}) == "no"
    assert chosen({"Or": [{"Not": present}, large]}, {}) == "yes"
    assert chosen({"And": [present, large]}, {"x": 6}) == "yes"


def test_no_match_and_no_default__fails() -> None:
    definition = {
        "StartAt": "Choose",
        "States": {
            "Choose": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.x", "NumericEquals": 1, "Next": "Yes"}],
            },
            "Yes": {"Type": "Succeed"},
        },
    }
    result = execute(definition, {"x": 2})
    assert (result.status, result.error) == ("FAILED", "States.NoChoiceMatched")


def test_first_rule_that_holds__wins_with_its_own_assignments() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Choose",
        "States": {
            "Choose": {
                "Type": "Choice",
                "Choices": [
                    {"Condition": "{% $states.input.n > 9 %}", "Next": "End"},
                    {
                        "Condition": "{% $states.input.n > 4 %}",
                        "Next": "End",
                        "Assign": {"size": "medium"},
                        "Output": "{% $states.input.n * 2 %}",
                    },
                ],
                "Default": "End",
                "Assign": {"size": "small"},
            },
            "End": {"Type": "Pass", "Output": "{% [$states.input, $size] %}", "End": True},
        },
    }
    assert execute(definition, {"n": 5}).output == [10, "medium"]
    assert execute(definition, {"n": 1}).output == [{"n": 1}, "small"]


def test_condition__that_is_no_boolean_fails() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Choose",
        "States": {
            "Choose": {"Type": "Choice", "Choices": [{"Condition": "{% 1 %}", "Next": "Yes"}]},
            "Yes": {"Type": "Succeed"},
        },
    }
    result = execute(definition, {})
    assert result.error == "States.QueryEvaluationError"
    assert [event.type for event in result.events][-2:] == ["EvaluationFailed", "ExecutionFailed"]


@pytest.mark.parametrize(
    ("pattern", "text", "expected"),
    [
        ("a*b*c", "aXbYc", True),
        ("a*b*c", "ac", False),
        ("*a", "ba", True),
        ("a*a", "a", False),
        ("**", "", True),
        ("a\\*b", "a*b", True),
        ("a\\*b", "aXb", False),
        ("a\\\\*", "a\\anything", True),
        ("", "", True),
        ("*ab*ab*", "abab", True),
        ("*ab*ab*", "aba", False),
    ],
)
def test_wildcards(pattern: str, text: str, expected: bool) -> None:
    assert compile_wildcard(pattern)(text) is expected


def test_wildcards__of_hostile_patterns_stay_quick() -> None:
    assert compile_wildcard("*a" * 5_000 + "*b")("a" * 100_000) is False
