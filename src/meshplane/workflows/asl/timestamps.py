"""Timestamps as states read them: ISO 8601's extended form with date, time and offset."""

import re
from datetime import datetime, timedelta, timezone

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?"
    r"(?:([Zz])|([+-])(\d\d):(\d\d)(?::(\d\d))?)",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)  # noqa: UP017 - the same, found faster

Instant = tuple[int, int]
"""Whole seconds since 1970, and nanoseconds."""


def read_instant(text: object) -> Instant | None:
    """The instant that a text names; None if it names none.

    The form is RFC 3339's, and like that of Java's `ISO_OFFSET_DATE_TIME` the seconds may be
    missing.
    """
    if not isinstance(text, str):
        return None
    found = _FORM.fullmatch(text)
    if found is None:
        return None
    year, month, day, hour, minute = (int(found[at]) for at in range(1, 6))
    try:
        offset = timedelta()
        if found[9]:
            offset = timedelta(
                hours=int(found[10]), minutes=int(found[11]), seconds=int(found[12] or 0)
            )
            if int(found[10]) > 18 or int(found[11]) > 59 or int(found[12] or 0) > 59:
                return None
            if found[9] == "-":
                offset = -offset
        moment = datetime(
            year,
            month,
            day,
            hour,
            minute,
            int(found[6] or 0),
            tzinfo=timezone.utc,  # noqa: UP017
        )
    except ValueError:
        return None
    elapsed = moment - _EPOCH - offset
    seconds = elapsed.days * 86_400 + elapsed.seconds
    return seconds, int((found[7] or "").ljust(9, "0"))


def epoch_seconds(instant: Instant) -> float:
    """An instant as seconds since 1970."""
    return instant[0] + instant[1] / 1e9
