"""Dates and times after a picture such as `[Y0001]-[M01]-[D01] [H01]:[m01]`.

The pictures are those of XPath (F&O 3.1 §9.8.4), as far as JSONata has them.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from meshplane.workflows.asl.jsonata_errors import JsonataError

ISO_PICTURE = "[Y0001]-[M01]-[D01]T[H01]:[m01]:[s01].[f001][Z01:01t]"
LONGEST_PICTURE_CHARACTERS = 256

MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]

_DEFAULTS = {
    "Y": "1",
    "M": "1",
    "D": "1",
    "d": "1",
    "F": "n",
    "W": "1",
    "w": "1",
    "X": "1",
    "x": "1",
    "H": "1",
    "h": "1",
    "P": "n",
    "m": "01",
    "s": "01",
    "f": "1",
    "z": "01:01",
    "Z": "01:01",
    "C": "n",
    "E": "n",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDTH = re.compile(r"(\*|[0-9]{1,3})(?:-(\*|[0-9]{1,3}))?")


@dataclass(frozen=True, slots=True)
class Marker:
    """One `[…]` of a picture.

    Attributes:
        component: its letter.
        presentation: how it is written: `01`, `1`, `Nn`, `I`, `w` …
        ordinal: whether it is `1st` rather than `1`.
        military: whether a zone of no offset is `Z`.
        least: the least width, or None.
        most: the greatest width, or None.
    """

    component: str
    presentation: str
    ordinal: bool
    military: bool
    least: int | None
    most: int | None

    @property
    def names(self) -> bool:
        """Whether it is written as a name."""
        return self.presentation in ("N", "n", "Nn")

    @property
    def numeric(self) -> bool:
        """Whether it is written in digits; `#` is one that may be left out."""
        return re.fullmatch(r"#*[0-9]+", self.presentation) is not None

    @property
    def digits(self) -> int:
        """The least number of digits."""
        return max(1, sum(map(str.isdigit, self.presentation)))


@lru_cache(maxsize=256)
def read_picture(picture: str) -> tuple[str | Marker, ...]:
    """The literals and markers of a picture.

    Raises:
        JsonataError: it cannot be read.
    """
    if len(picture) > LONGEST_PICTURE_CHARACTERS:
        message = f"A picture is a string of at most {LONGEST_PICTURE_CHARACTERS} characters"
        raise JsonataError("D3137", message=message)
    parts: list[str | Marker] = []
    at = 0
    while at < len(picture):
        if picture[at] == "[" and picture[at + 1 : at + 2] != "[":
            end = picture.find("]", at)
            if end < 0:
                message = 'No matching closing bracket "]" in date/time picture string'
                raise JsonataError("D3137", message=message)
            parts.append(_marker("".join(picture[at + 1 : end].split())))
            at = end + 1
            continue
        parts.append(picture[at])
        # Brackets that are meant as such are written twice.
        at += 2 if picture[at : at + 2] in ("[[", "]]") else 1
    return tuple(parts)


def _marker(text: str) -> Marker:
    component, rest = text[:1], text[1:]
    if component not in _DEFAULTS:
        message = f"Unknown component specifier {component} in date/time picture string"
        raise JsonataError("D3137", message=message)
    rest, _, width = rest.partition(",")
    ordinal = military = False
    if len(rest) > 1 and rest[-1] in "atco":
        ordinal, military, rest = rest[-1] == "o", rest[-1] == "t", rest[:-1]
    least = most = None
    if width:
        match = _WIDTH.fullmatch(width)
        if match is None:
            raise JsonataError("D3137", message="A width in a picture is a number or '*'")
        least, most = (int(one) if one and one != "*" else None for one in match.groups())
    return Marker(component, rest or _DEFAULTS[component], ordinal, military, least, most)


def format_time(milliseconds: int, picture: str | None, zone: str | None) -> str:
    """A time as text.

    Args:
        milliseconds: since 1970.
        picture: None for ISO 8601.
        zone: the offset, as `+0530`; None for UTC.

    Raises:
        JsonataError: the picture or the time is out of range.
    """
    offset_minutes = 0
    if zone is not None:
        match = re.fullmatch(r"([+-]?)(\d{1,2}):?(\d{2})|[+-]?0|Z", zone)
        if match is None:
            raise JsonataError("D3137", message="The timezone is an offset such as +0530")
        if match.group(2):
            offset_minutes = int(match.group(2)) * 60 + int(match.group(3))
            offset_minutes *= -1 if match.group(1) == "-" else 1
    try:
        moment = _EPOCH + timedelta(milliseconds=milliseconds, minutes=offset_minutes)
    except OverflowError:
        raise JsonataError("D1001", value=milliseconds) from None
    parts = read_picture(ISO_PICTURE if picture is None else picture)
    return "".join(
        part if isinstance(part, str) else _written(part, moment, offset_minutes) for part in parts
    )


def _written(marker: Marker, moment: datetime, offset_minutes: int) -> str:
    component = marker.component
    if component in "Zz":
        return _zone(marker, offset_minutes)
    if component in "CE":
        return "ISO"
    if component == "P":
        half = "am" if moment.hour < 12 else "pm"
        return half.upper() if marker.presentation == "N" else half
    value = _component(component, moment)
    if marker.names:
        return _name(marker, value)
    if component == "Y":
        width = marker.most or (len(marker.presentation) if len(marker.presentation) >= 2 else None)
        if width is not None and marker.numeric:
            value %= 10**width
            return _digits(value, max(marker.digits, marker.most or 0))
    return _integer(marker, value)


def _integer(marker: Marker, value: int) -> str:
    if marker.numeric:
        text = _digits(value, max(marker.digits, marker.least or 0))
        return text + (_suffix(value) if marker.ordinal else "")
    from jsonata.datetimeutils import DateTimeUtils  # type: ignore[import-untyped]

    picture = marker.presentation + (";o" if marker.ordinal else "")
    try:
        return str(DateTimeUtils.format_integer(value, picture))
    except (RuntimeError, ValueError, KeyError, IndexError, TypeError, AttributeError):
        message = "The presentation in the picture is not supported"
        raise JsonataError("D3137", message=message) from None


def _digits(value: int, width: int) -> str:
    return f"{value:0{width}d}"


def _suffix(value: int) -> str:
    if value % 100 in (11, 12, 13):
        return "th"
    return {1: "st", 2: "nd", 3: "rd"}.get(value % 10, "th")


def _name(marker: Marker, value: int) -> str:
    if marker.component in "Mx":
        name = MONTHS[value - 1]
    elif marker.component == "F":
        name = DAYS[value - 1]
    else:
        message = (
            'The "name" modifier can only be applied to months and days in the date/time picture'
            f" string, not {marker.component}"
        )
        raise JsonataError("D3137", message=message)
    if marker.presentation != "Nn":
        name = name.upper() if marker.presentation == "N" else name.lower()
    return name[: marker.most] if marker.most is not None else name


def _zone(marker: Marker, offset_minutes: int) -> str:
    if offset_minutes == 0 and marker.military:
        return "Z"
    sign = "-" if offset_minutes < 0 else "+"
    hours, minutes = divmod(abs(offset_minutes), 60)
    if ":" in marker.presentation:
        width = len(marker.presentation.partition(":")[0])
        text = f"{hours:0{width}d}:{minutes:02d}"
    elif marker.digits <= 2:
        text = _digits(hours, marker.digits) + (f":{minutes:02d}" if minutes else "")
    elif marker.digits <= 4:
        text = _digits(hours * 100 + minutes, marker.digits)
    else:
        message = "The timezone integer format specifier cannot have more than four digits"
        raise JsonataError("D3137", message=message)
    return ("GMT" if marker.component == "z" else "") + sign + text


def _component(component: str, moment: datetime) -> int:
    day = moment.date()
    values = {
        "Y": moment.year,
        "M": moment.month,
        "D": moment.day,
        "d": day.timetuple().tm_yday,
        "F": day.isoweekday(),
        "W": day.isocalendar().week,
        "X": day.isocalendar().year,
        "H": moment.hour,
        "h": moment.hour % 12 or 12,
        "m": moment.minute,
        "s": moment.second,
        "f": moment.microsecond // 1_000,
    }
    if component in values:
        return values[component]
    month, week = _month_week(day)
    return week if component == "w" else month


def _month_week(day: date) -> tuple[int, int]:
    """The month that a day's week belongs to, and which week of it that is.

    As with the weeks of a year, a week belongs to the month that its Thursday is in.
    """
    thursday = day + timedelta(days=4 - day.isoweekday())
    return thursday.month, (thursday.day - 1) // 7 + 1
