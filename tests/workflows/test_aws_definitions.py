"""Definitions as they go to Step Functions: completed, never bent, and refused with their place."""

import json
from typing import Any

import pytest

from meshplane.kit.errors import Invalid
from meshplane.platform.aws.place import AwsPlace
from meshplane.workflows.aws_definitions import WorkflowPlaces, definition_for_aws
from meshplane.workflows.aws_executions import execution_name
from meshplane.workflows.built_in import built_in_machines

AT = "eu-central-1:111122223333"
SQS = "https://sqs.eu-central-1.amazonaws.com/111122223333/one-"
QUEUES = {
    name: SQS + name
    for name in ("meshplane-tasks", "approval-queue", "subscription-decisions", "jobs")
}
PLACES = WorkflowPlaces(
    AwsPlace("eu-central-1", "111122223333", prefix="one-"),
    role_arn="arn:aws:iam::111122223333:role/one-workflows",
    author_role_arn="arn:aws:iam::111122223333:role/one-authors",
    queue_urls=QUEUES,
    topic_arns={"project-notifications": f"arn:aws:sns:{AT}:one-project-notifications"},
    function_arns={"OnProjectCreate": f"arn:aws:lambda:{AT}:function:one-OnProjectCreate"},
    bus_name="one-datamesh-events",
)
EXECUTION = {
    "id.$": "$$.Execution.Id",
    "state.$": "$$.State.Name",
    "enteredAt.$": "$$.State.EnteredTime",
}
WAIT = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def one_task(resource: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if parameters is None else {"Parameters": parameters}
    task = {"Type": "Task", "Resource": resource, **given, **more, "End": True}
    return {"StartAt": "T", "States": {"T": task}}


def completed(definition: dict[str, Any], built_in: bool = False) -> dict[str, Any]:
    made = definition_for_aws(definition, PLACES, built_in=built_in)
    found: dict[str, Any] = made["States"].get("T", made)
    return found


def problem(definition: dict[str, Any]) -> tuple[str, str]:
    with pytest.raises(Invalid) as refused:
        definition_for_aws(definition, PLACES, built_in=False)
    assert refused.value.code == "DEFINITION_NOT_FOR_AWS"
    return refused.value.fields[0].field, refused.value.fields[0].message


@pytest.mark.parametrize("machine", built_in_machines())
def test_products_definitions__differ_by_addresses_and_what_says_who_sends(machine: str) -> None:
    before = built_in_machines()[machine]
    after = definition_for_aws(before, PLACES, built_in=True)
    for name, state in after["States"].items():
        original = before["States"][name]
        other = {key for key in state if state[key] != original.get(key)}
        assert other <= {"Parameters"}, name
        if state["Type"] != "Task" or "QueueUrl" not in state["Parameters"]:
            continue
        body = dict(state["Parameters"]["MessageBody"])
        assert body.pop("execution") == EXECUTION
        assert body == original["Parameters"]["MessageBody"]
        assert state["Parameters"]["QueueUrl"] in QUEUES.values()
    assert "000000000000" not in json.dumps(
        [s for s in after["States"].values() if "QueueUrl" in s]
    )


def test_operation__becomes_a_message_with_a_token() -> None:
    definition = one_task("meshplane:getAsset", {"assetId.$": "$.id"}, TimeoutSeconds=60)
    assert completed(definition) == {
        "Type": "Task",
        "Resource": WAIT,
        "Parameters": {
            "QueueUrl": QUEUES["meshplane-tasks"],
            "MessageBody": {
                "operation": "getAsset",
                "arguments": {"assetId.$": "$.id"},
                "taskToken.$": "$$.Task.Token",
                "execution": EXECUTION,
            },
        },
        "TimeoutSeconds": 60,
        "End": True,
    }
    whole_input = completed(one_task("meshplane:getAsset"))["Parameters"]["MessageBody"]
    assert whole_input["arguments.$"] == "$"


def test_operation_in_jsonata__takes_the_same_from_its_context() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "T",
        "States": {"T": {"Type": "Task", "Resource": "meshplane:getAsset", "End": True}},
    }
    body = completed(definition)["Arguments"]["MessageBody"]
    assert body["arguments"] == "{% $states.input %}"
    assert body["taskToken"] == "{% $states.context.Task.Token %}"
    assert body["execution"]["id"] == "{% $states.context.Execution.Id %}"


def test_message__cannot_say_itself_which_execution_sends_it() -> None:
    forged = {
        "QueueUrl": "meshplane-tasks",
        "MessageBody": {"taskToken.$": "$$.Task.Token", "execution": {"id": "other"}},
    }
    body = completed(one_task(WAIT, forged))["Parameters"]["MessageBody"]
    assert body["execution"] == EXECUTION
    forged["MessageBody"] = {"execution.$": "$.other"}
    body = completed(one_task(WAIT, forged))["Parameters"]["MessageBody"]
    assert body == {"execution": EXECUTION}
    from_input = {"QueueUrl": "meshplane-tasks", "MessageBody.$": "$.message"}
    body = completed(one_task(WAIT, from_input))["Parameters"]["MessageBody"]
    assert body == {"body.$": "$.message", "execution": EXECUTION}


