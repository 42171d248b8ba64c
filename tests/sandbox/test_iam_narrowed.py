"""What a part may do under a condition alone: with roles of projects, and with keys."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.keys import DomainKeys
from meshplane.platform.aws.names import PROJECTS_BOUNDARY, projects_boundary_arn
from meshplane.sandbox.iam_policy import Asked, Context, decide
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.part_policies import ACCOUNT, PREFIX, acting_with, part_policies

ROLE = "project-proj-7-role"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/"


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


WIDE = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
ANYBODY = document(
    {
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
        "Action": "sts:AssumeRole",
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(enforce_iam=True) as running:
        yield running


@pytest.fixture
def root(sandbox: AwsSandbox) -> Iterator[Aws]:
    """The root of an account in which the boundary of projects' roles is, and another policy."""
    sandbox.reset()
    made = aws_of(sandbox, prefix=PREFIX)
    for name in (f"{PREFIX}{PROJECTS_BOUNDARY}", "other"):
        made.run("iam", "create_policy", PolicyName=name, PolicyDocument=WIDE)
    yield made
    made.close()


@pytest.fixture
def tables(sandbox: AwsSandbox, root: Aws) -> Iterator[Aws]:
    """The part that makes the roles of projects."""
    made = acting_with(sandbox, part_policies()["tables"])
    yield made
    made.close()


@pytest.fixture
def keys(sandbox: AwsSandbox, root: Aws) -> Iterator[Aws]:
    """The part that makes keys."""
    made = acting_with(sandbox, part_policies()["keys"])
    yield made
    made.close()


def refused(aws: Aws, service: str, operation: str, **given: Any) -> str:
    """The message of IAM's refusal."""
    with pytest.raises(AwsRejected, match="AccessDenied") as caught:
        aws.run(service, operation, **given)
    return str(caught.value.answer["Error"]["Message"])


def make_role(aws: Aws, name: str = ROLE, **more: Any) -> None:
    aws.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=ANYBODY, **more)


def boundary_of(root: Aws) -> str | None:
    """The boundary that the role has now."""
    told = root.run("iam", "get_role", RoleName=ROLE)["Role"].get("PermissionsBoundary", {})
    arn: str | None = told.get("PermissionsBoundaryArn")
    return arn


# --- roles of projects --------------------------------------------------------------------------


def test_role_of_a_project__is_made_within_the_boundary_alone(root: Aws, tables: Aws) -> None:
    given = {"RoleName": ROLE, "AssumeRolePolicyDocument": ANYBODY}
    other = f"arn:aws:iam::{ACCOUNT}:policy/other"
    assert "iam:CreateRole" in refused(tables, "iam", "create_role", **given)
    refused(tables, "iam", "create_role", **given, PermissionsBoundary=other)
    administrator = "arn:aws:iam::aws:policy/AdministratorAccess"
    refused(tables, "iam", "create_role", **given, PermissionsBoundary=administrator)
    tags = [{"Key": "meshplane:project", "Value": "proj-7"}]
    make_role(tables, PermissionsBoundary=projects_boundary_arn(root.place), Tags=tags)
    tables.run("iam", "put_role_policy", RoleName=ROLE, PolicyName="p", PolicyDocument=WIDE)


@pytest.mark.parametrize("name", ["administrators", "project-role", "project-7-role", "project-"])
def test_role_with_another_name__is_not_made(root: Aws, tables: Aws, name: str) -> None:
    given = {"RoleName": name, "AssumeRolePolicyDocument": ANYBODY}
    bound = projects_boundary_arn(root.place)
    refused(tables, "iam", "create_role", **given, PermissionsBoundary=bound)
    assert name not in {role["RoleName"] for role in root.run("iam", "list_roles")["Roles"]}


def test_role_without_the_boundary__gets_no_policy_before_it_is_bounded(
    root: Aws, tables: Aws
) -> None:
    make_role(root)
    policy = {"RoleName": ROLE, "PolicyName": "p", "PolicyDocument": WIDE}
    assert "iam:PutRolePolicy" in refused(tables, "iam", "put_role_policy", **policy)
    other = f"arn:aws:iam::{ACCOUNT}:policy/other"
    bind = ("iam", "put_role_permissions_boundary")
    refused(tables, *bind, RoleName=ROLE, PermissionsBoundary=other)
    root.run(*bind, RoleName=ROLE, PermissionsBoundary=other)
    refused(tables, "iam", "put_role_policy", **policy)
    tables.run(*bind, RoleName=ROLE, PermissionsBoundary=projects_boundary_arn(root.place))
    tables.run("iam", "put_role_policy", **policy)


