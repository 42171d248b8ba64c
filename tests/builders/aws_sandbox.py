"""A running sandbox, and AWS as one of its accounts or roles sees it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.aws.place import AwsPlace
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sessions import session_with

REGION = "eu-central-1"


@contextmanager
def sandbox_in(folder: Path | None = None, **options: Any) -> Iterator[AwsSandbox]:
    """A sandbox that runs as long as the block does. One at a time in a process.

    It fails at the end where a fake answered against its model, or failed.
    """
    with AwsSandbox(folder, **options) as sandbox:
        yield sandbox
        assert sandbox.defects == [], sandbox.defects


def place_of(sandbox: AwsSandbox, account: str | None = None, **more: Any) -> AwsPlace:
    """Where the sandbox is, for a mesh of that account; by default of the first."""
    given = {"read_seconds": 20.0, **more}
    return AwsPlace(REGION, account or sandbox.accounts[0], endpoint_url=sandbox.url, **given)


def aws_of(sandbox: AwsSandbox, account: str | None = None, **place: Any) -> Aws:
    """AWS as the root of an account sees it, by default the first; `place`: of `AwsPlace`."""
    account = account or sandbox.accounts[0]
    return aws_with(sandbox, *sandbox.keys(account), account=account, **place)


def aws_with(
    sandbox: AwsSandbox,
    access_key: str,
    secret: str,
    token: str | None = None,
    *,
    account: str | None = None,
    **place: Any,
) -> Aws:
    """AWS as the owner of an access key sees it."""
    return Aws(place_of(sandbox, account, **place), session_with(access_key, secret, token))


def aws_as(sandbox: AwsSandbox, role_arn: str, session: str = "test", **place: Any) -> Aws:
    """AWS as a role sees it. The role is made where it is missing, with no permissions."""
    account, name = role_arn.split(":")[4], role_arn.rpartition("/")[2]
    root = aws_of(sandbox, account, **place)
    try:
        root.run("iam", "get_role", RoleName=name)
    except AwsRejected:
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {
                        "AWS": [f"arn:aws:iam::{each}:root" for each in sandbox.accounts]
                    },
                    "Action": "sts:AssumeRole",
                }
            ],
        }
        root.run("iam", "create_role", RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))
    return root.as_role(role_arn, session)


def govern_lake(aws: Aws) -> None:
    """Lets Lake Formation govern what is made from now on, whose admin is the root.

    Args:
        aws: as the account's root.
    """
    root = f"arn:aws:iam::{aws.place.account}:root"
    settings = {
        "DataLakeAdmins": [{"DataLakePrincipalIdentifier": root}],
        "CreateDatabaseDefaultPermissions": [],
        "CreateTableDefaultPermissions": [],
    }
    aws.run("lakeformation", "put_data_lake_settings", DataLakeSettings=settings)
