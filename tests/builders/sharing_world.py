"""Two accounts in a sandbox: one owns a table with rows, the other is to read it."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import count
from typing import Any

import pyarrow as pa

from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.shares.aws_sharing import AwsSharing
from meshplane.services.shares.ports import Acceptance, SharedTable
from tests.builders.aws_sandbox import aws_of
from tests.builders.sandbox_lake import iceberg_table, make_bucket, make_workgroup, query

OWNER, CONSUMER = "111122223333", "444455556666"
MESH_THERE = f"arn:aws:iam::{CONSUMER}:role/mesh"
READER = f"arn:aws:iam::{CONSUMER}:role/analyst"
READER_AT_HOME = f"arn:aws:iam::{OWNER}:role/analyst"
ROWS = pa.table({"flight": ["A1", "B2"], "delay": pa.array([70, 5], pa.int32())})


@dataclass
class SharingWorld:
    """What a test of shares needs.

    Args:
        sandbox: with both accounts.
        owner: the mesh, in the owner's account.
        there: the mesh's role in the other account.
        sharing: under test.
    """

    sandbox: AwsSandbox
    owner: Aws
    there: Aws
    sharing: AwsSharing

    def carry_out(self, shared: SharedTable) -> Acceptance:
        return asyncio.run(self.sharing.carry_out(shared))

    def shared_rows(self, reader: str = READER, database: str = "shared") -> int | None:
        """How many rows the reader gets; None: none of the table at all."""
        aws = (self.owner if reader == READER_AT_HOME else self.there).as_role(reader, "looking")
        sql = f'SELECT * FROM "{database}"."flights"'
        execution = query(aws, sql)
        if execution["Status"]["State"] != "SUCCEEDED":
            return None
        number = execution["QueryExecutionId"]
        pages = aws.run_pages("athena", "get_query_results", QueryExecutionId=number)
        return sum(len(page["ResultSet"]["Rows"]) for page in pages) - 1

    def left_over(self) -> list[str]:
        """What of a share is there, in both accounts: grants, links, shares in RAM."""
        found = []
        on = {"CatalogId": OWNER, "DatabaseName": "aviation", "Name": "flights"}
        for name, aws in (("owner", self.owner), ("there", self.there)):
            rows = aws.run("lakeformation", "list_permissions", Resource={"Table": on})
            found += [
                f"{name}: {row['Principal']['DataLakePrincipalIdentifier']} holds "
                f"{row['Permissions']}"
                for row in rows["PrincipalResourcePermissions"]
            ]
        for page in self.owner.run_pages("ram", "get_resource_shares", resourceOwner="SELF"):
            found += [
                f"share {share['name']}"
                for share in page["resourceShares"]
                if share["status"] == "ACTIVE"
            ]
        databases = self.there.run("glue", "get_databases")["DatabaseList"]
        for database in databases:
            tables = self.there.run("glue", "get_tables", DatabaseName=database["Name"])
            found += [f"link {table['Name']}" for table in tables["TableList"]]
        return found


def table_shared(**changes: Any) -> SharedTable:
    """The flights, shared with the other account's analyst."""
    given: dict[str, Any] = {
        "share_id": "share-1",
        "owner": OWNER,
        "database": "aviation",
        "table": "flights",
        "permissions": ("SELECT", "DESCRIBE"),
        "account": CONSUMER,
        "reader": READER,
        "link_database": "shared",
    }
    return SharedTable(**{**given, **changes})


def fresh_world(sandbox: AwsSandbox, **place: Any) -> SharingWorld:
    """The accounts as they are before anything is shared; forgets what was."""
    sandbox.reset()
    root, root_there = aws_of(sandbox, OWNER), aws_of(sandbox, CONSUMER)
    for aws, arns in ((root, [READER_AT_HOME]), (root_there, [MESH_THERE, READER])):
        make_roles(aws, arns)
    administer(root, f"arn:aws:iam::{OWNER}:root")
    administer(root_there, MESH_THERE)
    make_bucket(root)
    iceberg_table(root, "aviation", "flights", ROWS)
    for aws in (root, root_there):
        make_workgroup(aws)
    for aws in (root, root_there):
        aws.close()
    given = {"account_roles": {CONSUMER: MESH_THERE}, **place}
    owner = aws_of(sandbox, OWNER, **given)
    there = aws_of(sandbox, CONSUMER).as_role(MESH_THERE, "meshplane")
    return SharingWorld(sandbox, owner, there, sharing_of(owner))


def sharing_of(aws: Aws, deadline_seconds: float = 2.0) -> AwsSharing:
    """The adapter under test; its tokens are never the same."""
    tokens = count(1)
    return AwsSharing(
        aws,
        workgroup="project",
        new_token=lambda: f"{next(tokens):064d}",
        deadline_seconds=deadline_seconds,
    )


def administer(aws: Aws, admin: str) -> None:
    """Closes what IAM leaves open, and names an administrator."""
    aws.run(
        "lakeformation",
        "put_data_lake_settings",
        DataLakeSettings={
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": admin}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
            "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
        },
    )


def make_roles(aws: Aws, arns: Iterable[str]) -> None:
    """Roles that both accounts may take."""
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"AWS": [f"arn:aws:iam::{one}:root" for one in (OWNER, CONSUMER)]},
                "Action": "sts:AssumeRole",
            }
        ],
    }
    for arn in arns:
        aws.run(
            "iam",
            "create_role",
            RoleName=arn.rpartition("/")[2],
            AssumeRolePolicyDocument=json.dumps(trust),
        )
