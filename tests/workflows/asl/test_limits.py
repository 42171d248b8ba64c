"""Limits: what would go on for ever, or grow without end, ends with a clear error."""

import time
from typing import Any

import pytest

from meshplane.kit.errors import Conflict
from meshplane.workflows.asl import TaskFailed, execute
from tests.workflows.asl.driving import Driver

OPERATION = "meshplane:work"
FULL = "The execution reached the maximum number of history events (25000)."


def endless() -> dict[str, Any]:
    return {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Next": "B"},
            "B": {
                "Type": "Choice",
                "Choices": [{"Variable": "$.stop", "IsPresent": True, "Next": "C"}],
                "Default": "A",
            },
            "C": {"Type": "Succeed"},
        },
    }


def test_endless_loop__ends_when_its_history_is_full() -> None:
    result = execute(endless(), {})
    assert (result.status, result.error, result.cause) == ("FAILED", "States.Runtime", FULL)
    assert len(result.events) == 25_000
    assert result.events[-1].type == "ExecutionFailed"


def test_full_history__cannot_be_redriven() -> None:
    driver = Driver(endless(), {})
    driver.settle()
    with pytest.raises(Conflict) as full:
        driver.run.redrive(driver.now)
    assert full.value.code == "EXECUTION_HISTORY_FULL"


def test_inline_map__fills_the_history_of_its_execution() -> None:
    definition = a_map("INLINE")
    result = execute(definition, list(range(10_000)))
    assert (result.status, result.cause) == ("FAILED", FULL)


def a_map(mode: str, states: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    processor = states or {"StartAt": "Same", "States": {"Same": {"Type": "Pass", "End": True}}}
    return {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "ItemProcessor": {"ProcessorConfig": config, **processor},
                "End": True,
                **more,
            }
        },
    }


def test_endless_child_of_a_distributed_map__fails_alone() -> None:
    definition = a_map("DISTRIBUTED", endless(), ToleratedFailureCount=1)
    result = execute(definition, [{"stop": True}, {}, {"stop": True}])
    assert result.status == "SUCCEEDED"
    assert result.output[0] == result.output[2] == {"stop": True}
    assert (result.output[1]["Error"], result.output[1]["Cause"]) == ("States.Runtime", FULL)


def test_output__over_the_limit() -> None:
    definition = {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": OPERATION,
                "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Last"}],
                "End": True,
            },
            "Last": {"Type": "Succeed"},
        },
    }
    at_limit = execute(definition, {}, {OPERATION: lambda _: "x" * 262_142})
    assert at_limit.status == "SUCCEEDED"
    over = execute(definition, {}, {OPERATION: lambda _: "x" * 262_143})
    assert (over.status, over.error) == ("FAILED", "States.DataLimitExceeded")
    assert over.cause == (
        f"The state/task '{OPERATION}' returned a result with a size exceeding the maximum number"
        " of bytes service limit."
    )


def test_output__that_doubles_itself_ends() -> None:
    definition = endless()
    definition["States"]["A"] |= {"Parameters": {"a.$": "$", "b.$": "$"}}
    result = execute(definition, {})
    assert (result.status, result.error) == ("FAILED", "States.DataLimitExceeded")


def test_joined_outputs__over_the_limit() -> None:
    states = {
        "StartAt": "Large",
        "States": {"Large": {"Type": "Pass", "Result": "x" * 100_000, "End": True}},
    }
    result = execute(a_map("INLINE", states), [1, 2, 3])
    assert (result.status, result.error) == ("FAILED", "States.DataLimitExceeded")
    assert "'Each'" in (result.cause or "")


def test_caught_limit__that_is_passed_again_is_not_caught_for_ever() -> None:
    large = "x" * 262_000
    definition = {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": OPERATION,
                "Catch": [
                    {
                        "ErrorEquals": ["States.DataLimitExceeded"],
                        "ResultPath": "$.error",
                        "Next": "Last",
                    }
                ],
                "End": True,
            },
            "Last": {"Type": "Succeed"},
        },
    }
    result = execute(definition, {"v": large}, {OPERATION: lambda _: large * 2})
    assert (result.status, result.error) == ("FAILED", "States.DataLimitExceeded")


def test_ten_million_items__are_refused() -> None:
    definition = {"QueryLanguage": "JSONata", **a_map("INLINE", Items="{% [1..10000000] %}")}
    began = time.monotonic()
    result = execute(definition, {})
    assert result.status == "FAILED"
    assert result.error in ("States.DataLimitExceeded", "States.QueryEvaluationError")
    assert time.monotonic() - began < 5


def test_deep_nesting__of_data_is_an_error_of_its_execution_only() -> None:
    deep: Any = 1
    for _ in range(5_000):
        deep = [deep]
    definition = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": OPERATION, "End": True}},
    }
    result = execute(definition, {}, {OPERATION: lambda _: deep})
    assert result.status == "FAILED"


def test_time__of_a_map_grows_with_its_items_and_no_faster() -> None:
    def seconds(count: int) -> float:
        driver_definition = a_map("DISTRIBUTED")
        began = time.process_time()
        assert execute(driver_definition, list(range(count))).status == "SUCCEEDED"
        return time.process_time() - began

    seconds(100)
    small = min(seconds(1_000) for _ in range(3))
    large = min(seconds(10_000) for _ in range(2))
    assert large < 40 * small  # were it quadratic, it would be a hundred


def test_failing_without_end__is_bounded_by_the_history() -> None:
    def work(_: Any) -> Any:
        raise TaskFailed("Bad")

    retry = [{"ErrorEquals": ["Bad"], "MaxAttempts": 99999999, "MaxDelaySeconds": 1}]
    definition = {
        "StartAt": "A",
        "States": {"A": {"Type": "Task", "Resource": OPERATION, "Retry": retry, "End": True}},
    }
    retry[0]["IntervalSeconds"] = 1
    retry[0]["MaxDelaySeconds"] = 2
    result = execute(definition, {}, {OPERATION: work})
    assert (result.status, result.cause) == ("FAILED", FULL)
