"""The sandbox starts, answers many at once, hands bytes on untouched, and leaves nothing behind."""

import gc
import hashlib
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from meshplane.kit.errors import Conflict
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in

BUCKET = {
    "Bucket": "lake-one",
    "CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"},
}


def test_second_sandbox_of_a_process__is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with AwsSandbox(tmp_path, fakes={}):
        with pytest.raises(Conflict) as refused:
            AwsSandbox(fakes={}).start()
        assert refused.value.code == "SANDBOX_RUNNING"
    with AwsSandbox(tmp_path, fakes={}) as next_one:
        assert httpx.get(f"{next_one.url}/_sandbox/health").status_code == 200


def test_sandbox_that_could_not_start__lets_another_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        AwsSandbox(fakes={}, port=taken.getsockname()[1]).start()

    def broken(_world: object) -> object:
        raise LookupError("no fake")

    with pytest.raises(LookupError):
        AwsSandbox(fakes={"x": broken}).start()
    with AwsSandbox(fakes={}) as sandbox:
        assert sandbox.url.startswith("http://127.0.0.1:")


def test_state__is_gone_with_the_sandbox_and_after_a_reset() -> None:
    for _ in range(2):
        with sandbox_in(fakes={}) as sandbox:
            aws = aws_of(sandbox)
            aws.run("s3", "create_bucket", **BUCKET)
            sandbox.reset()
            assert aws.run("s3", "list_buckets")["Buckets"] == []
            aws.run("s3", "create_bucket", **BUCKET)
            aws.close()


def test_stop__ends_connections_threads_and_hanging_calls() -> None:
    before = set(threading.enumerate())
    failed: list[BaseException] = []

    def hang(sandbox: AwsSandbox) -> None:
        aws = aws_of(sandbox, most_attempts=1, read_seconds=30)
        try:
            aws.run("sqs", "list_queues")
        except AwsUnavailable as error:
            failed.append(error)
        aws.close()

    with sandbox_in(fakes={}) as sandbox:
        sandbox.faults.add(Fault("sqs", None, "timeout"))
        hanging = threading.Thread(target=hang, args=(sandbox,))
        hanging.start()
        while not sandbox.calls.all():
            time.sleep(0.01)
        start = time.monotonic()
    hanging.join(10)
    assert time.monotonic() - start < 5
    assert [type(error) for error in failed] == [AwsUnavailable]
    assert set(threading.enumerate()) <= before
    gc.collect()  # a socket left open would warn, and a warning is an error


def test_bytes_of_s3__come_back_as_they_went_in() -> None:
    content = bytes(range(256)) * 40_000
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        aws.run("s3", "create_bucket", **BUCKET)
        for key in ("plain", "with space/ü+%2F&=#?.parquet", "folder/", "a//b"):
            body = content if key == "plain" else key.encode()
            aws.run("s3", "put_object", Bucket="lake-one", Key=key, Body=body)
            got = aws.run("s3", "get_object", Bucket="lake-one", Key=key)["Body"].read()
            assert hashlib.sha256(got).digest() == hashlib.sha256(body).digest(), key
        part = aws.run("s3", "get_object", Bucket="lake-one", Key="plain", Range="bytes=10-19")
        assert part["Body"].read() == content[10:20]
        assert aws.run("s3", "head_object", Bucket="lake-one", Key="plain")["ContentLength"] == len(
            content
        )
        with pytest.raises(AwsRejected) as missing:
            aws.run("s3", "head_object", Bucket="lake-one", Key="nothing")
        assert missing.value.aws_code == "404"
        aws.close()


