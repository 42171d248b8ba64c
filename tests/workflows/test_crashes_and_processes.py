"""Processes die at every point and share one store, and each execution ends once, as it should."""

import asyncio
import json
import os
import random
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.crash_points import Point
from meshplane.workflows.owners import LockedFiles
from meshplane.workflows.runner import RunnerLimits
from tests.builders import seeds
from tests.builders.forked import run_and_kill, run_together, was_killed
from tests.builders.graveyard import Graveyard
from tests.builders.manual_clock import ManualClock
from tests.builders.workflow_world import World, in_a_row, plus_one, world

pytestmark = pytest.mark.anyio


class Death(BaseException):
    """The process dies here."""


class DieAt:
    """Dies at the nth point that is reached."""

    def __init__(self, number: int) -> None:
        self._left = number

    def reached(self, point: Point, execution_id: str) -> None:
        self._left -= 1
        if self._left == 0:
            raise Death(point)


FLAKY = {
    "StartAt": "Flaky",
    "States": {
        "Flaky": {
            "Type": "Task",
            "Resource": "meshplane:flaky",
            "Retry": [{"ErrorEquals": ["Busy"], "IntervalSeconds": 1, "MaxAttempts": 3}],
            "End": True,
        }
    },
}

STORY = {
    "StartAt": "First",
    "States": {
        "First": {"Type": "Task", "Resource": "meshplane:plus", "Next": "Tell"},
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::events:putEvents",
            "Parameters": {"Entries": [{"Source": "story", "DetailType": "Told", "Detail.$": "$"}]},
            "ResultPath": None,
            "Next": "Both",
        },
        "Both": {
            "Type": "Parallel",
            "Branches": [in_a_row("plus", "plus"), FLAKY],
            "Next": "Nap",
        },
        "Nap": {"Type": "Wait", "Seconds": 5, "End": True},
    },
}
"""A bit of everything: tasks, an event, branches, a retry, a wait."""


async def flaky(given: Any, request: TaskRequest) -> Any:
    """Fails at the first try of a state."""
    if request.retry == 0:
        raise TaskFailed("Busy", "try again")
    return "done"


async def play(mesh: World, clock: ManualClock, owners: Graveyard) -> bool:
    """Runs the story, or what is left of it; false when the process died of it."""
    mesh.workflows.open()
    try:
        execution = await mesh.start("story", {"n": 1}, "once")
    except Death:
        execution = "story:once"
    give_up = time.monotonic() + 30
    while time.monotonic() < give_up:
        if mesh.workflows.runner.died is not None:
            await mesh.workflows.runner.abandon()
            owners.bury(mesh.workflows.runner.name)
            await mesh.store.close()
            return False
        if (await mesh.look(execution)).status != "RUNNING":
            await mesh.close()
            return True
        await asyncio.sleep(0)
        clock.advance(0.05)
    raise AssertionError("the story has no end")


async def test_death_at_every_point__changes_nothing_about_the_end(tmp_path: Path) -> None:
    died_at = 0
    for number in range(1, 200):
        folder, clock, owners = tmp_path / str(number), ManualClock(), Graveyard()
        folder.mkdir()
        operations = {"plus": plus_one, "flaky": flaky}
        mesh = World(folder, operations, clock, owners=owners, points=DieAt(number))
        await mesh.put("story", STORY)
        ended = await play(mesh, clock, owners)
        asked = list(mesh.operations.asked)
        if not ended:
            died_at = number
            mesh = World(folder, operations, clock, owners=owners)
            assert await play(mesh, clock, owners)
            asked += mesh.operations.asked
        check = World(folder, clock=clock)
        end = await check.look("story:once")
        types = await check.types("story:once")
        told = [e for e in await check.store.events_after(0, 100) if e.type == "Told"]
        ends = [e for e in await check.store.events_after(0, 100) if e.type.startswith("Execution")]
        await check.store.close()
        assert (end.status, end.output) == ("SUCCEEDED", [{"n": 4}, "done"]), number
        assert len(told) == 1, number
        assert len(ends) == 1, number
        assert Counter(types)["TaskSucceeded"] == 5, number
        # Every state has one key, however often it was performed.
        assert len({request.key for _, request in asked}) == 4, number
        if ended:
            break
    assert died_at > 12


async def test_owner_that_is_silent__loses_the_execution_and_cannot_write_it_any_more(
    tmp_path: Path,
) -> None:
    clock, go_on = ManualClock(), asyncio.Event()

    async def paused(given: Any, request: TaskRequest) -> Any:
        await go_on.wait()
        return {"n": 1000}

    old_clock = ManualClock()
    old = World(tmp_path, {"plus": paused}, old_clock)
    await old.put("m", in_a_row("plus"))
    old.workflows.open()
    execution = await old.start("m", {"n": 1})
    while not old.operations.asked:  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0.001)
    clock.advance(29)
    async with world(tmp_path, {"plus": plus_one}, clock) as new:
        await asyncio.sleep(0.05)
        assert new.operations.asked == []
        clock.advance(2)
        end = await new.end_of(execution)
        assert end.output == {"n": 2}
        go_on.set()
        await old.until_it_waits()
        assert (await new.look(execution)).output == {"n": 2}
        assert (await new.types(execution)).count("ExecutionSucceeded") == 1
        await old.close()


