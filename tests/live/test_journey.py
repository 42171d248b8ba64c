"""The whole journey on an account of AWS, as `meshplane demo --aws` plays and tells it."""

from typing import Any

import pytest

from tests.builders.journey_numbers import CHECKS, EVERYWHERE, MASKED
from tests.builders.live_account import checks_that_failed

pytestmark = pytest.mark.live

# Where tailnum is masked, four checks say how; where it is left out, two.
_CHECKS_WITHOUT_MASKS = CHECKS - 2

Demo = tuple[int, dict[str, Any]]


def test_journey__every_check_holds__exit_code_0(demo: Demo) -> None:
    code, told = demo
    assert told["trouble"] is None
    assert checks_that_failed(told) == []
    assert (code, told["held"]) == (0, True)
    assert (told["checksHeld"], told["checksTotal"]) == (_CHECKS_WITHOUT_MASKS,) * 2


def test_journey__the_numbers_are_the_embedded_ones(demo: Demo) -> None:
    _, told = demo
    assert {name: told[name] for name in EVERYWHERE} == EVERYWHERE


def test_journey__what_would_be_masked_is_left_out_and_that_is_said(demo: Demo) -> None:
    _, told = demo
    assert MASKED.keys() & told.keys() == set()
    assert any("tailnum is left out" in how for how in told["differences"])
    refused = [check for check in told["checks"] if check["what"].startswith("naming tailnum")]
    assert [check["found"] for check in refused] == [False]


def test_journey__nothing_is_otherwise_in_the_lake_at_the_end(demo: Demo) -> None:
    _, told = demo
    assert told["lakeDrift"] == []


def test_journey__plays_all_nine_chapters_in_order(demo: Demo) -> None:
    _, told = demo
    chapters = [step["chapter"] for step in told["steps"]]
    assert chapters == sorted(chapters)
    assert set(chapters) == set(range(1, 10))
