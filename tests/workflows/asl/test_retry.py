"""Retry and Catch: who takes which error, when it is tried again, and what goes on."""

import random
from typing import Any

import pytest

from meshplane.workflows.asl import TaskFailed, execute
from meshplane.workflows.asl.retry import Retrier, takes
from tests.workflows.asl.driving import START, Driver

OPERATION = "meshplane:work"


def asks(**more: Any) -> dict[str, Any]:
    return {
        "StartAt": "Ask",
        "States": {
            "Ask": {"Type": "Task", "Resource": OPERATION, "Next": "Last", **more},
            "Last": {"Type": "Pass", "End": True},
            "Caught": {"Type": "Pass", "Parameters": {"caught.$": "$"}, "End": True},
        },
    }


def catching(*errors: str, **more: Any) -> dict[str, Any]:
    return {"Catch": [{"ErrorEquals": list(errors), "Next": "Caught", **more}]}


def failing(error: str, cause: str | None = "why") -> dict[str, Any]:
    def work(_: Any) -> Any:
        raise TaskFailed(error, cause)

    return {OPERATION: work}


@pytest.mark.parametrize(
    ("names", "error", "taken"),
    [
        (("Bad",), "Bad", True),
        (("Bad",), "Worse", False),
        (("States.ALL",), "Bad", True),
        (("States.ALL",), None, True),
        (("States.ALL",), "States.Timeout", True),
        (("States.ALL",), "States.Runtime", False),
        (("States.Runtime",), "States.Runtime", False),
        (("States.ALL",), "States.DataLimitExceeded", False),
        (("States.DataLimitExceeded",), "States.DataLimitExceeded", True),
        (("States.TaskFailed",), "Bad", True),
        (("States.TaskFailed",), "States.Timeout", False),
        (("States.TaskFailed",), "States.HeartbeatTimeout", False),
        (("States.Timeout",), "States.HeartbeatTimeout", True),
        (("States.HeartbeatTimeout",), "States.Timeout", False),
    ],
)
def test_error_equals(names: tuple[str, ...], error: str | None, taken: bool) -> None:
    assert takes(names, error, of_task=True) is taken


def test_task_failed__stands_for_nothing_outside_of_tasks() -> None:
    assert not takes(("States.TaskFailed",), "Bad", of_task=False)


def test_delays__grow_and_stop_at_the_longest() -> None:
    document = {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 3,
        "BackoffRate": 2,
        "MaxDelaySeconds": 20,
    }
    retrier = Retrier(document)
    delays = [retrier.delay_seconds(used, random.Random(1)) for used in range(5)]
    assert delays == [3, 6, 12, 20, 20]
    assert retrier.delay_seconds(100_000, random.Random(1)) == 20


def test_full_jitter__is_anything_up_to_the_delay() -> None:
    retrier = Retrier({"ErrorEquals": ["x"], "IntervalSeconds": 10, "JitterStrategy": "FULL"})
    delays = [retrier.delay_seconds(0, random.Random(seed)) for seed in range(50)]
    assert all(0 <= delay <= 10 for delay in delays)
    assert len(set(delays)) > 40


def test_retry__waits_and_asks_again_with_the_same_key() -> None:
    retry = [{"ErrorEquals": ["Bad"], "IntervalSeconds": 5, "MaxAttempts": 2}]
    driver = Driver(asks(Retry=retry), {"v": 1})
    driver.settle()
    for delay in (5, 10):
        before = driver.now
        driver.refuse(driver.requests[0], "Bad")
        assert driver.run.next_ready() is None
        driver.wait()
        assert driver.now - before == delay
    assert [request.attempt for request in driver.all_requests] == [1, 2, 3]
    assert [request.retry for request in driver.all_requests] == [0, 1, 2]
    assert len({request.key for request in driver.all_requests}) == 1
    driver.refuse(driver.requests[0], "Bad", "for the third time")
    assert driver.run.outcome is not None
    assert driver.run.outcome.cause == "for the third time"
    assert driver.now - START == 15


