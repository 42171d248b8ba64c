"""The reference says what the code says: what `make reference` would write is what is there."""

import json
from typing import Any

import pytest

from meshplane.cli.reference import pages
from meshplane.policy.engine import policy_texts
from tests.tidy.tree import ROOT

REFERENCE = ROOT / "docs" / "reference"
METHODS = {"get", "put", "post", "patch", "delete"}


@pytest.fixture(scope="module")
def made() -> dict[str, str]:
    return pages()


def operations(document: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        operation
        for path in document["paths"].values()
        for method, operation in path.items()
        if method in METHODS
    ]


@pytest.mark.parametrize(
    "name",
    [
        "openapi.json",
        "asyncapi.json",
        "settings.md",
        "errors.md",
        "events.md",
        "policies.md",
        "cli.md",
    ],
)
def test_reference__is_what_the_code_says(name: str, made: dict[str, str]) -> None:
    there = (REFERENCE / name).read_text(encoding="utf-8")
    same = there == made[name]
    assert same, f"docs/reference/{name} is behind the code: run `make reference`"


def test_iam_policies__are_what_the_code_calls(made: dict[str, str]) -> None:
    behind = [
        name
        for name, text in made.items()
        if name.startswith("iam/")
        and (REFERENCE / name).is_file()
        and (REFERENCE / name).read_text(encoding="utf-8") != text
    ]
    assert behind == [], "run `make reference`"


def test_reference__has_no_page_that_nothing_makes(made: dict[str, str]) -> None:
    there = {path.relative_to(REFERENCE).as_posix() for path in REFERENCE.rglob("*.*")}
    assert there == {*made, "README.md"}


def test_openapi__names_each_operation_once(made: dict[str, str]) -> None:
    names = [one["operationId"] for one in operations(json.loads(made["openapi.json"]))]
    assert len(names) == len(set(names)) > 40


def test_openapi__every_operation_has_a_policy(made: dict[str, str]) -> None:
    # Deny by default: what no policy names, nobody may do.
    policies = "".join(policy_texts().values())
    names = [one["operationId"] for one in operations(json.loads(made["openapi.json"]))]
    assert [name for name in names if f'"{name}"' not in policies] == []


def test_openapi__every_operation_tells_of_problems(made: dict[str, str]) -> None:
    for operation in operations(json.loads(made["openapi.json"])):
        problem = operation["responses"]["default"]["content"]
        assert "application/problem+json" in problem, operation["operationId"]


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("NAME_TAKEN", 409),  # raised where it is written
        ("SQL_REFUSED", 403),  # named by a function of the sandbox
        ("RULE_UNSUPPORTED", 400),  # carried by another error first
        ("TOKEN_EXPIRED", 401),
        ("PATH_NOT_FOUND", 404),  # found by the router
    ],
)
def test_errors__finds_codes_however_they_are_raised(
    code: str, status: int, made: dict[str, str]
) -> None:
    lines = made["errors.md"].splitlines()
    row = next(line for line in lines if line.startswith(f"| `{code}` |"))
    assert f"| {status} |" in row