def test_boundary__is_not_taken_off_nor_changed_by_who_makes_roles(root: Aws, tables: Aws) -> None:
    bound = projects_boundary_arn(root.place)
    make_role(tables, PermissionsBoundary=bound)
    refused(tables, "iam", "delete_role_permissions_boundary", RoleName=ROLE)
    refused(
        tables,
        "iam",
        "create_policy_version",
        PolicyArn=bound,
        PolicyDocument=WIDE,
        SetAsDefault=True,
    )
    refused(tables, "iam", "delete_policy", PolicyArn=bound)
    refused(tables, "iam", "attach_role_policy", RoleName=ROLE, PolicyArn=bound)
    assert boundary_of(root) == bound
    versions = root.run("iam", "list_policy_versions", PolicyArn=bound)["Versions"]
    assert [one["VersionId"] for one in versions] == ["v1"]


def test_boundary__that_is_no_policy__is_refused_by_iam(root: Aws) -> None:
    nothing = f"arn:aws:iam::{ACCOUNT}:policy/nothing"
    with pytest.raises(AwsRejected, match="NoSuchEntity"):
        make_role(root, PermissionsBoundary=nothing)
    make_role(root)
    given = {"RoleName": ROLE, "PermissionsBoundary": nothing}
    with pytest.raises(AwsRejected, match="NoSuchEntity"):
        root.run("iam", "put_role_permissions_boundary", **given)


def test_policy__that_is_used_or_has_versions__is_not_deleted(root: Aws) -> None:
    bound = projects_boundary_arn(root.place)
    make_role(root, PermissionsBoundary=bound)
    with pytest.raises(AwsRejected, match="DeleteConflict"):
        root.run("iam", "delete_policy", PolicyArn=bound)
    root.run("iam", "delete_role_permissions_boundary", RoleName=ROLE)
    version = {"PolicyArn": bound, "PolicyDocument": WIDE, "SetAsDefault": True}
    root.run("iam", "create_policy_version", **version)
    with pytest.raises(AwsRejected, match="DeleteConflict"):
        root.run("iam", "delete_policy", PolicyArn=bound)
    root.run("iam", "delete_policy_version", PolicyArn=bound, VersionId="v1")
    root.run("iam", "delete_policy", PolicyArn=bound)


def test_remove__takes_off_this_boundary_and_no_other(sandbox: AwsSandbox, root: Aws) -> None:
    remove = acting_with(sandbox, part_policies()["remove"])
    other = f"arn:aws:iam::{ACCOUNT}:policy/other"
    make_role(root, PermissionsBoundary=other)
    refused(remove, "iam", "delete_role_permissions_boundary", RoleName=ROLE)
    assert boundary_of(root) == other
    bound = projects_boundary_arn(root.place)
    root.run("iam", "put_role_permissions_boundary", RoleName=ROLE, PermissionsBoundary=bound)
    remove.run("iam", "delete_role_permissions_boundary", RoleName=ROLE)
    assert boundary_of(root) is None
    remove.close()


# --- keys ---------------------------------------------------------------------------------------


def key_of(root: Aws, alias: str | None = None, **tags: str) -> str:
    """The id of a key that somebody made."""
    given = [{"TagKey": name, "TagValue": value} for name, value in tags.items()]
    key = root.run("kms", "create_key", Tags=given)["KeyMetadata"]["KeyId"]
    if alias is not None:
        root.run("kms", "create_alias", AliasName=alias, TargetKeyId=key)
    return str(key)


def test_keys__makes_those_of_domains_and_keeps_them(keys: Aws) -> None:
    policy = {"Version": "2012-10-17", "Statement": []}
    made = asyncio.run(DomainKeys(keys).ensure("harbour", policy))
    assert (made.made, made.alias) == (True, f"alias/{PREFIX}meshplane-harbour")
    assert keys.run("kms", "get_key_rotation_status", KeyId=made.key_id)["KeyRotationEnabled"]
    other = {**policy, "Id": "another"}
    assert asyncio.run(DomainKeys(keys).ensure("harbour", other)).key_id == made.key_id
    held = keys.run("kms", "get_key_policy", KeyId=made.key_id, PolicyName="default")["Policy"]
    assert json.loads(held) == other


def test_keys__makes_none_without_the_meshs_tag(keys: Aws) -> None:
    assert "kms:CreateKey" in refused(keys, "kms", "create_key")
    others = [{"TagKey": "ManagedBy", "TagValue": "somebody"}]
    refused(keys, "kms", "create_key", Tags=others)


@pytest.mark.parametrize("alias", ["alias/shop", "alias/others-meshplane-sea"])
def test_keys__changes_none_that_others_use(root: Aws, keys: Aws, alias: str) -> None:
    key = key_of(root, alias, ManagedBy="ManagementApp", Domain="sea")
    policy = {"PolicyName": "default", "Policy": "{}"}
    assert "kms:PutKeyPolicy" in refused(keys, "kms", "put_key_policy", KeyId=key, **policy)
    refused(keys, "kms", "enable_key_rotation", KeyId=key)
    refused(keys, "kms", "schedule_key_deletion", KeyId=key)
    mine = f"alias/{PREFIX}meshplane-sea"
    refused(keys, "kms", "create_alias", AliasName=mine, TargetKeyId=key)
    tags = [{"TagKey": "ManagedBy", "TagValue": "ManagementApp"}]
    refused(keys, "kms", "tag_resource", KeyId=key, Tags=tags)


