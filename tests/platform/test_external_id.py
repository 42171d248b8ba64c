"""Roles in other accounts can demand what the mesh says when it takes them."""

import json
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.platform.aws.errors import AwsRejected
from meshplane.run.aws import aws_of as mesh_aws
from meshplane.run.settings import read_settings
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of

OWNER, OTHER = "111122223333", "444455556666"
PROCESS = f"arn:aws:iam::{OWNER}:role/mesh"
THERE = f"arn:aws:iam::{OTHER}:role/mesh-there"
AGREED = "harbour/2026:7f3a"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with AwsSandbox(accounts=(OWNER, OTHER), enforce_iam=True) as running:
        mesh, there = aws_of(running, OWNER), aws_of(running, OTHER)
        mesh.run(
            "iam",
            "create_role",
            RoleName="mesh",
            AssumeRolePolicyDocument=_policy({"Principal": {"AWS": f"arn:aws:iam::{OWNER}:root"}}),
        )
        mesh.run(
            "iam",
            "put_role_policy",
            RoleName="mesh",
            PolicyName="take",
            PolicyDocument=_policy({"Resource": THERE}),
        )
        condition = {"StringEquals": {"sts:ExternalId": AGREED}}
        there.run(
            "iam",
            "create_role",
            RoleName="mesh-there",
            AssumeRolePolicyDocument=_policy(
                {"Principal": {"AWS": PROCESS}, "Condition": condition}
            ),
        )
        for aws in (mesh, there):
            aws.close()
        yield running
        assert running.defects == [], running.defects


def _policy(more: dict[str, object]) -> str:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _who(sandbox: AwsSandbox, said: str | None) -> str:
    """Who the mesh is in the other account."""
    root = aws_of(sandbox, OWNER, account_roles={OTHER: THERE}, external_id=said)
    try:
        there = root.as_role(PROCESS, "meshplane").in_account(OTHER)
        return str(there.run("sts", "get_caller_identity")["Arn"])
    finally:
        root.close()


def test_setting__is_what_the_mesh_says() -> None:
    settings = read_settings(
        aws_region="eu-central-1",
        aws_account=OWNER,
        aws_parts="metrics",
        aws_external_id=AGREED,
    )
    aws = mesh_aws(settings)
    assert aws is not None
    assert aws.place.external_id == AGREED
    aws.close()


def test_what_was_agreed__the_role_is_taken(sandbox: AwsSandbox) -> None:
    assert _who(sandbox, AGREED) == f"arn:aws:sts::{OTHER}:assumed-role/mesh-there/meshplane"


@pytest.mark.parametrize("said", [None, "harbour/2026:0000"])
def test_nothing_or_something_else__is_refused_and_says_where_to_look(
    sandbox: AwsSandbox, said: str | None
) -> None:
    with pytest.raises(AwsRejected) as refused:
        _who(sandbox, said)
    told = refused.value
    assert (told.service, told.operation, told.aws_code) == ("sts", "assume_role", "AccessDenied")
    assert "sts:ExternalId" in told.message
    assert "MESHPLANE_AWS_EXTERNAL_ID" in told.message
    assert AGREED not in told.message
