"""What Step Functions accepts and what will surprise: told as warnings."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from meshplane.workflows.asl.validation import Problem, validate

SEEDS = Path(__file__).resolve().parents[3] / "../shared/seeds"

DONE: dict[str, Any] = {"Type": "Succeed"}
FAILED: dict[str, Any] = {"Type": "Fail", "Error": "Refused"}
CALL = {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke"}
ANY_ERROR = {"ErrorEquals": ["States.ALL"]}


def machine(**states: Any) -> dict[str, Any]:
    return {"StartAt": next(iter(states)), "States": states}


def warnings(definition: Any) -> list[Problem]:
    problems = validate(definition)
    assert [each for each in problems if each.severity == "ERROR"] == []
    return problems


def told(definition: Any, *, without: str = "TASK_WITHOUT_CATCH") -> list[tuple[str, str]]:
    """The code and place of each warning."""
    return [(each.code, each.path) for each in warnings(definition) if each.code != without]


def promotion() -> str:
    """The promotion workflow as the platform's description prints it."""
    for path in sorted(SEEDS.glob("001_*")):
        found = re.search(
            r"Project Promotion Workflow\s+```json\n(.*?)```", path.read_text("utf-8"), re.DOTALL
        )
        if found:
            return found[1]
    pytest.skip("the description of the promotion (../shared/seeds) is not beside this repository")


def test_promotion_as_printed__is_accepted_with_every_trap_told() -> None:
    calls = [
        "ValidateSourceEnvironment",
        "DeployToStaging",
        "RunStagingTests",
        "DeployToProduction",
        "VerifyDeployment",
    ]
    losing = [*calls[:3], "ApprovalGate", *calls[3:]]
    expected = {
        *(("AWS_REFUSES_PLAIN_HTTP", f"/States/{x}/Parameters/ApiEndpoint") for x in calls),
        *(("AWS_REFUSES_HTTP_WITHOUT_CONNECTION", f"/States/{x}/Parameters") for x in calls),
        *(("LOST_INPUT", f"/States/{x}") for x in losing),
        ("HTTP_TIMEOUT_OVER_60_SECONDS", "/States/RunStagingTests/TimeoutSeconds"),
        ("HTTP_BODY_ON_GET", "/States/VerifyDeployment/Parameters/RequestBody"),
        ("UNTIMED_TOKEN_WAIT", "/States/ApprovalGate"),
        ("QUEUE_URL_IS_ARN", "/States/ApprovalGate/Parameters/QueueUrl"),
        ("FAILURE_ENDS_IN_SUCCESS", "/States/NotifyFailure/End"),
        ("TASK_WITHOUT_CATCH", "/States"),
    }
    found = [(each.code, each.path) for each in warnings(promotion())]
    assert set(found) == expected
    assert len(found) == len(expected)


def test_promotion_mended__has_no_trap_but_that_of_its_plain_addresses() -> None:
    definition = json.loads(promotion())
    states = definition["States"]
    for name in list(states):
        if name != "NotifyFailure":
            states[name] |= {
                "ResultPath": None,
                "Catch": [{**ANY_ERROR, "ResultPath": "$.error", "Next": "NotifyFailure"}],
            }
    del states["NotifyFailure"]["End"]
    states["NotifyFailure"]["Next"] = "Failed"
    states["Failed"] = FAILED
    states["ApprovalGate"]["TimeoutSeconds"] = 604_800
    gate = states["ApprovalGate"]["Parameters"]
    gate["QueueUrl"] = "https://sqs.us-east-1.amazonaws.com/123456789012/approval-queue"
    del states["RunStagingTests"]["TimeoutSeconds"]
    del states["VerifyDeployment"]["Parameters"]["RequestBody"]
    assert {each.code for each in warnings(definition)} == {
        "AWS_REFUSES_PLAIN_HTTP",
        "AWS_REFUSES_HTTP_WITHOUT_CONNECTION",
    }


def test_unreachable_state__is_told() -> None:
    assert told(machine(A=DONE, B={"Type": "Pass", "Next": "A"})) == [
        ("UNREACHABLE_STATE", "/States/B")
    ]


def test_unreachable_state_of_a_branch__is_told() -> None:
    outer = machine(P={"Type": "Parallel", "Branches": [machine(A=DONE, B=DONE)], "End": True})
    assert told(outer) == [("UNREACHABLE_STATE", "/States/P/Branches/0/States/B")]


def test_loop_without_a_way_out__is_told_once() -> None:
    rule = {"Variable": "$.a", "IsNull": True, "Next": "Done"}
    looping = machine(
        Start={"Type": "Choice", "Choices": [rule], "Default": "Into"},
        Into={"Type": "Pass", "Next": "A"},
        A={"Type": "Pass", "Next": "B"},
        B={"Type": "Pass", "Next": "A"},
        Done=DONE,
    )
    (problem,) = warnings(looping)
    assert (problem.code, problem.path) == ("ENDLESS_LOOP", "/States/A")
    assert '["A", "B"]' in problem.message


