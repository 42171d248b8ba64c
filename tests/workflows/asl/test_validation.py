"""What is refused in a state machine as a whole: its text, its names, where its states lead."""

import json
import time
from typing import Any

import pytest

from meshplane.workflows.asl.validation import Problem, validate

END: dict[str, Any] = {"Type": "Succeed"}


def machine(states: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states, **more}


def passing(target: str) -> dict[str, Any]:
    return {"Type": "Pass", "Next": target}


def errors(definition: Any, kind: str = "STANDARD") -> list[Problem]:
    return [each for each in validate(definition, kind) if each.severity == "ERROR"]


def told(definition: Any) -> list[tuple[str, str]]:
    """The code and place of each error."""
    return [(each.code, each.path) for each in errors(definition)]


def test_smallest_machine__has_no_problem() -> None:
    assert validate(machine({"Done": END})) == []
    assert validate(json.dumps(machine({"Done": END}))) == []


@pytest.mark.parametrize("text", ["", " ", "null", "[]", "3", '"StartAt"'])
def test_text_that_is_no_object__is_refused(text: str) -> None:
    assert told(text) == [("SCHEMA_VALIDATION_FAILED", "/")]


@pytest.mark.parametrize(
    "text", ["{", '{"StartAt": }', "{'StartAt': 'a'}", '{"a": NaN}', '{"a": ' + "9" * 5000 + "}"]
)
def test_text_that_is_no_json__is_refused_with_the_place(text: str) -> None:
    (problem,) = errors(text)
    assert (problem.code, problem.path) == ("INVALID_JSON_DESCRIPTION", "/")


@pytest.mark.parametrize("value", [None, [], 3, "x", {1: 2}, {"a": {3}}, {"a": float("nan")}])
def test_value_that_is_no_definition__is_refused(value: Any) -> None:
    assert len(errors(value)) == 1


def test_key_twice_in_one_object__is_refused_where_it_stands() -> None:
    text = '{"StartAt":"a","States":{"a":{"Type":"Pass","End":true},"a":{"Type":"Succeed"}}}'
    (problem,) = errors(text)
    assert (problem.code, problem.path) == ("INVALID_JSON_DESCRIPTION", "/States/a")
    assert '"a" stands twice' in problem.message


def test_definition_over_a_megabyte__is_refused() -> None:
    large = machine({"Done": END}, Comment="x" * 1_048_576)
    assert told(large) == told(json.dumps(large)) == [("DEFINITION_TOO_LARGE", "/")]


def test_json_nested_too_deeply__is_refused_and_harms_nothing() -> None:
    for depth in (250, 900, 100_000):
        assert told('{"a":' * depth + "1" + "}" * depth) == [("TOO_DEEPLY_NESTED", "/")]
        assert told("[" * depth) in (
            [("TOO_DEEPLY_NESTED", "/")],
            [("INVALID_JSON_DESCRIPTION", "/")],
        )


def test_a_hundred_parallels_in_each_other__are_refused() -> None:
    nested = machine({"Done": END})
    for depth in range(100):
        nested = machine({f"P{depth}": {"Type": "Parallel", "Branches": [nested], "End": True}})
    assert [each.code for each in errors(nested)] == ["TOO_DEEPLY_NESTED"]


def test_missing_start_and_states__are_told_in_one_message() -> None:
    (problem,) = errors({})
    assert problem.message == "These fields are required: [States, StartAt]"


def test_fields_of_the_machine__are_checked() -> None:
    wrong = machine({"Done": END}, TimeoutSeconds=0, Version=1, Comment=[], Timeout=3)
    assert sorted(path for _, path in told(wrong)) == [
        "/Comment",
        "/Timeout",
        "/TimeoutSeconds",
        "/Version",
    ]
    assert errors(machine({"Done": END}, TimeoutSeconds=60, Version="1.0", Comment="c")) == []


def test_targets_that_do_not_exist__are_refused_where_they_stand() -> None:
    states = {
        "A": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.a", "IsNull": True, "Next": "X"}],
            "Default": "Y",
        },
        "B": {
            "Type": "Task",
            "Resource": "meshplane:listAssets",
            "Next": "Z",
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "W"}],
        },
        "C": END,
    }
    assert told({"StartAt": "V", "States": states}) == [
        ("MISSING_TRANSITION_TARGET", "/StartAt"),
        ("MISSING_TRANSITION_TARGET", "/States/A/Default"),
        ("MISSING_TRANSITION_TARGET", "/States/A/Choices/0/Next"),
        ("MISSING_TRANSITION_TARGET", "/States/B/Next"),
        ("MISSING_TRANSITION_TARGET", "/States/B/Catch/0/Next"),
    ]


def test_target_in_a_branch__is_refused_and_explained() -> None:
    branch = machine({"Inner": END})
    states = {"P": {"Type": "Parallel", "Branches": [branch], "Next": "Inner"}, "Q": END}
    (problem,) = errors(machine(states))
    assert problem.path == "/States/P/Next"
    assert "/States/P/Branches/0/States/Inner" in problem.message


def test_target_names__are_compared_exactly() -> None:
    assert told(machine({"A": passing("done"), "Done": END})) == [
        ("MISSING_TRANSITION_TARGET", "/States/A/Next")
    ]


def test_machine_without_an_end__is_refused() -> None:
    loop = machine({"A": passing("B"), "B": passing("A")})
    assert told(loop) == [("MISSING_END_STATE", "/States")]


