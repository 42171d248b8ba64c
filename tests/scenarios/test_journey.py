"""The whole journey, as `meshplane demo --json` plays and tells it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from meshplane.sample.nycflights import ROWS, default_archive
from tests.builders.journey_numbers import AUDIT, CHANGED, CHECKS, DERIVED, GRANTED, MASKED, QUALITY

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
]

_LONGEST_SECONDS = 300


@pytest.fixture(scope="module")
def demo() -> tuple[int, dict[str, Any]]:
    """The exit code and the document of one demo."""
    ran = subprocess.run(
        [sys.executable, "-m", "meshplane", "demo", "--json"],
        capture_output=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    return ran.returncode, json.loads(ran.stdout)


def test_demo__every_check_holds__exit_code_0(demo: tuple[int, dict[str, Any]]) -> None:
    code, told = demo
    assert told["trouble"] is None
    assert [check for check in told["checks"] if not check["held"]] == []
    assert (code, told["held"], told["checksHeld"]) == (0, True, told["checksTotal"])
    assert told["checksTotal"] == CHECKS


def test_demo__tells_the_numbers_of_the_data(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    assert {name: told[name] for name in ROWS} == ROWS
    assert {name: told[name] for name in QUALITY} == QUALITY


def test_demo__the_consumer_sees_what_was_granted(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    expected = {**GRANTED, **MASKED}
    assert {name: told[name] for name in expected} == expected


def test_demo__the_consumer_sees_the_delete_and_the_time_before(
    demo: tuple[int, dict[str, Any]],
) -> None:
    _, told = demo
    assert {name: told[name] for name in CHANGED} == CHANGED


def test_demo__tells_what_the_derived_product_came_from(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    assert {name: told[name] for name in DERIVED} == DERIVED


def test_demo__the_audit_chain_verifies_and_a_changed_one_does_not(
    demo: tuple[int, dict[str, Any]],
) -> None:
    _, told = demo
    assert {name: told[name] for name in AUDIT} == AUDIT


def test_demo__plays_all_nine_chapters_in_order(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    chapters = [step["chapter"] for step in told["steps"]]
    assert chapters == sorted(chapters)
    assert set(chapters) == set(range(1, 10))
