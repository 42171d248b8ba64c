"""The two day fields of a cron expression: which days of a month they name.

A rule takes a year and a month and gives the days in order; none where the month has no such day.
"""

from calendar import monthrange
from collections.abc import Callable

from meshplane.events.schedule_fields import DAYS_OF_MONTH, DAYS_OF_WEEK, refusal

DayRule = Callable[[int, int], tuple[int, ...]]

_SUNDAY, _SATURDAY = 1, 7
_MOST_WEEKS = 5
_MOST_DAYS_BEFORE_LAST = 30


def day_rule(of_month: str, of_week: str) -> DayRule:
    """The days that the two fields name together: exactly one of them is `?`.

    Raises:
        Invalid: SCHEDULE_INVALID.
    """
    if (of_month == "?") == (of_week == "?"):
        raise refusal(
            "Exactly one of the day-of-month and day-of-week fields is ?: say which days of the "
            "month, or which days of the week, and put ? into the other field."
        )
    return _of_week(of_week) if of_month == "?" else _of_month(of_month)


def _weekday(year: int, month: int, day: int) -> int:
    """The day of the week as the expression counts it: Sunday is 1."""
    monday_based = (monthrange(year, month)[0] + day - 1) % 7
    return (monday_based + 1) % 7 + 1


def _length(year: int, month: int) -> int:
    return monthrange(year, month)[1]


def _of_month(text: str) -> DayRule:
    special = text.upper()
    if special == "L":
        return _before_last(0)
    if special == "LW":
        return _last_working_day
    if special.startswith("L-"):
        before = DAYS_OF_MONTH.value(special[2:])
        if before > _MOST_DAYS_BEFORE_LAST:
            raise DAYS_OF_MONTH.refusal(text, "days before the last one are L-1 to L-30")
        return _before_last(before)
    if special.endswith("W"):
        return _nearest_working_day(DAYS_OF_MONTH.value(special[:-1]))
    if "L" in special or "W" in special:
        raise DAYS_OF_MONTH.refusal(text, "L, L-3, LW and 15W stand alone, not in a list or range")
    days = DAYS_OF_MONTH.values(text)
    return lambda year, month: tuple(day for day in days if day <= _length(year, month))


def _of_week(text: str) -> DayRule:
    special = text.upper()
    if special == "L":
        return _on_weekdays((_SATURDAY,))
    if "#" in special:
        return _nth_weekday(text)
    # No name of a day ends in L, so that the letter is the sign here.
    if special.endswith("L") and "," not in special and "-" not in special:
        return _last_weekday(DAYS_OF_WEEK.value(special[:-1]))
    return _on_weekdays(DAYS_OF_WEEK.values(text))


def _on_weekdays(weekdays: tuple[int, ...]) -> DayRule:
    def days(year: int, month: int) -> tuple[int, ...]:
        first, length = _weekday(year, month, 1), _length(year, month)
        return tuple(day for day in range(1, length + 1) if (first + day - 2) % 7 + 1 in weekdays)

    return days


def _nth_weekday(text: str) -> DayRule:
    day_text, _, week_text = text.partition("#")
    weekday = DAYS_OF_WEEK.value(day_text)
    if week_text not in {str(week) for week in range(1, _MOST_WEEKS + 1)}:
        raise DAYS_OF_WEEK.refusal(text, "one day and one week from 1 to 5, as in 3#2")
    weeks_before = int(week_text) - 1

    def days(year: int, month: int) -> tuple[int, ...]:
        day = 1 + (weekday - _weekday(year, month, 1)) % 7 + 7 * weeks_before
        return (day,) if day <= _length(year, month) else ()

    return days


def _last_weekday(weekday: int) -> DayRule:
    def days(year: int, month: int) -> tuple[int, ...]:
        last = _length(year, month)
        return (last - (_weekday(year, month, last) - weekday) % 7,)

    return days


def _before_last(before: int) -> DayRule:
    def days(year: int, month: int) -> tuple[int, ...]:
        day = _length(year, month) - before
        return (day,) if day >= 1 else ()

    return days


def _last_working_day(year: int, month: int) -> tuple[int, ...]:
    last = _length(year, month)
    weekday = _weekday(year, month, last)
    return (last - {_SATURDAY: 1, _SUNDAY: 2}.get(weekday, 0),)


def _nearest_working_day(wanted: int) -> DayRule:
    """Monday to Friday nearest to a day, never in another month; none where it has no such day."""

    def days(year: int, month: int) -> tuple[int, ...]:
        last = _length(year, month)
        if wanted > last:
            return ()
        weekday = _weekday(year, month, wanted)
        if weekday == _SATURDAY:
            return (wanted - 1 if wanted > 1 else wanted + 2,)
        if weekday == _SUNDAY:
            return (wanted + 1 if wanted < last else wanted - 2,)
        return (wanted,)

    return days
