"""An account is made ready for a mesh: once, as often as one likes, and told step by step."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from meshplane.kit.errors import Invalid, Refused
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.datazone import DataZone
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import PORTAL_ROLE, WORKFLOWS_ROLE, role_arn, role_name
from meshplane.run.aws_prepare import Done, action_of, demand_account, prepare
from meshplane.run.aws_settings import PARTS
from meshplane.run.aws_steps import steps_of
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, aws_with

GROUPS = ("mesh-admins", "mesh-auditors")
# Parts that make what they need when it is needed, or share what another part needs.
DONE_OTHERWISE = {"query", "blueprints", "metrics", "secrets"}


@pytest.fixture
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    """The root of an empty account, for a mesh whose names begin with `blue-`."""
    sandbox.reset()
    made = aws_of(sandbox, prefix="blue-")
    yield made
    made.close()


def prepared(aws: Aws, *parts: str, plan: bool = False) -> list[Done]:
    """What is told when an account is prepared for some parts."""

    async def run() -> list[Done]:
        zone = DataZone(
            aws,
            name=f"{aws.place.prefix}meshplane",
            execution_role=role_arn(aws.place, PORTAL_ROLE),
            acting=lambda _: aws,
        )
        return [done async for done in prepare(steps_of(aws, parts, zone, GROUPS), plan=plan)]

    return asyncio.run(run())


def told(done: list[Done]) -> dict[str, str]:
    return {one.what: one.told for one in done}


def test_prepare__an_empty_account__makes_what_each_part_needs(aws: Aws) -> None:
    done = prepared(aws, *PARTS)
    assert {one.told for one in done if one.part != "lake"} == {"made"}
    # The bucket is told once, for the first part that needs it.
    assert {one.part for one in done} == set(PARTS) - DONE_OTHERWISE


def test_prepare__again__nothing_is_made_or_changed(aws: Aws) -> None:
    prepared(aws, *PARTS)
    assert set(told(prepared(aws, *PARTS)).values()) == {"was there"}


def test_prepare__the_data_lake__the_mesh_becomes_its_administrator_and_iam_opens_nothing(
    aws: Aws,
) -> None:
    _, done = prepared(aws, "lake")
    held = aws.run("lakeformation", "get_data_lake_settings")["DataLakeSettings"]
    assert done.told == "changed"
    assert "The mesh's role is no administrator of the data lake." in done.details
    assert [one["DataLakePrincipalIdentifier"] for one in held["DataLakeAdmins"]] == [
        f"arn:aws:iam::{aws.place.account}:root"
    ]
    assert held["CreateTableDefaultPermissions"] == []


def test_prepare__only_the_parts_that_are_named(aws: Aws) -> None:
    done = prepared(aws, "quality")
    assert told(done) == {"role blue-meshplane-quality": "made"}
    assert aws.run("dynamodb", "list_tables")["TableNames"] == []


@pytest.mark.parametrize("part", ["store", "bus", "shares", "blueprints"])
def test_prepare__whoever_needs_the_meshs_bucket_gets_it(aws: Aws, part: str) -> None:
    bucket = f"blue-meshplane-{aws.place.account}-{aws.place.region}"
    assert told(prepared(aws, part))[f"bucket {bucket}"] == "made"


def test_prepare__a_part_that_makes_what_it_needs_itself__nothing_to_do(aws: Aws) -> None:
    assert prepared(aws, "query", "metrics") == []


def test_prepare__the_portal__what_it_tells_is_heard(aws: Aws) -> None:
    name = "blue-meshplane-datazone"
    assert told(prepared(aws, "portal"))[f"rule and queue {name}"] == "made"
    aws.run("events", "disable_rule", Name=name)
    assert told(prepared(aws, "portal"))[f"rule and queue {name}"] == "changed"
    (target,) = aws.run("events", "list_targets_by_rule", Rule=name)["Targets"]
    assert target["Arn"].endswith(f":{name}")


@pytest.mark.parametrize("parts", [("notices",), ("notices", "workflows"), ("workflows",)])
def test_prepare__topics__are_made_for_notices_and_for_workflows(
    aws: Aws, parts: tuple[str, ...]
) -> None:
    done = prepared(aws, *parts)
    topics = {one.what: one.part for one in done if one.what.startswith("topic ")}
    assert len(topics) == 6
    assert set(topics.values()) == {parts[0]}


def test_plan__an_empty_account__tells_and_makes_nothing(aws: Aws) -> None:
    planned = told(prepared(aws, *PARTS, plan=True))
    assert set(planned.values()) == {"would be made", "would be changed"}
    assert told(prepared(aws, *PARTS, plan=True)) == planned
    assert aws.run("s3", "list_buckets")["Buckets"] == []
    assert aws.run("sqs", "list_queues").get("QueueUrls", []) == []


def test_prepare__a_policy_that_somebody_changed__is_put_back_and_told(aws: Aws) -> None:
    prepared(aws, "workflows")
    role = role_name(aws.place, WORKFLOWS_ROLE)
    less = {"Effect": "Allow", "Action": "sns:Publish", "Resource": "*"}
    other = json.dumps({"Version": "2012-10-17", "Statement": [less]})
    aws.run("iam", "put_role_policy", RoleName=role, PolicyName="meshplane", PolicyDocument=other)
    changed = [
        what for what, state in told(prepared(aws, "workflows")).items() if state != "was there"
    ]
    policy = aws.run("iam", "get_role_policy", RoleName=role, PolicyName="meshplane")
    assert changed == [f"role {role}"]
    assert "sqs:SendMessage" in str(policy["PolicyDocument"])


def test_prepare__a_table_that_is_gone__is_named_and_made(aws: Aws) -> None:
    prepared(aws, "store")
    aws.run("dynamodb", "delete_table", TableName="blue-Outbox")
    (planned,) = [one for one in prepared(aws, "store", plan=True) if "DynamoDB" in one.what]
    (done,) = [one for one in prepared(aws, "store") if "DynamoDB" in one.what]
    assert (planned.told, planned.details) == (
        "would be changed",
        ("There is no table blue-Outbox.",),
    )
    assert done.told == "changed"
    assert "blue-Outbox" in aws.run("dynamodb", "list_tables", Limit=100)["TableNames"]


def test_prepare__with_credentials_of_another_account__is_refused(
    sandbox: AwsSandbox, aws: Aws
) -> None:
    asyncio.run(demand_account(aws))
    there = aws_with(sandbox, *sandbox.keys(sandbox.accounts[1]))
    with pytest.raises(Invalid) as refused:
        asyncio.run(demand_account(there))
    assert refused.value.code == "ACCOUNT_NOT_MEANT"


def test_prepare__with_credentials_that_do_not_hold__says_so(sandbox: AwsSandbox) -> None:
    nobody = aws_with(sandbox, "AKIANOBODY", "secret")
    with pytest.raises(AwsRejected) as refused:
        asyncio.run(demand_account(nobody))
    assert "The credentials are wrong, or have ended" in refused.value.message


def test_prepare__names_begin_with_the_meshs_prefix(aws: Aws) -> None:
    prepared(aws, *PARTS)
    names = [
        *aws.run("dynamodb", "list_tables", Limit=100)["TableNames"],
        *(one["RoleName"] for one in aws.run("iam", "list_roles")["Roles"]),
        *(one["Name"] for one in aws.run("s3", "list_buckets")["Buckets"]),
        *(url.rpartition("/")[2] for url in aws.run("sqs", "list_queues")["QueueUrls"]),
        *(one["TopicArn"].rpartition(":")[2] for one in aws.run("sns", "list_topics")["Topics"]),
    ]
    # AWS itself names the roles that are linked to its services.
    own = [name for name in names if not name.startswith("AWSServiceRoleFor")]
    assert [name for name in own if not name.startswith("blue-")] == []
    assert len(names) > 70


@pytest.mark.parametrize(
    ("part", "action"),
    [
        ("lake", "s3:ListBucket"),
        ("store", "s3:ListBucket"),
        ("workflows", "iam:GetRole"),
    ],
)
def test_prepare__a_call_that_iam_does_not_allow__the_error_names_the_action(
    sandbox: AwsSandbox, part: str, action: str
) -> None:
    nobody = aws_as(sandbox, f"arn:aws:iam::{sandbox.accounts[0]}:role/nobody")
    with pytest.raises(Refused) as refused:
        prepared(nobody, part)
    nobody.close()
    assert refused.value.code == "AWS_NOT_ALLOWED"
    assert action in refused.value.message


@pytest.mark.parametrize(
    ("service", "operation", "action"),
    [
        ("stepfunctions", "create_state_machine", "states:CreateStateMachine"),
        ("s3", "head_bucket", "s3:ListBucket"),
        ("dynamodb", "update_time_to_live", "dynamodb:UpdateTimeToLive"),
        ("s3", "put_bucket_lifecycle_configuration", "s3:PutLifecycleConfiguration"),
    ],
)
def test_action_of__is_what_iam_calls_it(service: str, operation: str, action: str) -> None:
    assert action_of(service, operation) == action


def test_prepare__people__a_pool_with_a_client_and_the_groups_that_count(aws: Aws) -> None:
    (done,) = prepared(aws, "identity")
    assert (done.what, done.told) == ("user pool blue-meshplane of Cognito", "made")
    (pool,) = aws.run("cognito-idp", "list_user_pools", MaxResults=10)["UserPools"]
    told = aws.run("cognito-idp", "describe_user_pool", UserPoolId=pool["Id"])["UserPool"]
    assert told["DeletionProtection"] == "ACTIVE"
    assert told["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"]
    clients = aws.run("cognito-idp", "list_user_pool_clients", UserPoolId=pool["Id"])
    (client,) = clients["UserPoolClients"]
    assert client["ClientName"] == "blue-meshplane"
    assert done.settings == {
        "MESHPLANE_AWS_COGNITO_POOL": pool["Id"],
        "MESHPLANE_AWS_COGNITO_CLIENTS": client["ClientId"],
    }
    aws.run("cognito-idp", "delete_group", UserPoolId=pool["Id"], GroupName=GROUPS[1])
    (again,) = prepared(aws, "identity")
    assert (again.told, again.details) == ("changed", (f"There is no group {GROUPS[1]}.",))


def test_prepare__people_in_a_pool_that_is_there_already__no_other_is_made(aws: Aws) -> None:
    assert steps_of(aws, ["identity"]) == []
