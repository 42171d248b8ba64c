"""Many patterns at once: the index names the same ones as trying each."""

import random
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshplane.events import pattern_index
from meshplane.events.pattern_clause import Field, may_hold
from meshplane.events.pattern_event import FlatEvent
from meshplane.events.pattern_index import PatternIndex
from meshplane.events.patterns import InvalidEvent, Pattern, compile_pattern
from tests.events.test_patterns_oracle import EVENTS, PATTERNS


@settings(max_examples=300)
@given(st.lists(PATTERNS, max_size=12), st.lists(EVENTS, min_size=1, max_size=3), st.data())
def test_index__finds_what_trying_each_pattern_finds(
    patterns: list[Any], events: list[Any], data: st.DataObject
) -> None:
    compiled = dict(enumerate(map(compile_pattern, patterns)))
    index: PatternIndex[int] = PatternIndex()
    for key, pattern in compiled.items():
        index.add(key, pattern)
    for _ in range(2):
        for event in events:
            by_one = {key for key, pattern in compiled.items() if pattern.matches(event)}
            assert index.match(event) == by_one
        for key in data.draw(st.sets(st.sampled_from(sorted(compiled) or [0]))):
            compiled.pop(key, None)
            index.remove(key)
        assert len(index) == len(compiled)


def random_rule(draw: random.Random) -> dict[str, Any]:
    rule: dict[str, Any] = {}
    if draw.random() < 0.8:
        rule["source"] = draw.sample([f"s{i}" for i in range(6)], draw.randint(1, 2))
    if draw.random() < 0.5:
        rule["detail-type"] = [draw.choice([f"t{i}" for i in range(8)])]
    detail: dict[str, Any] = {}
    for name in draw.sample("abcd", draw.randint(0, 3)):
        detail[name] = [
            draw.choice(
                [
                    draw.randint(0, 9), {"prefix": draw.choice("xyz")}, {"exists": False},
                    {"exists": True}, {"numeric": [">", draw.randint(0, 9)]}, None,
                    {"anything-but": "x1"}, {"wildcard": "*1"}, "2001:db8::1", {"suffix": "2"},
                ]
            )
            for _ in range(draw.randint(1, 2))
        ]  # fmt: skip
    if detail:
        rule["detail"] = detail
    if draw.random() < 0.1 or not rule:
        rule["$or"] = [{"region": ["r1"]}, {"account": [{"exists": False}]}]
    return rule


def random_event(draw: random.Random) -> dict[str, Any]:
    def value() -> Any:
        return draw.choice(
            [draw.randint(0, 9), f"{draw.choice('xyz')}{draw.randint(0, 3)}", None,
             "2001:0DB8:0:0::1", [draw.randint(0, 9), "x1"], [{"q": 1}], {}]
        )  # fmt: skip

    event = {"source": f"s{draw.randint(0, 7)}", "detail-type": f"t{draw.randint(0, 9)}"}
    detail = {name: value() for name in draw.sample("abcd", draw.randint(0, 4))}
    return {**event, "region": f"r{draw.randint(0, 2)}", "detail": detail}


def test_a_thousand_rules_that_come_and_go__are_found_as_by_trying_each() -> None:
    seed = random.SystemRandom().randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    draw = random.Random(seed)
    compiled: dict[str, Pattern] = {}
    index: PatternIndex[str] = PatternIndex()
    found = 0
    for turn in range(20):
        for _ in range(100):
            key = f"rule{draw.randrange(1500)}"
            compiled[key] = compile_pattern(random_rule(draw))
            index.add(key, compiled[key])
        for key in draw.sample(sorted(compiled), 40 if turn < 18 else len(compiled) // 2):
            del compiled[key]
            index.remove(key)
        for _ in range(20):
            event = random_event(draw)
            by_one = {key for key, pattern in compiled.items() if pattern.matches(event)}
            assert index.match(event) == by_one, (seed, event)
            found += len(by_one)
    assert found > 1000, seed


class Counted:
    """Counts how many clauses are examined."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.examined = 0

        def counting(fields: Sequence[Field], event: FlatEvent) -> bool:
            self.examined += 1
            return may_hold(fields, event)

        monkeypatch.setattr(pattern_index, "may_hold", counting)


def test_an_event__is_held_against_the_rules_of_its_own_values_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    index: PatternIndex[tuple[int, int]] = PatternIndex()
    for source in range(40):
        for kind in range(50):
            pattern = {"source": [f"s{source}"], "detail-type": [f"t{kind}"]}
            index.add((source, kind), compile_pattern(pattern))
    counted = Counted(monkeypatch)
    assert index.match({"source": "s3", "detail-type": "t7"}) == {(3, 7)}
    assert index.match({"source": "s3", "detail-type": "none"}) == set()
    assert counted.examined <= 20


def test_a_rule_with_many_values__does_not_multiply_its_places() -> None:
    index: PatternIndex[int] = PatternIndex()
    values = [str(number) for number in range(60)]
    pattern = compile_pattern(dict.fromkeys("abcdef", values))
    for key in range(20):
        index.add(key, pattern)
    (entry, *_) = index._entries[19]
    assert len(entry.places) <= 60 * 64
    assert index.match(dict.fromkeys("abcdef", "7")) == set(range(20))


def test_adding_under_a_known_key__takes_the_place_of_the_old_pattern() -> None:
    index: PatternIndex[str] = PatternIndex()
    index.add("rule", compile_pattern({"a": [1]}))
    index.add("rule", compile_pattern({"a": [2]}))
    assert (len(index), index.match({"a": 1}), index.match({"a": 2})) == (1, set(), {"rule"})
    index.remove("rule")
    index.remove("rule")
    assert (len(index), index.match({"a": 2})) == (0, set())


def test_what_is_no_event__is_refused() -> None:
    with pytest.raises(InvalidEvent):
        PatternIndex[str]().match("[1]")
