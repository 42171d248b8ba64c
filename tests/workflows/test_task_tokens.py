"""Callback tokens: one answer, the first, from whichever process it comes."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queues import MESSAGES
from meshplane.kit.errors import BaseMoved, Conflict, Missing
from tests.builders.manual_clock import ManualClock
from tests.builders.workflow_world import World, world

pytestmark = pytest.mark.anyio


def asking(**more: Any) -> dict[str, Any]:
    """A definition that sends its token to a queue and waits for the answer."""
    return {
        "StartAt": "Ask",
        "States": {
            "Ask": {
                "Type": "Task",
                "Resource": "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
                "Parameters": {
                    "QueueUrl": "https://sqs.eu-central-1.amazonaws.com/123456789012/approvals",
                    "MessageBody": {"taskToken.$": "$$.Task.Token", "ask.$": "$.ask"},
                },
                "End": True,
                **more,
            }
        },
    }


async def messages(mesh: World, queue: str = "approvals") -> list[dict[str, Any]]:
    """What lies in a queue."""
    page = await mesh.store.begin().query(MESSAGES, queue)
    return [row.item for row in page.rows]


async def token_of(mesh: World) -> str:
    """The token in the newest message."""
    body = (await messages(mesh))[-1]["body"]
    return str(body["taskToken"])


async def test_token__goes_out_with_the_message_and_its_answer_ends_the_task(
    tmp_path: Path,
) -> None:
    async with world(tmp_path) as mesh:
        await mesh.put("ask", asking())
        execution = await mesh.start("ask", {"ask": "may I?"})
        await mesh.until_it_waits()
        (message,) = await messages(mesh)
        assert message["body"]["ask"] == "may I?"
        assert message["origin"]["executionId"] == execution
        assert message["origin"]["hops"] == 1
        await mesh.answer(message["body"]["taskToken"], {"yes": True})
        assert (await mesh.end_of(execution)).output == {"yes": True}


async def test_token__is_used_once_and_a_made_up_one_is_unknown(tmp_path: Path) -> None:
    async with world(tmp_path) as mesh:
        await mesh.put("ask", asking())
        execution = await mesh.start("ask", {"ask": 1})
        token = await token_of(mesh)
        await mesh.answer(token, 1)
        with pytest.raises(Conflict) as used:
            await mesh.answer(token, 2)
        assert used.value.code == "TASK_TOKEN_USED"
        assert (await mesh.end_of(execution)).output == 1
        with pytest.raises(Conflict) as used:
            await mesh.answer(token, 3)
        assert used.value.code == "TASK_TOKEN_USED"
        for made_up in ("", "x", "ask:x:y", f"{execution}:{'0' * 32}", "a" * 5000):
            with pytest.raises(Missing) as unknown:
                await mesh.answer(made_up, 1)
            assert unknown.value.code == "TASK_TOKEN_UNKNOWN"


async def test_two_answers_at_once__one_wins_and_the_other_learns_it(tmp_path: Path) -> None:
    async with world(tmp_path) as mesh:
        await mesh.put("ask", asking())
        for _ in range(20):
            execution = await mesh.start("ask", {"ask": 1})
            page = await mesh.store.begin().query(MESSAGES, "approvals", limit=1000)
            bodies = {row.item["origin"]["executionId"]: row.item["body"] for row in page.rows}
            token = bodies[execution]["taskToken"]
            ends = await asyncio.gather(
                mesh.answer(token, "yes"), mesh.answer(token, "no"), return_exceptions=True
            )
            assert [end for end in ends if end is None] == [None]
            (lost,) = [end for end in ends if end is not None]
            assert isinstance(lost, BaseMoved)
            with pytest.raises(Conflict):
                await mesh.answer(token, "no")
            won = ("yes", "no")[ends.index(None)]
            assert (await mesh.end_of(execution)).output == won


async def test_answer_after_the_timeout__is_refused(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as mesh:
        await mesh.put("ask", asking(TimeoutSeconds=60))
        execution = await mesh.start("ask", {"ask": 1})
        await mesh.until_it_waits()
        token = await token_of(mesh)
        clock.advance(61)
        end = await mesh.end_of(execution)
        assert (end.status, end.error) == ("FAILED", "States.Timeout")
        with pytest.raises(Conflict) as late:
            await mesh.answer(token, 1)
        assert late.value.code == "TASK_TOKEN_GONE"


async def test_answer_in_time__wins_over_a_timer_that_goes_off_before_it_is_applied(
    tmp_path: Path,
) -> None:
    clock = ManualClock()
    mesh = World(tmp_path, clock=clock)
    mesh.workflows.open()
    await mesh.put("ask", asking(TimeoutSeconds=60))
    execution = await mesh.start("ask", {"ask": 1})
    await mesh.until_it_waits()
    token = await token_of(mesh)
    await mesh.workflows.close()
    # Nobody runs: the answer waits in the token's row, past the time of the timer.
    await mesh.answer(token, "in time")
    await mesh.store.close()
    clock.advance(3600)
    async with world(tmp_path, clock=clock) as again:
        assert (await again.end_of(execution)).output == "in time"


async def test_failure__is_seen_by_catch_under_its_name(tmp_path: Path) -> None:
    definition = asking(
        Catch=[{"ErrorEquals": ["Rejected"], "ResultPath": "$.why", "Next": "Sorry"}]
    )
    definition["States"]["Sorry"] = {"Type": "Succeed"}
    async with world(tmp_path) as mesh:
        await mesh.put("ask", definition)
        execution = await mesh.start("ask", {"ask": 1})
        work = mesh.store.begin()
        await mesh.workflows.answer_failure(work, await token_of(mesh), "Rejected", "no room")
        await work.commit()
        end = await mesh.end_of(execution)
        assert end.output == {"ask": 1, "why": {"Error": "Rejected", "Cause": "no room"}}


async def test_heartbeats__keep_a_task_alive_and_their_end_fails_it(tmp_path: Path) -> None:
    clock = ManualClock()
    async with world(tmp_path, clock=clock) as mesh:
        await mesh.put("ask", asking(HeartbeatSeconds=10, TimeoutSeconds=3600))
        execution = await mesh.start("ask", {"ask": 1})
        await mesh.until_it_waits()
        token = await token_of(mesh)
        for _ in range(5):
            clock.advance(8)
            work = mesh.store.begin()
            await mesh.workflows.heartbeat(work, token)
            await work.commit()
            await asyncio.sleep(0.02)
            await mesh.until_it_waits()
            assert (await mesh.look(execution)).status == "RUNNING"
        clock.advance(10.5)
        end = await mesh.end_of(execution)
        assert (end.status, end.error) == ("FAILED", "States.HeartbeatTimeout")
        assert (await mesh.types(execution)).count("TaskTimedOut") == 1


async def test_tokens_of_parallel_branches__are_gone_when_one_branch_fails(
    tmp_path: Path,
) -> None:
    branch = asking()
    failing = {
        "StartAt": "AskToo",
        "States": {
            "AskToo": {
                **branch["States"]["Ask"],
                "Parameters": {
                    **branch["States"]["Ask"]["Parameters"],
                    "QueueUrl": "second",
                },
            }
        },
    }
    definition = {
        "StartAt": "Both",
        "States": {"Both": {"Type": "Parallel", "Branches": [branch, failing], "End": True}},
    }
    async with world(tmp_path) as mesh:
        await mesh.put("both", definition)
        execution = await mesh.start("both", {"ask": 1})
        await mesh.until_it_waits()
        first = await token_of(mesh)
        second = (await messages(mesh, "second"))[0]["body"]["taskToken"]
        work = mesh.store.begin()
        await mesh.workflows.answer_failure(work, second, "No", "way")
        await work.commit()
        assert (await mesh.end_of(execution)).status == "FAILED"
        with pytest.raises(Conflict) as gone:
            await mesh.answer(first, 1)
        assert gone.value.code == "TASK_TOKEN_GONE"


async def test_answers_to_hundreds_of_tokens__arrive_together_and_none_is_lost(
    tmp_path: Path,
) -> None:
    definition = {
        "StartAt": "Each",
        "States": {
            "Each": {
                "Type": "Map",
                "ItemProcessor": {
                    "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                    **asking(),
                },
                "End": True,
            }
        },
    }
    count = 300
    async with world(tmp_path) as mesh:
        await mesh.put("each", definition)
        execution = await mesh.start("each", [{"ask": n} for n in range(count)])
        await mesh.until_it_waits()
        page = await mesh.store.begin().query(MESSAGES, "approvals", limit=1000)
        bodies = [row.item["body"] for row in page.rows]
        assert len(bodies) == count
        await asyncio.gather(*(mesh.answer(b["taskToken"], b["ask"] * 2) for b in bodies))
        assert (await mesh.end_of(execution)).output == [n * 2 for n in range(count)]
