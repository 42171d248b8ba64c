"""The process dies at every point of a long state machine, and the result stays the same.

Forty states: Parallel, Map, Retry, Catch, Wait, Choice, a token that a worker answers, and events
and messages in the store. A death comes upon every length that the history ever has in the store.
"""

import asyncio
import random
from typing import Any

import pytest

from meshplane.workflows.asl import TaskFailed, execute
from tests.builders.simulated_machines import (
    BUSY,
    OK,
    SORRY,
    ask,
    drop,
    events_told,
    in_line,
    result,
    tell,
    work,
)
from tests.builders.simulated_stage import Stage, on_stage

pytestmark = pytest.mark.fault

_GIVEN = {"how": ["Busy", OK], "n": 1, "items": [1, 2, 3], "bad": ["Broken"]}


def choice(least: int, then: str, default: str) -> dict[str, Any]:
    rule = {"Variable": "$.n", "NumericGreaterThanEquals": least, "Next": then}
    return {"Type": "Choice", "Choices": [rule], "Default": default}


def nap(seconds: int) -> dict[str, Any]:
    return {"Type": "Wait", "Seconds": seconds}


PASS = {"Type": "Pass"}
SIDE = {"ResultPath": "$.side"}

LONG = in_line(
    S1=work(Retry=BUSY),
    S2=choice(2, "S3", "Lost"),
    S3=nap(3),
    S4=tell(),
    S5={
        "Type": "Parallel",
        "Branches": [
            in_line(A1=work(Retry=BUSY), A2=nap(4), A3=drop(), A4=work(Retry=BUSY)),
            in_line(B1=ask("meshplane-tasks", Retry=BUSY), B2=PASS, B3=tell(), B4=PASS),
            in_line(
                C1={
                    "Type": "Parallel",
                    "Branches": [
                        in_line(D1=work(Retry=BUSY)),
                        in_line(D2=nap(2), D3=drop(), D4=PASS),
                    ],
                },
                C2={"Type": "Pass", "Result": "joined"},
            ),
        ],
        **SIDE,
    },
    S6=ask("meshplane-tasks", Retry=BUSY),
    S7={
        "Type": "Map",
        "ItemsPath": "$.items",
        "MaxConcurrency": 2,
        "ItemSelector": {"how.$": "$.how", "n.$": "$$.Map.Item.Value"},
        "ItemProcessor": in_line(M1=work(Retry=BUSY), M2=nap(1), M3=drop(), M4=PASS),
        **SIDE,
    },
    S8=work("$.bad", Catch=[{**SORRY[0], "Next": "S9"}], Next="Lost"),
    S9={"Type": "Pass", "Result": "caught", "ResultPath": "$.error"},
    S10=drop(),
    S11=choice(100, "Lost", "S12"),
    S12=work(Retry=BUSY),
    S13=nap(2),
    S14={
        "Type": "Map",
        "ItemsPath": "$.items",
        "ItemSelector": {"how.$": "$.how", "n.$": "$$.Map.Item.Value"},
        "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
            **in_line(N1=ask("meshplane-tasks", Retry=BUSY)),
        },
        **SIDE,
    },
    S15={
        "Type": "Task",
        "Resource": "arn:aws:states:::states:startExecution.sync:2",
        "Parameters": {"StateMachineArn": "line", "Input": {"how.$": "$.how", "n.$": "$.n"}},
        "ResultSelector": {"of.$": "$.Output"},
        "ResultPath": "$.child",
    },
    S16=tell(),
    S17=PASS,
    S18=work(Retry=BUSY),
    S19={**nap(1), "Next": "S20"},
    Lost={"Type": "Fail", "Error": "Lost"},
    S20={"Type": "Succeed"},
)


def states_in(definition: Any) -> int:
    if isinstance(definition, list):
        return sum(map(states_in, definition))
    if not isinstance(definition, dict):
        return 0
    own = len(definition["States"]) if "States" in definition else 0
    return own + sum(states_in(value) for value in definition.values())


def undisturbed() -> Any:
    def perform(resource: str, parameters: Any) -> Any:
        if resource.startswith("meshplane:"):
            return result(parameters)
        if "arguments" in parameters.get("MessageBody", {}):
            return result(parameters["MessageBody"]["arguments"])
        if "startExecution" in resource:
            return {
                "Output": {"how": parameters["Input"]["how"], "n": parameters["Input"]["n"] + 2}
            }
        return {}

    return execute(LONG, _GIVEN, tasks=perform)


async def play(stage: Stage) -> tuple[Any, list[dict[str, Any]]]:
    """Plays the machine to its end, in as many lives as it takes."""
    stage.deaths.left = 0
    stage.open()
    await stage.put("long", LONG)
    stage.deaths.left = 1
    await stage.start("long", _GIVEN, "x")
    while True:
        await asyncio.sleep(1)
        if stage.process.life.is_over:
            stage.open()
            # The one who started it repeats that: he may not have had an answer.
            await stage.start("long", _GIVEN, "x")
        end = await stage.look("long:x")
        if end.status != "RUNNING":
            return end, await stage.history("long:x")


def points_by_commit(seed: int) -> list[list[int]]:
    """The points of an undisturbed run, together where the history in the store is the same."""
    found: dict[int, list[int]] = {}

    async def story(stage: Stage) -> None:
        def note() -> None:
            count = "SELECT count(*) FROM ExecutionHistory"
            (rows,) = stage.process.store.reader.execute(count).fetchone()
            found.setdefault(rows, []).append(stage.deaths.reached)

        stage.deaths.on_point = note
        await play(stage)

    on_stage(seed, story)
    return list(found.values())


@pytest.mark.parametrize(
    ("repeats", "of_each"),
    [
        pytest.param(2, 1, id="each-length-twice"),
        pytest.param(3, 1000, id="each-point-three-times", marks=pytest.mark.long),
    ],
)
def test_death_at_every_length_of_a_history_of_forty_states__the_same_result(
    repeats: int, of_each: int
) -> None:
    assert states_in(LONG) >= 40
    wanted, keys, runs = undisturbed(), set(), 0
    for seed in range(repeats):
        chance = random.Random(seed)
        alike = points_by_commit(seed)
        assert len(alike) > 60
        for number in [n for few in alike for n in chance.sample(few, min(of_each, len(few)))]:
            end, events, asked = on_stage(seed, play_and_ask, die_at=number)
            told = f"seed {seed}, point {number}"
            assert (end.status, end.output) == (wanted.status, wanted.output), told
            assert [event["id"] for event in events] == list(range(1, len(events) + 1)), told
            assert events_told(events) == events_told(wanted.events), told
            keys.add(asked)
            runs += 1
    print(f"{runs} deaths")  # noqa: T201 - tells what was tried
    assert len(keys) == 1, "a task had another key than in other runs"


async def play_and_ask(stage: Stage) -> tuple[Any, list[dict[str, Any]], frozenset[str]]:
    end, events = await play(stage)
    assert stage.process.life.name == "p1", "it did not die"
    assert stage.outside.complaints == []
    return end, events, frozenset(stage.outside.asked)


def test_undisturbed_run_on_the_store__is_as_it_is_in_memory() -> None:
    end, events = on_stage(1, play)
    wanted = undisturbed()
    assert (end.status, end.output) == (wanted.status, wanted.output)
    assert events_told(events) == events_told(wanted.events)


def test_task_in_memory__fails_as_it_is_told() -> None:
    with pytest.raises(TaskFailed):
        result({"how": ["Broken"], "n": 1, "try": 0})
