"""Schedules without a calendar: every so often, and once."""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meshplane.events.schedule_fields import YEARS, refusal
from meshplane.events.schedule_zone import instant_from

_RATE = re.compile(r"([1-9][0-9]{0,9}) (minute|minutes|hour|hours|day|days)", re.ASCII)
_AT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", re.ASCII)
_MOST_DAYS = 36525


class RateSchedule:
    """Fires at its anchor and then after each period; a day has 24 hours, whatever the clocks do.

    Args:
        anchor: when it first fires.
        period: at least a minute.
    """

    def __init__(self, anchor: datetime, period: timedelta) -> None:
        self._anchor = anchor.astimezone(UTC)
        self._period = period

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing after an instant, in UTC; None past the year 9999."""
        if moment < self._anchor:
            return self._anchor
        try:
            return self._anchor + ((moment - self._anchor) // self._period + 1) * self._period
        except OverflowError:
            return None

    def last_at(self, moment: datetime) -> datetime | None:
        """The last firing up to an instant and at it, in UTC; None before the anchor."""
        if moment < self._anchor:
            return None
        return self._anchor + (moment - self._anchor) // self._period * self._period


class OneTimeSchedule:
    """Fires once.

    Args:
        instant: when, in UTC.
    """

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def next_after(self, moment: datetime) -> datetime | None:
        """Its instant, if that is after the given one."""
        return self._instant if self._instant > moment else None

    def last_at(self, moment: datetime) -> datetime | None:
        """Its instant, if that is not after the given one."""
        return self._instant if self._instant <= moment else None


def parse_rate(text: str, anchor: datetime) -> RateSchedule:
    """Reads what stands between `rate(` and `)`.

    Raises:
        Invalid: SCHEDULE_INVALID.
    """
    match = _RATE.fullmatch(text)
    if match is None:
        raise refusal(
            "A rate is a whole number above 0, one space and a unit (minute, minutes, hour, "
            "hours, day or days), as in rate(5 minutes)."
        )
    value, unit = int(match[1]), match[2]
    if (value == 1) == unit.endswith("s"):
        wanted = unit.removesuffix("s") + ("" if value == 1 else "s")
        raise refusal(
            f"The unit of a rate goes with its number: write rate({value} {wanted}), "
            f"with {wanted} instead of {unit}."
        )
    minutes = value * {"minute": 1, "hour": 60, "day": 1440}[unit.removesuffix("s")]
    if minutes > _MOST_DAYS * 1440:
        raise refusal("A rate is at most 100 years (36525 days).")
    return RateSchedule(anchor, timedelta(minutes=minutes))


def parse_at(text: str, zone: ZoneInfo) -> OneTimeSchedule:
    """Reads what stands between `at(` and `)`.

    A time that the zone's clocks leave out counts as the moment when they are put forward over
    it, so that a schedule for it does fire; a time that comes twice counts the first time.

    Raises:
        Invalid: SCHEDULE_INVALID.
    """
    try:
        wall = datetime.fromisoformat(text) if _AT.fullmatch(text) else None
    except ValueError:
        wall = None
    if wall is None or not YEARS.lowest <= wall.year <= YEARS.highest:
        raise refusal(
            "A one-time schedule is at(yyyy-mm-ddThh:mm:ss) with a day that exists in the years "
            "1970 to 2199, without a zone: that one goes into scheduleExpressionTimezone."
        )
    return OneTimeSchedule(instant_from(wall, zone))
