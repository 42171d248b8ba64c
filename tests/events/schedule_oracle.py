"""A second reading of cron expressions, slow and plain, to hold the product's against.

It knows nothing of sets of values or of calendars' rules: it asks of each minute whether the text
names it, and lets real clocks run minute by minute to see what they show and how often.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random
from zoneinfo import ZoneInfo

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
DAY = timedelta(days=1)


def number(text: str) -> int:
    upper = text.upper()
    for names in (MONTHS, DAYS):
        if upper in names:
            return names.index(upper) + 1
    return int(text)


def names_value(text: str, value: int, lowest: int, highest: int) -> bool:
    """Walks along the field, value by value, as a pen would."""
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, dash, last = span.partition("-")
        start = lowest if span == "*" else number(first)
        end = number(last) if dash else (highest if step or span == "*" else start)
        at, walked = start, 0
        while True:
            if walked % int(step or 1) == 0 and at == value:
                return True
            if at == end:
                break
            at, walked = (at + 1 if at < highest else lowest), walked + 1
    return False


def is_working_day(day: date) -> bool:
    return day.isoweekday() <= 5


def days_of_month_of(day: date) -> list[date]:
    start = day.replace(day=1)
    found = []
    while start.month == day.month:
        found.append(start)
        start += DAY
    return found


def names_day_of_month(text: str, day: date) -> bool:
    month = days_of_month_of(day)
    if text == "L":
        return day == month[-1]
    if text == "LW":
        return day == [each for each in month if is_working_day(each)][-1]
    if text.startswith("L-"):
        before = int(text[2:])
        return before < len(month) and day == month[-1 - before]
    if text.endswith("W"):
        wanted = int(text[:-1])
        if wanted > len(month):
            return False
        # Of working days at the same distance there are never two: a weekend has two days.
        nearest = min(
            (each for each in month if is_working_day(each)),
            key=lambda each: abs(each.day - wanted),
        )
        return day == nearest
    return names_value(text, day.day, 1, 31)


def names_day_of_week(text: str, day: date) -> bool:
    weekday = DAYS.index(day.strftime("%a").upper()) + 1
    same = [each for each in days_of_month_of(day) if each.isoweekday() == day.isoweekday()]
    if text == "L":
        return weekday == 7
    if "#" in text:
        wanted, week = text.split("#")
        return weekday == number(wanted) and same.index(day) + 1 == int(week)
    if text.endswith("L"):
        return weekday == number(text[:-1]) and day == same[-1]
    return names_value(text, weekday, 1, 7)


def names_day(expression: str, day: date) -> bool:
    _, _, of_month, month, of_week, year = expression.split()
    if not names_value(year, day.year, 1970, 2199) or not names_value(month, day.month, 1, 12):
        return False
    return names_day_of_week(of_week, day) if of_month == "?" else names_day_of_month(of_month, day)


def firings_of(expression: str, day: date, zone: ZoneInfo) -> list[datetime]:
    """The instants of one day of the wall's calendar, in order."""
    minutes, hours = expression.split()[:2]
    instant = datetime(day.year, day.month, day.day, tzinfo=UTC) - timedelta(hours=15)
    shown: set[datetime] = set()
    found = []
    for _ in range(60 * 54):
        wall = instant.astimezone(zone).replace(tzinfo=None, fold=0)
        if wall.date() == day and wall not in shown:
            shown.add(wall)
            if names_value(minutes, wall.minute, 0, 59) and names_value(hours, wall.hour, 0, 23):
                found.append(instant)
        instant += timedelta(minutes=1)
    return found


def next_after(
    expression: str, moment: datetime, zone: ZoneInfo, most_days: int
) -> datetime | None:
    """The first firing after an instant within some days, or None."""
    day = moment.astimezone(zone).date() - DAY
    for _ in range(most_days):
        if names_day(expression, day):
            for firing in firings_of(expression, day, zone):
                if firing > moment:
                    return firing
        day += DAY
    return None


def some_field(random: Random, lowest: int, highest: int, names: list[str] | None = None) -> str:
    def some_value() -> str:
        value = random.randint(lowest, highest)
        if names and random.random() < 0.5:
            name = names[value - lowest]
            return random.choice((name, name.lower(), name.title()))
        return random.choice((str(value), f"{value:02}"))

    def some_part() -> str:
        kind = random.randrange(4)
        if kind == 0:
            return some_value()
        if kind == 1:
            return f"{some_value()}-{some_value()}"
        if names is DAYS:
            return some_value()
        step = random.randint(1, highest)
        return f"{random.choice((some_value(), f'{some_value()}-{some_value()}'))}/{step}"

    if random.random() < 0.25:
        return "*"
    if names is not DAYS and random.random() < 0.2:
        return f"*/{random.randint(1, highest)}"
    return ",".join(some_part() for _ in range(random.randint(1, 3)))


def some_expression(random: Random, first_year: int) -> str:
    of_month, of_week = "?", "?"
    if random.random() < 0.5:
        of_month = random.choice(
            (
                some_field(random, 1, 31),
                "L",
                "LW",
                f"L-{random.randint(1, 30)}",
                f"{random.randint(1, 31)}W",
            )
        )
    else:
        day = random.choice((str(random.randint(1, 7)), random.choice(DAYS)))
        of_week = random.choice(
            (some_field(random, 1, 7, DAYS), "L", f"{day}L", f"{day}#{random.randint(1, 5)}")
        )
    month = some_field(random, 1, 12, MONTHS)
    year = random.choice(
        ("*", "*", f"{first_year}-{first_year + 3}", f"{first_year}/2", str(first_year + 1))
    )
    minutes, hours = some_field(random, 0, 59), some_field(random, 0, 23)
    return f"{minutes} {hours} {of_month} {month} {of_week} {year}"
