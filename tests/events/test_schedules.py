"""Schedules: what an expression means, and what is refused with which reason."""

import random
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from meshplane.events.schedules import Schedule, parse_schedule
from meshplane.kit.errors import Invalid
from tests.builders import seeds
from tests.events import schedule_oracle as oracle

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def coming(schedule: Schedule, after: str, count: int) -> list[str]:
    """The next firings, as text in UTC."""
    moment: datetime | None = utc(after)
    found = []
    for _ in range(count):
        assert moment is not None
        moment = schedule.next_after(moment)
        found.append("never" if moment is None else moment.strftime("%Y-%m-%dT%H:%M"))
        if moment is None:
            break
    return found


def parsed(expression: str, zone: str) -> Schedule | None:
    """A schedule; None for the day that no calendar has, as 30 February."""
    try:
        return parse_schedule(expression, zone)
    except Invalid as error:
        if "never fires" not in error.message:
            raise
        return None


def days(fields: str, after: str, count: int) -> list[str]:
    return [each[:10] for each in coming(parse_schedule(f"cron({fields})"), after, count)]


# The examples of the EventBridge User Guide, "Cron expressions reference".
@pytest.mark.parametrize(
    ("fields", "first", "second"),
    [
        ("0 10 * * ? *", "2026-01-01T10:00", "2026-01-02T10:00"),
        ("15 12 * * ? *", "2026-01-01T12:15", "2026-01-02T12:15"),
        ("0 18 ? * MON-FRI *", "2026-01-01T18:00", "2026-01-02T18:00"),
        ("0 8 1 * ? *", "2026-01-01T08:00", "2026-02-01T08:00"),
        ("0/15 * * * ? *", "2026-01-01T00:15", "2026-01-01T00:30"),
        ("0/10 * ? * MON-FRI *", "2026-01-01T00:10", "2026-01-01T00:20"),
        ("0/5 8-17 ? * MON-FRI *", "2026-01-01T08:00", "2026-01-01T08:05"),
        ("0/30 20-2 ? * MON-FRI *", "2026-01-01T00:30", "2026-01-01T01:00"),
        ("15 10 ? * 6L 2026-2027", "2026-01-30T10:15", "2026-02-27T10:15"),
    ],
)
def test_cron__means_what_the_guide_says(fields: str, first: str, second: str) -> None:
    assert coming(parse_schedule(f"cron({fields})"), "2026-01-01T00:00", 2) == [first, second]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        # The last day of a month, and days before it.
        ("0 0 L * ? *", ["2026-01-31", "2026-02-28", "2026-03-31", "2026-04-30"]),
        ("0 0 L 2 ? *", ["2026-02-28", "2027-02-28", "2028-02-29"]),
        ("0 0 L-3 2 ? *", ["2026-02-25", "2027-02-25", "2028-02-26"]),
        ("0 0 L-30 * ? *", ["2026-01-01", "2026-03-01", "2026-05-01"]),
        # The last working day: 31 January and 28 February 2026 are Saturdays, 31 May a Sunday.
        ("0 0 LW * ? *", ["2026-01-30", "2026-02-27", "2026-03-31", "2026-04-30", "2026-05-29"]),
        # The working day nearest to a day never leaves the month: 1 August 2026 is a Saturday,
        # 31 May a Sunday.
        ("0 0 1W 8 ? 2026", ["2026-08-03"]),
        ("0 0 31W 5 ? 2026", ["2026-05-29"]),
        ("0 0 15W 2,3 ? 2026", ["2026-02-16", "2026-03-16"]),
        ("0 0 14W 2 ? 2026", ["2026-02-13"]),
        # A month that lacks the day is left out.
        ("0 0 31W * ? *", ["2026-01-30", "2026-03-31", "2026-05-29", "2026-07-31"]),
        ("0 0 31 * ? *", ["2026-01-31", "2026-03-31", "2026-05-31"]),
        ("0 0 29 2 ? *", ["2028-02-29", "2032-02-29", "2036-02-29"]),
        # Days of the week: Sunday is 1.
        ("0 0 ? * 3#2 *", ["2026-01-13", "2026-02-10", "2026-03-10"]),
        ("0 0 ? * FRI#1 *", ["2026-01-02", "2026-02-06", "2026-03-06"]),
        ("0 0 ? * 7#5 *", ["2026-01-31", "2026-05-30", "2026-08-29"]),
        ("0 0 ? 2 1#5 *", ["2032-02-29", "2060-02-29", "2088-02-29", "2128-02-29"]),
        ("0 0 ? * L *", ["2026-01-03", "2026-01-10", "2026-01-17"]),
        ("0 0 ? * friL *", ["2026-01-30", "2026-02-27", "2026-03-27"]),
        ("0 0 ? * SAT-SUN *", ["2026-01-03", "2026-01-04", "2026-01-10"]),
        # Ranges may pass the end of their field, steps go on from where they begin.
        ("0 0 1 NOV-FEB ? *", ["2026-01-01", "2026-02-01", "2026-11-01", "2026-12-01"]),
        ("0 0 28-2/2 1 ? *", ["2026-01-01", "2026-01-28", "2026-01-30", "2027-01-01"]),
        ("0 0 1 1 ? 2028/3", ["2028-01-01", "2031-01-01", "2034-01-01"]),
        # A century is a leap year only every fourth time.
        ("0 0 29 2 ? 2096-2104", ["2096-02-29", "2104-02-29", "never"]),
    ],
)
def test_cron__finds_the_days(fields: str, expected: list[str]) -> None:
    assert days(fields, "2025-12-31T23:59", len(expected)) == expected


