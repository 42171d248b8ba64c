"""Athena's fake under Lake Formation's fake: grants and filters, made by their own calls."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, sandbox_in
from tests.builders.sandbox_lake import (
    failure_of,
    iceberg_table,
    make_bucket,
    make_workgroup,
    rows_of,
)

MESH, CONSUMER = "111122223333", "444455556666"
ANALYST = f"arn:aws:iam::{MESH}:role/analyst"
PEOPLE = pa.table(
    {
        "id": pa.array([1, 2, 3], pa.int64()),
        "name": ["ann", "bob", "cid"],
        "country": ["DE", "FR", "DE"],
        "pay": pa.array([10, 20, 30], pa.int64()),
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as running:
        root = aws_of(running)
        make_bucket(root)
        make_workgroup(root)
        settings = {
            "DataLakeAdmins": [{"DataLakePrincipalIdentifier": f"arn:aws:iam::{MESH}:root"}],
            "CreateDatabaseDefaultPermissions": [],
            "CreateTableDefaultPermissions": [],
            "Parameters": {"CROSS_ACCOUNT_VERSION": "4"},
        }
        root.run("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
        root.run(
            "lakeformation",
            "register_resource",
            ResourceArn="arn:aws:s3:::lake",
            UseServiceLinkedRole=True,
        )
        iceberg_table(root, "hr", "people", PEOPLE)
        yield running


@pytest.fixture(scope="module")
def root(sandbox: AwsSandbox) -> Aws:
    return aws_of(sandbox)


@pytest.fixture(scope="module")
def analyst(sandbox: AwsSandbox) -> Aws:
    return aws_as(sandbox, ANALYST)


@pytest.fixture
def granted(root: Aws, analyst: Aws) -> Iterator[list[dict[str, Any]]]:
    """Grants that are taken back when a test ends."""
    held: list[dict[str, Any]] = []
    yield held
    for one in held:
        root.run("lakeformation", "revoke_permissions", **one)


def grant(root: Aws, held: list[dict[str, Any]], resource: dict[str, Any], *what: str) -> None:
    given = {
        "Principal": {"DataLakePrincipalIdentifier": ANALYST},
        "Resource": resource,
        "Permissions": list(what),
    }
    root.run("lakeformation", "grant_permissions", **given)
    held.append(given)


def grant_filter(
    root: Aws, held: list[dict[str, Any]], name: str, rows: str, *columns: str
) -> None:
    table = {"TableCatalogId": MESH, "DatabaseName": "hr", "TableName": "people", "Name": name}
    kept = {**table, "RowFilter": {"FilterExpression": rows}, "ColumnNames": list(columns)}
    root.run("lakeformation", "create_data_cells_filter", TableData=kept)
    grant(root, held, {"DataCellsFilter": table}, "SELECT")


def test_nothing_granted__nothing_is_seen(analyst: Aws) -> None:
    assert "Insufficient permissions" in failure_of(analyst, "SELECT * FROM hr.people")


def test_describe_alone__shows_no_column(
    root: Aws, analyst: Aws, granted: list[dict[str, Any]]
) -> None:
    grant(root, granted, {"Table": {"DatabaseName": "hr", "Name": "people"}}, "DESCRIBE")
    reason = failure_of(analyst, "SELECT * FROM hr.people")
    assert reason == "COLUMN_NOT_FOUND: line 1:15: Relation contains no accessible columns"


def test_column_grant__shows_those_columns(
    root: Aws, analyst: Aws, granted: list[dict[str, Any]]
) -> None:
    columns = {"DatabaseName": "hr", "Name": "people", "ColumnNames": ["id", "country"]}
    grant(root, granted, {"TableWithColumns": columns}, "SELECT")
    rows = rows_of(analyst, "SELECT * FROM hr.people ORDER BY id")
    assert rows[:2] == [["id", "country"], ["1", "DE"]]
    assert "COLUMN_NOT_FOUND" in failure_of(analyst, "SELECT pay FROM hr.people")


def test_two_filters__show_the_union_of_their_cells(
    root: Aws, analyst: Aws, granted: list[dict[str, Any]]
) -> None:
    grant_filter(root, granted, "germans", "country = 'DE'", "id", "name")
    grant_filter(root, granted, "well_paid", "pay >= 20", "id", "pay")
    assert rows_of(analyst, "SELECT * FROM hr.people ORDER BY id") == [
        ["id", "name", "pay"],
        ["1", "ann", None],
        ["2", None, "20"],
        ["3", "cid", "30"],
    ]


def test_shared_table__is_read_in_the_other_account_over_a_resource_link(
    sandbox: AwsSandbox, root: Aws
) -> None:
    other = aws_of(sandbox, CONSUMER)
    settings = {
        "DataLakeAdmins": [{"DataLakePrincipalIdentifier": f"arn:aws:iam::{CONSUMER}:root"}]
    }
    other.run("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
    table = {"CatalogId": MESH, "DatabaseName": "hr", "Name": "people"}
    given = {
        "Principal": {"DataLakePrincipalIdentifier": CONSUMER},
        "Resource": {"Table": table},
        "Permissions": ["SELECT", "DESCRIBE"],
        "PermissionsWithGrantOption": ["SELECT", "DESCRIBE"],
    }
    root.run("lakeformation", "grant_permissions", **given)
    for one in other.run("ram", "get_resource_share_invitations")["resourceShareInvitations"]:
        other.run(
            "ram",
            "accept_resource_share_invitation",
            resourceShareInvitationArn=one["resourceShareInvitationArn"],
        )
    target = {"CatalogId": MESH, "DatabaseName": "hr"}
    other.run(
        "glue", "create_database", DatabaseInput={"Name": "hr_link", "TargetDatabase": target}
    )
    make_workgroup(other)
    reader_arn = f"arn:aws:iam::{CONSUMER}:role/reader"
    reader = aws_as(sandbox, reader_arn)
    assert "Insufficient permissions" in failure_of(reader, "SELECT id FROM hr_link.people")
    passed_on = {
        "Principal": {"DataLakePrincipalIdentifier": reader_arn},
        "Resource": {"TableWithColumns": {**table, "ColumnNames": ["id", "name"]}},
        "Permissions": ["SELECT"],
    }
    other.run("lakeformation", "grant_permissions", **passed_on)
    rows = rows_of(reader, "SELECT * FROM hr_link.people ORDER BY id")
    assert rows[:2] == [["id", "name"], ["1", "ann"]]
