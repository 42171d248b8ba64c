"""JSONata's functions of time."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from meshplane.workflows.asl.json_path_regex import Regex, compile_regex
from meshplane.workflows.asl.jsonata_errors import JsonataError
from meshplane.workflows.asl.jsonata_time_pictures import (
    DAYS,
    MONTHS,
    Marker,
    format_time,
    read_picture,
)
from meshplane.workflows.asl.jsonata_values import MISSING, Run

_ISO = re.compile(
    r"(\d{4}|[+-]\d{6})(?:-(\d\d)(?:-(\d\d))?)?"
    r"(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?(Z|[+-]\d\d:?\d\d)?"
)
_LONGEST_TIME_CHARACTERS = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_PLACES = "YMDHms"
_NO_TIME = "The date/time picture string is missing specifiers required to parse the timestamp"


def now(run: Run, picture: Any, zone: Any) -> Any:
    """`$now(picture, timezone)`."""
    return from_millis(run, run.time_milliseconds(), picture, zone)


def millis(run: Run) -> Any:
    """`$millis()`: milliseconds since 1970."""
    return run.time_milliseconds()


def from_millis(run: Run, value: Any, picture: Any, zone: Any) -> Any:
    """`$fromMillis(number, picture, timezone)`."""
    if value is MISSING:
        return MISSING
    run.spend(32)
    return format_time(
        int(value // 1),
        picture if isinstance(picture, str) else None,
        zone if isinstance(zone, str) else None,
    )


def to_millis(run: Run, text: Any, picture: Any) -> Any:
    """`$toMillis(text, picture)`: undefined, when the text does not fit the picture."""
    if text is MISSING:
        return MISSING
    run.spend(32)
    if len(text) > _LONGEST_TIME_CHARACTERS:
        raise JsonataError("D3110", value=text)
    if picture is not MISSING:
        return _parse(run, text, picture)
    match = _ISO.fullmatch(text)
    if match is None:
        raise JsonataError("D3110", value=text)
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        moment = datetime(
            int(year),
            int(month or 1),
            int(day or 1),
            int(hour or 0),
            int(minute or 0),
            int(second or 0),
            tzinfo=UTC,
        )
    except ValueError:
        raise JsonataError("D3110", value=text) from None
    result = (moment - _EPOCH) // timedelta(milliseconds=1) + int(((fraction or "") + "000")[:3])
    return result - _offset_minutes(zone) * 60_000


def _offset_minutes(zone: str | None) -> int:
    digits = re.sub(r"\D", "", zone or "")
    if not zone or not digits:
        return 0
    hours, minutes = (int(digits), 0) if len(digits) <= 2 else (int(digits[:-2]), int(digits[-2:]))
    return (hours * 60 + minutes) * (-1 if "-" in zone else 1)


def _parse(run: Run, text: str, picture: str) -> Any:
    regex, markers = _pattern(picture)
    match = next(regex.each(text, run.spend), None)
    if match is None or match.text != text:
        return MISSING
    found: dict[str, int] = {}
    for marker, part in zip(markers, match.groups, strict=True):
        found[marker.component] = _read(marker, part or "")
    try:
        return _moment(run, found)
    except (ValueError, OverflowError):
        raise JsonataError("D3110", value=text) from None


@lru_cache(maxsize=256)
def _pattern(picture: str) -> tuple[Regex, list[Marker]]:
    parts = read_picture(picture)
    pattern = ""
    markers: list[Marker] = []
    for at, part in enumerate(parts):
        if isinstance(part, str):
            pattern += re.escape(part)
            continue
        before_digits = at + 1 < len(parts) and isinstance(parts[at + 1], Marker)
        markers.append(part)
        pattern += f"({_marker_pattern(part, before_digits)})"
    return compile_regex(pattern, "i"), markers


def _marker_pattern(marker: Marker, before_digits: bool) -> str:
    if marker.component in "Zz":
        prefix = "GMT" if marker.component == "z" else ""
        return f"{prefix}(?:Z|[-+][0-9]+(?::[0-9]+)?)"
    if marker.component == "P" or marker.names:
        return "[a-z]+"
    if not marker.numeric:
        return "[a-z][a-z, -]*"
    width = f"{{{marker.digits}}}" if before_digits else "+"
    return f"[0-9]{width}{'(?:th|st|nd|rd)' if marker.ordinal else ''}"


def _read(marker: Marker, text: str) -> int:
    component = marker.component
    if component in "Zz":
        return _offset_minutes(text)
    if component == "P":
        return int(text.lower() == "pm")
    if marker.names:
        names = DAYS if component == "F" else MONTHS
        for place, name in enumerate(names, 1):
            if name[: marker.most].lower() == text.lower():
                return place
        raise JsonataError("D3110", value=text)
    if marker.numeric:
        digits = re.sub(r"\D", "", text)
        return int((digits + "000")[:3]) if component == "f" else int(digits)
    from jsonata.datetimeutils import DateTimeUtils  # type: ignore[import-untyped]

    try:
        return int(DateTimeUtils.parse_integer(text, marker.presentation))
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError, AttributeError):
        raise JsonataError("D3110", value=text) from None


def _moment(run: Run, found: dict[str, int]) -> int:
    """The time of what was found: what is larger and missing is today's, what is smaller is 0."""
    if found.keys() & set("XxwW"):
        raise JsonataError("D3137", message=_NO_TIME)
    if "h" in found:
        found["H"] = found["h"] % 12 + 12 * found.get("P", 0)
    today = _EPOCH + timedelta(milliseconds=run.time_milliseconds())
    current = dict(zip(_PLACES, (today.year, today.month, today.day, 0, 0, 0), strict=True))
    places = "YHms" if "d" in found else _PLACES
    given = [place for place in places if place in found]
    if not given and "d" not in found:
        return int(found["f"]) if "f" in found else run.time_milliseconds()
    first = min((places.index(place) for place in given), default=0)
    values = dict(current)
    ended = False
    for at, place in enumerate(places):
        if place in found:
            if ended:
                raise JsonataError("D3137", message=_NO_TIME)
            values[place] = found[place]
        elif at > first:
            values[place] = 1 if place in "MD" else 0
            ended = True
    moment = datetime(
        values["Y"],
        1 if "d" in found else values["M"],
        1 if "d" in found else values["D"],
        values["H"],
        values["m"],
        values["s"],
        tzinfo=UTC,
    )
    moment += timedelta(days=found.get("d", 1) - 1)
    offset = found.get("Z", found.get("z", 0))
    since = (moment - _EPOCH) // timedelta(milliseconds=1)
    return since + found.get("f", 0) - offset * 60_000


TIME_FUNCTIONS: list[tuple[str, str, Callable[..., Any]]] = [
    ("now", "<s?s?:s>", now),
    ("millis", "<:n>", millis),
    ("fromMillis", "<n-s?s?:s>", from_millis),
    ("toMillis", "<s-s?:n>", to_millis),
]