def test_loop_that_a_choice_leaves__is_no_trap() -> None:
    rule = {"Variable": "$.done", "BooleanEquals": True, "Next": "Done"}
    choice = {"Type": "Choice", "Choices": [rule], "Default": "Wait"}
    polling = machine(Look=choice, Wait={"Type": "Wait", "Seconds": 5, "Next": "Look"}, Done=DONE)
    assert told(polling) == []


@pytest.mark.parametrize("end", [DONE, {"Type": "Pass", "End": True}])
def test_failure_path_that_ends_in_success__is_told(end: dict[str, Any]) -> None:
    definition = machine(
        Work={**CALL, "End": True, "Catch": [{**ANY_ERROR, "Next": "Tidy"}]},
        Tidy={"Type": "Pass", "Next": "Over"},
        Over=end,
    )
    place = "/States/Over/End" if "End" in end else "/States/Over"
    assert told(definition) == [("FAILURE_ENDS_IN_SUCCESS", place)]


def test_error_that_leads_to_the_normal_end__is_told_at_the_catch() -> None:
    definition = machine(
        Work={**CALL, "Next": "Done", "Catch": [{**ANY_ERROR, "Next": "Done"}]}, Done=DONE
    )
    assert told(definition) == [("FAILURE_ENDS_IN_SUCCESS", "/States/Work/Catch/0/Next")]


def test_choice_that_falls_through_to_a_state_named_failure__is_told() -> None:
    rule = {"Variable": "$.ok", "BooleanEquals": True, "Next": "Done"}
    definition = machine(
        Check={"Type": "Choice", "Choices": [rule], "Default": "NotifyFailure"},
        NotifyFailure={"Type": "Pass", "End": True},
        Done=DONE,
    )
    assert told(definition) == [("FAILURE_ENDS_IN_SUCCESS", "/States/NotifyFailure/End")]


@pytest.mark.parametrize(
    "states",
    [
        # It goes on to a Fail.
        {"Tell": {"Type": "Pass", "Next": "Failed"}, "Failed": FAILED},
        # It goes back to the normal path.
        {"Tell": {"Type": "Pass", "Next": "After"}},
        # It tells errors apart, and fails for some.
        {
            "Tell": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.Error", "StringEquals": "Exists", "Next": "Fine"}],
                "Default": "Failed",
            },
            "Fine": DONE,
            "Failed": FAILED,
        },
    ],
)
def test_failure_path_that_is_honest__is_no_trap(states: dict[str, Any]) -> None:
    work = {**CALL, "Next": "After", "Catch": [{**ANY_ERROR, "Next": "Tell"}]}
    assert (
        told(machine(Work=work, After={"Type": "Wait", "Seconds": 1, "End": True}, **states)) == []
    )


def test_error_of_ones_own_that_ends_well__is_no_trap() -> None:
    catch = [{"ErrorEquals": ["AlreadyThere"], "Next": "Skip"}]
    assert told(machine(Work={**CALL, "End": True, "Catch": catch}, Skip=DONE)) == []


@pytest.mark.parametrize("name", ["NoErrors", "ErrorFree", "WithoutFailure"])
def test_name_that_denies_a_failure__is_no_trap(name: str) -> None:
    assert told(machine(**{name: DONE})) == []


def test_tasks_that_a_failure_path_leaves_out__are_named() -> None:
    definition = machine(
        A={**CALL, "Next": "B", "Catch": [{**ANY_ERROR, "Next": "Failed"}]},
        B={**CALL, "End": True},
        Failed=FAILED,
    )
    (problem,) = warnings(definition)
    assert (problem.code, problem.path) == ("TASK_WITHOUT_CATCH", "/States")
    assert '["B"]' in problem.message


TOKEN = {"QueueUrl": "q", "MessageBody": {"taskToken.$": "$$.Task.Token"}}
WAITING = {
    "Type": "Task",
    "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
    "End": True,
}


@pytest.mark.parametrize(
    "limit",
    [{"TimeoutSeconds": 60}, {"HeartbeatSeconds": 60}, {"TimeoutSecondsPath": "$.timeout"}],
)
def test_token_wait_with_a_limit__is_no_trap(limit: dict[str, Any]) -> None:
    assert told(machine(A={**WAITING, "Parameters": TOKEN, **limit})) == []


def test_token_wait_or_activity_without_a_limit__is_told() -> None:
    assert told(machine(A={**WAITING, "Parameters": TOKEN})) == [
        ("UNTIMED_TOKEN_WAIT", "/States/A")
    ]
    activity = "arn:aws:states:eu-west-1:123456789012:activity:Paint"
    assert told(machine(A={"Type": "Task", "Resource": activity, "End": True})) == [
        ("UNTIMED_TOKEN_WAIT", "/States/A")
    ]


