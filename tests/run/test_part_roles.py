"""Each part of a mesh works as a role of its own, and may do what its code calls and no more."""

import asyncio
import json
from collections.abc import Iterator

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.names import part_role, role_arn
from meshplane.platform.aws.part_roles import Identities
from meshplane.run.aws import zone_of
from meshplane.run.aws_part_roles import part_policy, part_trust
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of
from tests.builders.part_roles import (
    PROCESS,
    by_account,
    make_process_role,
    mesh_of,
    prepared,
    refused,
)

ACCOUNT = "111122223333"
PARTS_HERE = ("store", "tables", "lake", "query", "portal", "shares")


@pytest.fixture(scope="module")
def root(sandbox: AwsSandbox) -> Iterator[Aws]:
    """The administrator of the account, for a mesh whose names begin with `blue-`."""
    made = aws_of(sandbox, prefix="blue-")
    yield made
    made.close()


@pytest.fixture(scope="module")
def mesh(root: Aws) -> Identities:
    """A mesh whose process runs as one role, in an account that is prepared for it."""
    make_process_role(root, by_account(ACCOUNT))
    found = mesh_of(root.place, PARTS_HERE)
    prepared(root, PARTS_HERE, found)
    return found


@pytest.fixture
def process(sandbox: AwsSandbox, mesh: Identities) -> Iterator[Aws]:
    """AWS as the process of the mesh sees it."""
    made = aws_as(sandbox, PROCESS, prefix="blue-")
    yield made
    made.close()


