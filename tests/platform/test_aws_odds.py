"""Secrets, keys, figures and notices on AWS."""

import asyncio
import itertools
import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Conflict, Invalid, TooLarge
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.keys import DomainKeys
from meshplane.platform.aws.metrics import QUALITY_SCORE, Metrics
from meshplane.platform.aws.notices import MOST_SUBJECT_CHARACTERS, Notices, subject_of
from meshplane.platform.aws.secrets import Secrets
from tests.builders.dynamodb_place import aws_of
from tests.builders.watched_aws import WatchedAws, throttled

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
_numbers = itertools.count(1)


@pytest.fixture
def aws() -> WatchedAws:
    """AWS under a prefix that nobody else uses."""
    return WatchedAws(aws_of(f"odds{next(_numbers)}-"))


async def test_secret__is_what_was_put_last(aws: WatchedAws) -> None:
    secrets = Secrets(aws)
    assert await secrets.get("mask-key") is None
    for number, value in enumerate(["a", "b", "a"]):
        await secrets.put("mask-key", value, token=f"command-{number}")
        assert await secrets.get("mask-key") == value


async def test_secret__put_again_for_the_same_wish__has_no_second_version(aws: WatchedAws) -> None:
    secrets = Secrets(aws)
    await secrets.put("webhook", "first", token="one")
    for _ in range(3):
        await secrets.put("webhook", "value", token="two")
    listed = await aws.call(
        "secretsmanager", "list_secret_version_ids", SecretId=f"{aws.place.prefix}webhook"
    )
    assert len(listed["Versions"]) == 2


async def test_secret__made_by_many_at_once__is_one(aws: WatchedAws) -> None:
    made = itertools.count()
    found = await asyncio.gather(
        *(Secrets(aws).get_or_make("mask-key", lambda: f"made{next(made)}") for _ in range(8))
    )
    assert len(set(found)) == 1
    assert await Secrets(aws).get("mask-key") == found[0]


async def test_domain_key__is_made_once_with_alias_and_rotation(aws: WatchedAws) -> None:
    keys = DomainKeys(aws)
    assert await keys.find("aviation") is None
    first = await keys.ensure("aviation")
    again = await keys.ensure("aviation")
    assert (first.made, again.made) == (True, False)
    assert first.key_id == again.key_id
    assert first.alias == f"alias/{aws.place.prefix}meshplane-aviation"
    assert aws.asked["create_key"] == 1
    status = await aws.call("kms", "get_key_rotation_status", KeyId=first.key_id)
    assert status["KeyRotationEnabled"]
    assert (await keys.ensure("climate")).key_id != first.key_id


async def test_domain_key__that_somebody_else_named__is_adopted_and_rotated(
    aws: WatchedAws,
) -> None:
    made = await aws.call("kms", "create_key")
    key_id = made["KeyMetadata"]["KeyId"]
    alias = f"alias/{aws.place.prefix}meshplane-aviation"
    await aws.call("kms", "create_alias", AliasName=alias, TargetKeyId=key_id)
    aws.forget()
    found = await DomainKeys(aws).ensure("aviation")
    assert found.key_id == key_id
    assert aws.asked["create_key"] == 0
    status = await aws.call("kms", "get_key_rotation_status", KeyId=key_id)
    assert status["KeyRotationEnabled"]


async def test_domain_key__made_by_two_at_once__is_one_and_the_other_goes(aws: WatchedAws) -> None:
    both = asyncio.Barrier(2)

    async def around(operation: str, _: dict[str, Any], really: Any) -> Any:
        if operation == "create_alias":
            await both.wait()
        return await really()

    aws.around = around
    one, other = await asyncio.gather(*(DomainKeys(aws).ensure("aviation") for _ in range(2)))
    assert one.key_id == other.key_id
    assert {one.made, other.made} == {True, False}
    assert aws.asked["schedule_key_deletion"] == 1