def test_cron__ends_with_its_last_year() -> None:
    schedule = parse_schedule("cron(0 0 1 1 ? 2027)")
    assert coming(schedule, "2026-06-01T00:00", 2) == ["2027-01-01T00:00", "never"]
    assert coming(parse_schedule("cron(* * * * ? *)"), "2199-12-31T23:58", 2)[1] == "never"
    assert parse_schedule("cron(* * * * ? *)").next_after(datetime.max.replace(tzinfo=UTC)) is None


def test_cron__of_an_instant_between_minutes_takes_the_next_minute() -> None:
    schedule = parse_schedule("cron(* * * * ? *)")
    assert schedule.next_after(utc("2026-01-01T00:00:30.5")) == utc("2026-01-01T00:01")
    assert schedule.next_after(utc("2026-01-01T00:01")) == utc("2026-01-01T00:02")


# Europe/Berlin goes from 02:00 to 03:00 on 29 March and from 03:00 to 02:00 on 25 October 2026;
# New York on 8 March and 1 November at 2; Lord Howe by half an hour, 4 October and 5 April.
@pytest.mark.parametrize(
    ("fields", "zone", "after", "expected"),
    [
        ("30 2 * * ? *", "Europe/Berlin", "2026-03-28T00:00", ["03-28T01:30", "03-30T00:30"]),
        ("30 2 * * ? *", "Europe/Berlin", "2026-10-24T12:00", ["10-25T00:30", "10-26T01:30"]),
        ("0 3 * * ? *", "Europe/Berlin", "2026-03-28T12:00", ["03-29T01:00", "03-30T01:00"]),
        ("0 0/1 * * ? *", "Europe/Berlin", "2026-03-28T23:30", ["03-29T00:00", "03-29T01:00"]),
        # The hour from 02:00 comes twice, and fires once: for an hour nothing does.
        ("0/30 * * * ? *", "Europe/Berlin", "2026-10-25T00:15", ["10-25T00:30", "10-25T02:00"]),
        ("30 1 * * ? *", "America/New_York", "2026-10-31T12:00", ["11-01T05:30", "11-02T06:30"]),
        ("30 2 * * ? *", "America/New_York", "2026-03-07T12:00", ["03-09T06:30", "03-10T06:30"]),
        ("15 2 * * ? *", "Australia/Lord_Howe", "2026-10-02T18:00", ["10-04T15:15", "10-05T15:15"]),
        ("45 1 * * ? *", "Australia/Lord_Howe", "2026-04-04T00:00", ["04-04T14:45", "04-05T15:15"]),
    ],
)
def test_cron__follows_the_clock_of_its_zone(
    fields: str, zone: str, after: str, expected: list[str]
) -> None:
    schedule = parse_schedule(f"cron({fields})", zone)
    assert [each[5:] for each in coming(schedule, after, 2)] == expected


def test_cron__whose_only_time_the_clock_leaves_out_never_fires() -> None:
    schedule = parse_schedule("cron(30 2 29 3 ? 2026)", "Europe/Berlin")
    assert schedule.next_after(utc("2026-01-01T00:00")) is None