def test_task_in_a_map_or_a_branch__is_completed_too() -> None:
    outer = {
        "StartAt": "M",
        "States": {
            "M": {"Type": "Map", "ItemProcessor": one_task("meshplane:getAsset"), "Next": "P"},
            "P": {"Type": "Parallel", "Branches": [one_task("meshplane:getAsset")], "End": True},
        },
    }
    states = completed(outer)["States"]
    for inner in (states["M"]["ItemProcessor"], states["P"]["Branches"][0]):
        assert inner["States"]["T"]["Resource"] == WAIT


@pytest.mark.parametrize(
    ("resource", "parameters", "field"),
    [
        (WAIT, {"QueueUrl.$": "$.queue", "MessageBody": {}}, "QueueUrl"),
        (WAIT, {"QueueUrl": "subscription-decisions", "MessageBody": {}}, "QueueUrl"),
        (WAIT, {"QueueUrl": "of-somebody", "MessageBody": {}}, "QueueUrl"),
        (
            "arn:aws:states:::sqs:sendMessage",
            {"QueueUrl": "meshplane-tasks", "MessageBody": {}},
            "Resource",
        ),
        ("arn:aws:states:::aws-sdk:sqs:sendMessage", {"QueueUrl": "x"}, "Resource"),
        ("arn:aws:states:::states:startExecution", {"StateMachineArn.$": "$.m"}, "StateMachineArn"),
        (
            "arn:aws:states:::states:startExecution",
            {"StateMachineArn": "subscription"},
            "StateMachineArn",
        ),
        ("arn:aws:states:::sns:publish", {"TopicArn.$": "$.t", "Message": "m"}, "TopicArn"),
        (
            "arn:aws:states:::events:putEvents",
            {"Entries": [{"Source": "management-app.assets", "DetailType": "x", "Detail": {}}]},
            "Entries",
        ),
        (
            "arn:aws:states:::http:invoke",
            {"ApiEndpoint": "http://internal/x", "Method": "GET"},
            "Authentication",
        ),
    ],
)
def test_what_aws_would_let_through_or_cannot_do__is_refused_with_its_place(
    resource: str, parameters: dict[str, Any], field: str
) -> None:
    where, message = problem(one_task(resource, parameters))
    assert where == f"definition.States.T.{field}"
    assert message.startswith("definition.States.T: ")


def test_addresses__are_those_of_the_account() -> None:
    start = one_task("arn:aws:states:::states:startExecution.sync:2", {"StateMachineArn": "mine"})
    made = completed(start)["Parameters"]["StateMachineArn"]
    assert made == f"arn:aws:states:{AT}:stateMachine:one-mine"
    send = one_task("arn:aws:states:::sqs:sendMessage", {"QueueUrl": "jobs", "MessageBody": "x"})
    assert completed(send)["Parameters"] == {"QueueUrl": QUEUES["jobs"], "MessageBody": "x"}
    entries = [{"Source": "mine", "DetailType": "x", "Detail": {}}]
    put = one_task("arn:aws:states:::events:putEvents", {"Entries": entries})
    (entry,) = completed(put)["Parameters"]["Entries"]
    assert entry["EventBusName"] == "one-datamesh-events"
    call = one_task("arn:aws:states:::lambda:invoke", {"FunctionName": "OnProjectCreate"})
    name = completed(call)["Parameters"]["FunctionName"]
    assert name == PLACES.function_arns["OnProjectCreate"]


def test_execution__is_told_by_its_arn_and_only_if_it_is_the_meshs() -> None:
    arn = PLACES.execution_arn("promotion", "cmd-1")
    assert arn == f"arn:aws:states:{AT}:execution:one-promotion:cmd-1"
    assert PLACES.execution_of(arn) == ("promotion", "cmd-1")
    for other in (
        arn.replace("one-", "two-"),
        arn.replace("111122223333", "444455556666"),
        arn.replace("cmd-1", "map:cmd-1"),
        "promotion:cmd-1",
    ):
        assert PLACES.execution_of(other) is None


@pytest.mark.parametrize("command", ["cmd-1", "x" * 80, "x" * 81, "a b/c:d", ""])
def test_execution_name__is_one_and_always_the_same(command: str) -> None:
    name = execution_name(command)
    assert 1 <= len(name) <= 80
    assert execution_name(command) == name
    assert (name == command) == (command in ("cmd-1", "x" * 80))
