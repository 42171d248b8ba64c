"""The bus on AWS as one part: what is emitted here starts what the rules say, by way of AWS."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from meshplane.events.archives import EVENT_ARCHIVES, Archive, archive_item
from meshplane.events.aws import BusPlaces
from meshplane.events.aws_bus import EventBridgeBus, ensure_queues
from meshplane.events.aws_rules import RuleDrift
from meshplane.events.dead_letters import redrive
from meshplane.events.lane import PARKED
from meshplane.events.queue_worker import QueueWorker
from meshplane.platform.aws.calls import Aws
from meshplane.workflows.built_in_rules import BUILT_IN_RULES
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.bus import Process, place_in, rule
from tests.builders.until import until

ROLE = "arn:aws:iam::111122223333:role/bus"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with sandbox_in() as sandbox:
        made = aws_of(sandbox, prefix="one-")
        yield made
        made.close()


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(place_in(tmp_path), BUILT_IN_RULES)
    yield process
    await process.close()


@pytest.fixture
async def bus(aws: Aws, mesh: Process) -> AsyncIterator[EventBridgeBus]:
    places, queue, dead = await ensure_queues(aws, BusPlaces(aws.place, "", "", ROLE))
    made = EventBridgeBus(
        mesh.store,
        aws,
        mesh.book,
        places,
        queue=queue,
        dead_letters=dead,
        clock=mesh.clock,
        poll_seconds=1,
    )
    await made.start()
    yield made
    await made.stop()


async def test_event__comes_back_from_aws_and_goes_to_the_rules_targets(
    bus: EventBridgeBus, mesh: Process
) -> None:
    await mesh.put(rule("late", "jobs"))

    async def is_there() -> bool:
        return not await bus.drift()

    await until(is_there)
    await mesh.emit("a", "b")

    async def came() -> bool:
        return await mesh.said("jobs") == ["a", "b"]

    await until(came)
    assert await mesh.letters() == []


async def test_products_rules_and_schedules__are_on_aws_from_the_start(
    bus: EventBridgeBus, mesh: Process
) -> None:
    assert await bus.drift() == []
    applied, scheduled = await bus.apply()
    assert (applied.put, scheduled.put) == ((), ())
    assert applied.unchanged + scheduled.unchanged == len(BUILT_IN_RULES)


async def test_change_by_somebody_else__is_drift_until_it_is_put_right(
    bus: EventBridgeBus, aws: Aws, mesh: Process
) -> None:
    await aws.call(
        "events", "disable_rule", Name="subscription", EventBusName="one-datamesh-events"
    )
    assert RuleDrift("subscription", "changed", ("State",)) in await bus.drift()
    await bus.apply()
    assert await bus.drift() == []


async def test_archive__is_on_aws_a_moment_after_it_was_made(
    bus: EventBridgeBus, aws: Aws, mesh: Process
) -> None:
    work = mesh.store.begin()
    work.put(EVENT_ARCHIVES, archive_item(replace(Archive("kept"), retention_days=7)))
    await work.commit()

    async def is_there() -> bool:
        answer = await aws.call("events", "list_archives", NamePrefix="one-")
        return [one["ArchiveName"] for one in answer["Archives"]] == ["one-kept"]

    await until(is_there)
    answer = await aws.call("events", "describe_archive", ArchiveName="one-kept")
    assert answer["RetentionDays"] == 7


async def test_what_aws_gave_up__is_a_dead_letter_of_the_mesh_and_can_be_redriven(
    bus: EventBridgeBus, aws: Aws, mesh: Process
) -> None:
    await mesh.put(rule("r", "jobs"))
    event = {
        "id": "of-eventbridge",
        "detail-type": "ThingChanged",
        "source": "test",
        "time": "2026-11-01T00:00:00Z",
        "resources": ["a1", "meshplane:event/evt-1"],
        "detail": {"said": "a1"},
    }
    url = (await aws.call("sqs", "get_queue_url", QueueName="one-meshplane-dead-letters"))[
        "QueueUrl"
    ]
    told = {"ERROR_CODE": "NO_PERMISSIONS", "RETRY_ATTEMPTS": "3"}
    attributes = {
        name: {"DataType": "String", "StringValue": value} for name, value in told.items()
    }
    await aws.call(
        "sqs",
        "send_message",
        QueueUrl=url,
        MessageBody=json.dumps({"rule": "r", "event": event}),
        MessageAttributes=attributes,
    )

    async def is_told() -> bool:
        return bool(await mesh.letters())

    await until(is_told)
    (letter,) = await mesh.letters()
    assert (letter.item["errorCode"], letter.item["attempts"]) == ("NO_PERMISSIONS", 3)
    assert letter.item["origin"] == {"rule": "r", "eventId": "evt-1"}
    work = mesh.store.begin()
    redrive(work, letter, PARKED, mesh.clock.now())
    await work.commit()
    await QueueWorker(mesh.store, bus.queues, mesh.clock).run_due()
    assert await mesh.said("jobs") == ["a1"]
