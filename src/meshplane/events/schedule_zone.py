"""Wall clocks: between the time that a clock on a wall shows somewhere and the instant that it is.

Where a clock is put forward, some times of the wall never come; where it is put back, some come
twice. EventBridge Scheduler's rules (User Guide, "Daylight savings time on EventBridge
Scheduler"): a cron expression's time that never comes is left out, and one that comes twice counts
once, the first time.
"""

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from meshplane.events.schedule_fields import refusal

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+\-]*(/[A-Za-z0-9_+\-]+){0,3}", re.ASCII)
# Files beside the zones that mean another zone on each machine.
_NOT_ZONES = {"localtime", "posixrules", "Factory"}
_TIMEZONE_FIELD = "scheduleExpressionTimezone"


def parse_zone(name: str) -> ZoneInfo:
    """The time zone with that name in the IANA database.

    Raises:
        Invalid: SCHEDULE_INVALID, field scheduleExpressionTimezone.
    """
    unknown = refusal(
        "The time zone is not a name from the IANA time zone database, such as UTC or "
        "Europe/Berlin.",
        _TIMEZONE_FIELD,
    )
    if not _NAME.fullmatch(name) or name in _NOT_ZONES:
        raise unknown
    try:
        return ZoneInfo(name)
    # An unknown name, a folder of zones (`Europe`), or a file that is no zone.
    except (KeyError, ValueError, OSError) as error:
        raise unknown from error


def instant_of(wall: datetime, zone: ZoneInfo) -> datetime | None:
    """When a wall clock first shows a time, in UTC; None if it never does.

    Args:
        wall: without a time zone.
        zone: where the clock hangs.
    """
    instant = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    shown = instant.astimezone(zone).replace(tzinfo=None, fold=0)
    return instant if shown == wall else None


def instant_from(wall: datetime, zone: ZoneInfo) -> datetime:
    """The same; for a time that never comes, when the clock has been put forward over it."""
    instant = instant_of(wall, zone)
    # No clock was ever put forward by more than a day.
    latest = wall + timedelta(days=2)
    while instant is None and wall < latest:
        wall = wall.replace(second=0) + timedelta(minutes=1)
        instant = instant_of(wall, zone)
    return instant if instant is not None else wall.replace(tzinfo=UTC)
