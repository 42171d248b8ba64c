"""Roles of projects stay within the mesh's boundary, whatever their policies say."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.names import (
    domain_bucket,
    project_role_arn,
    project_workgroup,
    projects_boundary_arn,
)
from meshplane.platform.aws.part_roles import Identities
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.templates.stack_names import stack_name
from meshplane.run.aws_prepare import Done
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.projects.aws import POLICY, AwsWorkspaces, role_name
from meshplane.services.projects.aws_policies import project_policy
from meshplane.services.projects.repositories import Repositories
from tests.builders.aws_sandbox import REGION, aws_as, aws_of
from tests.builders.part_roles import (
    PROCESS,
    by_account,
    make_process_role,
    mesh_of,
    prepared,
    refused,
)

ACCOUNT = "111122223333"
PARTS = ("tables", "query")
PROJECT, OTHER = "proj-01a2007b881eab2560806ca13b42e458", "proj-01a2007b88b863d876add1164491cda7"
BOUNDARY = "policy blue-meshplane-projects"
WIDE = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
)


@pytest.fixture
def root(sandbox: AwsSandbox) -> Iterator[Aws]:
    """The administrator of an account with the bucket of a domain, and nothing else."""
    sandbox.reset()
    made = aws_of(sandbox, prefix="blue-")
    where = {"LocationConstraint": REGION}
    bucket = domain_bucket(made.place, "harbour")
    made.run("s3", "create_bucket", Bucket=bucket, CreateBucketConfiguration=where)
    yield made
    made.close()


@pytest.fixture
def mesh(root: Aws) -> Identities:
    make_process_role(root, by_account(ACCOUNT))
    return mesh_of(root.place, PARTS)


@pytest.fixture
def process(sandbox: AwsSandbox, mesh: Identities) -> Iterator[Aws]:
    made = aws_as(sandbox, PROCESS, prefix="blue-")
    yield made
    made.close()


def set_up(aws: Aws, folder: Path, mesh: Identities, project: str = PROJECT) -> None:
    """Sets a project up, as the mesh does."""
    workspaces = AwsWorkspaces(
        aws,
        Repositories(folder, SystemClock()),
        trusted=mesh.acting(PARTS),
        boundary=projects_boundary_arn(aws.place),
    )
    workspaces.prepare(domain_bucket(aws.place, "harbour"), project)


def boundary_of(root: Aws, project: str = PROJECT) -> str | None:
    role = root.run("iam", "get_role", RoleName=role_name(project))["Role"]
    found: str | None = role.get("PermissionsBoundary", {}).get("PermissionsBoundaryArn")
    return found


def trust_of(root: Aws, project: str = PROJECT) -> Any:
    role = root.run("iam", "get_role", RoleName=role_name(project))["Role"]
    return role["AssumeRolePolicyDocument"]


def by_anybody() -> dict[str, Any]:
    """A trust in everybody."""
    anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    return {"Version": "2012-10-17", "Statement": [anybody]}


def told_of(done: list[Done]) -> Done:
    (found,) = [one for one in done if one.what == BOUNDARY]
    return found


def widen(root: Aws, project: str = PROJECT) -> None:
    """Somebody gives the role of a project all rights."""
    given = {"RoleName": role_name(project), "PolicyName": "wide"}
    root.run("iam", "put_role_policy", **given, PolicyDocument=WIDE)


def test_project__is_set_up_by_the_part_and_bounded(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    assert told_of(prepared(root, PARTS, mesh)).told == "made"
    for _ in range(2):
        set_up(mesh.session(process, "tables"), tmp_path, mesh)
    assert boundary_of(root) == projects_boundary_arn(root.place)
    held = root.run("iam", "get_role_policy", RoleName=role_name(PROJECT), PolicyName=POLICY)
    assert "athena:StartQueryExecution" in json.dumps(held["PolicyDocument"])


def test_project__whose_role_has_all_rights__does_what_the_boundary_has_alone(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    set_up(mesh.session(process, "tables"), tmp_path, mesh)
    widen(root)
    acting = mesh.session(process, "query").as_role(project_role_arn(root.place, PROJECT), "test")
    stack = stack_name(PROJECT, "dev", root.place.prefix)
    # What templates of its own make, and what its queries need.
    acting.run("sqs", "create_queue", QueueName=f"{stack}-Inbox-1ABC")
    root.run("glue", "create_database", DatabaseInput={"Name": "harbour"})
    assert acting.run("glue", "get_database", Name="harbour")["Database"]["Name"] == "harbour"
    group = project_workgroup(root.place, PROJECT)
    root.run("athena", "create_work_group", Name=group, Configuration={})
    assert acting.run("athena", "get_work_group", WorkGroup=group)["WorkGroup"]["Name"] == group
    refusals: list[tuple[str, str, dict[str, Any]]] = [
        ("sqs", "create_queue", {"QueueName": "blue-meshplane-tasks"}),
        ("sqs", "create_queue", {"QueueName": "orders"}),
        ("athena", "delete_work_group", {"WorkGroup": group}),
        ("glue", "delete_database", {"Name": "harbour"}),
        ("dynamodb", "describe_table", {"TableName": "blue-Domains"}),
        ("iam", "list_roles", {}),
        ("lakeformation", "get_data_lake_settings", {}),
        ("lakeformation", "list_permissions", {}),
        ("secretsmanager", "get_secret_value", {"SecretId": "blue-meshplane/mask-key"}),
        ("sts", "assume_role", {"RoleArn": mesh.roles["tables"], "RoleSessionName": "trial"}),
    ]
    assert [each for each in refusals if not refused(acting, each[0], each[1], **each[2])] == []


def test_project__deletes_the_subscriptions_of_its_own_topics_alone(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    set_up(mesh.session(process, "tables"), tmp_path, mesh)
    acting = mesh.session(process, "query").as_role(project_role_arn(root.place, PROJECT), "test")
    queue = {"Protocol": "sqs", "Endpoint": f"arn:aws:sqs:{REGION}:{ACCOUNT}:inbox"}
    ours = acting.run("sns", "create_topic", Name=f"{stack_name(PROJECT, 'dev', 'blue-')}-News")
    theirs = root.run("sns", "create_topic", Name="blue-project-notifications")
    one = acting.run("sns", "subscribe", TopicArn=ours["TopicArn"], **queue)["SubscriptionArn"]
    other = root.run("sns", "subscribe", TopicArn=theirs["TopicArn"], **queue)["SubscriptionArn"]
    acting.run("sns", "unsubscribe", SubscriptionArn=one)
    assert refused(acting, "sns", "unsubscribe", SubscriptionArn=other)
    left = root.run("sns", "list_subscriptions")["Subscriptions"]
    assert [each["SubscriptionArn"] for each in left] == [other]


def test_project__in_an_account_without_the_boundary__says_that_it_is_to_be_prepared(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    with pytest.raises(Unavailable, match="meshplane aws prepare") as caught:
        set_up(root, tmp_path, mesh)
    assert caught.value.code == "BOUNDARY_MISSING"
    with pytest.raises(AwsRejected, match="NoSuchEntity"):
        root.run("iam", "get_role", RoleName=role_name(PROJECT))


def test_role_that_was_there__is_bounded_and_gets_rights_once_it_trusts_whom_it_should(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    trust = json.dumps({"Version": "2012-10-17", "Statement": []})
    name, tables = role_name(PROJECT), mesh.session(process, "tables")
    root.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=trust)
    with pytest.raises(Conflict, match=name) as caught:
        set_up(tables, tmp_path, mesh)
    assert caught.value.code == "ROLE_TRUST_DIFFERS"
    assert boundary_of(root) == projects_boundary_arn(root.place)
    assert root.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == []
    # It bears the mesh's boundary now, by which it is known to be one of its projects'.
    assert told_of(prepared(root, PARTS, mesh)).told == "changed"
    set_up(tables, tmp_path, mesh)
    assert root.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == [POLICY]
    acting = mesh.session(process, "query").as_role(project_role_arn(root.place, PROJECT), "test")
    assert role_name(PROJECT) in acting.run("sts", "get_caller_identity")["Arn"]


def test_part__cannot_have_others_take_the_role_of_a_project(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    tables = mesh.session(process, "tables")
    set_up(tables, tmp_path, mesh)
    before = trust_of(root)
    anybody = json.dumps(by_anybody())
    given = {"RoleName": role_name(PROJECT), "PolicyDocument": anybody}
    assert refused(tables, "iam", "update_assume_role_policy", **given)
    assert trust_of(root) == before


def test_prepare__roles_whose_trust_was_changed__are_told_with_whom_they_trust_and_set_right(
    root: Aws, mesh: Identities, process: Aws, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    tables = mesh.session(process, "tables")
    for project in (PROJECT, OTHER):
        set_up(tables, tmp_path, mesh, project)
    before = trust_of(root)
    given = {"RoleName": role_name(PROJECT), "PolicyDocument": json.dumps(by_anybody())}
    root.run("iam", "update_assume_role_policy", **given)
    with pytest.raises(Conflict, match="its trust was changed, or is from older settings"):
        set_up(tables, tmp_path, mesh)
    details = (f"The role {role_name(PROJECT)} trusts others than it should: *.",)
    planned = told_of(prepared(root, PARTS, mesh, plan=True))
    assert (planned.told, planned.details) == ("would be changed", details)
    assert trust_of(root) == by_anybody()
    done = told_of(prepared(root, PARTS, mesh))
    assert (done.told, done.details) == ("changed", details)
    assert trust_of(root) == before
    assert told_of(prepared(root, PARTS, mesh)).told == "was there"
    set_up(tables, tmp_path, mesh)


def test_prepare__settings_that_name_further_parts__every_role_trusts_them(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    set_up(root, tmp_path, mesh)
    more = (*PARTS, "shares")
    wider = mesh_of(root.place, more)
    told = told_of(prepared(root, more, wider, plan=True))
    assert told.details == (
        f"The role {role_name(PROJECT)} does not trust whom it should, or on other conditions.",
    )
    prepared(root, more, wider)
    trusted = trust_of(root)["Statement"][0]["Principal"]["AWS"]
    assert sorted(trusted) == sorted(wider.roles[part] for part in ("query", "shares"))


def test_prepare__a_role_of_another_meshs_project__stays_as_it_is(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    name = role_name(PROJECT)
    theirs = project_policy(AwsPlace(REGION, ACCOUNT, prefix="green-"), "somebodys", PROJECT)
    root.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(by_anybody()))
    policy = {"PolicyName": POLICY, "PolicyDocument": json.dumps(theirs)}
    root.run("iam", "put_role_policy", RoleName=name, **policy)
    assert told_of(prepared(root, PARTS, mesh)).details == ()
    assert (trust_of(root), boundary_of(root)) == (by_anybody(), None)


def test_prepare__roles_with_rights_of_an_older_mesh__get_those_of_this_one(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    set_up(root, tmp_path, mesh)
    given = {"RoleName": role_name(PROJECT), "PolicyName": POLICY}
    wanted = root.run("iam", "get_role_policy", **given)["PolicyDocument"]
    older = [one for one in wanted["Statement"] if not one["Sid"].startswith("Templates")]
    text = json.dumps({**wanted, "Statement": older})
    root.run("iam", "put_role_policy", **given, PolicyDocument=text)
    details = (f"The role {role_name(PROJECT)} has other rights than roles of projects have now.",)
    assert told_of(prepared(root, PARTS, mesh, plan=True)).details == details
    assert told_of(prepared(root, PARTS, mesh)).details == details
    assert root.run("iam", "get_role_policy", **given)["PolicyDocument"] == wanted
    assert told_of(prepared(root, PARTS, mesh)).told == "was there"


def test_prepare__roles_from_before_there_was_a_boundary__are_bounded_and_told(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    for project in (PROJECT, OTHER):
        set_up(root, tmp_path, mesh, project)
    root.run("iam", "delete_role_permissions_boundary", RoleName=role_name(PROJECT))
    details = (f"The role {role_name(PROJECT)} is not bounded by it.",)
    planned = told_of(prepared(root, PARTS, mesh, plan=True))
    assert (planned.told, planned.details) == ("would be changed", details)
    assert boundary_of(root) is None
    done = told_of(prepared(root, PARTS, mesh))
    assert (done.told, done.details) == ("changed", details)
    assert boundary_of(root) == projects_boundary_arn(root.place)
    assert told_of(prepared(root, PARTS, mesh)).told == "was there"


def test_prepare__further_services__are_in_the_boundary_and_go_with_the_setting(
    root: Aws, mesh: Identities, tmp_path: Path
) -> None:
    prepared(root, PARTS, mesh)
    arn = projects_boundary_arn(root.place)
    # More often than a policy has versions.
    for services in (("kinesis",), (), ("kms",), ("kinesis", "kms"), (), ("ssm",), ()):
        done = told_of(prepared(root, PARTS, mesh, template_services=services))
        assert done.told == "changed"
        version = root.run("iam", "get_policy", PolicyArn=arn)["Policy"]["DefaultVersionId"]
        told = root.run("iam", "get_policy_version", PolicyArn=arn, VersionId=version)
        statements = told["PolicyVersion"]["Document"]["Statement"]
        further = [one["Action"] for one in statements if one["Sid"] == "TemplatesFurther"]
        assert further == ([[f"{service}:*" for service in services]] if services else [])
