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