def test_retriers__count_for_themselves() -> None:
    retry = [
        {"ErrorEquals": ["Bad"], "MaxAttempts": 1},
        {"ErrorEquals": ["States.ALL"], "MaxAttempts": 1},
    ]
    errors = iter(["Bad", "Worse", "Bad"])
    asked: list[int] = []

    def work(_: Any) -> Any:
        asked.append(1)
        raise TaskFailed(next(errors))

    result = execute(asks(Retry=retry), {}, {OPERATION: work})
    assert (result.error, len(asked)) == ("Bad", 3)


def test_no_attempts__is_no_retry() -> None:
    result = execute(asks(Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 0}]), {}, failing("Bad"))
    assert [event.type for event in result.events].count("TaskFailed") == 1


def test_retry__is_counted_anew_for_each_entry_of_the_state() -> None:
    definition = asks(Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}])
    definition["States"]["Last"] = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.again", "BooleanEquals": True, "Next": "Ask"}],
        "Default": "Caught",
    }
    answers = iter([None, {"again": True}, None, {"again": False}])

    def work(_: Any) -> Any:
        answer = next(answers)
        if answer is None:
            raise TaskFailed("Bad")
        return answer

    assert execute(definition, {}, {OPERATION: work}).status == "SUCCEEDED"


@pytest.mark.parametrize(
    ("catcher", "output"),
    [
        ({}, {"Error": "Bad", "Cause": "why"}),
        ({"ResultPath": "$.e"}, {"v": 1, "e": {"Error": "Bad", "Cause": "why"}}),
        ({"ResultPath": None}, {"v": 1}),
    ],
)
def test_catch__puts_the_error_where_result_path_says(catcher: dict[str, Any], output: Any) -> None:
    result = execute(asks(**catching("States.ALL", **catcher)), {"v": 1}, failing("Bad"))
    assert result.output == {"caught": output}


def test_catch__first_that_takes_the_error_wins_after_the_retries() -> None:
    definition = asks(
        Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}],
        Catch=[
            {"ErrorEquals": ["Other"], "Next": "Last"},
            {"ErrorEquals": ["Bad"], "Next": "Caught"},
            {"ErrorEquals": ["States.ALL"], "Next": "Last"},
        ],
    )
    result = execute(definition, {}, failing("Bad"))
    assert result.output == {"caught": {"Error": "Bad", "Cause": "why"}}
    assert [event.type for event in result.events].count("TaskFailed") == 2


def test_catch__assigns_from_the_error() -> None:
    definition = asks(**catching("States.ALL", Assign={"why.$": "$.Cause"}, ResultPath=None))
    definition["States"]["Caught"]["Parameters"] = {"why.$": "$why"}
    assert execute(definition, {}, failing("Bad")).output == {"why": "why"}


def test_catch__in_jsonata() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": OPERATION,
                "End": True,
                "Catch": [
                    {
                        "ErrorEquals": ["States.ALL"],
                        "Next": "Caught",
                        "Output": "{% [$states.errorOutput.Error, $states.input.v] %}",
                        "Assign": {"cause": "{% $states.errorOutput.Cause %}"},
                    }
                ],
            },
            "Caught": {"Type": "Pass", "Output": "{% [$states.input, $cause] %}", "End": True},
        },
    }
    assert execute(definition, {"v": 1}, failing("Bad")).output == ["Bad", 1, "why"]


def test_runtime_error__is_never_caught() -> None:
    definition = asks(InputPath="$.none", **catching("States.ALL"))
    result = execute(definition, {}, failing("Bad"))
    assert (result.status, result.error) == ("FAILED", "States.Runtime")


def test_query_error__of_a_task_can_be_caught() -> None:
    definition = asks(**catching("States.QueryEvaluationError"))
    definition["States"]["Ask"] |= {"QueryLanguage": "JSONata", "Arguments": "{% $none %}"}
    result = execute(definition, {}, failing("Bad"))
    assert result.status == "SUCCEEDED"
    assert result.output["caught"]["Error"] == "States.QueryEvaluationError"
    assert "EvaluationFailed" in [event.type for event in result.events]
