"""What is refused in a state by itself."""

from typing import Any

import pytest

from meshplane.workflows.asl.validation import validate

TASK = {"Type": "Task", "Resource": "meshplane:listAssets", "End": True}
INNER = {"StartAt": "I", "States": {"I": {"Type": "Succeed"}}}
MAP = {"Type": "Map", "ItemProcessor": INNER, "End": True}
PARALLEL = {"Type": "Parallel", "Branches": [INNER], "End": True}


def refused(state: dict[str, Any], language: str = "JSONPath") -> list[str]:
    """The places, below the state, of what is refused in it."""
    states = {"S": state, "Done": {"Type": "Succeed"}}
    definition = {"StartAt": "S", "QueryLanguage": language, "States": states}
    return [
        each.path.removeprefix("/States/S") or "/"
        for each in validate(definition)
        if each.severity == "ERROR"
    ]


def reasons(state: dict[str, Any]) -> str:
    states = {"S": state, "Done": {"Type": "Succeed"}}
    return "\n".join(each.message for each in validate({"StartAt": "S", "States": states}))


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "InputPath": "$.a", "OutputPath": None, "ResultPath": "$.b", "End": True},
        {"Type": "Pass", "Parameters": {"a.$": "$$"}, "Result": [1], "End": False, "Next": "Done"},
        {**TASK, "TimeoutSeconds": 60, "HeartbeatSeconds": 5, "ResultSelector": {"a.$": "$.b"}},
        {**TASK, "TimeoutSecondsPath": "$.t", "HeartbeatSecondsPath": "$.h", "ResultPath": None},
        {**TASK, "Credentials": {"RoleArn.$": "$.role"}, "Assign": {"a.$": "$.b", "c": 1}},
        {"Type": "Wait", "SecondsPath": "$.s", "Next": "Done"},
        {"Type": "Wait", "Timestamp": "2026-03-14T01:59:00.25+02:00", "End": True},
        {"Type": "Succeed", "InputPath": "$.a[?(@.b == 1)].c", "OutputPath": "$variable.a"},
        {"Type": "Fail", "ErrorPath": "$.error", "Cause": "because"},
        {"Type": "Fail", "CausePath": "States.Format('{} {}', $.a, 'b')"},
        {**PARALLEL, "Parameters": "$.a", "ResultSelector": {"a.$": "$[0]"}},
        {**MAP, "ItemsPath": "$.items", "ItemSelector": {"a.$": "$$.Map.Item.Value"}},
        {
            "Type": "Map",
            "Iterator": INNER,
            "Parameters": {"a": 1},
            "MaxConcurrency": 0,
            "End": True,
        },
    ],
)
def test_state_as_the_language_has_it__is_accepted(state: dict[str, Any]) -> None:
    assert refused(state) == []


@pytest.mark.parametrize(
    "state",
    [
        {"Type": "Pass", "Output": {"a": "{% $states.input.b %}"}, "Assign": {"x": "{% 1 %}"}},
        {"Type": "Task", "Resource": "meshplane:listAssets", "Arguments": {"a": "{% $x %}"},
         "TimeoutSeconds": "{% 60 %}", "Output": "{% $states.result.a %}"},
        {"Type": "Wait", "Timestamp": "{% $states.input.at %}"},
        {"Type": "Map", "ItemProcessor": INNER, "Items": "{% [1, 2] %}",
         "MaxConcurrency": "{% 2 %}"},
        {"Type": "Map", "ItemProcessor": INNER, "Items": [1, "{% 2 %}"]},
    ],
)  # fmt: skip
def test_jsonata_state_as_the_language_has_it__is_accepted(state: dict[str, Any]) -> None:
    assert refused({**state, "End": True}, "JSONata") == []


def test_move__is_next_or_end_and_not_both() -> None:
    assert refused({"Type": "Pass"}) == ["/"]
    assert refused({"Type": "Pass", "End": False}) == ["/"]
    assert refused({"Type": "Pass", "End": True, "Next": "Done"}) == ["/"]
    assert refused({"Type": "Pass", "End": "yes", "Next": "Done"}) == ["/End"]
    assert refused({"Type": "Succeed", "Next": "Done"}) == ["/Next"]
    assert refused({"Type": "Fail", "End": True}) == ["/End"]


