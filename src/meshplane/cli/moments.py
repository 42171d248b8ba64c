"""Instants that are given on the command line."""

import re
from datetime import UTC, datetime, timedelta

from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import Invalid

_AGO = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def instant(text: str, field: str, now: datetime) -> str:
    """An instant as RFC 3339 text.

    Args:
        text: `2026-11-01T08:00:00Z`, `2026-11-01` for its beginning in UTC, or how long ago:
            `90s`, `15m`, `2h`, `7d`, `4w`.
        field: the option that it was given to.
        now: the present, with a time zone.

    Raises:
        Invalid: INSTANT_INVALID.
    """
    ago = _AGO.fullmatch(text)
    try:
        if ago is not None:
            return to_text(now - timedelta(**{_UNITS[ago[2]]: int(ago[1])}))
        if len(text) == len("2026-11-01"):
            return to_text(datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC))
        return to_text(from_text(text))
    except (ValueError, OverflowError):
        raise Invalid(
            "INSTANT_INVALID",
            f"{text} is no instant: give 2026-11-01T08:00:00Z, 2026-11-01, or how long ago: 2h.",
            field=field,
        ) from None
