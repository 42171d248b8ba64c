"""What fails again and again is told when it begins, once a minute, and when it is over."""

from typing import Any

import pytest

from meshplane.kit.errors import Unavailable
from meshplane.platform.trouble import Trouble
from tests.builders.clock_hand import ClockHand

Line = tuple[str, dict[str, Any]]
GONE = Unavailable("STORE_UNAVAILABLE", "It is not there.")


@pytest.fixture
def hand() -> ClockHand:
    return ClockHand()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> list[Line]:
    """What is written to the log."""
    written: list[Line] = []
    monkeypatch.setattr(
        "meshplane.platform.trouble.log",
        lambda _, event, **told: written.append((event, told)),
    )
    return written


@pytest.fixture
def trouble(hand: ClockHand, lines: list[Line]) -> Trouble:
    return Trouble("not_polled", "polled_again", hand, queue="jobs")


def test_fails_for_minutes__is_told_at_once_then_each_minute_and_at_the_end(
    trouble: Trouble, hand: ClockHand, lines: list[Line]
) -> None:
    for _ in range(300):  # two and a half minutes, twice a second
        trouble.met(GONE)
        hand.now += 0.5
    trouble.over()
    trouble.over()
    same = {"queue": "jobs", "code": "STORE_UNAVAILABLE"}
    assert lines == [
        ("not_polled", {**same, "times": 1}),
        ("not_polled", {**same, "times": 120}),
        ("not_polled", {**same, "times": 120}),
        ("polled_again", {"queue": "jobs", "times": 300, "lasted_seconds": 150.0}),
    ]


def test_goes_well__nothing_is_told(trouble: Trouble, lines: list[Line]) -> None:
    trouble.over()
    assert lines == []


def test_fails_now_and_then__is_told_once_a_minute(
    trouble: Trouble, hand: ClockHand, lines: list[Line]
) -> None:
    for _ in range(240):  # two minutes
        trouble.met(GONE)
        trouble.over()
        hand.now += 0.5
    assert [event for event, _ in lines] == ["not_polled", "polled_again"] * 2
    assert [told["times"] for event, told in lines if event == "not_polled"] == [1, 120]


def test_another_error_comes__is_told_at_once_with_its_trace(
    trouble: Trouble, lines: list[Line]
) -> None:
    mistake = ValueError("7")
    trouble.met(GONE)
    trouble.met(mistake)
    trouble.met(GONE)
    assert [told.get("code") or told["exc_info"] for _, told in lines] == [GONE.code, mistake]
