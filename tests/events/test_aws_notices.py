"""People are told over topics what happened to them, each thing once."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.events.aws_notice_table import NOTICES
from meshplane.events.aws_notices import NoticesToTopics
from meshplane.events.notices import TOLD, TOPICS, notice_of
from meshplane.kit.clock import to_text
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.events import StoredEvent
from tests.builders.bus import TABLES, Process
from tests.builders.moto_server import moto_aws
from tests.builders.stores import NOON, SqlitePlace
from tests.builders.watched_aws import WatchedAws, no_answer, throttled

DETAILS: dict[str, dict[str, Any]] = {
    "NotificationPublished": {
        "topic": "subscription-notifications",
        "subject": "Subscription was rejected",
        "message": "Request sub-req-1 was rejected.",
    },
    "ApprovalRequested": {
        "workflowId": "workflow-1",
        "stepNumber": 1,
        "stepName": "steward",
        "title": "Publish aviation.flights?",
        "deadline": "2026-03-01T12:00:00Z",
    },
    "ApprovalEscalated": {
        "workflowId": "workflow-1",
        "stepNumber": 1,
        "stepName": "steward",
        "title": "Publish aviation.flights?",
        "deadline": None,
    },
    "SubscriptionRequested": {
        "requestId": "sub-req-1",
        "assetId": "asset-1",
        "projectId": "proj-1",
        "requestedBy": "user:ada@maps",
        "level": "confidential",
        "route": ["steward"],
    },
    "SubscriptionExpiring": {
        "requestId": "sub-req-1",
        "assetId": "asset-1",
        "requestedBy": "user:ada@maps",
        "subscriber": "project:proj-1",
        "expiresAt": "2026-04-01T00:00:00Z",
    },
    "SubscriberNotified": {
        "projectId": None,
        "subscriber": "user:ada@maps",
        "assetId": "asset-1",
        "requestId": "sub-req-1",
        "message": "A column goes.",
    },
    "DataQualityAlert": {"assetId": "asset-1", "runId": "run-1", "score": 0.985, "failedRules": 2},
    "DeploymentCompleted": {
        "deploymentId": "dep-1",
        "projectId": "proj-1",
        "environment": "prod",
        "status": "FAILED",
    },
}
SOURCES = {kind: source for source, kinds in TOLD.items() for kind in kinds}


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with moto_aws("mesh-") as aws:
        yield aws


@pytest.fixture
def aws(server: Aws) -> WatchedAws:
    return WatchedAws(server)


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(SqlitePlace(tmp_path, (*TABLES, NOTICES)))
    yield process
    await process.close()


class Ears:
    """Queues that hear every topic."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self._url = aws.run("sqs", "create_queue", QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:{aws.place.region}:{aws.place.account}:{name}"
        for topic in TOPICS:
            made = aws.run("sns", "create_topic", Name=f"{aws.place.prefix}{topic}")
            aws.run("sns", "subscribe", TopicArn=made["TopicArn"], Protocol="sqs", Endpoint=arn)

    def heard(self) -> list[dict[str, Any]]:
        """What came since the last time."""
        found: list[dict[str, Any]] = []
        while True:
            answer = self._aws.run(
                "sqs", "receive_message", QueueUrl=self._url, MaxNumberOfMessages=10
            )
            if not answer.get("Messages"):
                return found
            for message in answer["Messages"]:
                found.append(json.loads(message["Body"]))
                receipt = message["ReceiptHandle"]
                self._aws.run("sqs", "delete_message", QueueUrl=self._url, ReceiptHandle=receipt)


@pytest.fixture
def ears(server: Aws, request: pytest.FixtureRequest) -> Iterator[Ears]:
    made = Ears(server, f"ears-{abs(hash(request.node.name))}")
    yield made
    made.heard()


def happened(
    kind: str, event_id: str = "evt-1", days_ago: float = 0, **changes: Any
) -> StoredEvent:
    time = to_text(NOON - timedelta(days=days_ago))
    detail = {**DETAILS[kind], **changes}
    return StoredEvent(1, event_id, kind, SOURCES[kind], "entity", time, detail)


async def deliver(aws: Aws, mesh: Process, event: StoredEvent, *, dies: bool = False) -> None:
    """As a lane does it; a process that dies does not commit."""
    consumers = NoticesToTopics(aws, mesh.store, mesh.clock).consumers
    (consumer,) = [one for one in consumers if one.wants(event)]
    work = mesh.store.begin()
    await consumer.handle(work, event)
    if not dies:
        await work.commit()