def test_large_object__goes_up_in_parts() -> None:
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        aws.run("s3", "create_bucket", **BUCKET)
        where = {"Bucket": "lake-one", "Key": "big"}
        number = aws.run("s3", "create_multipart_upload", **where)["UploadId"]
        parts = []
        for at in (1, 2):
            given = {**where, "UploadId": number, "PartNumber": at, "Body": b"x" * 5_300_000}
            parts.append({"PartNumber": at, "ETag": aws.run("s3", "upload_part", **given)["ETag"]})
        done = {"MultipartUpload": {"Parts": parts}, "UploadId": number}
        aws.run("s3", "complete_multipart_upload", **where, **done)
        assert aws.run("s3", "head_object", **where)["ContentLength"] == 10_600_000
        told = [call.operation for call in sandbox.calls.all("s3")]
        assert told[1:] == [
            "CreateMultipartUpload",
            "UploadPart",
            "UploadPart",
            "CompleteMultipartUpload",
            "HeadObject",
        ]
        aws.close()


def test_pyarrow__reads_and_writes_s3_of_the_sandbox() -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from pyarrow import fs

    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        aws.run("s3", "create_bucket", **BUCKET)
        key, secret = sandbox.keys(sandbox.accounts[0])
        files = fs.S3FileSystem(
            access_key=key,
            secret_key=secret,
            endpoint_override=sandbox.url,
            region="eu-central-1",
        )
        table = pa.table({"a": list(range(1000)), "b": [str(each) for each in range(1000)]})
        pq.write_table(table, "lake-one/t/part-0.parquet", filesystem=files)
        assert pq.read_table("lake-one/t", filesystem=files).equals(table)
        infos = files.get_file_info(fs.FileSelector("lake-one", recursive=True))
        assert "lake-one/t/part-0.parquet" in {info.path for info in infos}
        files.delete_file("lake-one/t/part-0.parquet")
        aws.close()


def test_conditional_writes__are_decided_one_at_a_time() -> None:
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        aws.run(
            "dynamodb",
            "create_table",
            TableName="t",
            KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )

        def take(number: int) -> bool:
            item = {"a": {"S": "x"}, "by": {"N": str(number)}}
            try:
                aws.run(
                    "dynamodb",
                    "put_item",
                    TableName="t",
                    Item=item,
                    ConditionExpression="attribute_not_exists(a)",
                )
            except AwsRejected:
                return False
            return True

        with ThreadPoolExecutor(8) as pool:
            won = list(pool.map(take, range(40)))
        assert sum(won) == 1
        aws.close()


def test_connection__is_kept_for_the_next_call() -> None:
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        for _ in range(5):
            aws.run("sqs", "list_queues")
        assert len([each for each in threading.enumerate() if "process_request" in each.name]) == 1
        aws.close()


def test_operation_that_moto_has_not__is_answered_with_501() -> None:
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox, most_attempts=1)
        with pytest.raises(AwsUnavailable) as missing:
            aws.run("glue", "search_tables")
        assert missing.value.reason == "NotImplemented"
        assert sandbox.calls.all()[0].status == 501
        aws.close()


def test_failure_of_moto__is_a_defect_that_names_the_call() -> None:
    with AwsSandbox(fakes={}) as sandbox:
        aws = aws_of(sandbox, most_attempts=1)
        table = {"Name": "t", "Parameters": {}}
        aws.run("glue", "create_database", DatabaseInput={"Name": "d"})
        with pytest.raises(AwsUnavailable):
            aws.run("glue", "create_table", DatabaseName="d", OpenTableFormatInput={})
        assert "moto failed at glue CreateTable" in sandbox.defects[0]
        aws.run("glue", "create_table", DatabaseName="d", TableInput=table)
        aws.close()


def test_calls__keep_no_long_payloads() -> None:
    with sandbox_in(fakes={}) as sandbox:
        aws = aws_of(sandbox)
        aws.run("s3", "create_bucket", **BUCKET)
        aws.run("s3", "put_object", Bucket="lake-one", Key="small", Body=b"1")
        aws.run("s3", "put_object", Bucket="lake-one", Key="large", Body=b"1" * 5_000)
        kept = [call.parameters for call in sandbox.calls.all("s3", "put_object")]
        assert [each.get("Body") for each in kept] == [b"1", None]
        aws.close()
