"""The fields of a cron expression: which values the text of one of them names.

Specification: Amazon EventBridge User Guide, "Cron expressions reference". Where it is silent
(ranges that pass the end of a field, the largest step), Quartz decides, whose dialect it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshplane.kit.errors import Invalid

EXPRESSION_FIELD = "scheduleExpression"

_LONGEST_SHOWN = 40


def refusal(reason: str, where: str = EXPRESSION_FIELD) -> Invalid:
    """The error for a schedule that cannot be understood; `where` names the request's field."""
    return Invalid("SCHEDULE_INVALID", reason, field=where)


@dataclass(frozen=True, slots=True)
class CronField:
    """One of the fields.

    Args:
        name: how messages call it.
        lowest: the smallest value.
        highest: the largest value.
        largest_step: what may stand behind a slash at most; None where none may stand.
        wraps: whether a range may pass the end, as `FRI-MON` does.
        names: words that stand for values.
    """

    name: str
    lowest: int
    highest: int
    largest_step: int | None
    wraps: bool = True
    names: Mapping[str, int] = field(default_factory=dict)

    def refusal(self, part: str, reason: str) -> Invalid:
        """The error for a part of this field."""
        shown = part if len(part) <= _LONGEST_SHOWN else part[:_LONGEST_SHOWN] + "…"
        return refusal(f'The {self.name} field of the cron expression has "{shown}": {reason}.')

    def value(self, text: str) -> int:
        """The value that a number or a name stands for.

        Raises:
            Invalid: SCHEDULE_INVALID.
        """
        named = self.names.get(text.upper())
        if named is not None:
            return named
        # Only ASCII digits, and few: int() takes more, at a cost that grows with the length.
        if not (text.isascii() and text.isdigit() and len(text) <= 4):
            raise self.refusal(text, self._wanted())
        number = int(text)
        if not self.lowest <= number <= self.highest:
            raise self.refusal(text, self._wanted())
        return number

    def values(self, text: str) -> tuple[int, ...]:
        """The values that the field names, in order: `*`, numbers, lists, ranges and steps.

        Raises:
            Invalid: SCHEDULE_INVALID.
        """
        found: set[int] = set()
        for part in text.split(","):
            if part == "*" and text != "*":
                raise self.refusal(text, "* already means every value, so it stands alone")
            found.update(self._part(part))
        return tuple(sorted(found))

    def _part(self, part: str) -> range | list[int]:
        span, slash, step_text = part.partition("/")
        step = self._step(part, step_text) if slash else 1
        if span == "*":
            return range(self.lowest, self.highest + 1, step)
        first_text, dash, last_text = span.partition("-")
        first = self.value(first_text)
        # 5/10 has no end, so that the field's is meant.
        end = last_text if dash else str(self.highest) if slash else first_text
        last = self.value(end)
        if first <= last:
            return range(first, last + 1, step)
        if not self.wraps:
            raise self.refusal(part, "a range goes from the smaller to the larger value")
        size = self.highest - self.lowest + 1
        passed = range(first, last + size + 1, step)
        return [self.lowest + (value - self.lowest) % size for value in passed]

    def _step(self, part: str, text: str) -> int:
        if self.largest_step is None:
            raise self.refusal(part, "steps (/) are not for this field; list the values")
        fits = text.isascii() and text.isdigit() and len(text) <= 4
        if not fits or not 1 <= int(text) <= self.largest_step:
            raise self.refusal(part, f"a step is a number from 1 to {self.largest_step}")
        return int(text)

    def _wanted(self) -> str:
        wanted = f"a value is a number from {self.lowest} to {self.highest}"
        if not self.names:
            return wanted
        by_value = sorted(self.names, key=self.names.__getitem__)
        return f"{wanted}, or a name from {by_value[0]} to {by_value[-1]}"


def _numbered(words: str) -> dict[str, int]:
    return {word: number for number, word in enumerate(words.split(), 1)}


MINUTES = CronField("minutes", 0, 59, 59)
HOURS = CronField("hours", 0, 23, 23)
DAYS_OF_MONTH = CronField("day-of-month", 1, 31, 31)
MONTHS = CronField(
    "month", 1, 12, 12, names=_numbered("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC")
)
DAYS_OF_WEEK = CronField("day-of-week", 1, 7, None, names=_numbered("SUN MON TUE WED THU FRI SAT"))
YEARS = CronField("year", 1970, 2199, 2199 - 1970, wraps=False)
