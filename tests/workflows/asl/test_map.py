"""Map: once for each item, inline or distributed."""

import json
from typing import Any

import pytest

from meshplane.workflows.asl import TaskFailed, execute
from tests.workflows.asl.driving import Driver

OPERATION = "meshplane:work"


def a_map(states: dict[str, Any], *, mode: str = "INLINE", **more: Any) -> dict[str, Any]:
    """A machine of one Map over `states`, the first of which is its start."""
    config = {"Mode": mode, **({"ExecutionType": "STANDARD"} if mode == "DISTRIBUTED" else {})}
    processor = {"ProcessorConfig": config, "StartAt": next(iter(states)), "States": states}
    return {
        "StartAt": "Each",
        "States": {"Each": {"Type": "Map", "ItemProcessor": processor, "End": True, **more}},
    }


def asks(**more: Any) -> dict[str, Any]:
    return {"Ask": {"Type": "Task", "Resource": OPERATION, "End": True, **more}}


PASSES = {"Same": {"Type": "Pass", "End": True}}


def test_outputs__come_in_the_order_of_the_items_whoever_is_first() -> None:
    driver = Driver(a_map(asks()), [1, 2, 3])
    driver.settle()
    assert len(driver.requests) == 3
    for request in sorted(driver.requests, key=lambda each: -each.parameters):
        driver.answer(request, request.parameters * 10)
    driver.settle()
    assert driver.run.outcome is not None
    assert driver.run.outcome.output == [10, 20, 30]


def test_max_concurrency__no_more_than_so_many_at_once() -> None:
    driver = Driver(a_map(asks(), MaxConcurrency=2), list(range(7)))
    driver.settle()
    served = 0
    while driver.requests:
        assert len(driver.requests) <= 2
        driver.answer(driver.requests[0], None)
        served += 1
        driver.settle()
    assert served == 7


def test_inline__at_most_forty_at_once() -> None:
    driver = Driver(a_map(asks()), list(range(100)))
    driver.settle()
    assert len(driver.requests) == 40


def test_items_path_and_selector__make_the_input_of_each() -> None:
    definition = a_map(
        PASSES,
        InputPath="$.order",
        ItemsPath="$.lines",
        ItemSelector={"i.$": "$$.Map.Item.Index", "v.$": "$$.Map.Item.Value", "id.$": "$.id"},
        ResultSelector={"all.$": "$[*].v"},
        ResultPath="$.done",
    )
    result = execute(definition, {"order": {"id": 9, "lines": ["a", "b"]}})
    assert result.output["done"] == {"all": ["a", "b"]}


def test_item__is_in_the_context_of_all_states_of_its_iteration() -> None:
    states = {
        "Inner": {
            "Type": "Parallel",
            "Branches": [
                {
                    "StartAt": "Deep",
                    "States": {
                        "Deep": {
                            "Type": "Pass",
                            "Parameters": {"v.$": "$$.Map.Item.Value"},
                            "End": True,
                        }
                    },
                }
            ],
            "End": True,
        }
    }
    assert execute(a_map(states), ["a", "b"]).output == [[{"v": "a"}], [{"v": "b"}]]


def test_items__that_are_no_list_fail() -> None:
    result = execute(a_map(PASSES, ItemsPath="$.x"), {"x": 1})
    assert result.error == "States.Runtime"
    assert result.cause == (
        "An error occurred while executing the state 'Each' (entered at the event id #2). Reference"
        ' path "$.x" must point to array.'
    )


def test_no_items__no_iterations() -> None:
    result = execute(a_map(PASSES), [])
    assert result.output == []
    assert [event.type for event in result.events][2:4] == ["MapStateStarted", "MapStateSucceeded"]


def test_jsonata_items__are_found_once() -> None:
    definition = {
        "QueryLanguage": "JSONata",
        **a_map(PASSES, Items="{% [1..5].($uuid()) %}", MaxConcurrency=1),
    }
    driver = Driver(definition, {}, restores=True)
    driver.settle()
    assert driver.run.outcome is not None
    assert len(set(driver.run.outcome.output)) == 5


