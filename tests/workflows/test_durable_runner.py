"""Executions run durably: each transition is in the store, and time is the test's."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Conflict, Invalid, Missing
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.runner import RunnerLimits
from tests.builders.manual_clock import ManualClock
from tests.builders.workflow_world import ADA, in_a_row, plus_one, world

pytestmark = pytest.mark.anyio

WEEK_SECONDS = 7 * 24 * 3600

WEEK_LONG: dict[str, Any] = {
    "StartAt": "Sleep",
    "States": {
        "Sleep": {"Type": "Wait", "Seconds": WEEK_SECONDS, "Next": "Done"},
        "Done": {"Type": "Pass", "Result": {"awake": True}, "End": True},
    },
}


async def test_five_tasks__run_one_after_the_other_and_leave_a_whole_history(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("count", in_a_row(*["plus"] * 5))
        end = await mesh.end_of(await mesh.start("count", {"n": 1}))
        assert (end.status, end.output) == ("SUCCEEDED", {"n": 6})
        page = await mesh.workflows.executions.history(
            mesh.store.begin(), end.execution_id, limit=1000
        )
        assert [event["id"] for event in page.events] == list(range(1, len(page.events) + 1))
        types = [event["type"] for event in page.events]
        assert types[0] == "ExecutionStarted"
        assert types[-1] == "ExecutionSucceeded"
        assert types.count("TaskScheduled") == types.count("TaskSucceeded") == 5
        assert len({request.key for _, request in mesh.operations.asked}) == 5


async def test_history__is_read_in_pages_that_miss_and_repeat_nothing(tmp_path: Path) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("count", in_a_row(*["plus"] * 5))
        end = await mesh.end_of(await mesh.start("count", {"n": 1}))
        read: list[int] = []
        at: int | None = 1
        while at is not None:
            page = await mesh.workflows.executions.history(
                mesh.store.begin(), end.execution_id, first_event_id=at, limit=4
            )
            assert len(page.events) <= 4
            read += [event["id"] for event in page.events]
            at = page.next_event_id
        assert read == list(range(1, read[-1] + 1))


async def test_week_long_wait__is_over_at_once_when_the_clock_is_moved(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as mesh:
        await mesh.put("sleepy", WEEK_LONG)
        execution = await mesh.start("sleepy")
        await mesh.until_it_waits()
        clock.advance(WEEK_SECONDS - 1)
        await asyncio.sleep(0.05)
        assert (await mesh.look(execution)).status == "RUNNING"
        clock.advance(1)
        end = await mesh.end_of(execution)
        assert (end.status, end.output) == ("SUCCEEDED", {"awake": True})


async def test_short_wait_at_the_start__is_over_in_time_and_not_at_the_next_poll(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    nap = {"StartAt": "Nap", "States": {"Nap": {"Type": "Wait", "Seconds": 7, "End": True}}}
    async with world(tmp_path, clock=clock, limits=RunnerLimits(poll_seconds=600)) as mesh:
        await mesh.put("nap", nap)
        await asyncio.sleep(0.05)
        execution = await mesh.start("nap", name="one")
        await asyncio.sleep(0.05)
        clock.advance(7)
        assert (await mesh.end_of(execution)).status == "SUCCEEDED"


async def test_wait__that_ended_while_nothing_ran_is_over_after_the_start(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as mesh:
        await mesh.put("sleepy", WEEK_LONG)
        execution = await mesh.start("sleepy")
    clock.advance(WEEK_SECONDS + 5)
    async with world(tmp_path, clock=clock) as mesh:
        assert (await mesh.end_of(execution)).status == "SUCCEEDED"
        types = await mesh.types(execution)
        assert types.count("WaitStateExited") == 1


async def test_stop_of_the_process__hands_over_at_once(tmp_path: Path) -> None:
    reached = asyncio.Event()

    async def stuck(given: Any, request: TaskRequest) -> Any:
        reached.set()
        await asyncio.sleep(60)

    async with world(tmp_path, {"plus": stuck}, ManualClock()) as mesh:
        await mesh.put("count", in_a_row("plus", "plus"))
        execution = await mesh.start("count", {"n": 1})
        await reached.wait()
        first_key = mesh.operations.asked[0][1].key
    async with world(tmp_path, {"plus": plus_one}, ManualClock()) as mesh:
        end = await mesh.end_of(execution)
        assert end.output == {"n": 3}
        assert mesh.operations.asked[0][1].key == first_key
        assert (await mesh.types(execution)).count("TaskScheduled") == 2


async def test_same_name__starts_once_with_one_input_and_clashes_with_another(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("count", in_a_row("plus"))
        executions = await asyncio.gather(
            *(mesh.start("count", {"n": 1}, "monday") for _ in range(8)), return_exceptions=True
        )
        assert "count:monday" in executions
        # The others came at the same moment: the boundary runs those again.
        assert {getattr(each, "code", each) for each in executions} <= {
            "count:monday",
            "EXECUTION_MOVED",
        }
        await mesh.end_of("count:monday")
        assert await mesh.start("count", {"n": 1}, "monday") == "count:monday"
        assert len(mesh.operations.asked) == 1
        with pytest.raises(Conflict) as clash:
            await mesh.start("count", {"n": 2}, "monday")
        assert clash.value.code == "EXECUTION_EXISTS"


async def test_name__is_free_again_90_days_after_the_end(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, {"plus": plus_one}, clock) as mesh:
        await mesh.put("count", in_a_row("plus"))
        await mesh.end_of(await mesh.start("count", {"n": 1}, "monday"))
        clock.advance(90 * 24 * 3600 + 1)
        with pytest.raises(Missing):
            await mesh.look("count:monday")
        end = await mesh.end_of(await mesh.start("count", {"n": 5}, "monday"))
        assert end.output == {"n": 6}
        assert (await mesh.types("count:monday")).count("ExecutionStarted") == 1


async def test_retry__waits_in_the_store_and_keeps_the_key(tmp_path: Path) -> None:
    clock, failures = ManualClock(), [1, 1]

    async def flaky(given: Any, request: TaskRequest) -> Any:
        if failures:
            failures.pop()
            raise TaskFailed("Busy", "try later")
        return "done"

    again = [{"ErrorEquals": ["Busy"], "IntervalSeconds": 60, "BackoffRate": 2, "MaxAttempts": 2}]
    async with world(tmp_path, {"flaky": flaky}, clock) as mesh:
        await mesh.put("m", in_a_row("flaky", Retry=again))
        execution = await mesh.start("m")
        await mesh.until_it_waits()
        clock.advance(60)
        await asyncio.sleep(0.05)
        assert len(mesh.operations.asked) == 2
        await mesh.until_it_waits()
        clock.advance(120)
        assert (await mesh.end_of(execution)).output == "done"
        assert len({request.key for _, request in mesh.operations.asked}) == 1


async def test_task_over_its_time__is_cut_off_and_caught(tmp_path: Path) -> None:
    clock, cut_off = ManualClock(), asyncio.Event()
    started = asyncio.Event()

    async def stuck(given: Any, request: TaskRequest) -> Any:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cut_off.set()

    async with world(tmp_path, {"stuck": stuck}, clock) as mesh:
        await mesh.put("m", in_a_row("stuck", TimeoutSeconds=10))
        execution = await mesh.start("m")
        await started.wait()
        clock.advance(11)
        end = await mesh.end_of(execution)
        assert (end.status, end.error) == ("FAILED", "States.Timeout")
        await asyncio.wait_for(cut_off.wait(), 5)


async def test_stop__ends_a_running_execution_and_cuts_its_task_off(tmp_path: Path) -> None:
    started, cut_off = asyncio.Event(), asyncio.Event()

    async def stuck(given: Any, request: TaskRequest) -> Any:
        started.set()
        try:
            await asyncio.sleep(60)
        finally:
            cut_off.set()

    async with world(tmp_path, {"stuck": stuck}) as mesh:
        await mesh.put("m", in_a_row("stuck"))
        execution = await mesh.start("m")
        await started.wait()
        async with mesh.workflows.runner.quiet(execution):
            work = mesh.store.begin()
            await mesh.workflows.executions.stop(work, execution, error="Enough", cause="of it")
            await work.commit()
        end = await mesh.end_of(execution)
        assert (end.status, end.error, end.cause) == ("ABORTED", "Enough", "of it")
        await asyncio.wait_for(cut_off.wait(), 5)
        with pytest.raises(Conflict) as late:
            await mesh.workflows.executions.stop(mesh.store.begin(), execution)
        assert late.value.code == "EXECUTION_ENDED"


async def test_redrive__goes_on_from_the_failed_state_under_the_same_key(tmp_path: Path) -> None:
    broken = [True]

    async def second(given: Any, request: TaskRequest) -> Any:
        if broken:
            raise TaskFailed("Broken", "mend it")
        return {"n": given["n"] * 10}

    clock = ManualClock()
    async with world(tmp_path, {"first": plus_one, "second": second}, clock) as mesh:
        await mesh.put("m", in_a_row("first", "second", "first"))
        execution = await mesh.start("m", {"n": 1})
        assert (await mesh.end_of(execution)).error == "Broken"
        broken.clear()
        work = mesh.store.begin()
        await mesh.workflows.executions.redrive(work, execution)
        await work.commit()
        end = await mesh.end_of(execution)
        assert (end.status, end.output, end.redrive_count) == ("SUCCEEDED", {"n": 21}, 1)
        assert [name for name, _ in mesh.operations.asked] == ["first", "second", "second", "first"]
        keys = [request.key for _, request in mesh.operations.asked]
        assert keys[1] == keys[2]
        with pytest.raises(Conflict) as refused:
            await mesh.workflows.executions.redrive(mesh.store.begin(), execution)
        assert refused.value.code == "NOT_REDRIVABLE"


async def test_redrive__two_weeks_after_the_end_is_refused(tmp_path: Path) -> None:
    async def broken(given: Any, request: TaskRequest) -> Any:
        raise TaskFailed("Broken", "mend it")

    clock = ManualClock()
    async with world(tmp_path, {"broken": broken}, clock) as mesh:
        await mesh.put("m", in_a_row("broken"))
        execution = await mesh.start("m")
        await mesh.end_of(execution)
        clock.advance(14 * 24 * 3600 + 1)
        with pytest.raises(Conflict, match="14 days"):
            await mesh.workflows.executions.redrive(mesh.store.begin(), execution)


async def test_many_starts__queue_within_the_limits_and_all_end(tmp_path: Path) -> None:
    async def slow(given: Any, request: TaskRequest) -> Any:
        await asyncio.sleep(0.002)
        return given

    limits = RunnerLimits(executions=4, tasks=2, poll_seconds=0.05)
    async with world(tmp_path, {"slow": slow}, limits=limits) as mesh:
        await mesh.put("m", in_a_row("slow", "slow"))
        executions = await asyncio.gather(*(mesh.start("m", {"n": n}) for n in range(60)))
        ends = [await mesh.end_of(execution) for execution in executions]
        assert [end.output for end in ends] == [{"n": n} for n in range(60)]
        assert mesh.operations.most_at_once <= 2
        assert len(mesh.operations.asked) == 120


async def test_map__keeps_its_items_apart_over_a_restart(tmp_path: Path) -> None:
    release = asyncio.Event()

    async def hold(given: Any, request: TaskRequest) -> Any:
        if given["n"] >= 3:
            await release.wait()
        return given["n"] * 2

    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {"Type": "Map", "ItemProcessor": in_a_row("hold"), "End": True},
        },
    }
    items = [{"n": n} for n in range(6)]
    async with world(tmp_path, {"hold": hold}) as mesh:
        await mesh.put("m", definition)
        execution = await mesh.start("m", items)
        while (await mesh.types(execution)).count("MapIterationSucceeded") < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    release.set()
    async with world(tmp_path, {"hold": hold}) as mesh:
        assert (await mesh.end_of(execution)).output == [0, 2, 4, 6, 8, 10]
        assert sorted(request.parameters["n"] for _, request in mesh.operations.asked) == [3, 4, 5]


async def test_endless_loop__ends_at_25_000_events_and_holds_nobody_up(tmp_path: Path) -> None:
    never = {"Variable": "$.never", "IsPresent": True, "Next": "C"}
    definition = {
        "StartAt": "A",
        "States": {
            "A": {"Type": "Pass", "Next": "B"},
            "B": {"Type": "Choice", "Choices": [never], "Default": "A"},
            "C": {"Type": "Succeed"},
        },
    }
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("endless", definition)
        await mesh.put("count", in_a_row("plus", "plus"))
        endless = await mesh.start("endless")
        quick = await mesh.end_of(await mesh.start("count", {"n": 1}))
        assert quick.output == {"n": 3}
        assert (await mesh.look(endless)).status == "RUNNING"
        end = await mesh.end_of(endless)
        assert end.status == "FAILED"
        assert "25000" in str(end.cause)


async def test_result_that_cannot_be_kept__ends_that_execution_alone(tmp_path: Path) -> None:
    async def strange(given: Any, request: TaskRequest) -> Any:
        return {"set": {1, 2}}

    async with world(tmp_path, {"strange": strange, "plus": plus_one}) as mesh:
        await mesh.put("odd", in_a_row("strange"))
        await mesh.put("count", in_a_row("plus"))
        odd = await mesh.start("odd")
        assert (await mesh.end_of(await mesh.start("count", {"n": 1}))).output == {"n": 2}
        end = await mesh.end_of(odd)
        assert end.status != "SUCCEEDED"
        assert end.error is not None


async def test_lists__show_the_newest_first_by_machine_and_by_status(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, {"plus": plus_one}, clock) as mesh:
        await mesh.put("count", in_a_row("plus"))
        await mesh.put("sleepy", WEEK_LONG)
        for name in ("a", "b"):
            await mesh.end_of(await mesh.start("count", {"n": 1}, name))
            clock.advance(1)
        await mesh.start("sleepy", name="c")
        await mesh.until_it_waits()

        async def ids(**by: Any) -> list[str]:
            page = await mesh.workflows.executions.listed(mesh.store.begin(), **by)
            return [row.item["executionId"] for row in page.rows]

        assert await ids() == ["sleepy:c", "count:b", "count:a"]
        assert await ids(machine="count") == ["count:b", "count:a"]
        assert await ids(status="RUNNING") == ["sleepy:c"]
        assert await ids(machine="count", status="RUNNING") == []


async def test_machine_put_anew__leaves_running_executions_on_their_revision(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as mesh:
        await mesh.put("m", WEEK_LONG)
        execution = await mesh.start("m")
        await mesh.until_it_waits()
        changed = {**WEEK_LONG, "States": {**WEEK_LONG["States"]}}
        changed["States"]["Done"] = {"Type": "Pass", "Result": {"awake": "new"}, "End": True}
        await mesh.put("m", changed)
        assert (await mesh.workflows.machines.get(mesh.store.begin(), "m")).revision == 2
        clock.advance(WEEK_SECONDS)
        assert (await mesh.end_of(execution)).output == {"awake": True}


async def test_unsupported_resource__is_refused_with_its_path(tmp_path: Path) -> None:
    definition = {
        "StartAt": "A",
        "States": {
            "A": {
                "Type": "Task",
                "Resource": "arn:aws:states:::aws-sdk:s3:listBuckets",
                "Parameters": {},
                "End": True,
            }
        },
    }
    async with world(tmp_path) as mesh:
        with pytest.raises(Invalid, match="AWS SDK") as refused:
            await mesh.put("m", definition)
        assert refused.value.code == "RESOURCE_UNSUPPORTED"
        assert refused.value.fields[0].field == "definition/States/A/Resource"
        with pytest.raises(Missing) as unknown:
            await mesh.start("m")
        assert unknown.value.code == "STATE_MACHINE_UNKNOWN"
        assert ADA.actor().name == "user:ada@aviation"