def test_token_that_nobody_gets__is_told() -> None:
    nothing = {"QueueUrl": "q", "MessageBody": {"a.$": "$.a"}}
    state = {**WAITING, "TimeoutSeconds": 60, "Parameters": nothing}
    assert told(machine(A=state)) == [("TOKEN_NOT_PASSED", "/States/A")]


@pytest.mark.parametrize(
    "body",
    [
        {"x.$": "$$"},
        {"x.$": "States.Format('{}', $$.Task.Token)"},
        {"x.$": "$token"},
    ],
)
def test_token_passed_in_another_way__is_no_trap(body: dict[str, Any]) -> None:
    parameters = {"QueueUrl": "q", "MessageBody": body}
    state = {**WAITING, "TimeoutSeconds": 60, "Parameters": parameters}
    assert told(machine(A=state)) == []


def test_token_passed_in_jsonata__is_no_trap() -> None:
    arguments = {"QueueUrl": "q", "MessageBody": "{% $states.context.Task.Token %}"}
    state = {**WAITING, "TimeoutSeconds": 60, "Arguments": arguments, "QueryLanguage": "JSONata"}
    assert told(machine(A=state)) == []


def reader(name: str = "projectId") -> dict[str, Any]:
    return {"Type": "Pass", "Parameters": {"x.$": f"$.{name}"}, "End": True}


READING = {**CALL, "Parameters": {"FunctionName": "f", "Payload": {"a.$": "$.projectId"}}}


def test_result_that_takes_the_inputs_place__is_told_when_it_is_read_later() -> None:
    definition = machine(Enrich={**READING, "Next": "Use"}, Use=reader())
    (problem,) = warnings(definition)
    assert (problem.code, problem.path) == ("LOST_INPUT", "/States/Enrich")
    assert '["projectId"], which ["Use"]' in problem.message


def test_loss__is_found_behind_states_that_pass_their_input_on() -> None:
    definition = machine(
        Enrich={**READING, "Next": "Wait"},
        Wait={"Type": "Wait", "Seconds": 1, "Next": "Look"},
        Look={
            "Type": "Choice",
            "Choices": [{"Variable": "$.Payload", "IsNull": True, "Next": "Done"}],
            "Default": "Use",
        },
        Use=reader(),
        Done=DONE,
    )
    assert told(definition) == [("LOST_INPUT", "/States/Enrich")]


@pytest.mark.parametrize(
    "keeping",
    [
        {"ResultPath": None},
        {"ResultPath": "$.enriched"},
        {"ResultPath": "$.projectId"},
        {"ResultSelector": {"projectId.$": "$.Payload.projectId"}},
    ],
)
def test_input_that_is_kept__is_no_trap(keeping: dict[str, Any]) -> None:
    assert told(machine(Enrich={**READING, "Next": "Use", **keeping}, Use=reader())) == []


def test_result_that_may_have_the_field__is_no_trap_unless_the_input_had_it() -> None:
    unknown = {"Type": "Task", "Resource": "arn:aws:lambda:eu-west-1:1:function:f", "Next": "Use"}
    assert told(machine(Make=unknown, Use=reader())) == []
    reading = {**unknown, "Parameters": {"id.$": "$.projectId"}}
    assert told(machine(Make=reading, Use=reader())) == [("LOST_INPUT", "/States/Make")]


def test_what_replaced_the_input_last__is_told() -> None:
    definition = machine(
        A={**READING, "Next": "B"},
        B={"Type": "Pass", "Result": {"other": 1}, "Next": "Use"},
        Use=reader(),
    )
    assert told(definition) == [("LOST_INPUT", "/States/B")]


def test_map_or_parallel_result__has_no_named_fields() -> None:
    inner = machine(I=DONE)
    for state in (
        {"Type": "Map", "ItemsPath": "$.items", "ItemProcessor": inner},
        {"Type": "Parallel", "Branches": [inner]},
    ):
        assert told(machine(Each={**state, "Next": "Use"}, Use=reader())) == [
            ("LOST_INPUT", "/States/Each")
        ]


def test_caught_error__takes_the_inputs_place_too() -> None:
    lost = {**ANY_ERROR, "Next": "Handle"}
    kept = {**lost, "ResultPath": "$.error"}
    handle = {"Type": "Pass", "Parameters": {"x.$": "$.projectId"}, "Next": "Failed"}
    for catcher, expected in ((lost, [("LOST_INPUT", "/States/Work/Catch/0")]), (kept, [])):
        work = {**READING, "End": True, "Catch": [catcher]}
        assert told(machine(Work=work, Handle=handle, Failed=FAILED)) == expected


