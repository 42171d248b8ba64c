"""The process of a demo in an account keeps its role for as long as the demo takes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from botocore.credentials import RefreshableCredentials
from botocore.session import get_session

from meshplane.cli.demo_roles import WHO, renewed_process, with_roles
from meshplane.run.aws import aws_of
from meshplane.run.environment import Variables, environment, in_environment
from meshplane.run.settings import read_settings
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, sandbox_in


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(enforce_iam=True) as running:
        yield running


@pytest.fixture(params=["a profile", "the environment"])
def administrator(sandbox: AwsSandbox, request: pytest.FixtureRequest, tmp_path: Path) -> Variables:
    """The environment of the account's administrator, whose keys are in one of two places."""
    key, secret = sandbox.keys(sandbox.accounts[0])
    config = tmp_path / "config"
    config.write_text(
        f"[profile admin]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"
    )
    who: dict[str, str] = {
        "a profile": {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "admin"},
        "the environment": {
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_CONFIG_FILE": os.devnull,
        },
    }[request.param]
    return {
        **dict.fromkeys(WHO),
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        **who,
        "MESHPLANE_AWS_REGION": REGION,
        "MESHPLANE_AWS_ACCOUNT": sandbox.accounts[0],
        "MESHPLANE_AWS_ENDPOINT_URL": sandbox.url,
        "MESHPLANE_AWS_PREFIX": "demo-",
        "MESHPLANE_AWS_PARTS": "tables",
    }


def test_process__has_its_role_in_sessions_that_are_renewed(
    administrator: Variables, tmp_path: Path
) -> None:
    process = renewed_process(with_roles(administrator), tmp_path)
    with in_environment(process):
        found = get_session().get_credentials()
        assert isinstance(found, RefreshableCredentials)
        first = found.access_key
        aws = aws_of(read_settings())
        assert aws is not None
        who = aws.run("sts", "get_caller_identity")["Arn"]
        aws.close()
    assert "assumed-role/demo-meshplane-process/meshplane-demo" in who
    assert first != str(administrator.get("AWS_ACCESS_KEY_ID"))
    # What is kept for renewing is nothing that boto3 finds.
    named = {name for name in WHO if process.get(name)}
    assert named == {"AWS_CONFIG_FILE", "AWS_PROFILE"}


def test_session__is_another_each_time_and_says_when_to_ask_again(
    administrator: Variables, tmp_path: Path
) -> None:
    process = renewed_process(with_roles(administrator), tmp_path)
    told = []
    for _ in range(2):
        ran = subprocess.run(
            [sys.executable, "-m", "meshplane.cli.demo_session"],
            capture_output=True,
            check=True,
            env=environment(process),
        )
        told.append(json.loads(ran.stdout))
    assert [one["Version"] for one in told] == [1, 1]
    assert told[0]["AccessKeyId"] != told[1]["AccessKeyId"]
    assert all(one["Expiration"] for one in told)