@pytest.mark.parametrize("kind", sorted(DETAILS))
async def test_what_happened__reaches_who_listens_with_its_marks(
    aws: WatchedAws, mesh: Process, ears: Ears, kind: str
) -> None:
    await deliver(aws, mesh, happened(kind))
    (told,) = ears.heard()
    marks = {name: one["Value"] for name, one in told["MessageAttributes"].items()}
    assert (marks["eventId"], marks["eventType"]) == ("evt-1", kind)
    named = {"assetId", "projectId", "requestId"} & DETAILS[kind].keys()
    assert all(marks.get(name) == DETAILS[kind][name] for name in named if DETAILS[kind][name])
    assert told["Subject"]
    assert len(told["Message"]) > 20


def test_every_type_that_is_told__is_tried_here() -> None:
    assert set(SOURCES) == set(DETAILS)


@pytest.mark.parametrize(
    "event",
    [
        happened("DeploymentCompleted", status="SUCCESS"),
        happened("NotificationPublished", topic="my-own-topic"),
        StoredEvent(1, "e", "DataQualityAlert", "somebody", "", to_text(NOON), {}),
    ],
)
def test_what_is_nobodys_business__is_not_told(event: StoredEvent) -> None:
    assert notice_of(event) is None


async def test_an_event_that_is_delivered_again__is_told_once(
    aws: WatchedAws, mesh: Process, ears: Ears
) -> None:
    for _ in range(3):
        await deliver(aws, mesh, happened("DataQualityAlert"))
    assert len(ears.heard()) == 1
    assert aws.asked["publish"] == 1


async def test_while_one_process_sends_it__another_does_not(
    aws: WatchedAws, mesh: Process, ears: Ears
) -> None:
    event = happened("DataQualityAlert")
    refused = []

    async def around(operation: str, _: dict[str, Any], really: Any) -> Any:
        with pytest.raises(Exception, match="Another process sends this notice now") as caught:
            await deliver(WatchedAws(aws), mesh, event)
        refused.append(caught.value)
        return await really()

    aws.around = around
    await deliver(aws, mesh, event)
    assert (len(refused), len(ears.heard())) == (1, 1)


@pytest.mark.parametrize("fails", [throttled, no_answer])
async def test_sns_that_does_not_answer__it_is_told_at_the_next_attempt(
    aws: WatchedAws, mesh: Process, ears: Ears, fails: Any
) -> None:
    async def down(operation: str, _: dict[str, Any], really: Any) -> Any:
        raise fails(operation)

    aws.around = down
    with pytest.raises(AwsUnavailable):
        await deliver(aws, mesh, happened("DataQualityAlert"))
    aws.around = None
    await deliver(aws, mesh, happened("DataQualityAlert"))
    assert len(ears.heard()) == 1


async def test_sns_that_hangs__is_not_waited_for_long(
    aws: WatchedAws, mesh: Process, ears: Ears
) -> None:
    async def hang(operation: str, _: dict[str, Any], really: Any) -> Any:
        await asyncio.sleep(60)

    aws.around = hang
    event = happened("DataQualityAlert")
    work = mesh.store.begin()
    telling = NoticesToTopics(aws, mesh.store, mesh.clock, longest_seconds=0.05)
    (consumer,) = [one for one in telling.consumers if one.wants(event)]
    with pytest.raises(TimeoutError):
        await consumer.handle(work, event)
    aws.around = None
    await deliver(aws, mesh, event)
    assert len(ears.heard()) == 1


async def test_a_process_that_dies_after_sending__another_sends_it_again_under_the_same_id(
    aws: WatchedAws, mesh: Process, ears: Ears
) -> None:
    event = happened("DataQualityAlert")
    await deliver(aws, mesh, event, dies=True)
    with pytest.raises(Exception, match="Another process"):
        await deliver(aws, mesh, event)
    mesh.clock.advance(11 * 60)
    await deliver(aws, mesh, event)
    marks = [one["MessageAttributes"]["eventId"]["Value"] for one in ears.heard()]
    assert marks == ["evt-1", "evt-1"]


async def test_what_happened_before_yesterday__is_news_to_nobody(
    aws: WatchedAws, mesh: Process, ears: Ears
) -> None:
    await deliver(aws, mesh, happened("DataQualityAlert", days_ago=2))
    assert ears.heard() == []


async def test_a_topic_that_is_gone__is_made_again(aws: WatchedAws, mesh: Process) -> None:
    arn = f"arn:aws:sns:{aws.place.region}:{aws.place.account}:mesh-asset-notifications"
    aws.run("sns", "create_topic", Name="mesh-asset-notifications")
    aws.run("sns", "delete_topic", TopicArn=arn)
    await deliver(aws, mesh, happened("DataQualityAlert"))
    assert aws.run("sns", "get_topic_attributes", TopicArn=arn)["Attributes"]["TopicArn"] == arn
