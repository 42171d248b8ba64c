"""Signing in and renewing keys on the command line: what is missing is named."""

import json

import pytest

from tests.builders.terminal import type_offline


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever this machine says of AWS."""
    for name in ("PARTS", "REGION", "ACCOUNT", "COGNITO_POOL", "COGNITO_CLIENTS"):
        monkeypatch.delenv(f"MESHPLANE_AWS_{name}", raising=False)


@pytest.mark.parametrize(
    ("words", "settings", "code", "field"),
    [
        (("sign-in", "ada"), {}, "CLIENT_MISSING", "client"),
        (("sign-in", "ada", "--client", "portal"), {}, "SETTING_INVALID", "aws_region"),
        (("roll-keys",), {}, "AWS_PARTS_MISSING", "aws_parts"),
        (
            ("roll-keys",),
            {"PARTS": "tables", "REGION": "eu-central-1", "ACCOUNT": "111122223333"},
            "AWS_PARTS_MISSING",
            "aws_parts",
        ),
    ],
)
def test_command__without_what_it_needs__names_it(
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    settings: dict[str, str],
    code: str,
    field: str,
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"MESHPLANE_AWS_{name}", value)
    result = type_offline("aws", *words, "--json", given="Some-Password-1\n")
    assert result.exit_code == 1
    problem = json.loads(result.stdout)
    assert problem["code"] == code
    assert [one["field"] for one in problem["errors"]] == [field]
    assert "Some-Password-1" not in result.output


SOMEWHERE = {
    "MESHPLANE_AWS_PARTS": "store",
    "MESHPLANE_AWS_REGION": "eu-central-1",
    "MESHPLANE_AWS_ACCOUNT": "111122223333",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
CREDENTIALS = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE")


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ({}, "AWS_UNAVAILABLE", "There are no credentials."),
        ({"AWS_ACCESS_KEY_ID": "ASBXONE"}, "AWS_UNAVAILABLE", "Half of the credentials"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE_UNKNOWN", "AWS_PROFILE"),
    ],
)
def test_prepare__without_credentials__says_where_they_are_looked_for(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], code: str, told: str
) -> None:
    pytest.importorskip("boto3", reason="The client of AWS is not here")
    for name in CREDENTIALS:
        monkeypatch.delenv(name, raising=False)
    for name, value in {**SOMEWHERE, **given}.items():
        monkeypatch.setenv(name, value)
    result = type_offline("aws", "prepare", "--plan", "--json")
    problem = json.loads(result.stdout)
    assert (result.exit_code, problem["code"]) == (1, code)
    assert told in problem["detail"]
