"""The publisher: the outbox's events come on EventBridge's bus, all of them, in their order."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from meshplane.events.aws import BusPlaces
from meshplane.events.aws_entries import LARGEST_ENTRY_BYTES, entry_of, requests_of
from meshplane.events.aws_publisher import EventBridgePublisher, S3Spill
from meshplane.events.aws_queues import Queue, ensure_queue
from meshplane.events.aws_rules import EventBridgeRules
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.events import NewEvent, StoredEvent
from tests.builders.bus import Process, place_in
from tests.builders.moto_server import moto_aws, nobody
from tests.builders.until import until

BUS = "datamesh-events"


class Interrupted(Aws):
    """AWS on whose way `put_events` suffers: entries fail, or the answer is lost."""

    def __init__(self, aws: Aws) -> None:
        super().__init__(aws.place, nobody())
        self.failing: list[set[int]] = []
        self.lost_answers = 0
        self.requests: list[list[str]] = []

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        """See `Aws.call`."""
        if operation != "put_events":
            return await super().call(service, operation, **parameters)
        entries = parameters["Entries"]
        self.requests.append([orjson.loads(entry["Detail"]).get("said") for entry in entries])
        failing = self.failing.pop(0) if self.failing else set()
        good = [entry for number, entry in enumerate(entries) if number not in failing]
        sent = await super().call(service, operation, Entries=good) if good else {"Entries": []}
        if self.lost_answers:
            self.lost_answers -= 1
            raise AwsUnavailable(service, operation, "no answer", may_have_happened=True)
        taken = iter(sent["Entries"])
        return {
            "FailedEntryCount": len(failing),
            "Entries": [
                {"ErrorCode": "InternalFailure"} if number in failing else next(taken)
                for number in range(len(entries))
            ],
        }


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with moto_aws() as aws:
        yield aws


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(place_in(tmp_path))
    yield process
    await process.close()


@pytest.fixture
async def all_events(server: Aws) -> AsyncIterator[Queue]:
    """A queue that gets whatever comes on the bus."""
    queue = await ensure_queue(server, "everything")
    places = BusPlaces(server.place, queue.arn, queue.arn, "arn:aws:iam::123456789012:role/s")
    await EventBridgeRules(server, places).ensure_bus()
    await server.call("events", "put_rule", Name="all", EventBusName=BUS, EventPattern="{}")
    target = {"Id": "q", "Arn": queue.arn}
    await server.call("events", "put_targets", Rule="all", EventBusName=BUS, Targets=[target])
    yield queue
    await received(server, queue)


async def received(aws: Aws, queue: Queue) -> list[dict[str, Any]]:
    """What lies in a queue; it is empty afterwards."""
    found = []
    while True:
        answer = await aws.call(
            "sqs", "receive_message", QueueUrl=queue.url, MaxNumberOfMessages=10
        )
        for message in answer.get("Messages", ()):
            found.append(orjson.loads(message["Body"]))
            await aws.call(
                "sqs",
                "delete_message",
                QueueUrl=queue.url,
                ReceiptHandle=message["ReceiptHandle"],
            )
        if not answer.get("Messages"):
            return found


def said(events: list[dict[str, Any]]) -> list[str]:
    return [event["detail"]["said"] for event in events]


async def test_events__come_on_the_bus_in_tens_and_in_their_order(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    aws = Interrupted(server)
    words = [f"w{number:02}" for number in range(23)]
    await mesh.emit(*words, hops=2)
    await EventBridgePublisher(mesh.store, aws, BUS, mesh.clock).run_due()
    assert [len(request) for request in aws.requests] == [10, 10, 3]
    events = await received(server, all_events)
    assert said(events) == words
    (first, *_) = await mesh.store.events_after(0, 1)
    assert events[0]["source"] == "test"
    assert events[0]["detail-type"] == "ThingChanged"
    assert events[0]["resources"] == [
        "w00",
        f"meshplane:event/{first.event_id}",
        "meshplane:hops/2",
    ]


async def test_publisher__goes_on_where_it_was_when_it_starts_again(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    await mesh.emit("a", "b")
    await EventBridgePublisher(mesh.store, server, BUS, mesh.clock).run_due()
    await mesh.emit("c")
    await EventBridgePublisher(mesh.store, server, BUS, mesh.clock).run_due()
    assert said(await received(server, all_events)) == ["a", "b", "c"]


async def test_publishers_of_two_processes__send_each_event_once(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    await mesh.emit(*(f"w{number:02}" for number in range(30)))
    two = [EventBridgePublisher(mesh.store, server, BUS, mesh.clock) for _ in range(2)]
    for publisher in two:
        publisher.start()
    found: list[dict[str, Any]] = []

    async def all_came() -> bool:
        found.extend(await received(server, all_events))
        return len(found) >= 31

    await mesh.emit("last")
    await until(all_came)
    for publisher in two:
        await publisher.stop()
    assert len(found) == len(set(said(found))) == 31
    assert await received(server, all_events) == []


async def test_entries_that_fail__are_sent_again_and_the_others_are_not(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    aws = Interrupted(server)
    aws.failing = [{1, 3}, {0}]
    await mesh.emit("a", "b", "c", "d")
    await EventBridgePublisher(mesh.store, aws, BUS, mesh.clock).run_due()
    assert aws.requests == [["a", "b", "c", "d"], ["b", "d"], ["b"]]
    assert sorted(said(await received(server, all_events))) == ["a", "b", "c", "d"]


async def test_lost_answer__sends_again_and_the_id_shows_the_repetition(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    aws = Interrupted(server)
    aws.lost_answers = 1
    await mesh.emit("a")
    publisher = EventBridgePublisher(mesh.store, aws, BUS, mesh.clock)
    with pytest.raises(AwsUnavailable):
        await publisher.run_due()
    await publisher.run_due()
    events = await received(server, all_events)
    assert said(events) == ["a", "a"]
    assert events[0]["resources"] == events[1]["resources"]
    assert events[0]["id"] != events[1]["id"]


async def test_requests_that_were_taken__are_not_sent_again_after_one_that_was_not(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    aws = Interrupted(server)
    await mesh.emit(*(f"w{number:02}" for number in range(12)))
    everything = {0, 1}
    aws.failing = [set(), *([everything] * 8)]
    publisher = EventBridgePublisher(mesh.store, aws, BUS, mesh.clock, first_wait_seconds=0.01)
    with pytest.raises(AwsUnavailable):
        await publisher.run_due()
    aws.requests.clear()
    await publisher.run_due()
    assert aws.requests == [["w10", "w11"]]
    assert len(await received(server, all_events)) == 12


async def test_event_too_large__is_a_dead_letter_and_holds_up_no_other(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    await _emit_large(mesh)
    await mesh.emit("after")
    await EventBridgePublisher(mesh.store, server, BUS, mesh.clock).run_due()
    (letter,) = await mesh.letters()
    assert letter.item["errorCode"] == "EVENT_TOO_LARGE"
    assert letter.item["deadLetterQueue"] == "eventbridge"
    assert said(await received(server, all_events)) == ["after"]


async def test_event_too_large__leaves_its_detail_in_a_bucket_where_one_is_named(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    where = {"LocationConstraint": server.place.region}
    await server.call("s3", "create_bucket", Bucket="spill", CreateBucketConfiguration=where)
    event = await _emit_large(mesh)
    spill = S3Spill(server, "spill")
    await EventBridgePublisher(mesh.store, server, BUS, mesh.clock, spill=spill).run_due()
    (told,) = await received(server, all_events)
    place = told["detail"]["spilledTo"]
    assert place == f"s3://spill/events/{event.event_id}.json"
    answer = await server.call("s3", "get_object", Bucket="spill", Key=place.split("/", 3)[3])
    assert orjson.loads(answer["Body"].read()) == event.detail
    assert await mesh.letters() == []


async def test_events_of_aws__are_not_put_back_on_a_bus(
    server: Aws, mesh: Process, all_events: Queue
) -> None:
    work = mesh.store.begin()
    work.emit(NewEvent("Data Product Created", "aws.datazone", "x", {"said": "theirs"}))
    await work.commit()
    await mesh.emit("ours")
    await EventBridgePublisher(mesh.store, server, BUS, mesh.clock).run_due()
    assert said(await received(server, all_events)) == ["ours"]


def test_requests__stay_below_a_megabyte_together() -> None:
    entries = [entry_of(_event(number, "x" * 200_000), BUS) for number in range(12)]
    requests = list(requests_of(entries))
    assert [len(request) for request in requests] == [4, 4, 4]
    assert all(sum(entry.size_bytes for entry in request) < 1_000_000 for request in requests)


def test_entry__is_as_large_as_aws_counts_it() -> None:
    entry = entry_of(_event(1, "é"), BUS)
    source, kind, detail = "test", "Thing", '{"said":"é"}'
    resources = "thing" + "meshplane:event/evt-1"
    assert entry.size_bytes == 14 + len((source + kind + detail + resources).encode())


def _event(number: int, word: str) -> StoredEvent:
    time = "2026-11-01T00:00:00.000000Z"
    return StoredEvent(number, f"evt-{number}", "Thing", "test", "thing", time, {"said": word})


async def _emit_large(mesh: Process) -> StoredEvent:
    work = mesh.store.begin()
    work.emit(NewEvent("ThingChanged", "test", "thing", {"said": "x" * LARGEST_ENTRY_BYTES}))
    await work.commit()
    (event,) = await mesh.store.events_after(0, 1)
    return event
