"""Instants in the three forms of AWS's protocols.

Source: Smithy 2.0, "timestampFormat trait": `date-time`, `http-date` and `epoch-seconds`.
"""

from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

# What is written where the model says nothing, by protocol and place.
HEADER_FORMAT, QUERY_STRING_FORMAT = "rfc822", "iso8601"
JSON_FORMAT, XML_FORMAT = "unixtimestamp", "iso8601"


def read(value: object, form: str) -> object:
    """An instant from its written form; the value itself where it is none.

    Args:
        value: a number, or text.
        form: `unixtimestamp`, `iso8601` or `rfc822`, as botocore's models name them.
    """
    try:
        if form == "unixtimestamp":
            return value if isinstance(value, bool) else datetime.fromtimestamp(_number(value), UTC)
        if not isinstance(value, str):
            return value
        if form == "rfc822":
            return parsedate_to_datetime(value)
        instant = datetime.fromisoformat(value)
        return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)
    except (ValueError, TypeError, OverflowError):
        return value


def write(instant: datetime, form: str) -> str | float | int:
    """The written form of an instant, in milliseconds at most, as AWS has it."""
    moment = (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(
        UTC
    )
    if form == "unixtimestamp":
        seconds = round(moment.timestamp(), 3)
        return int(seconds) if seconds.is_integer() else seconds
    if form == "rfc822":
        return format_datetime(moment, usegmt=True)
    kind = "milliseconds" if moment.microsecond else "seconds"
    return moment.isoformat(timespec=kind).replace("+00:00", "Z")


def _number(value: object) -> float:
    if isinstance(value, int | float | str):
        return float(value)
    raise TypeError("no number")
