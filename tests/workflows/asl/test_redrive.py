"""Redrive: goes on from what failed, and keeps what succeeded."""

from typing import Any

import pytest

from meshplane.kit.errors import Conflict
from tests.workflows.asl.driving import Driver

OPERATION = "meshplane:work"


def task(name: str, **more: Any) -> dict[str, Any]:
    return {name: {"Type": "Task", "Resource": OPERATION, "End": True, **more}}


def one_after_another() -> dict[str, Any]:
    return {
        "StartAt": "First",
        "States": {
            "First": {"Type": "Task", "Resource": OPERATION, "Next": "Second"},
            **task("Second", Retry=[{"ErrorEquals": ["Bad"], "MaxAttempts": 1}]),
        },
    }


def a_map(mode: str, **more: Any) -> dict[str, Any]:
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    processor = {"ProcessorConfig": config, "StartAt": "Ask", "States": task("Ask")}
    return {
        "StartAt": "Each",
        "States": {"Each": {"Type": "Map", "ItemProcessor": processor, "End": True, **more}},
    }


def redriven(driver: Driver) -> None:
    driver.take(driver.run.redrive(driver.now))
    driver.settle()


@pytest.mark.parametrize("restores", [False, True])
def test_failed_task__is_asked_again_with_its_key_and_fresh_retries(restores: bool) -> None:
    driver = Driver(one_after_another(), {}, restores=restores)
    driver.settle()
    driver.answer(driver.requests[0], {"n": 1})
    driver.settle()
    driver.refuse(driver.requests[0], "Bad")
    driver.wait()
    driver.refuse(driver.requests[0], "Bad")
    assert driver.run.outcome is not None
    redriven(driver)
    driver.refuse(driver.requests[0], "Bad")
    driver.wait()
    driver.answer(driver.requests[0], {"n": 2})
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == {"n": 2}
    keys = [request.key for request in driver.all_requests]
    assert len(set(keys)) == 2
    assert keys[1:] == [keys[1]] * 4
    assert driver.types.count("TaskStateEntered") == 2
    assert driver.types.count("ExecutionRedriven") == 1


@pytest.mark.parametrize("mode", ["INLINE", "DISTRIBUTED"])
@pytest.mark.parametrize("restores", [False, True])
def test_map__items_that_succeeded_are_not_done_again(mode: str, restores: bool) -> None:
    driver = Driver(a_map(mode, MaxConcurrency=3), [0, 1, 2, 3, 4], restores=restores)
    driver.settle()
    zero, one, two = driver.requests
    driver.answer(zero, "zero")
    driver.settle()
    driver.refuse(one, "Bad")
    assert driver.run.outcome is not None
    redriven(driver)
    asked = sorted(request.parameters for request in driver.requests)
    assert asked == [1, 2, 3]
    while driver.requests:
        request = driver.requests[0]
        driver.answer(request, f"again {request.parameters}")
        driver.settle()
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == ["zero", "again 1", "again 2", "again 3", "again 4"]
    again = [request.key for request in driver.all_requests if request.parameters == 2]
    assert again == [two.key] * 2


def test_parallel__branches_that_succeeded_keep_their_outputs() -> None:
    definition = {
        "StartAt": "Both",
        "States": {
            "Both": {
                "Type": "Parallel",
                "Branches": [
                    {"StartAt": "A", "States": task("A")},
                    {"StartAt": "B", "States": task("B")},
                ],
                "End": True,
            }
        },
    }
    driver = Driver(definition, {}, restores=True)
    driver.settle()
    first, second = driver.requests
    driver.answer(first, "a")
    driver.refuse(second, "Bad")
    redriven(driver)
    assert [request.state for request in driver.requests] == ["B"]
    driver.answer(driver.requests[0], "b")
    driver.settle()
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == ["a", "b"]


def test_stopped__goes_on_where_it_was() -> None:
    driver = Driver(one_after_another(), {}, restores=True)
    driver.settle()
    driver.take(driver.run.stop(None, None, driver.now))
    redriven(driver)
    assert [request.state for request in driver.requests] == ["First"]


def test_timed_out__has_its_whole_time_again() -> None:
    definition = {
        "TimeoutSeconds": 10,
        "StartAt": "Wait",
        "States": {"Wait": {"Type": "Wait", "Seconds": 8, "Next": "Ask"}, **task("Ask")},
    }
    driver = Driver(definition, {}, restores=True)
    driver.settle()
    driver.wait()
    driver.settle()
    driver.wait()
    assert driver.run.outcome is not None
    assert driver.run.outcome.status == "TIMED_OUT"
    redriven(driver)
    assert driver.run.next_due() == (driver.now + 10, "0")
    driver.answer(driver.requests[0], "in time")
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == "in time"


def test_redrive__counts_and_is_told_in_the_context() -> None:
    definition = one_after_another()
    definition["States"]["Second"] |= {"Parameters": {"redrives.$": "$$.Execution.RedriveCount"}}
    driver = Driver(definition, {})
    driver.settle()
    driver.answer(driver.requests[0], {})
    driver.settle()
    for count in range(3):
        assert driver.requests[0].parameters == {"redrives": count}
        driver.refuse(driver.requests[0], "Other")
        redriven(driver)


def test_running_or_succeeded__cannot_be_redriven() -> None:
    driver = Driver(one_after_another(), {})
    driver.settle()
    with pytest.raises(Conflict) as running:
        driver.run.redrive(driver.now)
    assert running.value.code == "EXECUTION_NOT_REDRIVABLE"
    for _ in range(2):
        driver.answer(driver.requests[0], {})
        driver.settle()
    with pytest.raises(Conflict):
        driver.run.redrive(driver.now)


def test_output_that_could_not_be_made__is_made_anew_from_the_outputs() -> None:
    definition = a_map("INLINE", ResultPath="$.x")
    driver = Driver(definition, [1])
    driver.settle()
    driver.answer(driver.requests[0], 1)
    driver.settle()
    assert driver.run.outcome is not None
    assert driver.run.outcome.error == "States.ResultPathMatchFailure"
    redriven(driver)
    assert not driver.requests
    assert driver.types.count("MapIterationStarted") == 1
