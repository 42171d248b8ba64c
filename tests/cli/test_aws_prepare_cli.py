"""What `meshplane aws prepare` prints: what it did, the settings that it leads to, and its help."""

import json
import sys
from collections.abc import Iterator

import pytest

pytest.importorskip("moto", reason="the sandbox of AWS is not installed")

from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import REGION, aws_of, sandbox_in
from tests.builders.terminal import type_offline

POOL, CLIENT = "MESHPLANE_AWS_COGNITO_POOL", "MESHPLANE_AWS_COGNITO_CLIENTS"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as running:
        yield running


@pytest.fixture
def account(sandbox: AwsSandbox, monkeypatch: pytest.MonkeyPatch) -> AwsSandbox:
    """Settings and credentials of an account for the part `identity`."""
    key, secret = sandbox.keys(sandbox.accounts[0])
    given = {
        "AWS_ACCESS_KEY_ID": key,
        "AWS_SECRET_ACCESS_KEY": secret,
        "MESHPLANE_AWS_REGION": REGION,
        "MESHPLANE_AWS_ACCOUNT": sandbox.accounts[0],
        "MESHPLANE_AWS_ENDPOINT_URL": sandbox.url,
        "MESHPLANE_AWS_PARTS": "identity",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    for name in (POOL, CLIENT):
        monkeypatch.delenv(name, raising=False)
    return sandbox


def test_people__the_ids_are_printed_as_settings_each_time(account: AwsSandbox) -> None:
    first, again = type_offline("aws", "prepare"), type_offline("aws", "prepare", "--json")
    aws = aws_of(account)
    (pool,) = aws.run("cognito-idp", "list_user_pools", MaxResults=10)["UserPools"]
    (client,) = aws.run("cognito-idp", "list_user_pool_clients", UserPoolId=pool["Id"])[
        "UserPoolClients"
    ]
    aws.close()
    assert first.stdout.splitlines()[-2:] == [
        f"export {POOL}={pool['Id']}",
        f"export {CLIENT}={client['ClientId']}",
    ]
    (done,) = json.loads(again.stdout)["items"]
    assert done["told"] == "was there"
    assert done["settings"] == {POOL: pool["Id"], CLIENT: client["ClientId"]}


def test_nothing_could_begin__the_error_stands_alone(
    account: AwsSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MESHPLANE_AWS_ACCOUNT", "999988887777")
    refused = type_offline("aws", "prepare")
    assert refused.exit_code == 1
    assert refused.stdout == ""
    assert "ACCOUNT_NOT_MEANT" in refused.output
    assert account.calls.count("cognito-idp", "create_user_pool") <= 1


def test_help__paragraphs_flow_to_the_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("typer.rich_utils.MAX_WIDTH", 80)
    lines = [line.strip() for line in type_offline("aws", "prepare", "--help").output.splitlines()]
    first = next(number for number, line in enumerate(lines) if line.startswith("It looks first"))
    assert lines[first + 1] == "should be; so it may be run as often as one likes."


@pytest.mark.parametrize("command", ["prepare", "remove"])
def test_client_of_aws__is_not_installed__says_how_to_have_it(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    told = type_offline("aws", command, "--plan", "--json")
    assert told.exit_code == 1
    problem = json.loads(told.stdout)
    assert problem["code"] == "EXTRA_MISSING"
    assert "make setup-dev" in problem["detail"]