def test_prepare__makes_a_role_for_each_part_that_the_process_alone_may_take(
    root: Aws, mesh: Identities
) -> None:
    for part in PARTS_HERE:
        role = root.run("iam", "get_role", RoleName=f"blue-meshplane-part-{part}")["Role"]
        (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
        assert statement["Principal"] == {"AWS": [PROCESS]}
        held = root.run("iam", "get_role_policy", RoleName=role["RoleName"], PolicyName="meshplane")
        assert held["PolicyDocument"] == part_policy(root.place, part)


def test_prepare__again__nothing_changes(root: Aws, mesh: Identities) -> None:
    assert {one.told for one in prepared(root, PARTS_HERE, mesh)} == {"was there"}


def test_prepare__a_policy_that_somebody_widened__is_put_back(root: Aws, mesh: Identities) -> None:
    name = part_role(root.place, "lake")
    wide = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    given = {"RoleName": name, "PolicyName": "meshplane"}
    root.run("iam", "put_role_policy", **given, PolicyDocument=json.dumps(wide))
    changed = [one.what for one in prepared(root, PARTS_HERE, mesh) if one.told != "was there"]
    assert changed == [f"role {name}"]
    held = root.run("iam", "get_role_policy", **given)["PolicyDocument"]
    assert held == part_policy(root.place, "lake")


def test_prepare__the_lake_is_administered_by_the_parts_that_need_it_and_by_who_prepares(
    root: Aws, mesh: Identities
) -> None:
    held = root.run("lakeformation", "get_data_lake_settings")["DataLakeSettings"]
    named = {one["DataLakePrincipalIdentifier"] for one in held["DataLakeAdmins"]}
    meant = {mesh.roles[part] for part in ("lake", "shares", "tables")}
    assert named == {*meant, f"arn:aws:iam::{ACCOUNT}:root"}


def test_prepare__the_portals_role_owns_the_portal_that_an_administrator_made(
    root: Aws, mesh: Identities, process: Aws
) -> None:
    zone = zone_of(mesh.session(process, "portal"))

    async def make_unit() -> str:
        made = await zone.aws.call(
            "datazone",
            "create_domain_unit",
            domainIdentifier=await zone.domain(),
            parentDomainUnitIdentifier=await zone.root(),
            name="aviation",
        )
        return str(made["name"])

    assert asyncio.run(make_unit()) == "aviation"


def test_process__may_do_nothing_itself_but_take_the_roles_of_its_parts(process: Aws) -> None:
    assert refused(process, "s3", "list_buckets")
    assert refused(process, "dynamodb", "list_tables")
    assert refused(process, "lakeformation", "get_data_lake_settings")
    other = process.as_role(role_arn(process.place, "meshplane-portal"), "x")
    with pytest.raises((AwsRejected, AwsUnavailable)):
        other.run("sts", "get_caller_identity")


def test_part__without_credentials_to_take_its_role_with__says_so(
    monkeypatch: pytest.MonkeyPatch, root: Aws, mesh: Identities
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(AwsUnavailable) as refused:
        mesh.session(Aws(root.place), "lake")
    assert "There are no credentials" in refused.value.message


def test_part__works_as_its_role_and_cloudtrail_sees_which_part_it_was(
    mesh: Identities, process: Aws
) -> None:
    arn = mesh.session(process, "lake").run("sts", "get_caller_identity")["Arn"]
    assert arn == f"arn:aws:sts::{ACCOUNT}:assumed-role/blue-meshplane-part-lake/meshplane-lake"


def test_part__is_let_through_to_what_it_calls_and_refused_what_others_do(
    mesh: Identities, process: Aws
) -> None:
    lake, store = mesh.session(process, "lake"), mesh.session(process, "store")
    lake.run("lakeformation", "list_permissions")
    tables = {"TableName": "blue-Domains"}
    assert store.run("dynamodb", "describe_table", **tables)["Table"]["TableName"] == "blue-Domains"
    assert refused(lake, "dynamodb", "describe_table", **tables)
    assert refused(lake, "iam", "get_role", RoleName="blue-process")
    assert refused(store, "lakeformation", "list_permissions")
    assert refused(store, "dynamodb", "describe_table", TableName="green-Domains")
    assert refused(mesh.session(process, "query"), "glue", "get_database", Name="aviation")


def test_session_of_a_part__is_renewed_before_it_ends_and_kept_until_then(
    sandbox: AwsSandbox, mesh: Identities, process: Aws
) -> None:
    role = mesh.roles["store"]
    long, short = process.as_role(role, "long"), process.as_role(role, "short", DurationSeconds=900)
    keys = {long.frozen_credentials().access_key for _ in range(3)}
    assert len(keys) == 1
    # The last quarter of an hour is for renewing: a session of that length is always in it.
    renewed = {short.frozen_credentials().access_key for _ in range(3)}
    assert len(renewed) == 3
    table = short.run("dynamodb", "describe_table", TableName="blue-Domains")["Table"]
    assert table["TableStatus"] == "ACTIVE"


def test_session_of_a_part_in_another_account__is_its_own(
    sandbox: AwsSandbox, root: Aws, mesh: Identities
) -> None:
    there = f"arn:aws:iam::{sandbox.accounts[1]}:role/consumer"
    aws_as(sandbox, there).close()
    owner = aws_of(sandbox, sandbox.accounts[1])
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": mesh.roles["shares"]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    owner.run(
        "iam",
        "update_assume_role_policy",
        RoleName="consumer",
        PolicyDocument=json.dumps(trust),
    )
    roles = {sandbox.accounts[1]: there}
    process = aws_as(sandbox, PROCESS, prefix="blue-", account_roles=roles)
    shares = mesh.session(process, "shares").in_account(sandbox.accounts[1])
    assert shares.run("sts", "get_caller_identity")["Account"] == sandbox.accounts[1]
    with pytest.raises((AwsRejected, AwsUnavailable)):
        mesh.session(process, "lake").in_account(sandbox.accounts[1]).run(
            "sts", "get_caller_identity"
        )
    for one in (owner, process):
        one.close()


def test_shares__takes_roles_elsewhere_and_none_of_the_meshs_own_account(
    sandbox: AwsSandbox, root: Aws, mesh: Identities, process: Aws
) -> None:
    """Many a role of an account trusts all of it: an administrator's, and those of projects."""
    trust = part_trust(root.place, ())
    root.run(
        "iam",
        "create_role",
        RoleName="administrators",
        AssumeRolePolicyDocument=json.dumps(trust),
    )
    shares = mesh.session(process, "shares")
    here = f"arn:aws:iam::{ACCOUNT}:role/administrators"
    assert root.as_role(here, "trial").run("sts", "get_caller_identity")["Account"] == ACCOUNT
    assert refused(shares, "sts", "assume_role", RoleArn=here, RoleSessionName="trial")


def test_who_acts_as_projects__is_named_where_it_is_known() -> None:
    known = Identities(("arn:p",), {"query": "arn:q", "portal": "arn:d", "lake": "arn:l"})
    assert known.acting({"query", "portal", "lake"}) == ("arn:q", "arn:d")
    assert known.acting({"query", "shares"}) == ("arn:q", "arn:p")
    assert Identities((), {"query": "arn:q"}).acting({"query", "portal"}) == ()
    assert Identities().acting({"query"}) == ()