def test_loss_before_a_parallel__is_found_in_its_branches() -> None:
    branches = [machine(Use=reader()), machine(Other=DONE)]
    definition = machine(
        Enrich={**READING, "Next": "Both"},
        Both={"Type": "Parallel", "Branches": branches, "End": True},
    )
    assert told(definition) == [("LOST_INPUT", "/States/Enrich")]


def test_item_selector_without_what_the_items_states_read__is_told() -> None:
    definition = machine(
        Each={
            "Type": "Map",
            "ItemSelector": {"item.$": "$$.Map.Item.Value"},
            "ItemProcessor": machine(Use=reader()),
            "End": True,
        }
    )
    assert told(definition) == [("LOST_INPUT", "/States/Each/ItemSelector")]


def test_field_whose_presence_is_tested__is_no_trap() -> None:
    definition = machine(
        Enrich={**READING, "Next": "Look"},
        Look={
            "Type": "Choice",
            "Choices": [{"Variable": "$.projectId", "IsPresent": True, "Next": "Use"}],
            "Default": "Done",
        },
        Use=reader(),
        Done=DONE,
    )
    assert told(definition) == []


def test_loss_in_jsonata__is_told_and_ends_with_output_or_assign() -> None:
    work = {**CALL, "Arguments": {"FunctionName": "f", "Payload": "{% $states.input.id %}"}}
    use = {"Type": "Pass", "Output": {"x": "{% $states.input.id & ' $states.input.no' %}"}}
    for more, expected in (
        ({}, [("LOST_INPUT", "/States/Work")]),
        ({"Output": "{% $merge([$states.input, $states.result]) %}"}, []),
        ({"Output": {"id": "{% $states.input.id %}"}}, []),
        ({"Output": "{% $states.input %}"}, []),
    ):
        states = {"Work": {**work, "Next": "Use", **more}, "Use": {**use, "End": True}}
        assert told({**machine(**states), "QueryLanguage": "JSONata"}) == expected


def test_loop_over_states_that_lose_input__ends() -> None:
    rule = {"Variable": "$.projectId", "StringEquals": "x", "Next": "Done"}
    definition = machine(
        Look={"Type": "Choice", "Choices": [rule], "Default": "Work"},
        Work={**READING, "Next": "Look"},
        Done=DONE,
    )
    assert told(definition) == [("LOST_INPUT", "/States/Work")]


@pytest.mark.parametrize(
    ("state", "code", "place"),
    [
        ({"Type": "Pass", "Parameters": {"a": "$.b"}}, "NO_DOLLAR", "/Parameters/a"),
        ({"Type": "Pass", "Parameters": {"a": "States.UUID()"}}, "NO_DOLLAR", "/Parameters/a"),
        ({"Type": "Pass", "Result": {"a.$": "$.b"}}, "PASS_RESULT_IS_STATIC", "/Result/a.$"),
        ({"Type": "Pass", "Parameters": {"a": "{% $b %}"}}, "JSONATA_NOT_ENABLED", "/Parameters/a"),
        (
            {**CALL, "Retry": [{"ErrorEquals": ["States.TimeOut"]}]},
            "UNKNOWN_ERROR_NAME",
            "/Retry/0/ErrorEquals/0",
        ),
        (
            {"Type": "Map", "ItemProcessor": machine(I=DONE), "Label": "L"},
            "DISTRIBUTED_ONLY_FIELD",
            "/Label",
        ),
        (
            {
                "Type": "Task",
                "Resource": "arn:aws:states:::sns:publish",
                "Parameters": {"Message": "m", "Subject": "s" * 101},
            },
            "SUBJECT_TOO_LONG",
            "/Parameters/Subject",
        ),
        (
            {"Type": "Task", "Resource": "meshplane:listAssets"},
            "AWS_REFUSES_OPERATION",
            "/Resource",
        ),
    ],
)
def test_small_trap__is_told_where_it_stands(state: dict[str, Any], code: str, place: str) -> None:
    assert told(machine(S={**state, "End": True})) == [(code, f"/States/S{place}")]


def test_path_in_the_text_of_a_fail__is_told() -> None:
    assert told(machine(S={"Type": "Fail", "Cause": "$.cause"})) == [("NO_PATH", "/States/S/Cause")]


def test_private_call_as_step_functions_wants_it__is_no_trap() -> None:
    call = {
        "Type": "Task",
        "Resource": "arn:aws:states:::http:invoke",
        "Parameters": {
            "ApiEndpoint": "https://api.example.com/assets",
            "Method": "GET",
            "Authentication": {"ConnectionArn": "arn:aws:events:eu-west-1:1:connection/c/1"},
            "QueryParameters": {"limit": "10"},
        },
        "TimeoutSeconds": 60,
        "End": True,
    }
    assert told(machine(S=call)) == []
