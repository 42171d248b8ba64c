"""Map: its limits as paths and fractions, and objects as items. Source: the developer guide."""

from typing import Any

import pytest

from meshplane.workflows.asl import execute, validate

PASSES: dict[str, Any] = {"StartAt": "Do", "States": {"Do": {"Type": "Pass", "End": True}}}
FAILS_FOR_BAD: dict[str, Any] = {
    "StartAt": "Check",
    "States": {
        "Check": {
            "Type": "Choice",
            "Choices": [{"Variable": "$", "StringEquals": "bad", "Next": "Fail"}],
            "Default": "Good",
        },
        "Good": {"Type": "Pass", "End": True},
        "Fail": {"Type": "Fail", "Error": "Bad"},
    },
}


def a_map(processor: dict[str, Any], *, mode: str = "DISTRIBUTED", **fields: Any) -> Any:
    """A machine of one Map, distributed unless another mode is given."""
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    state = {
        "Type": "Map",
        "ItemProcessor": {**processor, "ProcessorConfig": config},
        "End": True,
    }
    language = {"QueryLanguage": fields.pop("QueryLanguage", "JSONPath")}
    return {**language, "StartAt": "Each", "States": {"Each": {**state, **fields}}}


@pytest.mark.parametrize(
    ("field", "value", "cause"),
    [
        (
            "MaxConcurrency",
            -1,
            "Expected non-negative integer for MaxConcurrency, got '-1' instead.",
        ),
        ("ToleratedFailureCount", -1, "ToleratedFailureCount cannot be negative."),
        (
            "ToleratedFailureCount",
            "few",
            'The ToleratedFailureCountPath field refers to value "few" which is not a valid'
            " integer: $.limit",
        ),
        (
            "ToleratedFailurePercentage",
            "few",
            'The ToleratedFailurePercentagePath field refers to value "few" which is not a valid'
            " float: $.limit",
        ),
        (
            "ToleratedFailurePercentage",
            -1.1,
            "ToleratedFailurePercentage must be between 0 and 100.",
        ),
        (
            "ToleratedFailurePercentage",
            100.1,
            "ToleratedFailurePercentage must be between 0 and 100.",
        ),
    ],
)
def test_a_limit_that_cannot_be__fails_the_map_before_it_starts(
    field: str, value: Any, cause: str
) -> None:
    definition = a_map(PASSES, ItemsPath="$.items", **{f"{field}Path": "$.limit"})
    result = execute(definition, {"items": [1], "limit": value})
    assert (result.status, result.error) == ("FAILED", "States.Runtime")
    assert str(result.cause).endswith(f"(entered at the event id #2). {cause}")
    assert "MapStateStarted" not in [event.type for event in result.events]


@pytest.mark.parametrize(
    ("percent", "status"), [(25, "SUCCEEDED"), (24.9, "FAILED"), (25.5, "SUCCEEDED"), (0, "FAILED")]
)
@pytest.mark.parametrize("given", ["literal", "path", "expression"])
def test_a_tolerated_percentage__may_have_a_fraction(
    given: str, percent: float, status: str
) -> None:
    value = {"items": ["bad", "a", "b", "c"], "limit": percent}
    fields: dict[str, Any]
    if given == "expression":
        fields = {
            "QueryLanguage": "JSONata",
            "Items": "{% $states.input.items %}",
            "ToleratedFailurePercentage": "{% $states.input.limit %}",
        }
    elif given == "path":
        fields = {"ItemsPath": "$.items", "ToleratedFailurePercentagePath": "$.limit"}
    else:
        fields = {"ItemsPath": "$.items", "ToleratedFailurePercentage": percent}
    processor = FAILS_FOR_BAD
    if given == "expression":
        # States inside a JSONata machine are JSONata's too.
        check = {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $states.input = 'bad' %}", "Next": "Fail"}],
            "Default": "Good",
        }
        processor = {**FAILS_FOR_BAD, "States": {**FAILS_FOR_BAD["States"], "Check": check}}
    result = execute(a_map(processor, **fields), value)
    assert result.status == status


@pytest.mark.parametrize(
    "fields",
    [
        {"ItemsPath": "$.prices"},
        {"QueryLanguage": "JSONata", "Items": "{% $states.input.prices %}"},
        {"QueryLanguage": "JSONata", "Items": {"tea": 2, "milk": 1}},
    ],
)
def test_an_object_in_a_distributed_map__is_its_members(fields: dict[str, Any]) -> None:
    result = execute(a_map(PASSES, **fields), {"prices": {"tea": 2, "milk": 1}})
    assert result.output == [{"Key": "tea", "Value": 2}, {"Key": "milk", "Value": 1}]


def test_an_item_selector_over_an_object__sees_key_and_value() -> None:
    selector = {
        "what.$": "$$.Map.Item.Key",
        "price.$": "$$.Map.Item.Value",
        "at.$": "$$.Map.Item.Index",
    }
    definition = a_map(PASSES, ItemSelector=selector)
    assert execute(definition, {"tea": 2, "milk": 1}).output == [
        {"what": "tea", "price": 2, "at": 0},
        {"what": "milk", "price": 1, "at": 1},
    ]


def test_a_list_of_keys_and_values__is_no_object() -> None:
    definition = a_map(PASSES, ItemSelector={"item.$": "$$.Map.Item.Value"})
    items = [{"Key": "tea", "Value": 2}]
    assert execute(definition, items).output == [{"item": items[0]}]


def test_an_object_in_an_inline_map__is_refused() -> None:
    result = execute(a_map(PASSES, mode="INLINE"), {"tea": 2})
    assert str(result.cause).endswith('Reference path "$" must point to array.')


@pytest.mark.parametrize(
    "field", ["MaxConcurrencyPath", "ToleratedFailureCountPath", "ToleratedFailurePercentagePath"]
)
def test_a_limit_of_a_map__cannot_come_from_the_context_object(field: str) -> None:
    problems = validate(a_map(PASSES, **{field: "$$.Execution.Input.limit"}))
    errors = [each.path for each in problems if each.severity == "ERROR"]
    assert errors == [f"/States/Each/{field}"]
    assert not [
        each for each in validate(a_map(PASSES, **{field: "$.limit"})) if each.severity == "ERROR"
    ]


def test_the_items_of_a_map__may_come_from_the_context_object() -> None:
    definition = a_map(PASSES, ItemsPath="$$.Execution.Input.items")
    assert execute(definition, {"items": [1]}).output == [1]
