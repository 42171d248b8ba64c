"""Each account has its own resources; who calls is told by the access key."""

import base64
import json
from collections.abc import Iterator

import httpx
import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.fake import Caller
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, aws_with, sandbox_in
from tests.builders.toy_fake import toy

ONE, TWO = "111122223333", "444455556666"
SEEN: list[Caller] = []


def _look(caller: Caller, _given: object) -> dict[str, object]:
    SEEN.append(caller)
    return {"resourceShares": []}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"ram": toy("ram", {"GetResourceShares": _look})}) as sandbox:
        yield sandbox


@pytest.fixture
def one(sandbox: AwsSandbox) -> Iterator[Aws]:
    sandbox.reset()
    SEEN.clear()
    aws = aws_of(sandbox, ONE)
    yield aws
    aws.close()


@pytest.fixture
def two(sandbox: AwsSandbox) -> Iterator[Aws]:
    aws = aws_of(sandbox, TWO)
    yield aws
    aws.close()


def test_root__is_the_account_itself(one: Aws, two: Aws) -> None:
    for aws, account in ((one, ONE), (two, TWO)):
        identity = aws.run("sts", "get_caller_identity")
        assert identity["Account"] == account
        assert identity["Arn"] == f"arn:aws:iam::{account}:root"


def test_resources_of_one_account__are_unknown_to_the_other(one: Aws, two: Aws) -> None:
    one.run("glue", "create_database", DatabaseInput={"Name": "d"})
    one.run("sqs", "create_queue", QueueName="q")
    one.run("iam", "create_role", RoleName="r", AssumeRolePolicyDocument="{}")
    one.run(
        "dynamodb",
        "create_table",
        TableName="t",
        KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    assert two.run("glue", "get_databases")["DatabaseList"] == []
    assert two.run("sqs", "list_queues").get("QueueUrls", []) == []
    assert two.run("iam", "list_roles")["Roles"] == []
    assert two.run("dynamodb", "list_tables")["TableNames"] == []
    assert one.run("dynamodb", "list_tables")["TableNames"] == ["t"]


def test_arns__carry_the_account_and_the_region(one: Aws, two: Aws) -> None:
    for aws, account in ((one, ONE), (two, TWO)):
        url = aws.run("sqs", "create_queue", QueueName="q")["QueueUrl"]
        names = aws.run("sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
        assert names["Attributes"]["QueueArn"] == f"arn:aws:sqs:eu-central-1:{account}:q"


def test_role_of_another_account__acts_in_that_account(sandbox: AwsSandbox, one: Aws) -> None:
    role = f"arn:aws:iam::{TWO}:role/meshplane"
    aws_as(sandbox, role)
    there = one.as_role(role, "mesh")
    identity = there.run("sts", "get_caller_identity")
    assert identity["Account"] == TWO
    assert identity["Arn"] == f"arn:aws:sts::{TWO}:assumed-role/meshplane/mesh"
    there.run("glue", "create_database", DatabaseInput={"Name": "over-there"})
    assert one.run("glue", "get_databases")["DatabaseList"] == []


def test_fakes__are_told_role_and_session(sandbox: AwsSandbox, one: Aws) -> None:
    role = f"arn:aws:iam::{TWO}:role/project-7-role"
    aws_as(sandbox, role, "ann").run("ram", "get_resource_shares", resourceOwner="SELF")
    one.run("ram", "get_resource_shares", resourceOwner="SELF")
    assert [(caller.account, caller.arn, caller.session_arn) for caller in SEEN] == [
        (TWO, role, f"arn:aws:sts::{TWO}:assumed-role/project-7-role/ann"),
        (ONE, f"arn:aws:iam::{ONE}:root", f"arn:aws:iam::{ONE}:root"),
    ]
    assert {caller.region for caller in SEEN} == {"eu-central-1"}


def test_user__acts_by_his_access_key(sandbox: AwsSandbox, one: Aws) -> None:
    one.run("iam", "create_user", UserName="ann")
    made = one.run("iam", "create_access_key", UserName="ann")["AccessKey"]
    ann = aws_with(sandbox, made["AccessKeyId"], made["SecretAccessKey"])
    assert ann.run("sts", "get_caller_identity")["Arn"] == f"arn:aws:iam::{ONE}:user/ann"
    ann.close()


@pytest.mark.parametrize(
    ("service", "operation", "code"),
    [
        ("glue", "get_databases", "UnrecognizedClientException"),
        ("ram", "list_resource_types", "UnrecognizedClientException"),
        ("iam", "list_roles", "InvalidClientTokenId"),
        ("s3", "list_buckets", "InvalidAccessKeyId"),
    ],
)
def test_access_key_that_nobody_has__is_refused(
    sandbox: AwsSandbox, service: str, operation: str, code: str
) -> None:
    stranger = aws_with(sandbox, "AKIAIOSFODNN7EXAMPLE", "secret")
    with pytest.raises(AwsRejected) as refused:
        stranger.run(service, operation)
    assert refused.value.aws_code == code
    stranger.close()


def test_root_key_of_an_account_that_the_sandbox_has_not__is_refused(sandbox: AwsSandbox) -> None:
    stranger = aws_with(sandbox, *sandbox.keys("999999999999"))
    with pytest.raises(AwsRejected) as refused:
        stranger.run("glue", "get_databases")
    assert refused.value.aws_code == "UnrecognizedClientException"
    stranger.close()


def test_role_that_is_not_there__cannot_be_assumed(one: Aws) -> None:
    with pytest.raises(AwsRejected) as refused:
        one.run(
            "sts",
            "assume_role",
            RoleArn=f"arn:aws:iam::{TWO}:role/nobody",
            RoleSessionName="mesh",
        )
    assert refused.value.aws_code == "AccessDenied"


def test_buckets__are_named_once_for_all_accounts(one: Aws, two: Aws) -> None:
    place = {"LocationConstraint": "eu-central-1"}
    one.run("s3", "create_bucket", Bucket="lake-one", CreateBucketConfiguration=place)
    one.run("s3", "put_object", Bucket="lake-one", Key="a", Body=b"1")
    with pytest.raises(AwsRejected) as refused:
        two.run("s3", "create_bucket", Bucket="lake-one", CreateBucketConfiguration=place)
    assert refused.value.aws_code == "BucketAlreadyExists"
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    two.run("iam", "create_role", RoleName="r", AssumeRolePolicyDocument=trust)
    assert two.run("s3", "list_buckets")["Buckets"] == []


def test_token_of_an_issuer__is_exchanged_without_a_signature(
    sandbox: AwsSandbox, one: Aws
) -> None:
    import boto3
    from botocore import UNSIGNED
    from botocore.config import Config

    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    one.run("iam", "create_role", RoleName="pod", AssumeRolePolicyDocument=trust)
    claims = base64.urlsafe_b64encode(b'{"iss": "https://issuer", "sub": "pod"}').decode()
    sts = boto3.client(
        "sts",
        region_name="eu-central-1",
        endpoint_url=one.place.endpoint_url,
        config=Config(signature_version=UNSIGNED),
    )
    made = sts.assume_role_with_web_identity(
        RoleArn=f"arn:aws:iam::{ONE}:role/pod",
        RoleSessionName="pod-1",
        WebIdentityToken=f"a.{claims}.c",
    )["Credentials"]
    sts.close()
    keys = (made["AccessKeyId"], made["SecretAccessKey"], made["SessionToken"])
    pod = aws_with(sandbox, *keys)
    arn = pod.run("sts", "get_caller_identity")["Arn"]
    assert arn == f"arn:aws:sts::{ONE}:assumed-role/pod/pod-1"
    pod.close()


def test_keys_of_a_user_pool__are_read_without_a_signature(one: Aws) -> None:
    pool = one.run("cognito-idp", "create_user_pool", PoolName="people")["UserPool"]["Id"]
    answer = httpx.get(f"{one.place.endpoint_url}/{pool}/.well-known/jwks.json")
    assert answer.json()["keys"][0]["kty"] == "RSA"
