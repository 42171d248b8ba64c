"""A pod of EKS becomes the role of its service account, and its parts the roles of theirs."""

import base64
import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected, AwsUnavailable
from meshplane.platform.aws.part_roles import MADE
from meshplane.run.aws import part_aws
from meshplane.run.settings import Settings, read_settings
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import place_of
from tests.builders.part_roles import PROCESS, make_process_role, mesh_of, prepared, refused

ACCOUNT, REGION = "111122223333", "eu-central-1"
PARTS_HERE = ("tables", "lake", "portal")
ISSUER = "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE"


def test_plan__for_roles_of_parts_in_an_empty_account__makes_nothing(root: Aws) -> None:
    mesh = mesh_of(root.place, PARTS_HERE)
    federated(root)
    planned = prepared(root, PARTS_HERE, mesh, plan=True)
    assert [one.what for one in planned if one.told == "was there"] == [f"role {PROCESS}"]
    assert {one.told for one in planned} == {"was there", "would be made", "would be changed"}
    roles = root.run("iam", "list_roles")["Roles"]
    assert [one["Arn"] for one in roles] == [PROCESS], "it was there before"
    assert root.run("datazone", "list_domains")["items"] == []


def test_pod__with_a_web_identity__becomes_its_role_and_works_as_its_parts(
    sandbox: AwsSandbox, root: Aws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    federated(root)
    prepared(root, PARTS_HERE, mesh_of(root.place, PARTS_HERE))
    settings = pod(sandbox, monkeypatch, tmp_path, "system:serviceaccount:mesh:lake")
    process = Aws(place_of(sandbox, prefix="blue-"))
    arn = process.run("sts", "get_caller_identity")["Arn"]
    assert arn.startswith(f"arn:aws:sts::{ACCOUNT}:assumed-role/blue-process/")
    lake = part_aws(settings, process, "lake")
    lake.run("lakeformation", "list_permissions")
    assert refused(process, "lakeformation", "list_permissions")
    process.close()


@pytest.mark.parametrize("account", ["system:serviceaccount:mesh:query", "system:anonymous"])
def test_pod__of_another_service_account__does_not_become_it(
    sandbox: AwsSandbox,
    root: Aws,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    account: str,
) -> None:
    federated(root)
    pod(sandbox, monkeypatch, tmp_path, account)
    process = Aws(place_of(sandbox, prefix="blue-"))
    with pytest.raises((AwsRejected, AwsUnavailable)):
        process.run("sts", "get_caller_identity")
    process.close()


def federated(root: Aws) -> None:
    """The role of a pod: taken by one service account of a cluster, as the guide has it."""
    trust = {
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}"},
        "Action": "sts:AssumeRoleWithWebIdentity",
        "Condition": {
            "StringEquals": {
                f"{ISSUER}:sub": "system:serviceaccount:mesh:lake",
                f"{ISSUER}:aud": "sts.amazonaws.com",
            }
        },
    }
    make_process_role(root, trust)


def pod(
    sandbox: AwsSandbox, monkeypatch: pytest.MonkeyPatch, folder: Path, account: str
) -> Settings:
    """The environment that EKS gives to a pod, and the settings of the mesh in it."""
    claims = {
        "iss": f"https://{ISSUER}",
        "sub": account,
        "aud": ["sts.amazonaws.com"],
        "exp": int(datetime(2100, 1, 1, tzinfo=UTC).timestamp()),
    }
    body = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    token = folder / "token"
    token.write_text(f"eyJhbGciOiJSUzI1NiJ9.{body}.c2lnbmVk")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_REGION", REGION)
    monkeypatch.setenv("AWS_ENDPOINT_URL", sandbox.url)
    monkeypatch.setenv("AWS_ROLE_ARN", PROCESS)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(token))
    return read_settings(
        aws_region=REGION,
        aws_account=ACCOUNT,
        aws_prefix="blue-",
        aws_parts=",".join(PARTS_HERE),
        aws_part_roles=MADE,
        aws_principals=PROCESS,
    )
