"""The commands of workflows and approvals against a real server, and those that ask none."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.builders.server import Server, running_server
from tests.builders.terminal import Terminal, type_offline

ASK: dict[str, Any] = {
    "StartAt": "Ask",
    "States": {
        "Ask": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
            "Parameters": {
                "QueueUrl": "approval-queue",
                "MessageBody": {
                    "taskToken.$": "$$.Task.Token",
                    "title.$": "$.title",
                    "steps": [
                        {"stepName": "first", "approvers": ["group:elders"]},
                        {"stepName": "second", "approvers": ["group:elders"]},
                    ],
                },
            },
            "TimeoutSeconds": 604800,
            "ResultPath": "$.answer",
            "Next": "Done",
        },
        "Done": {"Type": "Succeed"},
    },
}
PASS = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}'
WRONG = '{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}'


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as running:
        yield running


@pytest.fixture(scope="module")
def admin(server: Server) -> Terminal:
    return Terminal(server, "admin@mesh", "mesh-admins")


@pytest.fixture(scope="module")
def asker(server: Server) -> Terminal:
    return Terminal(server, "young@hall", "elders")


@pytest.fixture(scope="module")
def elders(server: Server) -> tuple[Terminal, Terminal]:
    return Terminal(server, "ada@hall", "elders"), Terminal(server, "bessie@hall", "elders")


@pytest.fixture(scope="module")
def ask(admin: Terminal) -> str:
    put = admin.json("workflows", "put", "ask", json.dumps(ASK))
    return str(put["name"])


def waiting(elder: Terminal, execution: str) -> str:
    """The approval that an execution waits for, once it is in the inbox."""
    give_up = time.monotonic() + 20
    while time.monotonic() < give_up:
        for item in elder.json("approvals", "list")["items"]:
            if item["executionId"] == execution:
                return str(item["workflowId"])
    raise AssertionError(f"nobody was asked by {execution}")


def test_validate__a_right_definition__no_problems_exit_code_0(tmp_path: Path) -> None:
    file = tmp_path / "pass.asl.json"
    file.write_text(PASS, "utf-8")
    result = type_offline("workflows", "validate", str(file))
    assert (result.exit_code, result.stdout) == (0, "No problems.\n")


def test_validate__a_wrong_one__a_table_with_the_place_exit_code_1() -> None:
    result = type_offline("workflows", "validate", WRONG)
    assert result.exit_code == 1
    assert "/States/A/Next" in result.stdout
    assert "MISSING_TRANSITION_TARGET" in result.stdout
    document = json.loads(type_offline("workflows", "validate", "-", "--json", given=WRONG).stdout)
    assert document["valid"] is False
    assert {problem["severity"] for problem in document["problems"]} == {"ERROR"}


def test_validate__a_trap__warns_and_is_still_valid() -> None:
    untimed = json.loads(json.dumps(ASK))
    del untimed["States"]["Ask"]["TimeoutSeconds"]
    result = type_offline("workflows", "validate", json.dumps(untimed))
    assert result.exit_code == 0
    assert "warning" in result.stdout


@pytest.mark.parametrize("given", ["{", "", "no-such-file.json"])
def test_validate__what_is_no_definition__exit_code_1_in_words(given: str) -> None:
    result = type_offline("workflows", "validate", given)
    assert result.exit_code == 1
    assert "Traceback" not in result.output


def test_test__with_answers_in_turn__shows_the_retry_and_the_output() -> None:
    definition = json.loads(json.dumps(ASK))
    definition["States"]["Ask"]["Retry"] = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60}]
    answers = {"Ask": {"inTurn": [{"error": "Busy", "cause": "not now"}, {"approved": True}]}}
    words = ("workflows", "test", json.dumps(definition), "--tasks", json.dumps(answers))
    document = json.loads(type_offline(*words, "--input", '{"title": "A lamp"}', "--json").stdout)
    assert document["status"] == "SUCCEEDED"
    assert document["output"] == {"title": "A lamp", "answer": {"approved": True}}
    assert [event["type"] for event in document["events"]].count("TaskScheduled") == 2
    shown = type_offline(*words, "--input", '{"title": "A lamp"}')
    assert "Busy: not now" in shown.stdout
    assert "SUCCEEDED" in shown.stdout


def test_test__a_wait_of_a_week_that_nobody_answers__ends_at_once_with_exit_code_1() -> None:
    resource = ASK["States"]["Ask"]["Resource"]
    words = ("workflows", "test", json.dumps(ASK), "--input", '{"title": "A lamp"}')
    begun = time.monotonic()
    result = type_offline(*words, "--tasks", json.dumps({resource: {"pending": True}}), "--json")
    assert time.monotonic() - begun < 5
    assert result.exit_code == 1
    document = json.loads(result.stdout)
    assert (document["status"], document["error"]) == ("FAILED", "States.Timeout")


def test_test__as_a_diagram__says_what_ran_and_what_failed() -> None:
    result = type_offline(
        "workflows",
        "test",
        json.dumps(ASK),
        "--input",
        '{"title": "A lamp"}',
        "--tasks",
        '{"Ask": {"error": "No"}}',
        "--mermaid",
    )
    assert result.stdout.startswith("flowchart TD\n")
    assert '["Ask"]:::failed' in result.stdout
    assert '(("Done")):::untouched' in result.stdout


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((WRONG,), "STATE_MACHINE_INVALID"),
        ((PASS, "--input", "{"), "JSON_INVALID"),
        ((PASS, "--tasks", "[]"), "JSON_INVALID"),
        ((PASS, "--tasks", '{"Misspelt": 1}'), "ANSWERS_INVALID"),
        ((json.dumps(ASK), "--tasks", '{"Ask": {"inTurn": []}}'), "ANSWERS_INVALID"),
    ],
)
def test_test__what_cannot_be_run__exit_code_1_says_why(words: tuple[str, ...], code: str) -> None:
    result = type_offline("workflows", "test", *words)
    assert result.exit_code == 1
    assert code in result.stderr


def test_put_and_start__the_output_after_waiting(admin: Terminal, asker: Terminal) -> None:
    admin.json("workflows", "put", "echo", PASS)
    assert "echo" in admin.type("workflows", "list").stdout
    assert "StartAt" in asker.type("workflows", "show", "echo").stdout
    done = asker.json("workflows", "start", "echo", "--input", '{"a": 1}', "--wait")
    assert (done["status"], done["output"], done["startedBy"]) == (
        "SUCCEEDED",
        {"a": 1},
        "user:young@hall",
    )


def test_start__the_same_name_twice__starts_once(admin: Terminal, asker: Terminal) -> None:
    admin.json("workflows", "put", "echo", PASS)
    words = ("workflows", "start", "echo", "--name", "once", "--input")
    first = asker.json(*words, "[1]")
    assert asker.json(*words, "[1]")["startedAt"] == first["startedAt"]
    other = asker.type(*words, "[2]")
    assert other.exit_code == 1
    assert "EXECUTION_EXISTS" in other.stderr
    listed = admin.json("workflows", "executions", "--machine", "echo", "--status", "succeeded")
    assert [item["name"] for item in listed["items"]].count("once") == 1


def test_put__a_wrong_definition__is_refused_with_its_place(admin: Terminal) -> None:
    result = admin.type("workflows", "put", "broken", WRONG)
    assert result.exit_code == 1
    assert "/States/A/Next" in result.stderr


def test_put__by_someone_who_may_not__is_refused(asker: Terminal) -> None:
    result = asker.type("workflows", "put", "mine", PASS, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["code"] == "FORBIDDEN"


def test_approve__both_steps_by_two_people__the_execution_goes_on(
    asker: Terminal, elders: tuple[Terminal, Terminal], ask: str
) -> None:
    asker.json("workflows", "start", ask, "--name", "lamp", "--input", '{"title": "A lamp"}')
    approval = waiting(elders[0], "ask:lamp")
    own = asker.type("approvals", "approve", approval)
    assert own.exit_code == 1
    assert "SELF_APPROVAL" in own.stderr
    assert "A lamp" in elders[0].type("approvals", "show", approval).stdout
    elders[0].json("approvals", "approve", approval, "--comment", "fine")
    first = elders[0].json("approvals", "show", approval)
    assert [step["status"] for step in first["steps"]] == ["APPROVED", "IN_PROGRESS"]
    again = elders[0].type("approvals", "approve", approval)
    assert "SAME_APPROVER" in again.stderr
    assert "approved" in elders[1].type("approvals", "approve", approval).stdout
    done = asker.json("workflows", "describe", "ask:lamp", "--wait")
    assert done["output"]["answer"]["approvedBy"] == "user:bessie@hall"


def test_reject__the_execution_fails__describe_ends_with_exit_code_1(
    asker: Terminal, elders: tuple[Terminal, Terminal], ask: str
) -> None:
    asker.json("workflows", "start", ask, "--name", "rug", "--input", '{"title": "A rug"}')
    elders[0].json("approvals", "reject", waiting(elders[0], "ask:rug"), "--comment", "too red")
    result = asker.type("workflows", "describe", "ask:rug", "--wait")
    assert result.exit_code == 1
    assert "APPROVAL_REJECTED" in result.stdout
    assert "too red" in result.stdout


def test_history__as_a_table_and_as_a_diagram__of_one_that_waits(
    asker: Terminal, elders: tuple[Terminal, Terminal], ask: str
) -> None:
    asker.json("workflows", "start", ask, "--name", "door", "--input", '{"title": "A door"}')
    waiting(elders[0], "ask:door")
    shown = asker.type("workflows", "history", "ask:door").stdout
    assert "TaskSubmitted" in shown
    assert "ExecutionStarted" in shown
    events = asker.json("workflows", "history", "ask:door")["items"]
    assert [event["id"] for event in events] == list(range(1, len(events) + 1))
    drawn = asker.type("workflows", "history", "ask:door", "--mermaid").stdout
    assert '["Ask"]:::waits' in drawn


def test_stop_and_redrive__ends_and_goes_on_where_it_was(admin: Terminal, asker: Terminal) -> None:
    pause = {"Type": "Wait", "Seconds": 3, "End": True}
    admin.json("workflows", "put", "pause", json.dumps({"StartAt": "A", "States": {"A": pause}}))
    asker.json("workflows", "start", "pause", "--name", "roof")
    stopped = asker.json("workflows", "stop", "pause:roof", "--error", "Rain", "--cause", "wet")
    assert (stopped["status"], stopped["error"]) == ("ABORTED", "Rain")
    done = asker.json("workflows", "redrive", "pause:roof", "--wait")
    assert (done["status"], done["redriveCount"]) == ("SUCCEEDED", 1)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("workflows", "start", "not-there"), "STATE_MACHINE_UNKNOWN"),
        (("workflows", "describe", "no:thing"), "EXECUTION_UNKNOWN"),
        (("workflows", "history", "no:thing", "--mermaid"), "EXECUTION_UNKNOWN"),
        (("workflows", "stop", "a:b?c#d"), "EXECUTION_UNKNOWN"),
        (("approvals", "show", "workflow-none"), "APPROVAL_NOT_FOUND"),
    ],
)
def test_what_is_not_there__exit_code_1_by_its_name(
    asker: Terminal, words: tuple[str, ...], code: str
) -> None:
    result = asker.type(*words)
    assert result.exit_code == 1
    assert code in result.stderr