async def test_long_task__keeps_its_lease(tmp_path: Path) -> None:
    async def slow(given: Any, request: TaskRequest) -> Any:
        await asyncio.sleep(1.2)
        return "slow"

    limits = RunnerLimits(lease_seconds=0.4, poll_seconds=0.05)
    async with world(tmp_path, {"slow": slow}, limits=limits) as one:
        await one.put("m", in_a_row("slow"))
        execution = await one.start("m")
        async with world(tmp_path, {"slow": slow}, limits=limits) as other:
            assert (await one.end_of(execution)).output == "slow"
            assert len(one.operations.asked) == 1
            assert other.operations.asked == []


def note(folder: str, *words: object) -> None:
    with Path(folder, "notes").open("a") as file:
        file.write(json.dumps(words) + "\n")


def notes(folder: Path) -> list[list[Any]]:
    return [json.loads(line) for line in (folder / "notes").read_text().splitlines()]


def work_together(folder: str, process: int, count: int, seed: int) -> None:
    """One of several processes: starts some executions, and runs what there is until all end."""
    chance = random.Random(f"{seed}/{process}")

    async def step(given: Any, request: TaskRequest) -> Any:
        note(folder, "begin", request.key, os.getpid())
        await asyncio.sleep(chance.random() * 0.01)
        note(folder, "end", request.key, os.getpid())
        return {"n": given["n"] + 1}

    async def run() -> None:
        limits = RunnerLimits(poll_seconds=0.05, lease_seconds=5.0)
        owners = LockedFiles(Path(folder) / "owners")
        async with world(Path(folder), {"step": step}, owners=owners, limits=limits) as mesh:
            if process >= 0:
                for number in range(count):
                    await mesh.start("m", {"n": 0}, f"p{process}-{number}")
            while True:
                page = await mesh.workflows.executions.listed(
                    mesh.store.begin(), status="RUNNING", limit=1
                )
                if not page.rows:
                    return
                await asyncio.sleep(0.02)

    asyncio.run(run())


WITH_A_WAIT = {
    "StartAt": "One",
    "States": {
        "One": {"Type": "Task", "Resource": "meshplane:step", "Next": "Nap"},
        "Nap": {"Type": "Wait", "Seconds": 1, "Next": "Two"},
        "Two": {"Type": "Task", "Resource": "meshplane:step", "Next": "Three"},
        "Three": {"Type": "Task", "Resource": "meshplane:step", "End": True},
    },
}


async def prepare(folder: Path) -> None:
    mesh = World(folder, {})
    await mesh.put("m", WITH_A_WAIT)
    await mesh.store.close()


async def ends_of(folder: Path) -> list[tuple[str, Any]]:
    mesh = World(folder, {})
    page = await mesh.workflows.executions.listed(mesh.store.begin(), limit=1000)
    found = [(row.item["status"], row.item["run"]["outcome"]["output"]) for row in page.rows]
    for row in page.rows:
        types = await mesh.types(row.item["executionId"])
        assert types.count("ExecutionSucceeded") == 1
        assert types.count("TaskSucceeded") == 3
    await mesh.store.close()
    return found


async def test_two_processes__share_the_work_and_no_step_runs_twice(tmp_path: Path) -> None:
    seed = seeds.fresh()
    await prepare(tmp_path)
    loop = asyncio.get_running_loop()
    plans = [(str(tmp_path), process, 15, seed) for process in range(2)]
    assert await loop.run_in_executor(None, run_together, work_together, plans) == [0, 0]
    assert await ends_of(tmp_path) == [("SUCCEEDED", {"n": 3})] * 30
    found = notes(tmp_path)
    assert set(Counter(key for kind, key, _ in found if kind == "begin").values()) == {1}
    assert len({process for _, _, process in found}) == 2


@pytest.mark.fault
async def test_kills__of_a_process_leave_every_execution_to_its_one_right_end(
    tmp_path: Path,
) -> None:
    seed = seeds.fresh()
    chance = random.Random(seed)
    await prepare(tmp_path)
    loop = asyncio.get_running_loop()
    codes = []
    for kill in range(8):
        arguments = (str(tmp_path), kill if kill < 4 else -1, 5, seed)
        after_seconds = 0.3 + chance.random() * 0.9
        codes.append(
            await loop.run_in_executor(None, run_and_kill, work_together, arguments, after_seconds)
        )
    last = [(str(tmp_path), -1, 0, seed)]
    assert await loop.run_in_executor(None, run_together, work_together, last) == [0]
    assert any(was_killed(code) for code in codes)
    ends = await ends_of(tmp_path)
    assert ends
    assert ends == [("SUCCEEDED", {"n": 3})] * len(ends)
    # A step that was cut off runs again under its key, and never beside itself.
    open_in: dict[str, int] = {}
    for kind, key, process in notes(tmp_path):
        if kind == "begin":
            assert open_in.get(key) != process
            open_in[key] = process
        else:
            open_in.pop(key, None)
