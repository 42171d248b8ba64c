"""The whole journey on a sandbox of AWS, as `meshplane demo --aws --json` plays and tells it."""

import json
import subprocess
import sys
from importlib.util import find_spec
from typing import Any

import pytest

from meshplane.cli.demo_tell import SANDBOX
from meshplane.sample.nycflights import default_archive
from tests.builders.journey_numbers import CHECKS, EVERYWHERE, MASKED

pytestmark = [
    pytest.mark.scenario,
    pytest.mark.skipif(
        not default_archive().is_file(),
        reason=f"{default_archive().name} is not in this environment: run `make setup`",
    ),
    pytest.mark.skipif(
        find_spec("moto") is None, reason="The sandbox is not installed: run `make setup-dev`"
    ),
]

_LONGEST_SECONDS = 300

# Where tailnum is masked, four checks say how; where it is left out, two.
_CHECKS_WITHOUT_MASKS = CHECKS - 2


@pytest.fixture(scope="module")
def demo() -> tuple[int, dict[str, Any]]:
    """The exit code and the document of one demo."""
    ran = subprocess.run(
        [sys.executable, "-m", "meshplane", "demo", "--aws", "--json"],
        capture_output=True,
        timeout=_LONGEST_SECONDS,
        check=False,
    )
    return ran.returncode, json.loads(ran.stdout)


def test_demo_on_aws__every_check_holds__exit_code_0(demo: tuple[int, dict[str, Any]]) -> None:
    code, told = demo
    assert told["trouble"] is None
    assert [check for check in told["checks"] if not check["held"]] == []
    assert (code, told["held"]) == (0, True)
    assert (told["checksHeld"], told["checksTotal"]) == (_CHECKS_WITHOUT_MASKS,) * 2


def test_demo_on_aws__the_numbers_are_the_embedded_ones(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    assert {name: told[name] for name in EVERYWHERE} == EVERYWHERE


def test_demo_on_aws__what_would_be_masked_is_left_out_and_that_is_said(
    demo: tuple[int, dict[str, Any]],
) -> None:
    _, told = demo
    assert MASKED.keys() & told.keys() == set()
    assert any("tailnum is left out" in how for how in told["differences"])
    refused = [check for check in told["checks"] if check["what"].startswith("naming tailnum")]
    assert [check["found"] for check in refused] == [False]


def test_demo_on_aws__says_that_it_was_the_sandbox(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    assert told["ranOn"].startswith(SANDBOX)


def test_demo_on_aws__the_services_of_aws_did_the_work(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    data = {"athena", "glue", "iam", "lakeformation", "s3", "sts"}
    mesh = {"datazone", "dynamodb", "events", "sqs", "stepfunctions"}
    assert data | mesh <= told["awsCalls"].keys()


def test_demo_on_aws__nothing_is_otherwise_in_the_lake_at_the_end(
    demo: tuple[int, dict[str, Any]],
) -> None:
    _, told = demo
    assert told["lakeDrift"] == []


def test_demo_on_aws__the_sandbox_found_nothing_wrong_with_itself(
    demo: tuple[int, dict[str, Any]],
) -> None:
    _, told = demo
    assert told["sandboxDefects"] == []


def test_demo_on_aws__plays_all_nine_chapters_in_order(demo: tuple[int, dict[str, Any]]) -> None:
    _, told = demo
    chapters = [step["chapter"] for step in told["steps"]]
    assert chapters == sorted(chapters)
    assert set(chapters) == set(range(1, 10))