def test_keys__gives_no_alias_outside_the_meshs_names(root: Aws, keys: Aws) -> None:
    key = key_of(root)
    refused(keys, "kms", "create_alias", AliasName="alias/shop", TargetKeyId=key)
    mine = f"alias/{PREFIX}meshplane-sea"
    keys.run("kms", "create_alias", AliasName=mine, TargetKeyId=key)
    held = root.run("kms", "list_aliases", KeyId=key)["Aliases"]
    assert [one["AliasName"] for one in held] == [mine]


def test_keys__deletes_no_key_that_a_domain_has(keys: Aws) -> None:
    made = asyncio.run(DomainKeys(keys).ensure("harbour"))
    assert "kms:ScheduleKeyDeletion" in refused(
        keys, "kms", "schedule_key_deletion", KeyId=made.key_id
    )


def test_remove__deletes_keys_of_this_mesh_alone(sandbox: AwsSandbox, root: Aws) -> None:
    remove = acting_with(sandbox, part_policies()["remove"])
    ours = {"ManagedBy": "ManagementApp", "Domain": "sea"}
    own = key_of(root, f"alias/{PREFIX}meshplane-sea", **ours)
    others = [
        key_of(root),
        key_of(root, "alias/shop", **ours),
        key_of(root, f"alias/{PREFIX}meshplane-shop"),
    ]
    for key in others:
        refused(remove, "kms", "schedule_key_deletion", KeyId=key)
    refused(remove, "kms", "delete_alias", AliasName="alias/shop")
    refused(remove, "kms", "delete_alias", AliasName=f"alias/{PREFIX}meshplane-shop")
    remove.run("kms", "schedule_key_deletion", KeyId=own, PendingWindowInDays=7)
    remove.run("kms", "delete_alias", AliasName=f"alias/{PREFIX}meshplane-sea")
    states = {
        key: root.run("kms", "describe_key", KeyId=key)["KeyMetadata"]["KeyState"]
        for key in (own, *others)
    }
    assert states == {own: "PendingDeletion"} | dict.fromkeys(others, "Enabled")
    remove.close()


def test_tables__uses_keys_by_way_of_s3_alone() -> None:
    policy = part_policies()["tables"]
    by_s3 = {"kms:viaservice": "s3.eu-central-1.amazonaws.com"}
    for context, decision in ((by_s3, True), ({"kms:viaservice": "sqs.amazonaws.com"}, None)):
        assert decide([policy], Asked("kms:Decrypt", f"{KEY}1", context)) is decision
    assert decide([policy], Asked("kms:Decrypt", f"{KEY}1")) is None


@pytest.mark.parametrize(
    ("condition", "context", "decision"),
    [
        ({"Null": {"kms:ResourceAliases": "true"}}, {}, True),
        ({"Null": {"kms:ResourceAliases": "true"}}, {"kms:resourcealiases": ["a"]}, None),
        ({"Null": {"kms:ResourceAliases": "false"}}, {"kms:resourcealiases": ["a"]}, True),
        ({"Null": {"aws:MultiFactorAuthAge": "true"}}, {}, None),
        (
            {"ForAnyValue:StringLike": {"kms:ResourceAliases": ["a*"]}},
            {"kms:resourcealiases": ["b", "ab"]},
            True,
        ),
        ({"ForAnyValue:StringLike": {"kms:ResourceAliases": ["a*"]}}, {}, None),
        (
            {"ForAllValues:StringLike": {"kms:ResourceAliases": ["a*"]}},
            {"kms:resourcealiases": ["b", "ab"]},
            None,
        ),
        ({"ForAllValues:StringLike": {"kms:ResourceAliases": ["a*"]}}, {}, True),
        # Of a key that has many values, one that asks for a single one says nothing.
        (
            {"StringLike": {"kms:ResourceAliases": ["*"]}},
            {"kms:resourcealiases": ["b", "ab"]},
            None,
        ),
        ({"StringEquals": {"iam:PermissionsBoundary": "x"}}, {}, None),
        ({"StringNotEquals": {"iam:PermissionsBoundary": "x"}}, {}, True),
    ],
)
def test_condition__on_keys_that_are_absent_or_have_many_values(
    condition: dict[str, Any], context: Context, decision: bool | None
) -> None:
    statement = {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": condition}
    asked = Asked("kms:PutKeyPolicy", f"{KEY}1", context, ("kms:resource",))
    assert decide([document(statement)], asked) is decision
