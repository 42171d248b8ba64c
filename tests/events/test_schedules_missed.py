"""Schedules: firings that were missed, and firings that are spread over a window."""

from datetime import UTC, datetime, timedelta
from statistics import mean

import pytest

from meshplane.events.schedules import (
    MOST_MISSED_FIRINGS,
    MissedPolicy,
    flexible_offset_seconds,
    missed_firings,
    parse_schedule,
)
from meshplane.kit.errors import Invalid

HOURLY = parse_schedule("cron(0 * * * ? *)")
MINUTELY = parse_schedule("cron(* * * * ? *)")


def at(hour: int, minute: int = 0, second: int = 0, day: int = 1) -> datetime:
    return datetime(2026, 1, day, hour, minute, second, tzinfo=UTC)


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
def test_missed__nothing_is_due_yet(policy: MissedPolicy) -> None:
    found = missed_firings(HOURLY, at(8), at(8, 59, 59), policy)
    assert (found.due, found.next_due) == ((), at(9))


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
@pytest.mark.parametrize("late_seconds", [0, 1, 60])
def test_missed__what_is_on_time_fires_under_every_policy(
    policy: MissedPolicy, late_seconds: int
) -> None:
    now = at(9) + timedelta(seconds=late_seconds)
    found = missed_firings(HOURLY, at(8), now, policy)
    assert (found.due, found.next_due) == ((at(9),), at(10))


@pytest.mark.parametrize(
    ("policy", "due"),
    [("once", (at(12),)), ("skip", ()), ("all", (at(9), at(10), at(11), at(12)))],
)
def test_missed__after_a_stop_the_policy_decides(
    policy: MissedPolicy, due: tuple[datetime, ...]
) -> None:
    found = missed_firings(HOURLY, at(8), at(12, 30), policy)
    assert (found.due, found.next_due) == (due, at(13))


def test_missed__skip_still_fires_the_one_that_is_due_now() -> None:
    assert missed_firings(HOURLY, at(8), at(12, 0, 30), "skip").due == (at(12),)


def test_missed__all_are_the_newest_hundred() -> None:
    found = missed_firings(MINUTELY, at(8), at(23, day=20), "all")
    assert len(found.due) == MOST_MISSED_FIRINGS == 100
    assert found.due[-1] == at(23, day=20)
    assert found.due[0] == at(23, day=20) - timedelta(minutes=99)
    assert list(found.due) == sorted(found.due)


def test_missed__once_after_years_is_found_at_once() -> None:
    now = datetime(2126, 1, 1, tzinfo=UTC)
    assert missed_firings(MINUTELY, at(8), now).due == (now,)
    hundred_years = parse_schedule("rate(1 minute)", anchor=at(8))
    assert missed_firings(hundred_years, at(8), now).due == (now,)


def test_missed__a_one_time_schedule_fires_late_rather_than_never() -> None:
    schedule = parse_schedule("at(2026-01-01T09:00:00)")
    found = missed_firings(schedule, at(8), at(23, day=9))
    assert (found.due, found.next_due) == ((at(9),), None)
    assert missed_firings(schedule, at(9), at(23, day=9)).due == ()


def test_missed__a_clock_that_goes_back_fires_nothing_again() -> None:
    assert missed_firings(HOURLY, at(9), at(8, 30), "all").due == ()


@pytest.mark.parametrize("policy", ["once", "skip", "all"])
def test_missed__over_a_day_each_due_time_is_fired_once(policy: MissedPolicy) -> None:
    last = at(0)
    fired: list[datetime] = []
    for minute in range(0, 1440, 7):
        now = at(0) + timedelta(minutes=minute)
        found = missed_firings(HOURLY, last, now, policy)
        fired += found.due
        last = found.due[-1] if found.due else last
    assert len(fired) == len(set(fired))
    if policy != "skip":
        assert fired == [at(hour) for hour in range(1, 24)]


def test_offset__is_the_same_each_time_and_spread_over_the_window() -> None:
    offsets = [flexible_offset_seconds(f"rule-{each}", at(9), 15) for each in range(2000)]
    assert offsets == [flexible_offset_seconds(f"rule-{each}", at(9), 15) for each in range(2000)]
    assert all(0 <= offset < 900 for offset in offsets)
    assert 430 < mean(offsets) < 470
    assert flexible_offset_seconds("rule", at(9), 15) != flexible_offset_seconds("rule", at(10), 15)


@pytest.mark.parametrize("minutes", [-1, 0, 1441])
def test_offset__refuses_a_window_of_another_size(minutes: int) -> None:
    with pytest.raises(Invalid) as caught:
        flexible_offset_seconds("rule", at(9), minutes)
    assert (caught.value.code, caught.value.fields[0].field) == (
        "SCHEDULE_INVALID",
        "flexibleTimeWindow",
    )
