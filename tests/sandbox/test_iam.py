"""With policies enforced, a role may do what its policies allow, and nothing else."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.session import get_session

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.iam_actions import actions_of
from meshplane.sandbox.iam_policy import Asked, decide, trusts
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, aws_with, place_of, sandbox_in
from tests.builders.toy_fake import answering, toy

ONE, TWO = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ONE}:role/worker"
LAKE = f"arn:aws:glue:eu-central-1:{ONE}"

Statement = dict[str, Any]


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions: str | list[str], resources: str | list[str] = "*", **more: Any) -> Statement:
    return {"Effect": "Deny", "Action": actions, "Resource": resources, **more}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    answers = {"GetResourceShares": answering({"resourceShares": []})}
    with sandbox_in(fakes={"ram": toy("ram", answers)}, enforce_iam=True) as sandbox:
        yield sandbox


@pytest.fixture
def root(sandbox: AwsSandbox) -> Iterator[Aws]:
    sandbox.reset()
    aws = aws_of(sandbox)
    yield aws
    aws.close()


@pytest.fixture
def worker(sandbox: AwsSandbox, root: Aws) -> Iterator[Callable[..., Aws]]:
    """A role with these statements and no others."""
    made: list[Aws] = []

    def make(*statements: Statement) -> Aws:
        aws = aws_as(sandbox, ROLE)
        given = {"RoleName": "worker", "PolicyName": "p"}
        if statements:
            root.run("iam", "put_role_policy", **given, PolicyDocument=policy(*statements))
        made.append(aws)
        return aws

    yield make
    for aws in made:
        aws.close()


def refused(aws: Aws, service: str, operation: str, **given: Any) -> str:
    with pytest.raises(AwsRejected) as refusal:
        aws.run(service, operation, **given)
    return f"{refusal.value.aws_code}: {refusal.value.answer['Error']['Message']}"


def test_refusal__names_the_action_the_resource_and_who_asked(worker: Callable[..., Aws]) -> None:
    told = refused(worker(), "glue", "get_database", Name="d")
    assert told.startswith("AccessDeniedException: User: arn:aws:sts::")
    assert "assumed-role/worker/test is not authorized to perform: glue:GetDatabase" in told
    assert f"on resource: {LAKE}:catalog" in told


@pytest.mark.parametrize(
    ("service", "operation", "given", "code"),
    [
        ("s3", "list_buckets", {}, "AccessDenied"),
        ("iam", "list_roles", {}, "AccessDenied"),
        ("dynamodb", "list_tables", {}, "AccessDeniedException"),
        ("ram", "get_resource_shares", {"resourceOwner": "SELF"}, "AccessDeniedException"),
    ],
)
def test_refusal__speaks_as_the_service_does(
    worker: Callable[..., Aws], service: str, operation: str, given: dict[str, Any], code: str
) -> None:
    assert refused(worker(), service, operation, **given).startswith(f"{code}: User:")


def test_allowed_action__is_carried_out_and_its_neighbour_is_not(
    root: Aws, worker: Callable[..., Aws]
) -> None:
    root.run("glue", "create_database", DatabaseInput={"Name": "d"})
    aws = worker(allow("glue:GetDatabase"))
    assert aws.run("glue", "get_database", Name="d")["Database"]["Name"] == "d"
    assert "glue:DeleteDatabase" in refused(aws, "glue", "delete_database", Name="d")


def test_table_of_glue__is_allowed_on_catalog_database_and_table_together(
    root: Aws, worker: Callable[..., Aws]
) -> None:
    root.run("glue", "create_database", DatabaseInput={"Name": "d"})
    root.run("glue", "create_table", DatabaseName="d", TableInput={"Name": "t"})
    where = {"DatabaseName": "d", "Name": "t"}
    whole = [f"{LAKE}:catalog", f"{LAKE}:database/d", f"{LAKE}:table/d/t"]
    assert worker(allow("glue:GetTable", whole)).run("glue", "get_table", **where)["Table"]
    for left_out in whole:
        rest = [each for each in whole if each != left_out]
        assert left_out in refused(
            worker(allow("glue:GetTable", rest)), "glue", "get_table", **where
        )


def test_deny__wins_over_allow(worker: Callable[..., Aws]) -> None:
    aws = worker(allow("s3:*"), deny("s3:DeleteBucket"))
    place = {"LocationConstraint": "eu-central-1"}
    aws.run("s3", "create_bucket", Bucket="lake-one", CreateBucketConfiguration=place)
    assert "s3:DeleteBucket" in refused(aws, "s3", "delete_bucket", Bucket="lake-one")


def test_objects_of_s3__are_allowed_by_prefix(root: Aws, worker: Callable[..., Aws]) -> None:
    place = {"LocationConstraint": "eu-central-1"}
    root.run("s3", "create_bucket", Bucket="lake-one", CreateBucketConfiguration=place)
    for key in ("mine/a", "yours/a"):
        root.run("s3", "put_object", Bucket="lake-one", Key=key, Body=b"1")
    aws = worker(
        allow("s3:GetObject", "arn:aws:s3:::lake-one/mine/*"),
        allow("s3:ListBucket", "arn:aws:s3:::lake-one"),
    )
    assert aws.run("s3", "get_object", Bucket="lake-one", Key="mine/a")["Body"].read() == b"1"
    aws.run("s3", "head_object", Bucket="lake-one", Key="mine/a")
    assert len(aws.run("s3", "list_objects_v2", Bucket="lake-one")["Contents"]) == 2
    assert "yours/a" in refused(aws, "s3", "get_object", Bucket="lake-one", Key="yours/a")
    assert "PutObject" in refused(
        aws, "s3", "put_object", Bucket="lake-one", Key="mine/a", Body=b""
    )


def test_transaction_of_dynamodb__needs_what_its_parts_need(
    root: Aws, worker: Callable[..., Aws]
) -> None:
    root.run(
        "dynamodb",
        "create_table",
        TableName="t",
        KeySchema=[{"AttributeName": "a", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "a", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    key = {"a": {"S": "1"}}
    put = {"Put": {"TableName": "t", "Item": key}}
    delete = {"Delete": {"TableName": "t", "Key": key}}
    table = f"arn:aws:dynamodb:eu-central-1:{ONE}:table/t"
    aws = worker(allow("dynamodb:PutItem", table))
    aws.run("dynamodb", "transact_write_items", TransactItems=[put])
    told = refused(aws, "dynamodb", "transact_write_items", TransactItems=[delete])
    assert "dynamodb:DeleteItem" in told


def test_role_that_a_call_hands_on__must_be_allowed_to_be_passed(
    worker: Callable[..., Aws],
) -> None:
    machine = {
        "name": "m",
        "definition": json.dumps({"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}),
        "roleArn": f"arn:aws:iam::{ONE}:role/states",
    }
    aws = worker(allow("states:*"))
    assert "iam:PassRole" in refused(aws, "stepfunctions", "create_state_machine", **machine)
    aws = worker(allow("states:*"), allow("iam:PassRole", machine["roleArn"]))
    assert aws.run("stepfunctions", "create_state_machine", **machine)["stateMachineArn"]


def test_attached_policy__counts_in_its_default_version(
    root: Aws, worker: Callable[..., Aws]
) -> None:
    aws = worker()
    made = root.run(
        "iam", "create_policy", PolicyName="read", PolicyDocument=policy(allow("sqs:ListQueues"))
    )
    arn = made["Policy"]["Arn"]
    root.run("iam", "attach_role_policy", RoleName="worker", PolicyArn=arn)
    aws.run("sqs", "list_queues")
    root.run(
        "iam",
        "create_policy_version",
        PolicyArn=arn,
        PolicyDocument=policy(deny("sqs:*")),
        SetAsDefault=True,
    )
    assert "sqs:ListQueues" in refused(aws, "sqs", "list_queues")


def test_policy_that_aws_keeps__can_be_attached(root: Aws, worker: Callable[..., Aws]) -> None:
    aws = worker()
    refused(aws, "sqs", "list_queues")
    arn = "arn:aws:iam::aws:policy/AmazonSQSReadOnlyAccess"
    root.run("iam", "attach_role_policy", RoleName="worker", PolicyArn=arn)
    aws.run("sqs", "list_queues")
    assert "sqs:CreateQueue" in refused(aws, "sqs", "create_queue", QueueName="q")


def test_user__may_what_he_and_his_groups_may(sandbox: AwsSandbox, root: Aws) -> None:
    root.run("iam", "create_user", UserName="ann")
    root.run("iam", "create_group", GroupName="readers")
    root.run("iam", "add_user_to_group", UserName="ann", GroupName="readers")
    document = policy(allow("sqs:ListQueues"))
    root.run(
        "iam", "put_group_policy", GroupName="readers", PolicyName="p", PolicyDocument=document
    )
    made = root.run("iam", "create_access_key", UserName="ann")["AccessKey"]
    ann = aws_with(sandbox, made["AccessKeyId"], made["SecretAccessKey"])
    ann.run("sqs", "list_queues")
    assert "user/ann is not authorized" in refused(ann, "sqs", "create_queue", QueueName="q")
    ann.close()


def test_session_policy_and_boundary__narrow_what_is_allowed(
    sandbox: AwsSandbox, root: Aws, worker: Callable[..., Aws]
) -> None:
    worker(allow("sqs:*"))
    narrow = root.as_role(ROLE, "narrow", Policy=policy(allow("sqs:ListQueues")))
    narrow.run("sqs", "list_queues")
    assert "sqs:CreateQueue" in refused(narrow, "sqs", "create_queue", QueueName="q")
    boundary = root.run(
        "iam", "create_policy", PolicyName="b", PolicyDocument=policy(allow("sqs:CreateQueue"))
    )["Policy"]["Arn"]
    root.run(
        "iam", "put_role_permissions_boundary", RoleName="worker", PermissionsBoundary=boundary
    )
    wide = root.as_role(ROLE, "wide")
    wide.run("sqs", "create_queue", QueueName="q")
    assert "sqs:ListQueues" in refused(wide, "sqs", "list_queues")


def test_role__is_assumed_by_whom_it_trusts(
    sandbox: AwsSandbox, root: Aws, worker: Callable[..., Aws]
) -> None:
    there = aws_of(sandbox, TWO)
    target = f"arn:aws:iam::{TWO}:role/shared"

    def trust(principal: str, **more: Any) -> str:
        statement = {
            "Effect": "Allow",
            "Principal": {"AWS": principal},
            "Action": "sts:AssumeRole",
            **more,
        }
        return policy(statement)

    there.run(
        "iam",
        "create_role",
        RoleName="shared",
        AssumeRolePolicyDocument=trust(f"arn:aws:iam::{TWO}:root"),
    )
    aws = worker(allow("sts:AssumeRole", target))
    given = {"RoleArn": target, "RoleSessionName": "mesh"}
    assert "sts:AssumeRole" in refused(aws, "sts", "assume_role", **given)
    condition = {"StringEquals": {"sts:ExternalId": "agreed"}}
    there.run(
        "iam",
        "update_assume_role_policy",
        RoleName="shared",
        PolicyDocument=trust(ROLE, Condition=condition),
    )
    assert "sts:AssumeRole" in refused(aws, "sts", "assume_role", **given)
    made = aws.run("sts", "assume_role", **given, ExternalId="agreed")
    assert made["AssumedRoleUser"]["Arn"].endswith("assumed-role/shared/mesh")
    # The other half: its own policy must allow it, too.
    aws = worker(allow("sts:AssumeRole", ROLE))
    assert "sts:AssumeRole" in refused(aws, "sts", "assume_role", **given, ExternalId="agreed")
    there.close()


def test_root_and_the_question_who_am_i__need_no_policy(
    root: Aws, worker: Callable[..., Aws]
) -> None:
    root.run("sqs", "create_queue", QueueName="q")
    assert worker().run("sts", "get_caller_identity")["Account"] == ONE


@pytest.mark.parametrize(
    ("statement", "action", "resource", "decision"),
    [
        (allow("glue:Get*"), "glue:GetTable", "r", True),
        (allow("GLUE:gettable"), "glue:GetTable", "r", True),
        (allow("glue:Get????e"), "glue:GetTable", "r", True),
        (allow("glue:Get???e"), "glue:GetTable", "r", None),
        (allow("*"), "glue:GetTable", "r", True),
        (allow("glue:GetTable", "a/*"), "glue:GetTable", "a/b/c", True),
        (allow("glue:GetTable", "a/*"), "glue:GetTable", "A/b", None),
        (allow("glue:GetTable", "a"), "glue:GetTable", None, True),
        (deny("glue:GetTable", "a"), "glue:GetTable", None, None),
        (deny("glue:GetTable"), "glue:GetTable", None, False),
        (
            {"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"},
            "glue:GetTable",
            "r",
            True,
        ),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "iam:GetRole", "r", None),
        ({"Effect": "Deny", "Action": "s3:*", "NotResource": "a/*"}, "s3:GetObject", "b", False),
        ({"Effect": "Deny", "Action": "s3:*", "NotResource": "a/*"}, "s3:GetObject", "a/b", None),
    ],
)
def test_statement__means_what_the_guide_says(
    statement: Statement, action: str, resource: str | None, decision: bool | None
) -> None:
    assert decide([policy(statement)], Asked(action, resource)) is decision


@pytest.mark.parametrize(
    ("condition", "decision"),
    [
        ({"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}, True),
        ({"StringEquals": {"aws:RequestedRegion": ["eu-west-1", "us-east-1"]}}, None),
        ({"StringLike": {"aws:requestedregion": "eu-*"}}, True),
        ({"StringNotEquals": {"aws:RequestedRegion": "eu-central-1"}}, None),
        ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/x"}}, None),
        ({"StringNotEquals": {"aws:PrincipalArn": "x"}}, True),
        ({"StringEqualsIfExists": {"aws:PrincipalArn": "x"}}, True),
        # What is not understood allows nothing.
        ({"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}, None),
        ({"StringEquals": {"aws:ResourceTag/team": "a"}}, None),
    ],
)
def test_condition__of_an_allow(condition: dict[str, Any], decision: bool | None) -> None:
    asked = Asked("s3:GetObject", "a", {"aws:requestedregion": "eu-central-1"})
    assert decide([policy(allow("s3:*", Condition=condition))], asked) is decision


def test_condition_that_is_not_understood__denies() -> None:
    statement = deny("s3:*", Condition={"Bool": {"aws:SecureTransport": "false"}})
    assert decide([policy(allow("*"), statement)], Asked("s3:GetObject", "a")) is False


def test_trust__denies_and_knows_everybody() -> None:
    asked = Asked("sts:AssumeRole", None)
    everyone = {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"}
    none = {"Effect": "Deny", "Principal": {"AWS": ["me"]}, "Action": "sts:*"}
    assert trusts(policy(everyone), ["me"], asked)
    assert not trusts(policy(everyone, none), ["me"], asked)
    assert trusts(policy(everyone, none), ["you"], asked)


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "actions"),
    [
        ("s3", "ListObjectsV2", {}, ("s3:ListBucket",)),
        ("s3", "GetObject", {}, ("s3:GetObject",)),
        ("s3", "GetObject", {"VersionId": "1"}, ("s3:GetObjectVersion",)),
        ("s3", "GetObject", None, ("s3:GetObject", "s3:GetObjectVersion")),
        ("lambda", "Invoke", {}, ("lambda:InvokeFunction",)),
        ("stepfunctions", "StartExecution", {}, ("states:StartExecution",)),
        ("apigatewayv2", "CreateApi", {}, ("apigateway:POST",)),
        ("sts", "GetCallerIdentity", {}, ()),
        ("lakeformation", "GrantPermissions", {}, ("lakeformation:GrantPermissions",)),
    ],
)
def test_action__has_the_name_that_iam_knows(
    service: str,
    operation: str,
    parameters: dict[str, Any] | None,
    actions: tuple[str, ...],
) -> None:
    assert actions_of(service, operation, parameters) == actions


def test_nobody__is_let_through_to_where_one_signs_in(sandbox: AwsSandbox) -> None:
    sandbox.reset()
    nobody = Aws(place_of(sandbox), get_session())
    wrong = {"AuthFlow": "USER_PASSWORD_AUTH", "ClientId": "portal"}
    parameters = {"USERNAME": "ada", "PASSWORD": "wrong"}
    with pytest.raises(AwsRejected) as refused:
        nobody.run("cognito-idp", "initiate_auth", **wrong, AuthParameters=parameters)
    assert refused.value.aws_code == "ResourceNotFoundException"
    nobody.close()