@pytest.mark.parametrize("field", ["Parameters", "ResultPath", "ResultSelector", "Retry", "Catch"])
@pytest.mark.parametrize(
    "state", [{"Type": "Wait", "Seconds": 1, "End": True}, {"Type": "Succeed"}, {"Type": "Fail"}]
)
def test_field_of_another_kind_of_state__is_refused(state: dict[str, Any], field: str) -> None:
    assert refused({**state, field: []}) == [f"/{field}"]


def test_misspelt_field__is_refused_and_the_right_one_named() -> None:
    assert refused({**TASK, "TimeoutSecond": 3}) == ["/TimeoutSecond"]
    assert 'write "TimeoutSeconds"' in reasons({**TASK, "TimeoutSecond": 3})


@pytest.mark.parametrize(
    ("field", "instead"),
    [("InputPath", "Arguments"), ("Parameters", "Arguments"), ("ResultPath", "Output")],
)
def test_jsonpath_field_in_a_jsonata_state__is_refused(field: str, instead: str) -> None:
    state = {**TASK, "QueryLanguage": "JSONata", field: "$.a"}
    assert refused(state) == [f"/{field}"]
    assert instead in reasons(state)


@pytest.mark.parametrize("field", ["Arguments", "Output", "Items"])
def test_jsonata_field_in_a_jsonpath_state__is_refused(field: str) -> None:
    assert refused({**MAP, field: {}}) == [f"/{field}"]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Seconds": 1, "Timestamp": "2026-03-14T01:59:00Z"},
        {"SecondsPath": "$.a", "TimestampPath": "$.b"},
    ],
)
def test_wait__has_exactly_one_of_four(fields: dict[str, Any]) -> None:
    assert refused({"Type": "Wait", "End": True, **fields}) == ["/"]


@pytest.mark.parametrize("seconds", [-1, 1.5, "1", True, 31_536_000_000])
def test_wait__has_a_number_of_seconds_that_can_pass(seconds: Any) -> None:
    assert refused({"Type": "Wait", "Seconds": seconds, "End": True}) == ["/Seconds"]


@pytest.mark.parametrize(
    "moment",
    ["2026-03-14", "2026-03-14t01:59:00Z", "2026-03-14T01:59:00", "2026-02-30T00:00:00Z",
     "2026-03-14 01:59:00Z", "2026-03-14T01:59:00z", "2026-03-14T24:00:00Z", "tomorrow", 5],
)  # fmt: skip
def test_timestamp__follows_the_profile_of_the_language(moment: Any) -> None:
    assert refused({"Type": "Wait", "Timestamp": moment, "End": True}) == ["/Timestamp"]


def test_fail__has_a_text_or_a_path_for_each() -> None:
    both = {"Type": "Fail", "Error": "E", "ErrorPath": "$.e", "Cause": "C", "CausePath": "$.c"}
    assert refused(both) == ["/", "/"]
    assert refused({"Type": "Fail", "Error": 3}) == ["/Error"]
    assert refused({"Type": "Fail", "ErrorPath": "e"}) == ["/ErrorPath"]


@pytest.mark.parametrize(
    "resource", [None, "", "stub", 3, "arn:aws:states:::sqs:sendMessage.waitForToken",
                 "arn:aws:states:::http:invoke.waitForTaskToken", "arn:aws:states:::lambda",
                 "arn:aws:states:::sqs:sendMessage.sync", "{% $resource %}"],
)  # fmt: skip
def test_resource__is_something_that_can_be_called(resource: Any) -> None:
    assert refused({**TASK, "Resource": resource}) == ["/Resource"]


def test_task_without_resource__is_refused() -> None:
    assert refused({"Type": "Task", "End": True}) == ["/"]


def test_parameters_of_a_known_call__must_name_what_it_needs() -> None:
    send = {**TASK, "Resource": "arn:aws:states:::sqs:sendMessage"}
    assert refused({**send, "Parameters": {"QueueUrl.$": "$.q"}}) == ["/Parameters"]
    assert refused({**send, "Parameters": {"QueueUrl.$": "$.q", "MessageBody": {}}}) == []
    assert refused(send) == []


