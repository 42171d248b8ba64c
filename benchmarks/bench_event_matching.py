"""Matching an event against 1,000 rules: the index beside trying one rule after another.

The rules are those of a mesh: most ask for a source and a kind of event and for something in its
detail, some for a prefix, a number, a wildcard or an absence. Each way sees the same events, in
turn, several times in one run; the medians are compared. All ways find the same rules.

- naive: `matches(pattern, event)`, which reads the pattern each time;
- one by one: 1,000 compiled patterns, each asked `.matches(event)`;
- one by one, laid flat once: the same, with the event laid flat once for all of them.
"""

import random
import statistics
import time
from collections.abc import Callable
from typing import Any

from report import Ratio, publish

from meshplane.events.pattern_event import flatten
from meshplane.events.pattern_index import PatternIndex
from meshplane.events.patterns import compile_pattern, matches

RULES = 1000
EVENTS = 2000
EVENTS_NAIVE = 4
EVENTS_ONE_BY_ONE = 60
ROUNDS = 5
SEED = 20260101

SOURCES = [
    f"meshplane.{name}" for name in ("assets", "projects", "permissions", "quality", "query")
]
KINDS = [f"{what}{how}" for what in ("Asset", "Project", "Grant", "Table", "Rule")
         for how in ("Created", "Published", "Changed", "Removed")]  # fmt: skip
DOMAINS = [f"domain-{number}" for number in range(100)]

Answers = Callable[[dict[str, Any]], set[int]]


def rule(draw: random.Random) -> dict[str, Any]:
    """One pattern."""
    detail: dict[str, Any] = {}
    chance = draw.random()
    if chance < 0.6:
        detail["domainId"] = draw.sample(DOMAINS, draw.randint(1, 3))
    elif chance < 0.7:
        detail["name"] = [{"prefix": f"sales_{draw.randint(0, 50)}"}]
    elif chance < 0.8:
        detail["rows"] = [{"numeric": [">", draw.randint(0, 10_000)]}]
    elif chance < 0.85:
        detail["name"] = [{"wildcard": f"*_{draw.randint(0, 50)}_*"}]
    elif chance < 0.9:
        detail["owner"] = [{"exists": False}, {"anything-but": ["nobody"]}]
    found: dict[str, Any] = {"detail": detail} if detail else {}
    if draw.random() < 0.9 or not detail:
        found["source"] = [draw.choice(SOURCES)]
        found["detail-type"] = draw.sample(KINDS, draw.randint(1, 2))
    return found


def event(draw: random.Random, number: int) -> dict[str, Any]:
    """One event as it goes over the bus."""
    return {
        "version": "0",
        "id": f"e-{number}",
        "source": draw.choice(SOURCES),
        "detail-type": draw.choice(KINDS),
        "account": "000000000000",
        "time": "2026-01-01T00:00:00Z",
        "region": "local",
        "resources": [f"asset-{number}"],
        "detail": {
            "domainId": draw.choice(DOMAINS),
            "assetId": f"asset-{number}",
            "name": f"sales_{draw.randint(0, 99)}_{draw.randint(0, 99)}_daily",
            "rows": draw.randint(0, 20_000),
            "owner": draw.choice(["ann", "bob"]),
            "columns": [{"name": f"c{column}", "type": "string"} for column in range(5)],
        },
    }


def events_per_second(answer: Answers, events: list[dict[str, Any]]) -> float:
    """How many events are answered in a second."""
    started = time.perf_counter()
    for one in events:
        answer(one)
    return len(events) / (time.perf_counter() - started)


def main() -> None:
    """Measures and publishes."""
    draw = random.Random(SEED)
    rules = [rule(draw) for _ in range(RULES)]
    events = [event(draw, number) for number in range(EVENTS)]
    compiled = [compile_pattern(one) for one in rules]
    index: PatternIndex[int] = PatternIndex()
    for key, pattern in enumerate(compiled):
        index.add(key, pattern)
    paths = frozenset().union(*(pattern.paths for pattern in compiled))

    def naive(one: dict[str, Any]) -> set[int]:
        return {key for key, pattern in enumerate(rules) if matches(pattern, one)}

    def one_by_one(one: dict[str, Any]) -> set[int]:
        return {key for key, pattern in enumerate(compiled) if pattern.matches(one)}

    def flat_once(one: dict[str, Any]) -> set[int]:
        flat = flatten(one, paths)
        return {key for key, pattern in enumerate(compiled) if pattern.matches_flat(flat)}

    ways: dict[str, tuple[Answers, int]] = {
        "naive events/s": (naive, EVENTS_NAIVE),
        "one by one events/s": (one_by_one, EVENTS_ONE_BY_ONE),
        "one by one, laid flat once, events/s": (flat_once, EVENTS_ONE_BY_ONE),
        "index events/s": (index.match, EVENTS),
    }
    for one in events[:EVENTS_ONE_BY_ONE]:
        assert index.match(one) == one_by_one(one) == flat_once(one)
    assert naive(events[0]) == index.match(events[0])
    told: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, (answer, count) in ways.items():
            told[name].append(events_per_second(answer, events[:count]))
    speed = {name: statistics.median(values) for name, values in told.items()}
    matched = statistics.mean(len(index.match(one)) for one in events)
    index_speed = speed["index events/s"]
    ratio = index_speed / speed["one by one events/s"]
    flat_ratio = index_speed / speed["one by one, laid flat once, events/s"]
    parts = {**speed, "rules matched by an event": matched}
    publish(
        "event_matching",
        [
            Ratio("1,000 rules: index ÷ one by one", ratio, 20, True, parts),
            Ratio("1,000 rules: index ÷ one by one, laid flat once", flat_ratio, 10, True, {}),
            Ratio("events/s against 1,000 rules", index_speed, 10_000, True, {}),
        ],
    )


if __name__ == "__main__":
    main()
