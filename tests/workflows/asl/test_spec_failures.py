"""What failures look like to a catcher, and how their causes name the place.

Sources: the Amazon States Language, "Errors"; answers of AWS Step Functions that people published.
"""

from typing import Any

import pytest

from meshplane.workflows.asl import PENDING, TaskFailed, execute

FUNCTION = "arn:aws:lambda:us-east-1:123456789012:function:charge"
CATCH_ALL = [{"ErrorEquals": ["States.ALL"], "Next": "Caught"}]
FAILS = {"StartAt": "Stop", "States": {"Stop": {"Type": "Fail", "Error": "Stopped"}}}


def machine(first: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """A machine whose first state may fail, and one more where a catcher leads to."""
    caught = {"Caught": {"Type": "Pass", "End": True}} if "Catch" in first else {}
    return {"StartAt": "First", "States": {"First": {"End": True, **first}, **caught}, **fields}


def cause_of(definition: dict[str, Any], value: Any = None) -> str:
    """The cause of a failure that is nobody's but the query language's."""
    result = execute(definition, value)
    assert (result.status, result.error) == ("FAILED", "States.QueryEvaluationError")
    return str(result.cause).partition("). ")[2]


def refused(_: Any) -> Any:
    raise TaskFailed("CardRefused", "stolen")


def test_a_task_that_times_out__gives_its_catcher_an_empty_cause() -> None:
    task = {"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5, "Catch": CATCH_ALL}
    result = execute(machine(task), {}, {"First": lambda _: PENDING})
    assert result.output == {"Error": "States.Timeout", "Cause": ""}


def test_a_task_that_times_out__has_no_cause_when_nobody_catches_it() -> None:
    task = {"Type": "Task", "Resource": FUNCTION, "TimeoutSeconds": 5}
    result = execute(machine(task), {}, {"First": lambda _: PENDING})
    assert (result.error, result.cause) == ("States.Timeout", None)


@pytest.mark.parametrize(
    "parent",
    [
        {"Type": "Parallel", "Branches": [FAILS]},
        {"Type": "Map", "ItemProcessor": FAILS},
    ],
)
def test_a_fail_without_cause__gives_the_catcher_of_its_parent_an_empty_one(
    parent: dict[str, Any],
) -> None:
    result = execute(machine({**parent, "Catch": CATCH_ALL}), [1])
    assert result.output == {"Error": "Stopped", "Cause": ""}


def test_a_jsonata_catcher__sees_the_same() -> None:
    task = {
        "Type": "Task",
        "Resource": FUNCTION,
        "TimeoutSeconds": 5,
        "Catch": [{**CATCH_ALL[0], "Output": "{% $states.errorOutput %}"}],
    }
    result = execute(machine(task, QueryLanguage="JSONata"), {}, {"First": lambda _: PENDING})
    assert result.output == {"Error": "States.Timeout", "Cause": ""}


@pytest.mark.parametrize(
    ("rule", "field", "expression"),
    [
        ({"Condition": "{% $states.input.no %}"}, "Condition", "$states.input.no"),
        (
            {"Condition": "{% true %}", "Output": {"v": "{% $states.input.no %}"}},
            "Output/v",
            "$states.input.no",
        ),
        (
            {"Condition": "{% true %}", "Assign": {"x": "{% $states.input.no %}"}},
            "Assign/x",
            "$states.input.no",
        ),
    ],
)
def test_a_choice_rule_that_cannot_be_evaluated__is_named_by_its_number(
    rule: dict[str, Any], field: str, expression: str
) -> None:
    choice = {
        "Type": "Choice",
        "Choices": [{"Condition": "{% false %}", "Next": "Other"}, {**rule, "Next": "Other"}],
    }
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Which",
        "States": {"Which": choice, "Other": {"Type": "Succeed"}},
    }
    result = execute(definition, {})
    assert result.cause == (
        "An error occurred while executing the state 'Which' (entered at the event id #2). The"
        f" JSONata expression '{expression}' specified for the field 'Choices[1]/{field}' returned"
        " nothing (undefined)."
    )
    evaluated = next(event for event in result.events if event.type == "EvaluationFailed")
    assert evaluated["evaluationFailedEventDetails"]["location"] == f"Choices[1]/{field}"


@pytest.mark.parametrize("field", ["Output", "Assign"])
def test_a_catcher_that_cannot_be_evaluated__is_named_by_its_number(field: str) -> None:
    catchers = [
        {"ErrorEquals": ["Other"], "Next": "Caught"},
        {**CATCH_ALL[0], field: {"v": "{% $states.input.no %}"}},
    ]
    task = {"Type": "Task", "Resource": FUNCTION, "Catch": catchers}
    result = execute(machine(task, QueryLanguage="JSONata"), {}, {"First": refused})
    assert result.error == "States.QueryEvaluationError"
    assert f"for the field 'Catch[1]/{field}/v' returned nothing" in str(result.cause)


def test_a_list_of_the_wrong_values__is_told_in_jsonatas_words() -> None:
    sums = {"Type": "Pass", "Output": "{% $sum(['a']) %}"}
    assert cause_of(machine(sums, QueryLanguage="JSONata")) == (
        "The JSONata expression '$sum(['a'])' specified for the field 'Output' threw an error"
        ' during evaluation. T0412: Argument 1 of function "sum" must be an array of "numbers"'
    )


@pytest.mark.parametrize(
    "read",
    [
        {"Type": "Pass", "Parameters": {"all.$": "$"}, "End": True},
        {"Type": "Pass", "Parameters": {"all.$": "States.JsonToString($)"}, "End": True},
        {"Type": "Pass", "InputPath": "$.order", "End": True},
        {
            "Type": "Choice",
            "Choices": [{"Variable": "$", "IsString": True, "Next": "Empty"}],
            "Default": "Done",
        },
        {
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "IsPresent": True, "Next": "Empty"}],
            "Default": "Done",
        },
    ],
)
def test_a_path_into_null__fails_as_there_is_nothing_to_look_into(read: dict[str, Any]) -> None:
    definition = {
        "StartAt": "Empty",
        "States": {
            "Empty": {"Type": "Pass", "Result": None, "Next": "Read"},
            "Read": read,
            "Done": {"Type": "Succeed"},
        },
    }
    result = execute(definition, {})
    assert result.error == "States.Runtime"
    assert result.cause == (
        "An error occurred while executing the state 'Read' (entered at the event id #4). Unable to"
        " apply Path transformation to null or empty input."
    )


def test_a_state_with_null_input__still_reads_the_context_and_variables() -> None:
    definition = {
        "StartAt": "Empty",
        "States": {
            "Empty": {"Type": "Pass", "Result": None, "Assign": {"x": 1}, "Next": "Read"},
            "Read": {
                "Type": "Pass",
                "Parameters": {"name.$": "$$.State.Name", "x.$": "$x"},
                "End": True,
            },
        },
    }
    assert execute(definition, {}).output == {"name": "Read", "x": 1}