def test_failure__stops_the_others_and_starts_no_more() -> None:
    driver = Driver(a_map(asks(), MaxConcurrency=2), [1, 2, 3])
    driver.settle()
    first, second = driver.requests
    driver.refuse(first, "Bad", "why")
    assert driver.run.outcome is not None
    assert (driver.run.outcome.error, driver.run.outcome.cause) == ("Bad", "why")
    assert [*driver.types[-4:]] == [
        "MapIterationFailed",
        "MapIterationAborted",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert second.branch_id in {"0.2", "0.1"}


def test_a_large_map__is_kept_once_and_not_with_each_turn() -> None:
    items = ["x" * 200] * 1_000
    driver = Driver(a_map(PASSES, MaxConcurrency=1), items)
    entered = 0
    sizes = []
    while driver.run.outcome is None:
        before = driver.largest_turn
        driver.largest_turn = 0
        assert driver.turn()
        sizes.append(driver.largest_turn)
        driver.largest_turn = max(before, driver.largest_turn)
        entered += 1
    # Entering writes the items, and the join writes the outputs; all between is small.
    assert sorted(sizes)[-3] < 2_000
    assert len(sizes) < 1_100


def test_distributed__children_write_histories_of_their_own() -> None:
    result = execute(a_map(PASSES, mode="DISTRIBUTED"), ["a", "b"])
    assert [event.type for event in result.events] == [
        "ExecutionStarted",
        "MapStateEntered",
        "MapStateStarted",
        "MapRunStarted",
        "MapRunSucceeded",
        "MapStateSucceeded",
        "MapStateExited",
        "ExecutionSucceeded",
    ]
    assert len(result.child_events) == 2
    for events in result.child_events.values():
        assert [event["id"] for event in events] == [1, 2, 3, 4]
        assert [event.type for event in events] == [
            "ExecutionStarted",
            "PassStateEntered",
            "PassStateExited",
            "ExecutionSucceeded",
        ]


def test_distributed__ten_thousand_items_go_through() -> None:
    result = execute(a_map(PASSES, mode="DISTRIBUTED"), list(range(10_000)))
    assert result.output == list(range(10_000))
    assert len(result.events) == 8


def test_batches__of_so_many_items_with_an_input_for_all() -> None:
    definition = a_map(
        PASSES,
        mode="DISTRIBUTED",
        ItemsPath="$.items",
        ItemBatcher={"MaxItemsPerBatch": 2, "BatchInput": {"id.$": "$.id"}},
    )
    assert execute(definition, {"id": 7, "items": [1, 2, 3]}).output == [
        {"BatchInput": {"id": 7}, "Items": [1, 2]},
        {"BatchInput": {"id": 7}, "Items": [3]},
    ]


def test_batches__of_so_many_bytes() -> None:
    definition = a_map(PASSES, mode="DISTRIBUTED", ItemBatcher={"MaxInputBytesPerBatch": 100})
    batches = execute(definition, ["x" * 30] * 5).output
    assert [len(batch["Items"]) for batch in batches] == [2, 2, 1]
    assert all(len(json.dumps(batch, separators=(",", ":"))) <= 100 for batch in batches)


def refuses(*bad: int) -> Any:
    def work(item: int) -> Any:
        if item in bad:
            raise TaskFailed("Bad", f"item {item}")
        return item * 10

    return {OPERATION: work}


@pytest.mark.parametrize(
    "tolerance",
    [
        {"ToleratedFailureCount": 2},
        {"ToleratedFailurePercentage": 50},
        {"ToleratedFailureCountPath": "$.most"},
    ],
)
def test_tolerated_failures__stand_in_the_output(
    tolerance: dict[str, Any],
) -> None:
    definition = a_map(asks(), mode="DISTRIBUTED", ItemsPath="$.items", **tolerance)
    value = {"items": [1, 2, 3, 4], "most": 2}
    result = execute(definition, value, refuses(2, 3))
    assert result.status == "SUCCEEDED"
    assert [result.output[0], result.output[3]] == [10, 40]
    assert {name: result.output[1][name] for name in ("Input", "Status", "Error", "Cause")} == {
        "Input": "2",
        "Status": "FAILED",
        "Error": "Bad",
        "Cause": "item 2",
    }


def test_more_failures_than_tolerated__fail_the_map() -> None:
    definition = a_map(asks(), mode="DISTRIBUTED", ToleratedFailureCount=1, MaxConcurrency=1)
    result = execute(definition, [1, 2, 3, 4], refuses(1, 2))
    assert result.error == "States.ExceedToleratedFailureThreshold"
    assert [event.type for event in result.events][-3:] == [
        "MapRunFailed",
        "MapStateFailed",
        "ExecutionFailed",
    ]
    assert len(result.child_events) == 2


def test_variables__of_outside_are_not_seen_by_distributed_children() -> None:
    definition = a_map(
        {"Reads": {"Type": "Pass", "Parameters": {"x.$": "$x"}, "End": True}}, mode="DISTRIBUTED"
    )
    definition["StartAt"] = "Set"
    sets = {"Type": "Pass", "Result": [1], "Assign": {"x": 1}, "Next": "Each"}
    definition["States"]["Set"] = sets
    result = execute(definition)
    assert result.status == "FAILED"
    (child,) = result.child_events.values()
    assert "$x" in child[-1]["executionFailedEventDetails"]["cause"]


@pytest.mark.parametrize(
    ("part", "error"),
    [
        (
            {
                "ItemReader": {
                    "Resource": "arn:aws:states:::s3:getObject",
                    "ReaderConfig": {"InputType": "JSON"},
                    "Parameters": {"Bucket": "b", "Key": "k"},
                }
            },
            "States.ItemReaderFailed",
        ),
        (
            {
                "ResultWriter": {
                    "Resource": "arn:aws:states:::s3:putObject",
                    "Parameters": {"Bucket": "b", "Prefix": "p"},
                }
            },
            "States.ResultWriterFailed",
        ),
    ],
)
def test_parts_that_need_other_storage__say_so(part: dict[str, Any], error: str) -> None:
    result = execute(a_map(PASSES, mode="DISTRIBUTED", **part), [1])
    assert result.error == error
    assert "here" in (result.cause or "")


def test_flatten__puts_the_lists_of_children_into_one() -> None:
    definition = a_map(
        {"Two": {"Type": "Pass", "Result": [1, 2], "End": True}},
        mode="DISTRIBUTED",
        ResultWriter={"WriterConfig": {"Transformation": "FLATTEN", "OutputType": "JSON"}},
    )
    assert execute(definition, ["a", "b"]).output == [1, 2, 1, 2]


def test_legacy__iterator_and_parameters() -> None:
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "Parameters": {"v.$": "$$.Map.Item.Value"},
                "Iterator": {"StartAt": "Same", "States": PASSES},
                "End": True,
            }
        },
    }
    assert execute(definition, [1]).output == [{"v": 1}]
