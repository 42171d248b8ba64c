"""A demo that cannot be played says so, and nothing else before it."""

import json
import sys

import pytest

from tests.builders.terminal import type_offline

ACCOUNT = "111122223333"
SETTINGS = {
    "MESHPLANE_AWS_REGION": "eu-central-1",
    "MESHPLANE_AWS_ACCOUNT": ACCOUNT,
    "MESHPLANE_AWS_PREFIX": "blue-",
}


@pytest.mark.parametrize("missing", ["boto3", "moto", "flask"])
def test_demo_on_the_sandbox__that_is_not_installed_says_how_to_have_it(
    missing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    assert refused_with("--aws") == "SANDBOX_MISSING"


def test_demo_in_an_account__without_the_client_of_aws_says_how_to_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "boto3", None)
    assert refused_with("--aws", "--account", ACCOUNT) == "EXTRA_MISSING"


def test_demo_in_an_account__of_which_the_settings_know_nothing_is_refused() -> None:
    assert refused_with("--aws", "--account", ACCOUNT) == "ACCOUNT_NOT_MEANT"


def refused_with(*options: str) -> str:
    """The code of a refusal, which is all that is printed and says what to do."""
    told = type_offline("demo", *options)
    assert told.exit_code == 1
    assert told.stdout == ""
    document = json.loads(type_offline("demo", *options, "--json").stdout)
    assert document["detail"]
    return str(document["code"])