def test_branch_without_an_end__is_refused() -> None:
    branch = machine({"A": passing("A")})
    outer = machine({"P": {"Type": "Parallel", "Branches": [branch], "End": True}})
    assert told(outer) == [("MISSING_END_STATE", "/States/P/Branches/0/States")]


def test_name_of_a_state__is_unique_in_the_whole_machine() -> None:
    branch = machine({"Done": END})
    states = {"P": {"Type": "Parallel", "Branches": [branch, branch], "Next": "Q"}, "Q": END}
    assert told(machine(states)) == [("DUPLICATE_STATE_NAME", "/States/P/Branches/1/States/Done")]


def test_name_of_a_state__has_at_most_80_characters() -> None:
    assert errors(machine({"é" * 80: END})) == []
    assert [code for code, _ in told(machine({"é" * 81: END}))] == ["INVALID_STATE_NAME"]
    assert [code for code, _ in told(machine({"": END}))] == ["INVALID_STATE_NAME"]


def test_path_of_a_problem__is_a_json_pointer() -> None:
    assert told(machine({"a/b~c": {"Type": "Succeed", "End": True}})) == [
        ("SCHEMA_VALIDATION_FAILED", "/States/a~1b~0c/End")
    ]


def test_states_that_are_no_objects__are_refused() -> None:
    assert told({"StartAt": "A", "States": {"A": 3}}) == [("SCHEMA_VALIDATION_FAILED", "/States/A")]
    assert told({"StartAt": "A", "States": {}})[0] == ("SCHEMA_VALIDATION_FAILED", "/States")
    assert told({"StartAt": "A", "States": []}) == [("SCHEMA_VALIDATION_FAILED", "/States")]


@pytest.mark.parametrize("kind", [None, 3, "pass", "Activity", ["Pass"]])
def test_type_that_does_not_exist__is_refused(kind: Any) -> None:
    assert told(machine({"A": {"Type": kind, "End": True}, "B": END}))[0] == (
        "SCHEMA_VALIDATION_FAILED",
        "/States/A/Type",
    )


def test_query_language__goes_from_jsonpath_to_jsonata_only() -> None:
    jsonata = {"Type": "Pass", "QueryLanguage": "JSONata", "Output": "{% 1 %}", "End": True}
    jsonpath = {"Type": "Pass", "QueryLanguage": "JSONPath", "End": True}
    assert errors(machine({"A": jsonata})) == []
    (problem,) = errors(machine({"A": jsonpath}, QueryLanguage="JSONata"))
    assert problem.path == "/States/A"
    assert "can not be 'JSONPath'" in problem.message
    assert told(machine({"A": {**jsonpath, "QueryLanguage": "SQL"}})) == [
        ("SCHEMA_VALIDATION_FAILED", "/States/A/QueryLanguage")
    ]


@pytest.mark.parametrize(
    ("resource", "reason"),
    [
        ("arn:aws:states:::sqs:sendMessage.waitForTaskToken", ".waitForTaskToken"),
        ("arn:aws:states:::states:startExecution.sync:2", ".sync"),
        ("arn:aws:states:eu-west-1:123456789012:activity:Paint", "Activity ARN"),
    ],
)
def test_express_workflow__can_not_wait_for_others(resource: str, reason: str) -> None:
    definition = machine({"A": {"Type": "Task", "Resource": resource, "End": True}})
    assert errors(definition) == []
    (problem,) = errors(definition, "EXPRESS")
    assert problem.path == "/States/A/Resource"
    assert reason in problem.message


def test_express_children_of_a_map__can_not_wait_either() -> None:
    waiting = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish.waitForTaskToken"}
    processor = machine(
        {"A": {**waiting, "End": True}},
        ProcessorConfig={"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
    )
    outer = machine({"M": {"Type": "Map", "ItemProcessor": processor, "End": True}})
    assert told(outer) == [
        ("SCHEMA_VALIDATION_FAILED", "/States/M/ItemProcessor/States/A/Resource")
    ]


def test_problems__are_limited_and_errors_come_first() -> None:
    names = {f"S{index}": {"Type": "Succeed", "Odd": 1} for index in range(2_000)}
    problems = validate(machine(names))
    severities = [each.severity for each in problems]
    assert severities == ["ERROR"] * 500 + ["WARNING"] * 500


def test_definition_of_a_megabyte__is_checked_in_seconds() -> None:
    count = 5_000
    task = {"Type": "Task", "Resource": "arn:aws:states:::sns:publish"}
    states: dict[str, Any] = {
        f"S{index}": {
            **task,
            "Parameters": {"Message.$": f"$.field{index}"},
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": f"S{index * 7 % count}"}],
            "Next": f"S{index + 1}",
        }
        for index in range(count)
    }
    text = json.dumps(machine({**states, f"S{count}": END}))
    assert 900_000 < len(text) < 1_048_576
    started = time.process_time()
    validate(text)
    assert time.process_time() - started < 10


def test_expressions_without_number__are_refused_in_seconds() -> None:
    output = {f"k{index}": f"{{% {index} %}}" for index in range(20_000)}
    state = {"Type": "Pass", "Output": output, "End": True}
    started = time.process_time()
    found = told(machine({"A": state}, QueryLanguage="JSONata"))
    assert [code for code, _ in found] == ["TOO_MANY_EXPRESSIONS"]
    assert time.process_time() - started < 30