@pytest.mark.parametrize("seed", range(8))
def test_cron__agrees_with_a_clock_that_is_watched_minute_by_minute(seed: int) -> None:
    source = random.Random(seeds.shown(seed))
    compared = 0
    while compared < 60:
        expression = oracle.some_expression(source, 2026)
        zone = source.choice(ZONES)
        start = utc("2026-01-01T00:00") + timedelta(
            minutes=source.randrange(3 * 365 * 1440), seconds=source.choice((0, 0, 17))
        )
        if source.random() < 0.4:  # around the days on which clocks are changed
            change = source.choice(("2026-03-29", "2026-10-25", "2026-03-08", "2026-11-01",
                                    "2026-04-04", "2026-10-03"))  # fmt: skip
            start = utc(f"{change}T00:00") + timedelta(minutes=source.randrange(-600, 2100))
        schedule = parsed(f"cron({expression})", zone)
        if schedule is None:
            continue
        found = schedule.next_after(start)
        expected = oracle.next_after(expression, start, ZoneInfo(zone), 5 * 366)
        if expected is None:
            assert found is None or found > start + timedelta(days=5 * 365), (expression, zone)
            continue
        assert found == expected, (expression, zone, start)
        # Backwards it is the same firing, up to the instant and at it.
        assert schedule.last_at(found) == found
        just_before = schedule.last_at(found - timedelta(microseconds=1))
        assert just_before is None or just_before <= start
        if just_before is not None:
            assert schedule.next_after(just_before) == found
        compared += 1


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("cron(0 12 * * ?)", "6 fields"),
        ("cron(0 12 * * ? * *)", "has 7"),
        ("cron()", "has 0"),
        ("cron(0 12 * * * *)", "Exactly one"),
        ("cron(0 12 ? * ? *)", "Exactly one"),
        ("cron(0 12 1 * MON *)", "Exactly one"),
        ("cron(60 12 * * ? *)", 'minutes field of the cron expression has "60"'),
        ("cron(0 24 * * ? *)", "hours field"),
        ("cron(0 12 32 * ? *)", "day-of-month field"),
        ("cron(0 12 0 * ? *)", "day-of-month field"),
        ("cron(0 12 1 13 ? *)", "month field"),
        ("cron(0 12 1 JANUARY ? *)", "JAN to DEC"),
        ("cron(0 12 ? * 0 *)", "SUN to SAT"),
        ("cron(0 12 ? * 8 *)", "day-of-week field"),
        ("cron(0 12 1 * ? 1969)", "1970 to 2199"),
        ("cron(0 12 1 * ? 2200)", "1970 to 2199"),
        ("cron(0 12 1 * ? 2030-2026)", "smaller to the larger"),
        ("cron(0/0 * * * ? *)", "a step is a number from 1 to 59"),
        ("cron(*/60 * * * ? *)", "a step"),
        ("cron(/5 * * * ? *)", "minutes field"),
        ("cron(5/ * * * ? *)", "a step"),
        ("cron(? * * * ? *)", "minutes field"),
        ("cron(1-2-3 * * * ? *)", "minutes field"),
        ("cron(1,,2 * * * ? *)", "minutes field"),
        ("cron(*,5 * * * ? *)", "stands alone"),
        ("cron(-5 * * * ? *)", "minutes field"),
        ("cron(٣ * * * ? *)", "minutes field"),
        ("cron(00000000005 * * * ? *)", "minutes field"),
        ("cron(0 0 L,15 * ? *)", "stand alone"),
        ("cron(0 0 L-0 * ? *)", "day-of-month field"),
        ("cron(0 0 L-31 * ? *)", "L-1 to L-30"),
        ("cron(0 0 L-3W * ? *)", "day-of-month field"),
        ("cron(0 0 W * ? *)", "day-of-month field"),
        ("cron(0 0 1W,15W * ? *)", "day-of-month field"),
        ("cron(0 0 ? * 3#6 *)", "one day and one week"),
        ("cron(0 0 ? * 3#1,6#3 *)", "one day and one week"),
        ("cron(0 0 ? * 2L,3L *)", "day-of-week field"),
        ("cron(0 0 ? * MON/2 *)", "list the values"),
        ("cron(0 0 ? * LW *)", "day-of-week field"),
        ("cron(0 0 30 2 ? *)", "never fires"),
        ("cron(0 0 29 2 ? 2027)", "never fires"),
        ("cron(0 0 L-30 2 ? *)", "never fires"),
        ("rate(1 minutes)", "write rate(1 minute)"),
        ("rate(5 minute)", "write rate(5 minutes)"),
        ("rate(1 hours)", "write rate(1 hour)"),
        ("rate(2 day)", "write rate(2 days)"),
        ("rate(0 minutes)", "above 0"),
        ("rate(-5 minutes)", "above 0"),
        ("rate(1.5 hours)", "whole number"),
        ("rate(30 seconds)", "minute, minutes"),
        ("rate(5  minutes)", "one space"),
        ("rate(5 Minutes)", "minute, minutes"),
        ("rate(36526 days)", "100 years"),
        ("rate(9999999999 days)", "100 years"),
        ("at(2026-02-30T00:00:00)", "a day that exists"),
        ("at(2026-01-01T00:00)", "yyyy-mm-ddThh:mm:ss"),
        ("at(2026-01-01T00:00:00Z)", "without a zone"),
        ("at(2300-01-01T00:00:00)", "1970 to 2199"),
        ("at(2026-01-01)", "yyyy-mm-ddThh:mm:ss"),
        ("every(5 minutes)", "rate(value unit), cron(fields) or at"),
        ("cron 0 12 * * ? *", "rate(value unit)"),
        (" rate(5 minutes)", "rate(value unit)"),
        ("", "rate(value unit)"),
        ("cron(" + "0," * 200 + "0 0 1 1 ? *)", "at most 256 characters"),
    ],
)
def test_parse__refuses_with_a_reason(expression: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_schedule(expression)
    assert caught.value.code == "SCHEDULE_INVALID"
    assert caught.value.fields[0].field == "scheduleExpression"
    assert reason in caught.value.message


@pytest.mark.parametrize(
    "zone",
    ["", "Mars/Olympus", "Europe", "europe/berlin!", "../etc/passwd", "/etc/localtime", "localtime",
     "Europe/Berlin\0", "+02:00", "x" * 300],
)  # fmt: skip
def test_parse__refuses_what_is_no_zone(zone: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse_schedule("rate(5 minutes)", zone)
    assert caught.value.code == "SCHEDULE_INVALID"
    assert caught.value.fields[0].field == "scheduleExpressionTimezone"


def test_rate__is_counted_from_the_creation() -> None:
    schedule = parse_schedule("rate(10 minutes)", anchor=utc("2026-01-01T00:03:20"))
    assert schedule.next_after(utc("2026-01-01T00:03:20")) == utc("2026-01-01T00:13:20")
    assert schedule.next_after(utc("2026-01-01T05:00:00")) == utc("2026-01-01T05:03:20")
    assert schedule.next_after(utc("2025-06-01T00:00:00")) == utc("2026-01-01T00:03:20")
    assert schedule.last_at(utc("2025-06-01T00:00:00")) is None
    assert schedule.last_at(utc("2026-01-01T05:03:20")) == utc("2026-01-01T05:03:20")


def test_rate__without_a_creation_is_on_the_hour() -> None:
    assert coming(parse_schedule("rate(1 hour)"), "2026-01-01T00:12", 2) == [
        "2026-01-01T01:00",
        "2026-01-01T02:00",
    ]


def test_rate__has_days_of_24_hours_when_clocks_change() -> None:
    schedule = parse_schedule("rate(1 day)", "Europe/Berlin", anchor=utc("2026-03-28T07:00"))
    assert coming(schedule, "2026-03-28T07:00", 2) == ["2026-03-29T07:00", "2026-03-30T07:00"]


@pytest.mark.parametrize(
    ("wall", "zone", "expected"),
    [
        ("2026-11-20T13:00:00", "UTC", "2026-11-20T13:00"),
        ("2026-07-01T09:00:30", "Europe/Berlin", "2026-07-01T07:00:30"),
        # The clock goes from 02:00 to 03:00: then it fires.
        ("2026-03-29T02:30:00", "Europe/Berlin", "2026-03-29T01:00"),
        ("2026-10-04T02:10:00", "Australia/Lord_Howe", "2026-10-03T15:30"),
        # 02:30 comes twice: the first time counts.
        ("2026-10-25T02:30:00", "Europe/Berlin", "2026-10-25T00:30"),
        # A whole day was left out when Samoa moved over the date line.
        ("2011-12-30T12:00:00", "Pacific/Apia", "2011-12-30T10:00"),
    ],
)
def test_at__fires_once_when_the_clock_shows_it(wall: str, zone: str, expected: str) -> None:
    schedule = parse_schedule(f"at({wall})", zone)
    found = schedule.next_after(utc("2000-01-01T00:00"))
    assert found == utc(expected)
    assert schedule.next_after(found) is None
    assert schedule.last_at(found) == found
    assert schedule.last_at(found - timedelta(seconds=1)) is None


def test_parse__never_fails_in_another_way() -> None:
    source = random.Random(seeds.fresh())
    signs = "0123456789LW#?*/,- ()crontaejmnsuTZ:\0é"
    refused = 0
    for _ in range(5000):
        inside = "".join(source.choice(signs) for _ in range(source.randrange(24)))
        expression = f"{source.choice(('cron', 'rate', 'at', ''))}({inside})"
        if source.random() < 0.5:  # near a right one
            right = "cron(0/15 8-17 L-3 JAN,MAR ? 2026-2030)"
            place = source.randrange(len(right))
            expression = right[:place] + source.choice(signs) + right[place + 1 :]
        try:
            parse_schedule(expression).next_after(utc("2026-01-01T00:00"))
        except Invalid:
            refused += 1
    assert 2000 < refused < 5000
