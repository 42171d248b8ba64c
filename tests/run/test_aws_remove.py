"""What a mesh made in an account is taken away again, and nothing of anybody else's."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from meshplane.kit.errors import Conflict, Invalid
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.keys import DomainKeys
from meshplane.platform.aws.names import (
    MASK_KEY_SECRET,
    WORKFLOWS_ROLE,
    domain_bucket,
    mesh_bucket,
    role_name,
)
from meshplane.platform.aws.secrets import Secrets
from meshplane.platform.templates.stack_names import stack_name
from meshplane.run.aws_remove import Gone, check_account, remove
from meshplane.run.aws_remove_all import kinds_of
from meshplane.run.aws_settings import PARTS
from meshplane.run.environment import environment
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.blueprints.aws_stacks import CloudFormationStacks
from meshplane.services.blueprints.ports import Wish
from meshplane.services.projects.aws_policies import trust_policy
from meshplane.workflows.aws import StepFunctionsMachines
from meshplane.workflows.aws_definitions import WorkflowPlaces
from tests.builders.aws_inventory import inventory
from tests.builders.aws_sandbox import REGION, aws_of, aws_with, sandbox_in
from tests.builders.mesh_on_aws import (
    anybodys_role,
    crawled,
    foreign_table,
    grant,
    granted,
    new_domain,
    new_project,
    new_rule,
    new_table,
    prepared,
)
from tests.builders.sharing_world import (
    CONSUMER,
    MESH_THERE,
    OWNER,
    READER,
    administer,
    make_roles,
    sharing_of,
    table_shared,
)

PROJECT = "proj-01a2007b881eab2560806ca13b42e458"
ROOT = f"arn:aws:iam::{OWNER}:root"
DATA = ("tables", "lake", "query")
BUT_TABLES = tuple(part for part in PARTS if part != "store")
TEMPLATE = "Resources: {Inbox: {Type: 'AWS::SQS::Queue'}}"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as running:
        yield running


@pytest.fixture
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    """The root of an empty account, for a mesh whose names begin with `blue-`.

    It is an administrator of the data lake: others do not see all that there is.
    """
    sandbox.reset()
    made = aws_of(sandbox, prefix="blue-")
    administer(made, ROOT)
    yield made
    made.close()


@pytest.fixture
def sharing_aws(sandbox: AwsSandbox, aws: Aws) -> Iterator[Aws]:
    """The same, with a role in another account, where it administers the data lake."""
    there = aws_of(sandbox, CONSUMER)
    make_roles(there, [MESH_THERE, READER])
    administer(there, MESH_THERE)
    there.close()
    made = aws_of(sandbox, prefix="blue-", account_roles={CONSUMER: MESH_THERE})
    yield made
    made.close()


def removed(aws: Aws, *, plan: bool = False) -> list[Gone]:
    async def run() -> list[Gone]:
        return [gone async for gone in remove(kinds_of(aws), plan=plan)]

    return asyncio.run(run())


def left(done: Sequence[Gone]) -> dict[str, str]:
    return {one.what: one.why for one in done if one.is_left}


def data(aws: Aws, folder: Path) -> None:
    """A domain with a table, and a project to which some of it is granted."""
    prepared(aws, *DATA)
    new_domain(aws, "harbour")
    new_table(aws, "harbour", "tides")
    granted(aws, new_project(aws, PROJECT, "harbour", folder), "harbour", "tides")


def everything(aws: Aws, folder: Path, *, parts: Sequence[str] = BUT_TABLES) -> None:
    """Something of each kind that a mesh makes; the tables of the store take their time."""
    prepared(aws, *parts)
    data(aws, folder)
    crawled(aws, "harbour", PROJECT)
    new_rule(aws, "new-assets")
    roles = role_name(aws.place, WORKFLOWS_ROLE)
    arn = f"arn:aws:iam::{aws.place.account}:role/{roles}"
    rests = {"StartAt": "Rest", "States": {"Rest": {"Type": "Succeed"}}}

    async def run() -> None:
        await StepFunctionsMachines(aws, WorkflowPlaces(aws.place, arn, arn, {}, {})).put(
            "rests", rests
        )
        await DomainKeys(aws).ensure("harbour")
        await Secrets(aws).get_or_make(MASK_KEY_SECRET, lambda: "a key")
        name = stack_name(PROJECT, "dev", aws.place.prefix)
        acting = f"arn:aws:iam::{aws.place.account}:role/project-{PROJECT}-role"
        stacks = CloudFormationStacks(aws)
        await stacks.execute(await stacks.plan(Wish(name, TEMPLATE, "dep-1", role_arn=acting)))

    asyncio.run(run())


def test_remove__all_that_a_mesh_makes__goes(aws: Aws, tmp_path: Path) -> None:
    before = inventory(aws)
    everything(aws, tmp_path, parts=PARTS)
    kinds = {line.split()[0] for line in inventory(aws) - before}
    assert len(kinds) > 15
    done = removed(aws)
    assert left(done) == {}
    assert inventory(aws) - before == set()
    assert removed(aws) == []


def test_plan__tells_what_would_go_and_changes_nothing(aws: Aws, tmp_path: Path) -> None:
    data(aws, tmp_path)
    before = inventory(aws)
    planned = removed(aws, plan=True)
    assert {one.told for one in planned} == {"would be removed"}
    assert inventory(aws) == before
    assert {one.what for one in removed(aws)} <= {one.what for one in planned}


def test_remove__another_mesh_whose_prefix_begins_the_same__keeps_all(
    sandbox: AwsSandbox, aws: Aws, tmp_path: Path
) -> None:
    other = aws_of(sandbox, prefix="blue-2-")
    prepared(other, "tables", "lake", "bus", "workflows", "quality", "portal", "identity")
    new_domain(other, "forest")
    new_project(other, "proj-01a2007b88b863d876add1164491cda7", "forest", tmp_path / "other")
    before = inventory(aws)
    everything(aws, tmp_path)
    assert left(removed(aws)) == {}
    assert inventory(aws) == before
    other.close()


def test_remove__what_others_made_under_names_alike__stays(aws: Aws, tmp_path: Path) -> None:
    aws.run("sqs", "create_queue", QueueName="blue-jobs")
    aws.run("sns", "create_topic", Name="blue-notes")
    anybodys_role(aws, "blue-admin")
    anybodys_role(aws, f"project-{PROJECT[:-1]}0-role")
    for name in ("blue-data-lake", "blue-data-lake-harbour", "blue-meshplane"):
        where = {"LocationConstraint": REGION}
        aws.run("s3", "create_bucket", Bucket=name, CreateBucketConfiguration=where)
    aws.run("secretsmanager", "create_secret", Name="blue-password", SecretString="secret")
    key = aws.run("kms", "create_key")["KeyMetadata"]["KeyId"]
    aws.run("kms", "create_alias", AliasName="alias/blue-meshplane-own", TargetKeyId=key)
    aws.run(
        "dynamodb",
        "create_table",
        TableName="blue-Orders",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    place = {"Name": "blue", "LocationUri": "s3://blue-data-lake/"}
    aws.run("glue", "create_database", DatabaseInput=place)
    foreign_table(aws, "blue", "orders", "s3://blue-data-lake/orders")
    before = inventory(aws)
    everything(aws, tmp_path)
    assert left(removed(aws)) == {}
    assert inventory(aws) == before


def test_remove__a_role_that_the_mesh_took_over__stays_without_its_policy(
    aws: Aws, tmp_path: Path
) -> None:
    name = f"project-{PROJECT}-role"
    role = anybodys_role(aws, name)
    trust = json.dumps(trust_policy(aws.place.account))
    aws.run("iam", "update_assume_role_policy", RoleName=name, PolicyDocument=trust)
    aws.run("iam", "put_role_policy", RoleName=name, PolicyName="own", PolicyDocument=_ALLOWED)
    aws.run("glue", "create_database", DatabaseInput={"Name": "shop"})
    data(aws, tmp_path)
    grant(aws, role, {"Database": {"Name": "shop"}}, "CREATE_TABLE")
    assert left(removed(aws)) == {}
    assert aws.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == ["own"]
    assert "PermissionsBoundary" not in aws.run("iam", "get_role", RoleName=name)["Role"]
    administer(aws, ROOT)
    (kept,) = (one for one in inventory(aws) if one.startswith("grant") and role in one)
    assert "CREATE_TABLE" in kept


def test_remove__a_role_that_the_mesh_bounded_and_then_refused__is_given_back(
    aws: Aws, tmp_path: Path
) -> None:
    name = f"project-{PROJECT}-role"
    anybodys_role(aws, name)
    aws.run("iam", "put_role_policy", RoleName=name, PolicyName="own", PolicyDocument=_ALLOWED)
    prepared(aws, "tables")
    new_domain(aws, "harbour")
    with pytest.raises(Conflict, match=name):
        new_project(aws, PROJECT, "harbour", tmp_path)
    assert left(removed(aws)) == {}
    assert "PermissionsBoundary" not in aws.run("iam", "get_role", RoleName=name)["Role"]
    assert aws.run("iam", "list_role_policies", RoleName=name)["PolicyNames"] == ["own"]
    assert aws.run("iam", "list_policies", Scope="Local")["Policies"] == []


_ALLOWED = json.dumps(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "*"}],
    }
)


def test_remove__a_table_of_others_in_a_domain__keeps_the_database_and_is_told(
    aws: Aws, tmp_path: Path
) -> None:
    data(aws, tmp_path)
    foreign_table(aws, "harbour", "ships", "s3://somebody/ships")
    done = left(removed(aws))
    assert done["database harbour"] == "Others' tables are in it: ships."
    tables = aws.run("glue", "get_tables", DatabaseName="harbour")["TableList"]
    assert [one["Name"] for one in tables] == ["ships"]


def test_remove__a_rule_of_others_on_the_bus__keeps_the_bus_and_is_told(aws: Aws) -> None:
    prepared(aws, "bus")
    new_rule(aws, "new-assets")
    bus = "blue-datamesh-events"
    theirs = {"Name": "theirs", "EventBusName": bus, "EventPattern": '{"source": ["shop"]}'}
    aws.run("events", "put_rule", **theirs)
    assert left(removed(aws)) == {f"bus {bus}": "Rules of others are on it: theirs."}
    rules = aws.run("events", "list_rules", EventBusName=bus)["Rules"]
    assert [one["Name"] for one in rules] == ["theirs"]


def test_remove__a_tag_of_the_mesh_that_others_use__stays_until_they_do_not(
    aws: Aws, tmp_path: Path
) -> None:
    administer(aws, anybodys_role(aws, "lake-admin"))
    data(aws, tmp_path)
    aws.run("glue", "create_database", DatabaseInput={"Name": "shop"})
    shop = {"Database": {"Name": "shop"}}
    tag = {"TagKey": "classification", "TagValues": ["public"]}
    aws.run("lakeformation", "add_lf_tags_to_resource", Resource=shop, LFTags=[tag])
    stuck = left(removed(aws))
    assert stuck["tag classification"] == "Others use it: shop."
    # Who removes needs to be an administrator for it, and so stays one.
    assert [what for what in stuck if what.startswith("administrator")] != []
    aws.run("lakeformation", "remove_lf_tags_from_resource", Resource=shop, LFTags=[tag])
    assert left(removed(aws)) == {}


def test_remove__a_tag_that_others_made__stays(aws: Aws, tmp_path: Path) -> None:
    prepared(aws, "lake")
    public = ["public", "internal"]
    aws.run("lakeformation", "create_lf_tag", TagKey="classification", TagValues=public)
    new_domain(aws, "harbour")
    assert left(removed(aws)) == {}
    tags = aws.run("lakeformation", "list_lf_tags")["LFTags"]
    assert [one["TagKey"] for one in tags] == ["classification"]


def test_remove__grants_and_administrators_of_others__stay(aws: Aws, tmp_path: Path) -> None:
    theirs = anybodys_role(aws, "lake-admin")
    administer(aws, theirs)
    aws.run("glue", "create_database", DatabaseInput={"Name": "shop"})
    data(aws, tmp_path)
    grant(aws, theirs, {"Database": {"Name": "shop"}}, "CREATE_TABLE")
    grant(aws, theirs, {"Table": {"DatabaseName": "harbour", "Name": "tides"}}, "SELECT")
    assert left(removed(aws)) == {}
    settings = aws.run("lakeformation", "get_data_lake_settings")["DataLakeSettings"]
    assert settings["DataLakeAdmins"] == [{"DataLakePrincipalIdentifier": theirs}]
    administer(aws, ROOT)
    held = {line for line in inventory(aws) if line.startswith("grant") and theirs in line}
    assert len(held) == 1
    assert "CREATE_TABLE" in held.pop()


def test_remove__who_was_an_administrator_before_the_mesh__stays_one(aws: Aws) -> None:
    prepared(aws, "lake")
    assert left(removed(aws)) == {}
    settings = aws.run("lakeformation", "get_data_lake_settings")["DataLakeSettings"]
    assert settings["DataLakeAdmins"] == [{"DataLakePrincipalIdentifier": ROOT}]


def test_remove__a_share__goes_from_both_accounts(sharing_aws: Aws, tmp_path: Path) -> None:
    there = sharing_aws.in_account(CONSUMER)
    before, before_there = inventory(sharing_aws), inventory(there)
    data(sharing_aws, tmp_path)
    shared = table_shared(database="harbour", table="tides")
    sharing = sharing_of(sharing_aws)

    async def share() -> None:
        await sharing.offer(shared)
        assert await sharing.accept(shared) == "ACCEPTED"
        assert await sharing.link(shared)

    asyncio.run(share())
    assert any(line.startswith("table shared.") for line in inventory(there))
    assert left(removed(sharing_aws)) == {}
    assert inventory(sharing_aws) - before == set()
    assert inventory(there) - before_there == set()


def test_remove__links_that_lead_elsewhere_in_the_other_account__stay(
    sharing_aws: Aws, tmp_path: Path
) -> None:
    there = sharing_aws.in_account(CONSUMER)
    there.run("glue", "create_database", DatabaseInput={"Name": "links"})
    data(sharing_aws, tmp_path)
    elsewhere = {"CatalogId": OWNER, "DatabaseName": "shop", "Name": "orders"}
    link = {"Name": "orders", "TargetTable": elsewhere}
    there.run("glue", "create_table", DatabaseName="links", TableInput=link)
    before = inventory(there)
    assert left(removed(sharing_aws)) == {}
    assert inventory(there) == before


def test_remove__the_other_account_lets_nobody_in__what_links_need_stays_and_is_told(
    aws: Aws, sandbox: AwsSandbox, tmp_path: Path
) -> None:
    data(aws, tmp_path)
    shut_out = aws_of(sandbox, prefix="blue-", account_roles={CONSUMER: MESH_THERE})
    done = left(removed(shut_out))
    shut_out.close()
    assert done["links"].startswith("They cannot be looked for")
    assert "links" in done["database harbour"]


def test_remove__a_step_that_fails__is_told_the_others_go_and_it_goes_the_next_time(
    sandbox: AwsSandbox, aws: Aws, tmp_path: Path
) -> None:
    data(aws, tmp_path)
    fault = Fault("s3", "delete_bucket", "error", code="AccessDenied")
    sandbox.faults.add(fault)
    done = left(removed(aws))
    bucket = f"bucket {domain_bucket(aws.place, 'harbour')}"
    assert done[bucket] == "IAM does not allow s3:DeleteBucket."
    # By the database the bucket is known to be the mesh's.
    assert "buckets of domains" in done["database harbour"]
    sandbox.faults.clear()
    again = removed(aws)
    assert left(again) == {}
    assert {bucket, "database harbour"} <= {one.what for one in again}
    assert not any("harbour" in line for line in inventory(aws))


def test_remove__interrupted_after_each_kind__the_next_time_finds_the_rest(
    aws: Aws, tmp_path: Path
) -> None:
    before = inventory(aws)
    data(aws, tmp_path)
    names = [kind.name for kind in kinds_of(aws)]

    async def first(count: int) -> None:
        async for _ in remove(kinds_of(aws)[:count]):
            continue

    for count in range(0, len(names), 3):
        asyncio.run(first(count))
    assert left(removed(aws)) == {}
    assert inventory(aws) - before == set()


@pytest.mark.parametrize("said", [None, "444455556666"])
def test_check__no_prefix__refuses_unless_the_account_is_said(
    sandbox: AwsSandbox, said: str | None
) -> None:
    nameless = aws_of(sandbox)
    with pytest.raises(Invalid) as refused:
        asyncio.run(check_account(nameless, without_prefix=said))
    asyncio.run(check_account(nameless, without_prefix=nameless.place.account))
    nameless.close()
    assert refused.value.code in ("PREFIX_MISSING", "ACCOUNT_NOT_MEANT")


def test_check__credentials_of_another_account__refuses(sandbox: AwsSandbox) -> None:
    other = aws_with(sandbox, *sandbox.keys(CONSUMER), prefix="blue-")
    with pytest.raises(Invalid) as refused:
        asyncio.run(check_account(other, without_prefix=None))
    other.close()
    assert refused.value.code == "ACCOUNT_NOT_MEANT"


def test_remove__without_a_prefix__what_others_made_stays(
    sandbox: AwsSandbox, aws: Aws, tmp_path: Path
) -> None:
    prepared(aws, "bus", "lake")
    new_domain(aws, "forest")
    anybodys_role(aws, "anybody")
    before = inventory(aws)
    nameless = aws_of(sandbox)
    data(nameless, tmp_path)
    assert left(removed(nameless)) == {}
    assert inventory(aws) == before
    nameless.close()


def command(sandbox: AwsSandbox, *options: str, prefix: str = "blue-") -> tuple[int, dict]:
    key, secret = sandbox.keys(sandbox.accounts[0])
    ran = subprocess.run(
        [sys.executable, "-m", "meshplane", "aws", "remove", *options, "--json"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=120,
        env=environment(
            {
                "AWS_ACCESS_KEY_ID": key,
                "AWS_SECRET_ACCESS_KEY": secret,
                "MESHPLANE_AWS_REGION": REGION,
                "MESHPLANE_AWS_ACCOUNT": sandbox.accounts[0],
                "MESHPLANE_AWS_ENDPOINT_URL": sandbox.url,
                "MESHPLANE_AWS_PREFIX": prefix,
            }
        ),
    )
    return ran.returncode, json.loads(ran.stdout or ran.stderr)


def test_command__not_confirmed__removes_nothing(sandbox: AwsSandbox, aws: Aws) -> None:
    prepared(aws, "bus")
    code, told = command(sandbox)
    assert (code, told["code"]) == (1, "NOT_CONFIRMED")
    assert f"bucket {mesh_bucket(aws.place)}" in inventory(aws)


def test_command__confirmed__removes_and_tells_each_thing(sandbox: AwsSandbox, aws: Aws) -> None:
    prepared(aws, "bus")
    code, told = command(sandbox, "--yes")
    assert code == 0
    assert {one["told"] for one in told["items"]} == {"removed"}
    assert f"bucket {mesh_bucket(aws.place)}" in {one["what"] for one in told["items"]}


def test_command__something_is_left__exit_code_1(sandbox: AwsSandbox, aws: Aws) -> None:
    prepared(aws, "bus")
    theirs = {"Name": "theirs", "EventPattern": '{"source": ["shop"]}'}
    aws.run("events", "put_rule", EventBusName="blue-datamesh-events", **theirs)
    code, told = command(sandbox, "--yes")
    assert code == 1
    assert [one["what"] for one in told["items"] if one["told"] == "stays"] == [
        "bus blue-datamesh-events"
    ]


def test_command__no_prefix__refuses(sandbox: AwsSandbox, aws: Aws) -> None:
    code, told = command(sandbox, "--plan", prefix="")
    assert (code, told["code"]) == (1, "PREFIX_MISSING")
