"""Tasks that write to our own store do so in the commit of their transition."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queues import MESSAGES
from meshplane.kit.errors import Conflict
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.run_as import WORKFLOWS_SERVICE
from tests.builders.manual_clock import ManualClock
from tests.builders.workflow_world import ADA, World, in_a_row, plus_one, world

pytestmark = pytest.mark.anyio

SERVICE = "arn:aws:states:::"


def one_task(resource: str, parameters: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A definition of one task."""
    task = {"Type": "Task", "Resource": f"{SERVICE}{resource}", "Parameters": parameters}
    return {"StartAt": "Do", "States": {"Do": {**task, "End": True, **more}}}


async def run(mesh: World, definition: dict[str, Any], given: Any = None) -> Any:
    """Puts a machine, runs it, and gives its end."""
    await mesh.put("m", definition)
    return await mesh.end_of(await mesh.start("m", given))


async def test_message__lies_in_the_queue_once_with_sqs_answer(tmp_path: Path) -> None:
    parameters = {"QueueUrl": "arn:aws:sqs:eu:1:orders", "MessageBody": "text", "DelaySeconds": 5}
    async with world(tmp_path) as mesh:
        end = await run(mesh, one_task("sqs:sendMessage", parameters))
        assert end.status == "SUCCEEDED", end.cause
        (row,) = (await mesh.store.begin().query(MESSAGES, "orders")).rows
        assert row.item["body"] == "text"
        assert row.item["dueAt"] - row.item["sentAt"] == 5000
        digest = hashlib.md5(b"text").hexdigest()
        assert end.output == {"MD5OfMessageBody": digest, "MessageId": row.item["messageId"]}
        types = await mesh.types(end.execution_id)
        assert types.count("TaskScheduled") == types.count("TaskSucceeded") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        {"QueueUrl": "q", "MessageBody": ""},
        {"QueueUrl": "q", "MessageBody": "x", "DelaySeconds": 901},
        {"QueueUrl": "q", "MessageBody": "x", "Colour": "red"},
        {"QueueUrl": "https://sqs.eu.amazonaws.com/1/workflow-starts", "MessageBody": "x"},
    ],
)
async def test_message_that_is_wrong__fails_the_task_by_name(
    tmp_path: Path, wrong: dict[str, Any]
) -> None:
    caught = {"ErrorEquals": ["SQS.SqsException"], "Next": "Caught"}
    definition = one_task("sqs:sendMessage", wrong, Catch=[caught])
    definition["States"]["Caught"] = {"Type": "Pass", "End": True}
    async with world(tmp_path) as mesh:
        assert (await run(mesh, definition)).output["Error"] == "SQS.SqsException"


async def test_notification__is_an_event_on_the_bus(tmp_path: Path) -> None:
    parameters = {"TopicArn": "arn:aws:sns:eu:1:news", "Subject": "Hi", "Message": {"a": 1}}
    async with world(tmp_path) as mesh:
        end = await run(mesh, one_task("sns:publish", parameters))
        events = await mesh.store.events_after(0, 10)
        assert [event.type for event in events] == ["NotificationPublished", "ExecutionSucceeded"]
        assert events[0].detail["topic"] == "news"
        assert events[0].detail["message"] == '{"a":1}'
        assert events[0].detail["notificationId"] == end.output["MessageId"]
        assert {event.hops for event in events} == {1}


async def test_events__are_on_the_bus_under_the_ids_that_were_answered(tmp_path: Path) -> None:
    entries = [
        {"Source": "shop", "DetailType": "Sold", "Detail": {"n": 1}, "Resources": ["order-1"]},
        {"Source": "shop", "DetailType": "Sold", "Detail": '{"n": 2}', "EventBusName": "default"},
    ]
    async with world(tmp_path) as mesh:
        end = await run(mesh, one_task("events:putEvents", {"Entries": entries}))
        events = [e for e in await mesh.store.events_after(0, 10) if e.source == "shop"]
        assert [event.detail for event in events] == [{"n": 1}, {"n": 2}]
        assert events[0].entity == "order-1"
        assert end.output["FailedEntryCount"] == 0
        assert [e["EventId"] for e in end.output["Entries"]] == [e.event_id for e in events]


async def test_event_of_the_mesh_itself__is_put_by_its_own_workflows_only(tmp_path: Path) -> None:
    entry = {"Source": "management-app.projects", "DetailType": "ProjectCreated", "Detail": {}}
    definition = one_task("events:putEvents", {"Entries": [entry]})
    async with world(tmp_path) as mesh:
        end = await run(mesh, definition)
        assert (end.status, end.error) == ("FAILED", "EventBridge.FailedEntry")
        work = mesh.store.begin()
        started = await mesh.workflows.start(work, "m", {}, run_as=WORKFLOWS_SERVICE)
        await work.commit()
        assert (await mesh.end_of(started.execution_id)).status == "SUCCEEDED"


