"""Both engines of workflows do the same with the same document: the embedded one, Step Functions.

Step Functions is moto's interpreter in the sandbox, reached through the adapter: definitions are
completed for AWS, operations go over SQS to the worker, answers come back by task token. What that
interpreter does not have is not here: JSONata, `http:invoke`, redrive, the cause of
`SendTaskFailure`, which it drops.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from tests.builders.aws_workflows import aws_in_sandbox
from tests.builders.workflow_engines import Embedded, End, OnAws, embedded, on_aws, run

Engines = Embedded | OnAws


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with aws_in_sandbox() as made:
        yield made


class Failing:
    """Fails the first so many times."""

    def __init__(self, times: int, error: MeshplaneError) -> None:
        self.left, self._error = times, error

    def __call__(self, given: dict[str, Any]) -> Any:
        """The operation."""
        self.left -= 1
        if self.left >= 0:
            raise self._error
        return {"at": "last"}


async def _never(given: dict[str, Any]) -> Any:
    await asyncio.sleep(5)


def _refuse(given: dict[str, Any]) -> Any:
    raise Conflict("NAME_TAKEN", "The name is taken.")


OPERATIONS: dict[str, Any] = {
    "double": lambda given: {"n": given["n"] * 2},
    "echo": lambda given: given,
    "refuse": _refuse,
    "never": _never,
    "nothing": lambda given: None,
    "text": lambda given: "plain 'text' with \"quotes\" and é",
}


@pytest.fixture(scope="module", params=["embedded", "step-functions"])
async def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, aws: Aws
) -> AsyncIterator[Engines]:
    folder = tmp_path_factory.mktemp("engine")
    if request.param == "embedded":
        async with embedded(folder, OPERATIONS) as at_home:
            yield at_home
    else:
        async with on_aws(aws, folder, OPERATIONS) as away:
            yield away


@pytest.fixture
def engine(running: Engines) -> Engines:
    running.forget()
    running.answer_with(OPERATIONS)
    return running


def task(operation: str, parameters: Any = None, **more: Any) -> dict[str, Any]:
    given = {} if parameters is None else {"Parameters": parameters}
    if "Next" not in more:
        more.setdefault("End", True)
    return {"Type": "Task", "Resource": f"meshplane:{operation}", **given, **more}


def machine(start: str = "A", **states: Any) -> dict[str, Any]:
    return {"StartAt": start, "States": states}


def catching(*errors: str, to: str) -> list[dict[str, Any]]:
    return [{"ErrorEquals": list(errors), "ResultPath": "$.error", "Next": to}]


DONE = {"Type": "Succeed"}
EACH = {"ItemProcessor": machine("I", I=task("double", {"n.$": "$.n"}))}
DEFINITIONS: dict[str, tuple[dict[str, Any], Any, End]] = {
    "operation": (
        machine(A=task("double", {"n.$": "$.n"}, ResultPath="$.twice")),
        {"n": 21},
        End("SUCCEEDED", {"n": 21, "twice": {"n": 42}}, None, None),
    ),
    "operation_with_the_whole_input": (
        machine(A=task("echo")),
        {"a": [1, None, True, 1.5, "é"]},
        End("SUCCEEDED", {"a": [1, None, True, 1.5, "é"]}, None, None),
    ),
    "operation_that_answers_text_or_nothing": (
        machine(
            A=task("text", {}, ResultPath="$.text", Next="B"),
            B=task("nothing", {}, ResultPath="$.nothing"),
        ),
        {},
        End(
            "SUCCEEDED",
            {"text": "plain 'text' with \"quotes\" and é", "nothing": None},
            None,
            None,
        ),
    ),
    "chain_with_selector_and_paths": (
        machine(
            A=task(
                "double",
                {"n.$": "$.n"},
                InputPath="$.in",
                ResultSelector={"m.$": "$.n"},
                ResultPath="$.out",
                OutputPath="$.out",
                Next="B",
            ),
            B=task("double", {"n.$": "$.m"}),
        ),
        {"in": {"n": 3}},
        End("SUCCEEDED", {"n": 12}, None, None),
    ),
    "error_that_is_caught": (
        machine(
            A=task("refuse", {}, Catch=catching("NAME_TAKEN", to="B")),
            B={"Type": "Pass", "Parameters": {"why.$": "$.error.Error"}, "End": True},
        ),
        {},
        End("SUCCEEDED", {"why": "NAME_TAKEN"}, None, None),
    ),
    "error_that_nobody_catches": (
        machine(A=task("refuse", {}, Catch=catching("OTHER", to="B")), B=DONE),
        {},
        End("FAILED", None, "NAME_TAKEN", None),
    ),
    "map": (
        machine(A={"Type": "Map", "ItemsPath": "$.items", **EACH, "End": True}),
        {"items": [{"n": 1}, {"n": 1}, {"n": 3}]},
        End("SUCCEEDED", [{"n": 2}, {"n": 2}, {"n": 6}], None, None),
    ),
    "parallel": (
        machine(
            A={
                "Type": "Parallel",
                "Branches": [
                    machine("X", X=task("double", {"n": 1})),
                    machine("Y", Y=task("echo", {})),
                ],
                "End": True,
            }
        ),
        {},
        End("SUCCEEDED", [{"n": 2}, {}], None, None),
    ),
    "choice_and_intrinsics": (
        machine(
            A={
                "Type": "Pass",
                "Parameters": {"t.$": "States.Format('{}-{}', $.a, States.MathAdd($.n, 1))"},
                "ResultPath": "$.made",
                "Next": "B",
            },
            B={
                "Type": "Choice",
                "Choices": [{"Variable": "$.made.t", "StringEquals": "x-3", "Next": "C"}],
                "Default": "D",
            },
            C=task("echo", {"t.$": "$.made.t"}),
            D={"Type": "Fail", "Error": "WRONG", "Cause": "It is not so."},
        ),
        {"a": "x", "n": 2},
        End("SUCCEEDED", {"t": "x-3"}, None, None),
    ),
    "fail": (
        machine(A={"Type": "Fail", "Error": "WRONG", "Cause": "It is not so."}),
        {},
        End("FAILED", None, "WRONG", "It is not so."),
    ),
    "timeout": (
        machine(
            A=task("never", {}, TimeoutSeconds=1, Catch=catching("States.Timeout", to="B")),
            B={"Type": "Pass", "Parameters": {"error.$": "$.error.Error"}, "End": True},
        ),
        {},
        End("SUCCEEDED", {"error": "States.Timeout"}, None, None),
    ),
}


@pytest.mark.parametrize("name", DEFINITIONS)
async def test_definition__ends_the_same_on_every_engine(engine: Engines, name: str) -> None:
    definition, given, expected = DEFINITIONS[name]
    end = await run(engine, definition, given)
    assert end.to_the_letter == expected.to_the_letter
    if expected.cause is not None:
        assert end.cause == expected.cause


async def test_retry__asks_again_under_the_same_key(engine: Engines) -> None:
    failing = Failing(2, Unavailable("SERVICE_UNREACHABLE", "Not now."))
    engine.answer_with({"flaky": failing})
    again = [{"ErrorEquals": ["SERVICE_UNREACHABLE"], "IntervalSeconds": 1, "BackoffRate": 1.0}]
    end = await run(engine, machine(A=task("flaky", {}, Retry=again)))
    assert (end.status, end.output) == ("SUCCEEDED", {"at": "last"})
    # Moto's state keeps its token, and may take an old answer for the next attempt's.
    assert len(engine.keys) == 3 or (len(engine.keys) == 4 and isinstance(engine, OnAws))
    assert len({key for _, key in engine.keys}) == 1


async def test_same_state_entered_again__asks_under_another_key(engine: Engines) -> None:
    counting = {
        "Type": "Choice",
        "Choices": [{"Variable": "$.n", "NumericLessThan": 8, "Next": "A"}],
        "Default": "C",
    }
    definition = machine(A=task("double", {"n.$": "$.n"}, Next="B"), B=counting, C=DONE)
    end = await run(engine, definition, {"n": 2})
    assert (end.status, end.output) == ("SUCCEEDED", {"n": 8})
    # As above, moto's state may take the answer of the last time it was entered.
    entered = len({key for _, key in engine.keys})
    assert entered == 2 or (entered == 3 and isinstance(engine, OnAws))


async def test_items_of_a_map__each_ask_under_a_key_of_their_own(engine: Engines) -> None:
    definition, given, _ = DEFINITIONS["map"]
    await run(engine, definition, given)
    assert len({key for _, key in engine.keys}) == 3


async def test_start_under_a_name_that_is_there__is_the_same_execution(engine: Engines) -> None:
    name = await engine.put(machine(A=task("double", {"n.$": "$.n"})))
    for _ in range(2):
        await engine.start(name, {"n": 1}, "one")
    first = await engine.end(name, "one")
    await engine.start(name, {"n": 1}, "one")
    assert await engine.end(name, "one") == first
    with pytest.raises(Conflict) as refused:
        await engine.start(name, {"n": 2}, "one")
    assert refused.value.code == "EXECUTION_EXISTS"
    assert len(engine.keys) == 1


async def test_stop__ends_an_execution_where_it_is(engine: Engines) -> None:
    name = await engine.put(machine(A={"Type": "Wait", "Seconds": 60, "End": True}))
    await engine.start(name, {}, "long")
    await engine.stop(name, "long")
    assert (await engine.end(name, "long")).status == "ABORTED"


async def test_history__tells_the_states_in_the_same_words(engine: Engines) -> None:
    definition = machine(A={"Type": "Pass", "Result": {"n": 4}, "Next": "B"}, B={"Type": "Succeed"})
    name = await engine.put(definition)
    await engine.start(name, {"x": 1}, "one")
    await engine.end(name, "one")
    events = await engine.history(name, "one")
    assert [event["type"] for event in events] == [
        "ExecutionStarted",
        "PassStateEntered",
        "PassStateExited",
        "SucceedStateEntered",
        "SucceedStateExited",
        "ExecutionSucceeded",
    ]
    assert [event["id"] for event in events] == [1, 2, 3, 4, 5, 6]
    assert events[1]["stateEnteredEventDetails"]["name"] == "A"
    assert events[1]["stateEnteredEventDetails"]["input"] == '{"x":1}'
    assert events[5]["executionSucceededEventDetails"]["output"] == '{"n":4}'
    assert all(isinstance(event["timestamp"], str) for event in events)
