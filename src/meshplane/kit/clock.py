"""The one clock. Whatever needs the time takes a `Clock`, so that tests can set it."""

import re
from datetime import UTC, datetime, timedelta
from typing import Protocol

# RFC 3339, section 5.6; a space may stand for its T.
_RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        return datetime.now(UTC)


class FixedClock:
    """A clock that stands still until it is moved; for tests."""

    def __init__(self, instant: datetime) -> None:
        self._instant = instant

    def now(self) -> datetime:
        """The instant it was set to."""
        return self._instant

    def advance(self, seconds: float) -> None:
        """Moves it forward by that many seconds."""
        self._instant += timedelta(seconds=seconds)


def to_text(instant: datetime) -> str:
    """An instant as RFC 3339 text in UTC with microseconds: it sorts as text as it does in time."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """The instant that RFC 3339 text names.

    Raises:
        ValueError: the text is not one, or in UTC it lies outside the years 1 to 9999.
    """
    # What Python takes for ISO 8601 is wider: week dates, no seconds, and text after a NUL.
    if not _RFC_3339.fullmatch(text):
        raise ValueError("the text is no RFC 3339 instant")
    instant = datetime.fromisoformat(text.upper())
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("the instant lies outside the years 1 to 9999") from error
