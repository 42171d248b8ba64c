"""Somebody sets the clock while executions wait: no timer goes off early, and none twice."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from meshplane.kit.clock import from_text
from meshplane.workflows import tokens
from meshplane.workflows.tables import TASK_TOKENS
from tests.builders.simulated_machines import OK, in_line, work
from tests.builders.simulated_stage import Stage, on_stage

pytestmark = pytest.mark.fault

_WAIT_SECONDS = 100
_JUMPS = {
    "an hour back": -3600.0,
    "an hour ahead": 3600.0,
    "a day ahead": 86_400.0,
    "a leap second": -1.0,
    "a little back and forth": 7.0,
}

WAITS = in_line(
    Begin=work(TimeoutSeconds=300_000),
    Nap={"Type": "Wait", "Seconds": _WAIT_SECONDS},
    Then=work(TimeoutSeconds=300_000),
)

ASKS = in_line(
    Ask={
        "Type": "Task",
        "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        "Parameters": {"QueueUrl": "nobody", "MessageBody": {"taskToken.$": "$$.Task.Token"}},
        "TimeoutSeconds": _WAIT_SECONDS,
    },
)


async def wait_for_end(stage: Stage, execution: str) -> list[dict[str, Any]]:
    while (await stage.look(execution)).status == "RUNNING":  # noqa: ASYNC110 - it is in a store
        await asyncio.sleep(1)
    return await stage.history(execution)


def moments(events: list[dict[str, Any]], kind: str) -> list[datetime]:
    return [from_text(event["timestamp"]) for event in events if event["type"] == kind]


@pytest.mark.parametrize("dies", [False, True], ids=["lives", "dies"])
@pytest.mark.parametrize("seconds", list(_JUMPS.values()), ids=list(_JUMPS))
def test_clock_that_is_set_during_a_wait__ends_it_once_and_not_before_its_time(
    seconds: float, dies: bool
) -> None:
    async def story(stage: Stage) -> None:
        stage.open()
        await stage.put("waits", WAITS)
        execution = await stage.start("waits", {"how": [OK], "n": 1}, "x")
        for _ in range(3):
            await asyncio.sleep(20)
            stage.process.clock.ahead += timedelta(seconds=seconds)
            seconds_back = -seconds if seconds == _JUMPS["a little back and forth"] else 0
            await asyncio.sleep(1)
            stage.process.clock.ahead += timedelta(seconds=seconds_back)
            if dies:
                stage.process.die()
                stage.open()
        events = await wait_for_end(stage, execution)
        (entered,) = moments(events, "WaitStateEntered")
        (exited,) = moments(events, "WaitStateExited")
        assert (exited - entered).total_seconds() >= _WAIT_SECONDS
        assert [event["id"] for event in events] == list(range(1, len(events) + 1))
        end = await stage.look(execution)
        assert (end.status, end.output) == ("SUCCEEDED", {"how": [OK], "n": 3})
        assert stage.outside.complaints == []

    on_stage(3, story)


@pytest.mark.parametrize("seconds", list(_JUMPS.values()), ids=list(_JUMPS))
def test_clock_that_is_set_while_a_token_is_out__one_timeout_and_no_late_answer(
    seconds: float,
) -> None:
    async def story(stage: Stage) -> None:
        process = stage.open()
        await stage.put("asks", ASKS)
        execution = await stage.start("asks", {}, "x")
        await asyncio.sleep(20)
        process.clock.ahead += timedelta(seconds=seconds)
        events = await wait_for_end(stage, execution)
        (scheduled,) = moments(events, "TaskScheduled")
        (timed_out,) = moments(events, "TaskTimedOut")
        assert (timed_out - scheduled).total_seconds() >= _WAIT_SECONDS
        end = await stage.look(execution)
        assert (end.status, end.error) == ("FAILED", "States.Timeout")
        rows = await process.store.begin().query(TASK_TOKENS, execution)
        assert [row.item["state"] for row in rows.rows] == [tokens.GONE]

    on_stage(4, story)
