"""State machines run in the sandbox, and what they call is called as their role."""

import json
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.fake import Caller
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.request import Answer
from meshplane.sandbox.server import AwsSandbox
from meshplane.sandbox.stepfunctions import once_begun
from tests.builders.aws_sandbox import REGION, aws_of, sandbox_in
from tests.builders.toy_fake import answering, toy

ROLE = "arn:aws:iam::111122223333:role/states"
ROOT = "arn:aws:iam::111122223333:root"
CALLER = Caller("111122223333", REGION, ROOT, ROOT, "AKIA")


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    answers = {"ListDomains": answering({"items": []})}
    with sandbox_in(fakes={"datazone": toy("datazone", answers)}) as sandbox:
        yield sandbox


@pytest.fixture
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    sandbox.reset()
    aws = aws_of(sandbox)
    yield aws
    aws.close()


def started(aws: Aws, state: dict[str, Any]) -> str:
    definition = json.dumps(
        {"StartAt": "A", "States": {"A": {"Type": "Task", "End": True, **state}}}
    )
    machine = aws.run(
        "stepfunctions", "create_state_machine", name="m", definition=definition, roleArn=ROLE
    )
    arn = machine["stateMachineArn"]
    execution = aws.run(
        "stepfunctions", "start_execution", stateMachineArn=arn, name="x", input='{"a":1}'
    )
    return str(execution["executionArn"])


def ended(aws: Aws, execution: str) -> dict[str, Any]:
    for _ in range(600):
        found = aws.run("stepfunctions", "describe_execution", executionArn=execution)
        if found["status"] != "RUNNING":
            return found
        time.sleep(0.05)
    raise AssertionError("It runs on and on.")


def received(aws: Aws, queue: str) -> str:
    for _ in range(600):
        got = aws.run("sqs", "receive_message", QueueUrl=queue, WaitTimeSeconds=1)
        if got.get("Messages"):
            return str(got["Messages"][0]["Body"])
    raise AssertionError("Nothing came.")


def test_task__sends_a_message_as_the_machines_role(sandbox: AwsSandbox, aws: Aws) -> None:
    queue = aws.run("sqs", "create_queue", QueueName="q")["QueueUrl"]
    state = {
        "Resource": "arn:aws:states:::sqs:sendMessage",
        "Parameters": {"QueueUrl": queue, "MessageBody.$": "$"},
    }
    assert ended(aws, started(aws, state))["status"] == "SUCCEEDED"
    assert json.loads(received(aws, queue)) == {"a": 1}
    principal = sandbox.calls.all("sqs", "send_message")[0].principal
    assert principal == "arn:aws:sts::111122223333:assumed-role/states/states"


def test_task_that_waits__ends_with_the_token(sandbox: AwsSandbox, aws: Aws) -> None:
    queue = aws.run("sqs", "create_queue", QueueName="q")["QueueUrl"]
    state = {
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": queue, "MessageBody": {"token.$": "$$.Task.Token"}},
    }
    execution = started(aws, state)
    token = json.loads(received(aws, queue))["token"]
    aws.run("stepfunctions", "send_task_success", taskToken=token, output='{"done":true}')
    assert json.loads(ended(aws, execution)["output"]) == {"done": True}


def test_task__reaches_services_that_are_faked(sandbox: AwsSandbox, aws: Aws) -> None:
    state = {"Resource": "arn:aws:states:::aws-sdk:datazone:listDomains", "Parameters": {}}
    found = ended(aws, started(aws, state))
    assert (found["status"], sandbox.calls.count("datazone", "list_domains")) == ("SUCCEEDED", 1)


def test_task__meets_planned_faults(sandbox: AwsSandbox, aws: Aws) -> None:
    sandbox.faults.add(Fault("glue", "GetDatabases", "error", code="InvalidInputException"))
    state = {"Resource": "arn:aws:states:::aws-sdk:glue:getDatabases", "Parameters": {}}
    found = ended(aws, started(aws, state))
    assert found["status"] == "FAILED"
    assert "InvalidInput" in found["error"]


PASS = {"Type": "Pass", "End": True}


@pytest.mark.parametrize(
    ("machine", "code", "location"),
    [
        ({"StartAt": "A", "States": {"A": PASS}}, None, None),
        ({"StartAt": "B", "States": {"A": PASS}}, "MISSING_TRANSITION_TARGET", "/StartAt"),
        ({"StartAt": "A", "States": {}}, "SCHEMA_VALIDATION_FAILED", "/States"),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "Nowhere"}}},
            "MISSING_TRANSITION_TARGET",
            "/States/A/Next",
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Pass"}}},
            "SCHEMA_VALIDATION_FAILED",
            "/States/A",
        ),
        (
            {"StartAt": "A", "States": {"A": {"Type": "Task", "End": True}}},
            "SCHEMA_VALIDATION_FAILED",
            "/States/A/Resource",
        ),
        (
            {
                "StartAt": "A",
                "States": {"A": {"Type": "Choice", "Choices": [{"Next": "B"}], "Default": "A"}},
            },
            "MISSING_TRANSITION_TARGET",
            "/States/A/Choices[0]/Next",
        ),
        (
            {
                "StartAt": "A",
                "States": {
                    "A": {
                        "Type": "Map",
                        "End": True,
                        "ItemProcessor": {"StartAt": "B", "States": {"C": PASS}},
                    }
                },
            },
            "MISSING_TRANSITION_TARGET",
            "/States/A/ItemProcessor/StartAt",
        ),
    ],
)
def test_definition__is_told_what_does_not_hang_together(
    aws: Aws, machine: dict[str, Any], code: str | None, location: str | None
) -> None:
    text = json.dumps(machine)
    found = aws.run("stepfunctions", "validate_state_machine_definition", definition=text)
    if code is None:
        assert (found["result"], found["diagnostics"]) == ("OK", [])
        return
    assert found["result"] == "FAIL"
    assert [(each["code"], each["location"]) for each in found["diagnostics"]] == [(code, location)]
    with pytest.raises(AwsRejected) as refused:
        aws.run("stepfunctions", "create_state_machine", name="m", definition=text, roleArn=ROLE)
    assert refused.value.aws_code == "InvalidDefinition"


def test_token__is_sent_while_another_execution_begins__is_sent_again_once_that_has_begun() -> None:
    starting: list[Any] = [None, SimpleNamespace(callback_pool_manager=Answer(200))]

    def answer() -> Answer:
        found: Answer = starting.pop(0).callback_pool_manager
        return found

    assert once_begun(CALLER, answer).status == 200
    assert starting == []


def test_token__another_mistake_is_no_execution_that_begins() -> None:
    starting: list[Any] = [SimpleNamespace(), SimpleNamespace(callback_pool_manager=Answer(200))]
    with pytest.raises(AttributeError):
        once_begun(CALLER, lambda: cast("Answer", starting.pop(0).callback_pool_manager))
    assert len(starting) == 1