async def test_domain_key__that_is_disabled__is_not_used(aws: WatchedAws) -> None:
    keys = DomainKeys(aws)
    found = await keys.ensure("aviation")
    await aws.call("kms", "disable_key", KeyId=found.key_id)
    with pytest.raises(Conflict) as caught:
        await keys.ensure("aviation")
    assert caught.value.code == "KEY_UNUSABLE"
    with pytest.raises(Invalid):
        await keys.ensure("no alias")


def sent_figures(aws: WatchedAws, sent: list[dict[str, Any]]) -> None:
    async def around(operation: str, given: dict[str, Any], really: Any) -> Any:
        answer = await really()
        if operation == "put_metric_data":
            sent.append(given)
        return answer

    aws.around = around


async def test_figures__are_sent_in_thousands_with_instants_in_utc(aws: WatchedAws) -> None:
    metrics = Metrics(aws, FixedClock(NOW), aws.place.prefix)
    sent: list[dict[str, Any]] = []
    sent_figures(aws, sent)
    there = NOW.astimezone(timezone(timedelta(hours=2)))
    for number in range(2345):
        asset = {"Asset": f"aviation.a{number % 3}"}
        metrics.record(QUALITY_SCORE, number % 100, "Percent", asset, there)
    assert await metrics.send() == 2345
    assert [len(each["MetricData"]) for each in sent] == [1000, 1000, 345]
    assert sent[0]["MetricData"][0]["Timestamp"].isoformat() == "2026-03-01T12:00:00+00:00"
    listed = await aws.call("cloudwatch", "list_metrics", Namespace=aws.place.prefix)
    assert {each["MetricName"] for each in listed["Metrics"]} == {QUALITY_SCORE}
    assert await metrics.send() == 0


async def test_figures__that_cannot_be_sent_now__wait_in_their_order(aws: WatchedAws) -> None:
    metrics = Metrics(aws, FixedClock(NOW))
    sent: list[dict[str, Any]] = []

    async def down(operation: str, _: dict[str, Any], really: Any) -> Any:
        raise throttled(operation)

    aws.around = down
    for number in range(3):
        metrics.record("Requests", number, "Count")
    with pytest.raises(AwsUnavailable):
        await metrics.send()
    sent_figures(aws, sent)
    assert await metrics.send() == 3
    assert [each["Value"] for each in sent[0]["MetricData"]] == [0, 1, 2]


async def test_figures__that_are_refused__do_not_hold_back_others(aws: WatchedAws) -> None:
    metrics = Metrics(aws, FixedClock(NOW))
    sent: list[dict[str, Any]] = []

    async def refusing(operation: str, _: dict[str, Any], really: Any) -> Any:
        raise AwsRejected("cloudwatch", operation, "InvalidParameterValue")

    aws.around = refusing
    metrics.record("Requests", 1, "Count")
    assert await metrics.send() == 0
    sent_figures(aws, sent)
    metrics.record("Requests", 2, "Count")
    assert await metrics.send() == 2
    names = [each["MetricName"] for each in sent[0]["MetricData"]]
    assert (names, metrics.lost) == (["Requests", "FiguresLost"], 1)


async def test_figures__are_sent_in_calls_of_less_than_a_megabyte(aws: WatchedAws) -> None:
    metrics = Metrics(aws, FixedClock(NOW))
    sent: list[dict[str, Any]] = []
    sent_figures(aws, sent)
    large = {f"D{number}": "v" * 1000 for number in range(30)}
    for number in range(100):
        metrics.record("Requests", number, "Count", large)
    assert await metrics.send() == 100
    sizes = [len(json.dumps(each["MetricData"], default=str)) for each in sent]
    assert max(sizes) < 1_000_000
    assert [each["Value"] for part in sent for each in part["MetricData"]] == list(range(100))


