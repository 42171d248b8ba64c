"""Timeouts and heartbeats of tasks, the timeout of an execution, and answers that come too late."""

from collections.abc import Callable
from typing import Any

import pytest

from meshplane.workflows.asl import PENDING, TaskGone, execute
from tests.workflows.asl.driving import START, Driver

TOKEN = "arn:aws:states:::sqs:sendMessage.waitForTaskToken"


def waits(**more: Any) -> dict[str, Any]:
    return {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": TOKEN,
                "Parameters": {"QueueUrl": "q", "MessageBody": {"t.$": "$$.Task.Token"}},
                "End": True,
                **more,
            }
        },
    }


def nobody(*_: Any) -> Any:
    return PENDING


def test_task__nobody_answers_in_time() -> None:
    result = execute(waits(TimeoutSeconds=60), {}, nobody)
    assert (result.status, result.error) == ("FAILED", "States.Timeout")
    assert [event.type for event in result.events][-2:] == ["TaskTimedOut", "ExecutionFailed"]
    assert result.events[-1]["timestamp"].startswith("2026-01-01T00:01:00")


@pytest.mark.parametrize("seconds", [{"TimeoutSecondsPath": "$.n"}, {"TimeoutSeconds": 60}])
def test_timeout__literal_or_by_path(seconds: dict[str, Any]) -> None:
    result = execute(waits(**seconds), {"n": 60}, nobody)
    assert result.events[-1]["timestamp"].startswith("2026-01-01T00:01:00")


def test_heartbeat__missed_has_a_name_of_its_own_that_timeout_takes_too() -> None:
    result = execute(waits(TimeoutSeconds=60, HeartbeatSeconds=10), {}, nobody)
    assert result.error == "States.HeartbeatTimeout"
    retried = waits(
        TimeoutSeconds=60,
        HeartbeatSeconds=10,
        Retry=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 1}],
    )
    result = execute(retried, {}, nobody)
    assert [event.type for event in result.events].count("TaskTimedOut") == 2


def test_heartbeats__keep_a_task_alive_until_its_timeout() -> None:
    driver = Driver(waits(TimeoutSeconds=35, HeartbeatSeconds=10), {}, restores=True)
    driver.settle()
    request = driver.requests[0]
    for elapsed in (8, 16, 24, 32):
        driver.now = START + elapsed
        driver.take(driver.run.beat(request.branch_id, request.attempt, driver.now))
    assert driver.run.next_due() == (START + 35, "0")
    driver.wait()
    assert driver.run.outcome is not None
    assert driver.run.outcome.error == "States.Timeout"


def test_each_try__has_its_own_token_and_only_the_last_is_answered() -> None:
    driver = Driver(
        waits(TimeoutSeconds=10, Retry=[{"ErrorEquals": ["States.Timeout"], "MaxAttempts": 3}]), {}
    )
    driver.settle()
    driver.wait()
    driver.wait()
    first, second = driver.all_requests
    assert first.token != second.token
    with pytest.raises(TaskGone):
        driver.run.succeed(first.branch_id, first.attempt, {}, driver.now)
    driver.answer(second, {"ok": True})
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == {"ok": True}


def test_answer__comes_once() -> None:
    driver = Driver(waits(TimeoutSeconds=10), {})
    driver.settle()
    request = driver.requests[0]
    driver.answer(request, 1)
    run, task = driver.run, (request.branch_id, request.attempt)
    late: list[Callable[[], Any]] = [
        lambda: run.succeed(*task, 2, driver.now),
        lambda: run.fail(*task, "Bad", None, driver.now),
        lambda: run.beat(*task, driver.now),
    ]
    for answer in late:
        with pytest.raises(TaskGone) as gone:
            answer()
        assert gone.value.code == "TASK_GONE"


def test_wake__before_anything_is_due_does_nothing() -> None:
    driver = Driver(waits(TimeoutSeconds=10), {})
    driver.settle()
    turn = driver.run.wake("0", START + 9)
    assert (turn.events, turn.changed, turn.cancelled) == ([], [], [])
    assert driver.run.wake("0", START + 10).cancelled == ["0"]


def test_execution__its_own_timeout_ends_it_and_cannot_be_caught() -> None:
    definition = waits(Catch=[{"ErrorEquals": ["States.ALL"], "Next": "Last"}])
    definition["States"]["Last"] = {"Type": "Succeed"}
    definition["TimeoutSeconds"] = 5
    result = execute(definition, {}, nobody)
    assert (result.status, result.error, result.cause) == ("TIMED_OUT", None, None)
    assert result.events[-1].type == "ExecutionTimedOut"


def test_execution__of_more_than_a_year_ends_and_says_why() -> None:
    definition = {
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Timestamp": "3026-01-01T00:00:00Z", "End": True}},
    }
    result = execute(definition, {})
    assert (result.status, result.error) == ("TIMED_OUT", "States.Timeout")
    assert "a year" in (result.cause or "")


def test_stop__aborts_and_cancels() -> None:
    driver = Driver(waits(TimeoutSeconds=10), {})
    driver.settle()
    turn = driver.run.stop("Stopped", "by hand", driver.now)
    assert turn.cancelled == ["0"]
    assert [event.type for event in turn.events] == ["ExecutionAborted"]
    outcome = driver.run.outcome
    assert outcome is not None
    assert (outcome.status, outcome.error, outcome.cause) == ("ABORTED", "Stopped", "by hand")
    assert driver.run.next_due() is None
    assert driver.run.stop("Again", None, driver.now).events == []
