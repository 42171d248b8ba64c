"""Schedules: when they fire next, and what to do about firings that were missed.

Specification: EventBridge Scheduler User Guide, "Schedule types". All that is here is calculated;
whoever fires keeps the time of the next firing and commits it together with the message, so that
of several processes one fires.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal, Protocol

from meshplane.events.schedule_cron import parse_cron
from meshplane.events.schedule_fields import refusal
from meshplane.events.schedule_plain import parse_at, parse_rate
from meshplane.events.schedule_zone import parse_zone
from meshplane.kit.clock import to_text
from meshplane.kit.errors import Invalid

MissedPolicy = Literal["once", "skip", "all"]

# A schedule is precise to the minute: a firing that is later than that was missed.
PRECISION_SECONDS = 60.0
MOST_MISSED_FIRINGS = 100
MOST_WINDOW_MINUTES = 1440

_LONGEST_EXPRESSION = 256
_EXPRESSION = re.compile(r"(rate|cron|at)\((.*)\)", re.DOTALL)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Schedule(Protocol):
    """When something happens again, or once."""

    def next_after(self, moment: datetime) -> datetime | None:
        """The first firing after an instant, in UTC; None if there is none any more.

        Args:
            moment: with a time zone, any.
        """
        ...

    def last_at(self, moment: datetime) -> datetime | None:
        """The last firing up to an instant and at it, in UTC; None if there was none.

        Args:
            moment: with a time zone, any.
        """
        ...


@dataclass(frozen=True, slots=True)
class MissedFirings:
    """What to fire now, oldest first, and when the schedule is due again."""

    due: tuple[datetime, ...]
    next_due: datetime | None


def parse_schedule(
    expression: str, timezone: str = "UTC", *, anchor: datetime | None = None
) -> Schedule:
    """Reads a schedule expression as EventBridge Scheduler writes it.

    - `rate(5 minutes)`: at the anchor and after each period. A day has 24 hours.
    - `cron(0 8 ? * MON-FRI *)`: minutes, hours, day-of-month, month, day-of-week and year of the
      zone's clock. A time that the clock leaves out when it is put forward does not fire; one that
      comes twice when it is put back fires the first time only.
    - `at(2026-11-01T09:00:00)`: once, when the zone's clock first shows that.

    Args:
        expression: at most 256 characters.
        timezone: a name from the IANA database.
        anchor: from when on a rate is counted: the creation of the schedule. Without one it is
            counted from the beginning of 1970, in UTC, so that `rate(1 hour)` fires on the hour.

    Raises:
        Invalid: SCHEDULE_INVALID; the message says which part is wrong and what would be right.
    """
    zone = parse_zone(timezone)
    match = _EXPRESSION.fullmatch(expression) if len(expression) <= _LONGEST_EXPRESSION else None
    if match is None:
        raise refusal(
            "A schedule expression is rate(value unit), cron(fields) or at(yyyy-mm-ddThh:mm:ss), "
            "at most 256 characters."
        )
    kind, inside = match[1], match[2]
    if kind == "rate":
        return parse_rate(inside, anchor or _EPOCH)
    if kind == "cron":
        return parse_cron(inside, zone)
    return parse_at(inside, zone)


def flexible_offset_seconds(rule_name: str, due: datetime, window_minutes: int) -> float:
    """How long after its due time a firing within a flexible window happens.

    The same for every process and after a restart, and different for each rule and each firing, so
    that rules with one due time spread over the window.

    Args:
        rule_name: whose firing it is.
        due: the firing's due time.
        window_minutes: 1 to 1440.

    Returns:
        Seconds, from 0 to less than the window.

    Raises:
        Invalid: SCHEDULE_INVALID, field flexibleTimeWindow.
    """
    if not 1 <= window_minutes <= MOST_WINDOW_MINUTES:
        raise Invalid(
            "SCHEDULE_INVALID",
            f"A flexible time window is from 1 to {MOST_WINDOW_MINUTES} minutes.",
            field="flexibleTimeWindow",
        )
    digest = hashlib.sha256(f"{rule_name}\n{to_text(due)}".encode()).digest()
    # 53 bits are what a float holds exactly: the share never rounds up to 1.
    share = (int.from_bytes(digest[:8], "big") >> 11) / 2**53
    return share * window_minutes * 60


def missed_firings(
    schedule: Schedule, last_due: datetime, now: datetime, policy: MissedPolicy = "once"
) -> MissedFirings:
    """What to fire of all that became due since the last firing.

    Args:
        schedule: whose firings.
        last_due: the due time of the last firing that was dealt with; for a new schedule, its
            creation.
        now: until when.
        policy: `once` fires the newest due time, for all of them. `skip` fires it only if it is at
            most 60 seconds old, and so makes up for nothing. `all` fires each, the newest 100 at
            most.
    """
    most = MOST_MISSED_FIRINGS if policy == "all" else 1
    due: list[datetime] = []
    until: datetime | None = now
    while until is not None and len(due) < most:
        latest = schedule.last_at(until)
        if latest is None or latest <= last_due:
            break
        due.append(latest)
        until = latest - timedelta(microseconds=1)
    if policy == "skip" and due and now - due[0] > timedelta(seconds=PRECISION_SECONDS):
        due = []
    return MissedFirings(tuple(reversed(due)), schedule.next_after(now))