def test_timeouts__are_literal_or_path_and_the_heartbeat_is_shorter() -> None:
    assert refused({**TASK, "TimeoutSeconds": 1, "TimeoutSecondsPath": "$.t"}) == ["/"]
    assert refused({**TASK, "HeartbeatSeconds": 1, "HeartbeatSecondsPath": "$.t"}) == ["/"]
    assert refused({**TASK, "TimeoutSeconds": 5, "HeartbeatSeconds": 5}) == ["/HeartbeatSeconds"]
    assert refused({**TASK, "TimeoutSeconds": 0}) == ["/TimeoutSeconds"]
    assert refused({**TASK, "TimeoutSeconds": 2**31}) == ["/TimeoutSeconds"]


def test_credentials__name_a_role() -> None:
    for wrong in ({"Invalid": "x"}, "arn", {}):
        assert refused({**TASK, "Credentials": wrong}) == ["/Credentials"]
    assert refused({**TASK, "Credentials": {"RoleArn": 3}}) == ["/Credentials/RoleArn"]


@pytest.mark.parametrize(
    ("retrier", "place"),
    [
        ({}, ""),
        ({"ErrorEquals": []}, "/ErrorEquals"),
        ({"ErrorEquals": "States.ALL"}, "/ErrorEquals"),
        ({"ErrorEquals": [3]}, "/ErrorEquals/0"),
        ({"ErrorEquals": ["a", "States.ALL"]}, "/ErrorEquals"),
        ({"ErrorEquals": ["a"], "MaxAttempts": 2**31}, "/MaxAttempts"),
        ({"ErrorEquals": ["a"], "MaxAttempts": -1}, "/MaxAttempts"),
        ({"ErrorEquals": ["a"], "MaxAttempts": 1.5}, "/MaxAttempts"),
        ({"ErrorEquals": ["a"], "BackoffRate": 0.9}, "/BackoffRate"),
        ({"ErrorEquals": ["a"], "IntervalSeconds": 0}, "/IntervalSeconds"),
        ({"ErrorEquals": ["a"], "MaxDelaySeconds": 31_622_400}, "/MaxDelaySeconds"),
        ({"ErrorEquals": ["a"], "IntervalSeconds": 9, "MaxDelaySeconds": 9}, "/MaxDelaySeconds"),
        ({"ErrorEquals": ["a"], "JitterStrategy": "HALF"}, "/JitterStrategy"),
        ({"ErrorEquals": ["a"], "Next": "Done"}, "/Next"),
    ],
)
def test_retry__is_refused_where_it_is_wrong(retrier: dict[str, Any], place: str) -> None:
    assert refused({**TASK, "Retry": [retrier]}) == [f"/Retry/0{place}"]


