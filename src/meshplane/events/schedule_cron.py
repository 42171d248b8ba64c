"""Cron schedules: times of a wall clock, by calendar.

The search runs over years, months, days, hours and minutes that the expression names, so that it
ends after 230 years of 12 months even where nothing is found.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meshplane.events.schedule_days import DayRule, day_rule
from meshplane.events.schedule_fields import HOURS, MINUTES, MONTHS, YEARS, refusal
from meshplane.events.schedule_zone import instant_of

_FIELD_COUNT = 6
_FIRST = datetime(YEARS.lowest, 1, 1)  # noqa: DTZ001 - what a wall shows has no zone
_BEFORE_ALL = datetime(YEARS.lowest - 1, 1, 1, tzinfo=UTC)
_AFTER_ALL = datetime(YEARS.highest + 1, 12, 31, tzinfo=UTC)


class CronSchedule:
    """Fires when the clock of a zone shows what the expression names.

    Args:
        minutes: of an hour, in order; so are the others.
        hours: of a day.
        days: of a month.
        months: of a year.
        years: within 1970 to 2199.
        zone: whose clock.
    """

    def __init__(
        self,
        *,
        minutes: Sequence[int],
        hours: Sequence[int],
        days: DayRule,
        months: Sequence[int],
        years: Sequence[int],
        zone: ZoneInfo,
    ) -> None:
        self._minutes = minutes
        self._hours = hours
        self._days = days
        self._months = months
        self._years = years
        self._zone = zone

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing after an instant, in UTC; None if there is none any more."""
        wall, _ = self._shown(moment)
        for candidate in self._walls(wall, backwards=False):
            instant = instant_of(candidate, self._zone)
            if instant is not None and instant > moment:
                return instant
        return None

    def last_at(self, moment: datetime) -> datetime | None:
        """The last firing up to an instant and at it, in UTC; None if there was none."""
        wall, again = self._shown(moment)
        if again:
            # Later times of the wall were shown already, before it was put back.
            wall += timedelta(days=1)
        for candidate in self._walls(wall, backwards=True):
            instant = instant_of(candidate, self._zone)
            if instant is not None and instant <= moment:
                return instant
        return None

    def can_fire(self) -> bool:
        """Whether the calendar has any of the days that the expression names."""
        return next(self._walls(_FIRST, backwards=False), None) is not None

    def _shown(self, moment: datetime) -> tuple[datetime, bool]:
        """What the clock shows, and whether for the second time; at most a year out of range."""
        nearest = min(max(moment, _BEFORE_ALL), _AFTER_ALL)
        local = nearest.astimezone(self._zone)
        return local.replace(tzinfo=None, fold=0), bool(local.fold)

    def _walls(self, bound: datetime, *, backwards: bool) -> Iterator[datetime]:
        """The times that are named from the bound's minute on, or from it back, in that order."""

        def ordered(values: Sequence[int], place: int, *outer: int) -> Iterator[int]:
            """Those that the bound does not rule out, given the values of the larger units."""
            edge = at[:place]
            for value in reversed(values) if backwards else values:
                reached = (*outer, value)
                if reached <= edge if backwards else reached >= edge:
                    yield value

        at = (bound.year, bound.month, bound.day, bound.hour, bound.minute)
        for year in ordered(self._years, 1):
            for month in ordered(self._months, 2, year):
                for day in ordered(self._days(year, month), 3, year, month):
                    for hour in ordered(self._hours, 4, year, month, day):
                        for minute in ordered(self._minutes, 5, year, month, day, hour):
                            yield datetime(year, month, day, hour, minute)  # noqa: DTZ001


def parse_cron(fields_text: str, zone: ZoneInfo) -> CronSchedule:
    """Reads what stands between `cron(` and `)`.

    Raises:
        Invalid: SCHEDULE_INVALID, with the field that is wrong.
    """
    fields = fields_text.split()
    if len(fields) != _FIELD_COUNT:
        raise refusal(
            f"A cron expression has 6 fields (minutes, hours, day-of-month, month, day-of-week, "
            f"year), and this one has {len(fields)}."
        )
    minutes, hours, of_month, month, of_week, year = fields
    schedule = CronSchedule(
        minutes=MINUTES.values(minutes),
        hours=HOURS.values(hours),
        months=MONTHS.values(month),
        years=YEARS.values(year),
        days=day_rule(of_month, of_week),
        zone=zone,
    )
    if not schedule.can_fire():
        raise refusal(
            "The cron expression never fires: none of its months has the days that it names. "
            "Change the day-of-month, the month or the year."
        )
    return schedule
