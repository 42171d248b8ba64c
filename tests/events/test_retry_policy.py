"""Retries: how long between tries, and when a delivery is given up."""

import random
from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest

from meshplane.events.retry_policy import RetryPolicy, delay_seconds
from meshplane.kit.errors import Invalid
from tests.builders import seeds

SENT = datetime(2026, 1, 1, tzinfo=UTC)


def almost_one() -> float:
    return 1 - 2**-53


def test_delay__doubles_from_a_second_to_sixteen_minutes() -> None:
    longest = [round(delay_seconds(attempt, almost_one)) for attempt in range(1, 14)]
    assert longest == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 960, 960, 960]
    assert delay_seconds(185, almost_one) < 960
    assert delay_seconds(10**9, almost_one) < 960


def test_delay__is_anything_up_to_its_limit() -> None:
    source = random.Random(seeds.fresh())
    delays = [delay_seconds(8, source.random) for _ in range(5000)]
    assert 0 <= min(delays) < 5
    assert 123 < max(delays) < 128
    assert 60 < mean(delays) < 68


def test_defaults__reach_185_attempts_and_24_hours_at_about_the_same_time() -> None:
    source = random.Random(seeds.fresh())

    def given_up() -> tuple[int, float]:
        policy, attempts, now = RetryPolicy(), 1, SENT
        while policy.exhausted(attempts, SENT, now) is None:
            now += timedelta(seconds=delay_seconds(attempts, source.random))
            attempts += 1
        return attempts - 1, (now - SENT).total_seconds() / 3600

    ends = [given_up() for _ in range(300)]
    assert 175 < mean(retries for retries, _ in ends) <= 185
    assert 22.5 < mean(hours for _, hours in ends) < 24.5


@pytest.mark.parametrize(
    ("attempts", "hours", "expected"),
    [
        (1, 0, None),
        (185, 23.9, None),
        (186, 1, "attempts"),
        (5, 24, "age"),
        (186, 30, "attempts"),
    ],
)
def test_exhausted__names_the_limit(attempts: int, hours: float, expected: str | None) -> None:
    assert RetryPolicy().exhausted(attempts, SENT, SENT + timedelta(hours=hours)) == expected


def test_exhausted__without_retries_the_first_failure_is_the_last() -> None:
    assert RetryPolicy(maximum_attempts=0).exhausted(1, SENT, SENT) == "attempts"


def test_exhausted__by_an_age_of_a_minute() -> None:
    policy = RetryPolicy(maximum_age_seconds=60)
    assert policy.exhausted(3, SENT, SENT + timedelta(seconds=59)) is None
    assert policy.exhausted(3, SENT, SENT + timedelta(seconds=60)) == "age"


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        ({"maximum_attempts": -1}, "maximumAttempts"),
        ({"maximum_attempts": 186}, "maximumAttempts"),
        ({"maximum_age_seconds": 59}, "maximumAgeSeconds"),
        ({"maximum_age_seconds": 86_401}, "maximumAgeSeconds"),
    ],
)
def test_policy__refuses_limits_out_of_range(limits: dict[str, int], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        RetryPolicy(**limits)
    assert caught.value.code == "RETRY_POLICY_INVALID"
    assert caught.value.fields[0].field == f"retryPolicy.{field}"
