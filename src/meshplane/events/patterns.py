"""Event patterns: which events a rule is for. The language is that of Amazon EventBridge.

`matches` answers as EventBridge's TestEventPattern does. What runs often compiles a pattern once
with `compile_pattern`; what has many patterns puts them into a `PatternIndex`.

The specification: https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-event-patterns.html
and, where that is silent, https://github.com/aws/event-ruler. Two points where they differ follow
what EventBridge does: 300, 300.0 and 3.0e2 are one number to an exact value too, and an address
matches however it is written.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from meshplane.events.pattern_clause import Clause, holds, may_hold
from meshplane.events.pattern_event import FlatEvent, flatten
from meshplane.events.pattern_json import read_event, read_pattern
from meshplane.events.pattern_parsing import clauses_of
from meshplane.events.pattern_refusals import InvalidEvent, InvalidEventPattern, bad_event

__all__ = [
    "InvalidEvent",
    "InvalidEventPattern",
    "Pattern",
    "compile_pattern",
    "matches",
]

_MANDATORY = frozenset({"id", "source", "detail-type", "account", "time", "region"})


class Pattern:
    """A compiled pattern. It never changes, and any number of threads may use it.

    Args:
        clauses: any of them makes an event match.
    """

    def __init__(self, clauses: Iterable[Clause]) -> None:
        self.clauses: tuple[Clause, ...] = tuple(clauses)
        fields = {field for clause in self.clauses for field in clause}
        self.paths = frozenset(part for field in fields for part in beginnings(field.path))
        # The fields outside `$or` are examined once, not again in each of its combinations.
        common = fields.intersection(*self.clauses)
        self._common = tuple(common)
        self._apart = [tuple(one for one in clause if one not in common) for clause in self.clauses]

    def matches(self, event: Any) -> bool:
        """Whether the pattern matches an event.

        Args:
            event: the event as an object, or its JSON text. Fields may be missing.

        Raises:
            InvalidEvent: it is no JSON object.
        """
        return self.matches_flat(flatten(read_event(event), self.paths))

    def matches_flat(self, event: FlatEvent) -> bool:
        """Whether the pattern matches an event that was laid flat with its `paths`, or more."""
        return may_hold(self._common, event) and any(
            may_hold(apart, event) and (not event.trails or holds(clause, event))
            for clause, apart in zip(self.clauses, self._apart, strict=True)
        )


def beginnings(path: str) -> list[str]:
    """A path and what it begins with, dot by dot: an event is entered along these."""
    names = path.split(".")
    return [".".join(names[:length]) for length in range(1, len(names) + 1)]


def compile_pattern(pattern: Any) -> Pattern:
    """Reads a pattern.

    Args:
        pattern: the pattern as an object, or its JSON text; at most 4,096 characters of JSON.

    Raises:
        InvalidEventPattern: EventBridge would refuse it, or it asks for more than may be.
    """
    return Pattern(clauses_of(read_pattern(pattern)))


def matches(pattern: Any, event: Any) -> bool:
    """Whether a pattern matches an event, as EventBridge's TestEventPattern answers.

    Args:
        pattern: the pattern as an object, or its JSON text.
        event: the event as an object, or its JSON text. It must have `id`, `source`, `detail-type`,
            `account`, `time` and `region`.

    Raises:
        InvalidEventPattern: EventBridge would refuse the pattern (`InvalidEventPatternException`)
            or the event (`InvalidEvent`, `ValidationException`).
    """
    compiled = compile_pattern(pattern)
    found = read_event(event)
    if not isinstance(found, Mapping) or not found.keys() >= _MANDATORY:
        raise bad_event()
    return compiled.matches_flat(flatten(found, compiled.paths))