def test_states_all__must_be_in_the_last_entry() -> None:
    all_errors, one = {"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["a"]}
    assert refused({**TASK, "Retry": [one, all_errors]}) == []
    assert refused({**TASK, "Retry": [all_errors, one]}) == ["/Retry/0/ErrorEquals"]
    leading = [{**each, "Next": "Done"} for each in (all_errors, one)]
    assert refused({**TASK, "Catch": leading}) == ["/Catch/0/ErrorEquals"]


@pytest.mark.parametrize(
    ("catcher", "place"),
    [
        ({"ErrorEquals": ["a"]}, "/Catch/0"),
        ({"ErrorEquals": ["a"], "Next": "Done", "ResultPath": "$.a[*]"}, "/Catch/0/ResultPath"),
        ({"ErrorEquals": ["a"], "Next": "Done", "Output": {}}, "/Catch/0/Output"),
        ({"ErrorEquals": ["a"], "Next": 3}, "/Catch/0/Next"),
        ("Done", "/Catch/0"),
    ],
)
def test_catch__is_refused_where_it_is_wrong(catcher: Any, place: str) -> None:
    assert refused({**TASK, "Catch": [catcher]}) == [place]


def test_parallel__has_branches() -> None:
    assert refused({"Type": "Parallel", "End": True}) == ["/"]
    assert refused({"Type": "Parallel", "Branches": [], "End": True}) == ["/Branches"]
    assert refused({"Type": "Parallel", "Branches": [3], "End": True}) == ["/Branches/0"]
    assert refused({**PARALLEL, "Branches": [{"States": {"I": {"Type": "Succeed"}}}]}) == [
        "/Branches/0"
    ]


@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ({"Iterator": INNER}, "/"),
        ({"ItemsPath": None}, "/ItemsPath"),
        ({"ItemsPath": "$.a[*]"}, "/ItemsPath"),
        ({"Parameters": {}, "ItemSelector": {}}, "/"),
        ({"MaxConcurrency": 1, "MaxConcurrencyPath": "$.a"}, "/"),
        ({"MaxConcurrency": -1}, "/MaxConcurrency"),
        ({"ToleratedFailurePercentage": 101}, "/ToleratedFailurePercentage"),
        ({"ToleratedFailureCount": 1.5}, "/ToleratedFailureCount"),
        ({"Label": "a*b"}, "/Label"),
        ({"Label": "a" * 41}, "/Label"),
        ({"ItemBatcher": {}}, "/ItemBatcher"),
        ({"ItemBatcher": {"MaxItemsPerBatch": 0}}, "/ItemBatcher/MaxItemsPerBatch"),
        ({"ItemReader": {}}, "/ItemReader"),
        ({"ItemProcessor": {**INNER, "ProcessorConfig": {"Mode": "FAST"}}},
         "/ItemProcessor/ProcessorConfig/Mode"),
    ],
)  # fmt: skip
def test_map__is_refused_where_it_is_wrong(fields: dict[str, Any], place: str) -> None:
    assert refused({**MAP, **fields}) == [place]


@pytest.mark.parametrize("path", ["a", "$.", "$a b", "$$23", "", 3, "$.a[", "States.Format('a')"])
def test_input_path__is_a_jsonpath(path: Any) -> None:
    assert refused({"Type": "Pass", "InputPath": path, "End": True}) == ["/InputPath"]


@pytest.mark.parametrize("path", ["$.a[*]", "$..a", "$$.a", "$variable", "$.a[?(@.b)]", "a"])
def test_result_path__is_a_reference_into_the_input(path: str) -> None:
    assert refused({"Type": "Pass", "ResultPath": path, "End": True}) == ["/ResultPath"]


@pytest.mark.parametrize(
    "value", ["a", 3, None, ["$.a"], "States.Unknown($.a)", " $.a", "States.Format('{}', $.a"]
)
def test_dynamic_field__holds_a_path_or_a_call(value: Any) -> None:
    state = {"Type": "Pass", "Parameters": {"a": [{"b.$": value}]}, "End": True}
    assert refused(state) == ["/Parameters/a/0/b.$"]


@pytest.mark.parametrize("name", ["states", "1a", "a-b", "", "x" * 81, "a.b"])
def test_variable__has_a_name_that_can_be_written_in_an_expression(name: str) -> None:
    state = {"Type": "Pass", "Assign": {name: 1}, "End": True}
    assert refused(state) == refused(state, "JSONata") == [f"/Assign/{name}"]


@pytest.mark.parametrize(
    "text", ["{% 1", "1 %}", " {% 1 %}", "{%}", "{% ( %}", "{% $states.result %}"]
)
def test_jsonata__is_refused_when_it_can_not_be_read(text: str) -> None:
    state = {"Type": "Pass", "Output": {"a": [text]}, "End": True}
    assert refused(state, "JSONata") == ["/Output/a/0"]


def test_jsonata_text_in_quotes__is_no_reference() -> None:
    state = {"Type": "Pass", "Output": "{% '$states.result' %}", "End": True}
    assert refused(state, "JSONata") == []


def test_caught_error__is_seen_in_catch_only() -> None:
    catcher = {"ErrorEquals": ["a"], "Next": "Done", "Output": "{% $states.errorOutput %}"}
    assert refused({**TASK, "Catch": [catcher]}, "JSONata") == []
    assert refused({**TASK, "Output": "{% $states.errorOutput %}"}, "JSONata") == ["/Output"]
