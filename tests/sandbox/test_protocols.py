"""What boto3 sends arrives as the model says, and what a fake answers arrives at boto3."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.fake import Caller, FakeError, Handler
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.toy_fake import toy

WHEN = datetime(2026, 11, 21, 20, 15, 30, 250_000, tzinfo=UTC)
SHARE = "arn:aws:ram:eu-central-1:111122223333:resource-share/one"

Handlers = dict[str, dict[str, Handler]]


@pytest.fixture(scope="module")
def handlers() -> Handlers:
    return {service: {} for service in ("ram", "kinesis", "datazone", "lambda", "sns", "events")}


@pytest.fixture(scope="module")
def aws(handlers: Handlers) -> Iterator[Aws]:
    fakes = {service: toy(service, given) for service, given in handlers.items()}
    with sandbox_in(fakes=fakes) as sandbox:
        aws = aws_of(sandbox)
        yield aws
        aws.close()


def noted(into: list[Any], answer: dict[str, Any]) -> Handler:
    def handle(_caller: Caller, given: dict[str, Any]) -> dict[str, Any]:
        into.append(given)
        return answer

    return handle


def test_json_members__arrive_as_boto3_has_them(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    answer = {"SequenceNumber": "21", "ShardId": "shardId-0"}
    handlers["kinesis"]["PutRecord"] = noted(seen, answer)
    got = aws.run("kinesis", "put_record", StreamName="s", Data=b"\x00\xff", PartitionKey="ü")
    assert seen == [{"StreamName": "s", "Data": b"\x00\xff", "PartitionKey": "ü"}]
    assert {name: got[name] for name in answer} == answer


def test_json_instants_and_blobs__come_back_whole(aws: Aws, handlers: Handlers) -> None:
    record = {
        "SequenceNumber": "1",
        "ApproximateArrivalTimestamp": WHEN,
        "Data": b"\x80abc",
        "PartitionKey": "k",
    }
    handlers["kinesis"]["GetRecords"] = noted(
        [], {"Records": [record], "MillisBehindLatest": 2**40}
    )
    got = aws.run("kinesis", "get_records", ShardIterator="here", Limit=5)
    assert got["Records"] == [record]
    assert got["MillisBehindLatest"] == 2**40


def test_long_body__that_the_client_compresses__arrives_whole(aws: Aws) -> None:
    dimensions = [{"Name": "n", "Value": "v" * 900}]
    datum = {"MetricName": "ApiLatency", "Value": 1.0, "Dimensions": dimensions}
    aws.run("cloudwatch", "put_metric_data", Namespace="long", MetricData=[datum] * 20)
    listed = aws.run("cloudwatch", "list_metrics", Namespace="long")["Metrics"]
    assert {one["MetricName"] for one in listed} == {"ApiLatency"}


def test_json_instant_of_a_request__is_an_instant(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    handlers["events"]["PutEvents"] = noted(seen, {"FailedEntryCount": 0, "Entries": []})
    entry = {"Time": WHEN, "Source": "a", "DetailType": "b", "Detail": "{}"}
    aws.run("events", "put_events", Entries=[entry])
    # The client sends seconds; what is below them is its own choice.
    assert seen[0]["Entries"][0]["Time"].replace(microsecond=0) == WHEN.replace(microsecond=0)


def test_rest_members__come_from_path_query_and_body(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    handlers["lambda"]["PutProvisionedConcurrencyConfig"] = noted(seen, {"LastModified": "now"})
    aws.run(
        "lambda",
        "put_provisioned_concurrency_config",
        FunctionName="a:b",
        Qualifier="live",
        ProvisionedConcurrentExecutions=3,
    )
    assert seen == [
        {"FunctionName": "a:b", "Qualifier": "live", "ProvisionedConcurrentExecutions": 3}
    ]


def test_rest_path__is_decoded_once(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    handlers["lambda"]["ListTags"] = noted(seen, {"Tags": {"a": "b"}})
    arn = "arn:aws:lambda:eu-central-1:111122223333:function:f"
    assert aws.run("lambda", "list_tags", Resource=arn)["Tags"] == {"a": "b"}
    assert seen == [{"Resource": arn}]


def test_rest_lists_of_the_query__keep_their_order(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    handlers["lambda"]["UntagResource"] = noted(seen, {})
    arn = "arn:aws:lambda:eu-central-1:111122223333:function:f"
    aws.run("lambda", "untag_resource", Resource=arn, TagKeys=["b", "a"])
    assert seen == [{"Resource": arn, "TagKeys": ["b", "a"]}]


def test_rest_payload__is_bytes_both_ways(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    handlers["datazone"]["GetLineageEvent"] = noted(
        [],
        {
            "domainId": "dzd_abc",
            "id": "abcdefg0123456",
            "event": b'{"eventType":"COMPLETE"}',
            "createdBy": "me",
            "processingStatus": "SUCCESS",
            "eventTime": WHEN,
            "createdAt": WHEN,
        },
    )
    handlers["datazone"]["PostLineageEvent"] = noted(
        seen, {"id": "abcdefg0123456", "domainId": "dzd_abc"}
    )
    aws.run(
        "datazone",
        "post_lineage_event",
        domainIdentifier="dzd_abc",
        event=b'{"eventType":"COMPLETE"}',
        clientToken="t-1",
    )
    assert seen == [
        {
            "domainIdentifier": "dzd_abc",
            "event": b'{"eventType":"COMPLETE"}',
            "clientToken": "t-1",
        }
    ]
    got = aws.run(
        "datazone", "get_lineage_event", domainIdentifier="dzd_abc", identifier="abcdefg0123456"
    )
    assert got["event"].read() == b'{"eventType":"COMPLETE"}'
    assert got["processingStatus"] == "SUCCESS"
    assert got["eventTime"] == WHEN.replace(microsecond=0)  # headers count in seconds


def test_query_lists_and_maps__arrive_as_boto3_has_them(aws: Aws, handlers: Handlers) -> None:
    seen: list[Any] = []
    topic = "arn:aws:sns:eu-central-1:111122223333:news"
    handlers["sns"]["CreateTopic"] = noted(seen, {"TopicArn": topic})
    tags = [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "<&>"}]
    given = {"Name": "news", "Attributes": {"DisplayName": "N & Co"}, "Tags": tags}
    assert aws.run("sns", "create_topic", **given)["TopicArn"] == topic
    assert seen == [given]


def test_query_answers__hold_lists_maps_and_odd_texts(aws: Aws, handlers: Handlers) -> None:
    topics = [{"TopicArn": f"arn:aws:sns:eu-central-1:111122223333:{name}"} for name in "ab"]
    handlers["sns"]["ListTopics"] = noted([], {"Topics": topics})
    handlers["sns"]["GetTopicAttributes"] = noted([], {"Attributes": {"x": "a<b>&c", "y": ""}})
    assert aws.run("sns", "list_topics")["Topics"] == topics
    got = aws.run("sns", "get_topic_attributes", TopicArn=topics[0]["TopicArn"])
    assert got["Attributes"] == {"x": "a<b>&c", "y": ""}


def test_error__has_the_code_and_message_of_its_protocol(aws: Aws, handlers: Handlers) -> None:
    def refuse(code: str) -> Handler:
        def handle(_caller: Caller, _given: dict[str, Any]) -> dict[str, Any]:
            raise FakeError(code, "It is not there.")

        return handle

    cases = (
        ("ram", "delete_resource_share", "UnknownResourceException", {"resourceShareArn": SHARE}),
        ("kinesis", "get_records", "ResourceNotFoundException", {"ShardIterator": "x"}),
        ("sns", "get_topic_attributes", "NotFound", {"TopicArn": "arn:aws:sns:r:1:t"}),
    )
    names = {"ram": "DeleteResourceShare", "kinesis": "GetRecords", "sns": "GetTopicAttributes"}
    for service, operation, code, given in cases:
        handlers[service][names[service]] = refuse(code)
        with pytest.raises(AwsRejected) as refused:
            aws.run(service, operation, **given)
        assert refused.value.aws_code == code
        assert refused.value.answer["Error"]["Message"] == "It is not there."


def test_error_status__is_that_of_the_model(aws: Aws, handlers: Handlers) -> None:
    def refuse(_caller: Caller, _given: dict[str, Any]) -> dict[str, Any]:
        raise FakeError("ConflictException", "It is there.")

    handlers["datazone"]["CreateDomain"] = refuse
    role = "arn:aws:iam::111122223333:role/domain"
    with pytest.raises(AwsRejected) as refused:
        aws.run("datazone", "create_domain", name="d", domainExecutionRole=role)
    assert refused.value.answer["ResponseMetadata"]["HTTPStatusCode"] == 409


def test_every_answer__has_a_request_id(aws: Aws, handlers: Handlers) -> None:
    handlers["sns"]["ListTopics"] = noted([], {"Topics": []})
    for service, operation in (("sns", "list_topics"), ("sqs", "list_queues")):
        assert aws.run(service, operation)["ResponseMetadata"]["RequestId"]