async def test_child__is_waited_for_and_gives_its_output(tmp_path: Path) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("child", in_a_row("plus", "plus"))
        parameters = {"StateMachineArn": "child", "Input.$": "$"}
        definition = one_task("states:startExecution.sync:2", parameters)
        end = await run(mesh, definition, {"n": 1})
        assert end.output["Output"] == {"n": 3}
        assert end.output["Input"] == {"n": 1}
        assert end.output["Status"] == "SUCCEEDED"
        text = one_task("states:startExecution.sync", parameters)
        end = await run(mesh, text, {"n": 1})
        assert (end.output["Input"], end.output["Output"]) == ('{"n":1}', '{"n":3}')


async def test_failed_child__fails_the_task_and_a_retry_starts_another(tmp_path: Path) -> None:
    clock, failures = ManualClock(), [1]

    async def flaky(given: Any, request: TaskRequest) -> Any:
        if failures:
            failures.pop()
            raise TaskFailed("Broken", "once")
        return "mended"

    async with world(tmp_path, {"flaky": flaky}, clock) as mesh:
        await mesh.put("child", in_a_row("flaky"))
        retry = [{"ErrorEquals": ["States.TaskFailed"], "IntervalSeconds": 1, "MaxAttempts": 1}]
        definition = one_task(
            "states:startExecution.sync:2", {"StateMachineArn": "child"}, Retry=retry
        )
        await mesh.put("m", definition)
        execution = await mesh.start("m")
        while (await mesh.types(execution)).count("TaskFailed") == 0:
            await mesh.until_it_waits()
        await mesh.until_it_waits()
        clock.advance(2)
        assert (await mesh.end_of(execution)).output["Output"] == "mended"
        children = await mesh.workflows.executions.listed(mesh.store.begin(), machine="child")
        assert sorted(row.item["status"] for row in children.rows) == ["FAILED", "SUCCEEDED"]


async def test_child_of_a_stopped_parent__is_stopped_too(tmp_path: Path) -> None:
    week = {"StartAt": "W", "States": {"W": {"Type": "Wait", "Seconds": 604800, "End": True}}}
    async with world(tmp_path, clock=ManualClock()) as mesh:
        await mesh.put("child", week)
        await mesh.put(
            "m", one_task("states:startExecution.sync", {"StateMachineArn": "child", "Name": "c"})
        )
        execution = await mesh.start("m")
        await mesh.until_it_waits()
        assert (await mesh.look("child:c")).hops == 1
        work = mesh.store.begin()
        await mesh.workflows.executions.stop(work, execution)
        await work.commit()
        assert (await mesh.end_of("child:c")).status == "ABORTED"


async def test_workflow_that_starts_itself__ends_after_sixteen(tmp_path: Path) -> None:
    definition = one_task("states:startExecution", {"StateMachineArn": "m"})
    async with world(tmp_path) as mesh:
        await run(mesh, definition)
        while True:
            await mesh.until_it_waits()
            page = await mesh.workflows.executions.listed(mesh.store.begin(), machine="m")
            if all(row.item["status"] != "RUNNING" for row in page.rows):
                break
        assert len(page.rows) == 16
        failed = [row.item for row in page.rows if row.item["status"] == "FAILED"]
        assert [row["hops"] for row in failed] == [15]
        assert failed[0]["run"]["outcome"]["error"] == "EVENT_LOOP"


async def test_start_after_sixteen_hops__is_refused(tmp_path: Path) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        await mesh.put("m", in_a_row("plus"))
        with pytest.raises(Conflict) as refused:
            await mesh.workflows.start(mesh.store.begin(), "m", {}, run_as=ADA, hops=16)
        assert refused.value.code == "EVENT_LOOP"


async def test_machine_that_acts_for_the_mesh__is_not_started_from_a_users_workflow(
    tmp_path: Path,
) -> None:
    async with world(tmp_path, {"plus": plus_one}) as mesh:
        work = mesh.store.begin()
        await mesh.workflows.put_machine(
            work, "mighty", in_a_row("plus"), created_by="service:x", run_as=WORKFLOWS_SERVICE
        )
        await work.commit()
        end = await run(mesh, one_task("states:startExecution", {"StateMachineArn": "mighty"}))
        assert (end.status, end.error) == ("FAILED", "StepFunctions.AccessDeniedException")
