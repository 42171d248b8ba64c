"""Parallel: branches at once, one list of outputs, and the first failure."""

from typing import Any

from meshplane.workflows.asl import TaskFailed, execute
from tests.workflows.asl.driving import Driver

OPERATION = "meshplane:work"


def branch(name: str, **state: Any) -> dict[str, Any]:
    return {"StartAt": name, "States": {name: {"End": True, **state}}}


def parallel(*branches: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "StartAt": "Both",
        "States": {
            "Both": {"Type": "Parallel", "Branches": list(branches), "Next": "Last", **more},
            "Last": {"Type": "Pass", "End": True},
        },
    }


def fails(name: str, error: str = "Bad") -> dict[str, Any]:
    return {"StartAt": name, "States": {name: {"Type": "Fail", "Error": error, "Cause": "why"}}}


def test_outputs__come_in_the_order_of_the_branches() -> None:
    definition = parallel(
        branch("Slow", Type="Wait", Seconds=100),
        branch("Quick", Type="Pass", Result="quick"),
        Parameters={"in.$": "$.v"},
        ResultPath="$.r",
    )
    assert execute(definition, {"v": 1}).output == {"v": 1, "r": [{"in": 1}, "quick"]}


def test_failure__stops_the_others_and_is_caught_with_error_and_cause() -> None:
    definition = parallel(
        branch("Waits", Type="Wait", Seconds=100),
        fails("Fails"),
        Catch=[{"ErrorEquals": ["Bad"], "ResultPath": "$.e", "Next": "Last"}],
    )
    result = execute(definition, {"v": 1})
    assert result.output == {"v": 1, "e": {"Error": "Bad", "Cause": "why"}}
    assert [event.type for event in result.events] == [
        "ExecutionStarted",
        "ParallelStateEntered",
        "ParallelStateStarted",
        "WaitStateEntered",
        "FailStateEntered",
        "ParallelStateFailed",
        "ParallelStateExited",
        "PassStateEntered",
        "PassStateExited",
        "ExecutionSucceeded",
    ]


def test_failure__cancels_the_tasks_of_the_others() -> None:
    definition = parallel(
        branch("Asks", Type="Task", Resource=OPERATION, TimeoutSeconds=9), fails("Fails")
    )
    driver = Driver(definition, {})
    driver.turn()
    driver.turn()
    turn = driver.run.advance("0.2", driver.now)
    assert turn.cancelled == ["0.1"]
    assert driver.run.outcome is not None
    assert driver.run.outcome.error == "Bad"


def test_retry__runs_all_branches_again() -> None:
    tries: list[str] = []

    def work(_: Any) -> Any:
        tries.append("asked")
        if len(tries) < 3:
            raise TaskFailed("Bad")
        return len(tries)

    definition = parallel(
        branch("Asks", Type="Task", Resource=OPERATION),
        branch("Passes", Type="Pass", Result=1),
        Retry=[{"ErrorEquals": ["States.ALL"], "IntervalSeconds": 1}],
    )
    result = execute(definition, {}, {OPERATION: work})
    assert result.output == [3, 1]
    types = [event.type for event in result.events]
    assert types.count("ParallelStateStarted") == 3
    assert types.count("ParallelStateEntered") == 1
    assert "ParallelStateFailed" not in types


def test_variables__of_outside_are_seen_and_those_of_inside_are_not() -> None:
    inner = {
        "StartAt": "Sets",
        "States": {
            "Sets": {"Type": "Pass", "Assign": {"inner.$": "$outer"}, "Next": "Reads"},
            "Reads": {"Type": "Pass", "Parameters": {"i.$": "$inner"}, "End": True},
        },
    }
    definition = {
        "StartAt": "First",
        "States": {
            "First": {"Type": "Pass", "Assign": {"outer": 5}, "Next": "Both"},
            "Both": {"Type": "Parallel", "Branches": [inner], "End": True},
        },
    }
    assert execute(definition, {}).output == [{"i": 5}]
    driver = Driver(definition, {})
    driver.settle()
    assert driver.run.branches == {} or "inner" not in driver.kept["0"]


def test_nested__failure_goes_up_until_it_is_caught() -> None:
    inner = parallel(fails("Deep", "Deep"))
    definition = parallel(inner, Catch=[{"ErrorEquals": ["Deep"], "Next": "Last"}])
    inner["States"]["Inside"] = inner["States"].pop("Both")
    inner["States"]["InsideLast"] = inner["States"].pop("Last")
    inner["StartAt"] = "Inside"
    inner["States"]["Inside"]["Next"] = "InsideLast"
    result = execute(definition, {})
    assert result.output == {"Error": "Deep", "Cause": "why"}
