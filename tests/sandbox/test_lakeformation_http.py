"""Lake Formation and RAM of the sandbox as boto3 sees them, over HTTP, with moto's Glue."""

from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.fake import Caller
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, aws_as, aws_of, sandbox_in

OWNER, CONSUMER = "111122223333", "444455556666"
TABLE = {"DatabaseName": "aviation", "Name": "flights"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        yield sandbox


@pytest.fixture
def owner(sandbox: AwsSandbox) -> Iterator[Aws]:
    sandbox.reset()
    aws = aws_of(sandbox)
    administer(aws, OWNER)
    columns = [{"Name": name, "Type": "string"} for name in ("flight", "pilot")]
    storage = {"Columns": columns, "Location": "s3://data-lake-aviation/flights"}
    table = {"Name": "flights", "StorageDescriptor": storage}
    aws.run("glue", "create_database", DatabaseInput={"Name": "aviation"})
    aws.run("glue", "create_table", DatabaseName="aviation", TableInput=table)
    yield aws
    aws.close()


def administer(aws: Aws, account: str) -> None:
    admin = {"DataLakePrincipalIdentifier": f"arn:aws:iam::{account}:root"}
    settings = {
        "DataLakeAdmins": [admin],
        "CreateDatabaseDefaultPermissions": [],
        "CreateTableDefaultPermissions": [],
        "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
    }
    aws.run("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)


def to(principal: str) -> dict[str, str]:
    return {"DataLakePrincipalIdentifier": principal}


def reads(sandbox: AwsSandbox, arn: str) -> set[str]:
    """The columns that a role reads, as an engine in the sandbox is told."""
    caller = Caller(arn.split(":")[4], REGION, arn, arn, "")
    fake: Any = sandbox.world.services["lakeformation"]
    access = fake.access(caller, OWNER, "aviation", "flights")
    return {column for scope in access.scopes for column in scope.columns}


def test_grant_revoke_and_list__over_http(sandbox: AwsSandbox, owner: Aws) -> None:
    role = f"arn:aws:iam::{OWNER}:role/ann"
    given = {"Principal": to(role), "Permissions": ["SELECT"]}
    owner.run("lakeformation", "grant_permissions", Resource={"Table": TABLE}, **given)
    assert reads(sandbox, role) == {"flight", "pilot"}
    rows = owner.run("lakeformation", "list_permissions", Resource={"Table": TABLE})
    [row] = rows["PrincipalResourcePermissions"]
    assert row["Resource"]["TableWithColumns"]["ColumnWildcard"] == {}
    assert row["LastUpdated"].tzinfo is not None
    owner.run("lakeformation", "revoke_permissions", Resource={"Table": TABLE}, **given)
    with pytest.raises(AwsRejected) as refused:
        owner.run("lakeformation", "revoke_permissions", Resource={"Table": TABLE}, **given)
    assert refused.value.aws_code == "InvalidInputException"


def test_batch__answers_200_with_failures(owner: Aws) -> None:
    entry = {
        "Principal": to(f"arn:aws:iam::{OWNER}:role/ann"),
        "Resource": {"Table": {**TABLE, "Name": "nowhere"}},
        "Permissions": ["SELECT"],
    }
    answer = owner.run("lakeformation", "batch_grant_permissions", Entries=[{"Id": "one", **entry}])
    [failure] = answer["Failures"]
    assert failure["RequestEntry"]["Id"] == "one"
    assert failure["Error"]["ErrorCode"] == "EntityNotFoundException"


def test_role__may_not_grant_what_it_cannot_pass_on(sandbox: AwsSandbox, owner: Aws) -> None:
    ann = aws_as(sandbox, f"arn:aws:iam::{OWNER}:role/ann")
    with pytest.raises(AwsRejected) as refused:
        ann.run(
            "lakeformation",
            "grant_permissions",
            Principal=to(f"arn:aws:iam::{OWNER}:role/ben"),
            Resource={"Table": TABLE},
            Permissions=["SELECT"],
        )
    assert refused.value.aws_code == "AccessDeniedException"


def test_tags_and_filters__over_http(sandbox: AwsSandbox, owner: Aws) -> None:
    role = f"arn:aws:iam::{OWNER}:role/ann"
    owner.run("lakeformation", "create_lf_tag", TagKey="team", TagValues=["ops", "hr"])
    pilot = {**TABLE, "ColumnNames": ["pilot"]}
    answer = owner.run(
        "lakeformation",
        "add_lf_tags_to_resource",
        Resource={"TableWithColumns": pilot},
        LFTags=[{"TagKey": "team", "TagValues": ["hr"]}],
    )
    assert answer["Failures"] == []
    expression = [{"TagKey": "team", "TagValues": ["hr"]}]
    policy = {"ResourceType": "TABLE", "Expression": expression}
    given = {"Principal": to(role), "Permissions": ["SELECT"]}
    owner.run("lakeformation", "grant_permissions", Resource={"LFTagPolicy": policy}, **given)
    assert reads(sandbox, role) == {"pilot"}
    on = {"TableCatalogId": OWNER, "DatabaseName": "aviation", "TableName": "flights"}
    data = {
        **on,
        "Name": "a",
        "RowFilter": {"FilterExpression": "pilot = 'x'"},
        "ColumnNames": ["flight"],
    }
    owner.run("lakeformation", "create_data_cells_filter", TableData=data)
    pages = list(owner.run_pages("lakeformation", "list_data_cells_filter", Table=TABLE))
    assert [one["Name"] for page in pages for one in page["DataCellsFilters"]] == ["a"]
    filtered = {"DataCellsFilter": {**on, "Name": "a"}}
    owner.run("lakeformation", "grant_permissions", Resource=filtered, **given)
    assert reads(sandbox, role) == {"pilot", "flight"}


def test_share__from_grant_to_read_over_http(sandbox: AwsSandbox, owner: Aws) -> None:
    consumer = aws_of(sandbox, CONSUMER)
    administer(consumer, CONSUMER)
    owner.run(
        "lakeformation",
        "grant_permissions",
        Principal=to(CONSUMER),
        Resource={"Table": TABLE},
        Permissions=["SELECT"],
        PermissionsWithGrantOption=["SELECT"],
    )
    pages = consumer.run_pages("ram", "get_resource_share_invitations")
    [invitation] = [one for page in pages for one in page["resourceShareInvitations"]]
    accepted = consumer.run(
        "ram",
        "accept_resource_share_invitation",
        resourceShareInvitationArn=invitation["resourceShareInvitationArn"],
        clientToken="once",
    )
    assert accepted["resourceShareInvitation"]["status"] == "ACCEPTED"
    role = f"arn:aws:iam::{CONSUMER}:role/ann"
    consumer.run(
        "lakeformation",
        "grant_permissions",
        Principal=to(role),
        Resource={"Table": {"CatalogId": OWNER, **TABLE}},
        Permissions=["SELECT"],
    )
    assert reads(sandbox, role) == {"flight", "pilot"}
    consumer.close()