async def test_figures__too_many_that_wait__the_oldest_are_lost_and_that_is_counted(
    aws: WatchedAws,
) -> None:
    metrics = Metrics(aws, FixedClock(NOW))
    sent: list[dict[str, Any]] = []
    sent_figures(aws, sent)
    for number in range(20_005):
        metrics.record("Requests", number, "Count")
    assert metrics.lost == 5
    await metrics.send()
    told = [each for part in sent for each in part["MetricData"]]
    # What is told of the loss takes a place as well.
    assert told[0]["Value"] == 6
    assert [each["Value"] for each in told if each["MetricName"] == "FiguresLost"] == [5]


async def test_figures__a_spread_is_sent_as_values_with_their_counts(aws: WatchedAws) -> None:
    metrics = Metrics(aws, FixedClock(NOW))
    sent: list[dict[str, Any]] = []
    sent_figures(aws, sent)
    metrics.record_spread("ApiLatency", [(0.1, 3.0), (0.5, 1.0)], "Seconds")
    await metrics.send()
    (datum,) = sent[0]["MetricData"]
    assert (datum["Values"], datum["Counts"]) == ([0.1, 0.5], [3.0, 1.0])
    with pytest.raises(Invalid):
        metrics.record_spread("ApiLatency", [(0.1, 1.0)] * 151, "Seconds")


@pytest.mark.parametrize(
    ("value", "at", "dimensions"),
    [
        (math.nan, NOW, {}),
        (math.inf, NOW, {}),
        (1, NOW.replace(tzinfo=None), {}),
        (1, NOW, {"Asset": ""}),
        (1, NOW, {":Asset": "a"}),
        (1, NOW, {"Asset": "é"}),
        (1, NOW, {f"D{number}": "a" for number in range(31)}),
    ],
)
def test_figure__that_cloudwatch_would_refuse__is_refused_when_it_is_taken(
    aws: WatchedAws, value: float, at: datetime, dimensions: dict[str, str]
) -> None:
    with pytest.raises(Invalid) as caught:
        Metrics(aws, FixedClock(NOW)).record("Requests", value, "Count", dimensions, at)
    assert caught.value.code == "FIGURE_INVALID"


async def topic(aws: WatchedAws) -> tuple[str, str]:
    """A topic, and a queue that hears it."""
    name = f"{aws.place.prefix}notices"
    topic_arn = (await aws.call("sns", "create_topic", Name=name))["TopicArn"]
    queue_url = (await aws.call("sqs", "create_queue", QueueName=name))["QueueUrl"]
    told = await aws.call(
        "sqs", "get_queue_attributes", QueueUrl=queue_url, AttributeNames=["QueueArn"]
    )
    arn = told["Attributes"]["QueueArn"]
    await aws.call("sns", "subscribe", TopicArn=topic_arn, Protocol="sqs", Endpoint=arn)
    return topic_arn, queue_url


async def test_notice__reaches_who_subscribed(aws: WatchedAws) -> None:
    topic_arn, queue_url = await topic(aws)
    notices = Notices(aws, topic_arn)
    long = "Score of aviation.flights\nfell below 90 % — " + "x" * 100
    assert await notices.send(long, "It is 85 %.", {"domain": "aviation", "empty": ""})
    heard = await aws.call("sqs", "receive_message", QueueUrl=queue_url)
    told = json.loads(heard["Messages"][0]["Body"])
    assert told["Message"] == "It is 85 %."
    assert told["Subject"].startswith("Score of aviation.flights fell below 90 % ? xxx")
    assert len(told["Subject"]) == MOST_SUBJECT_CHARACTERS
    assert told["MessageAttributes"]["domain"]["Value"] == "aviation"
    assert "empty" not in told["MessageAttributes"]
    with pytest.raises(TooLarge):
        await notices.send("s", "x" * 300_000)


@pytest.mark.parametrize(
    ("text", "subject"), [("", "Notice"), (" a\r\nb\0 ", "a b?"), ("Ω", "?"), ("a" * 99, "a" * 99)]
)
def test_subject__is_one_line_that_sns_takes(text: str, subject: str) -> None:
    assert subject_of(text) == subject
