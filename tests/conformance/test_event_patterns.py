"""Patterns and events whose answers EventBridge gave."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.pattern_index import PatternIndex
from meshplane.events.patterns import InvalidEvent, InvalidEventPattern, compile_pattern, matches

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "conformance"


def cases() -> list[dict[str, Any]]:
    file = CASES / "event_patterns.jsonl"
    if not file.exists():
        pytest.skip(
            "the folder `shared` with event_patterns.jsonl stands not beside the repository"
        )
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def answer(case: dict[str, Any]) -> tuple[str, str | None, str | None]:
    """What we answer, told the way the record tells it: a code only where it holds one."""
    try:
        return ("match" if matches(case["pattern"], case["event"]) else "no-match"), None, None
    except InvalidEventPattern as refusal:
        code = refusal.code if case["error_code"] else None
        return "exception", code, refusal.message if case["error_message"] else None


def test_event_patterns__are_answered_as_they_were_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = cases()
    others = [
        (case["name"], found, recorded)
        for case in known
        if (found := answer(case))
        != (recorded := (case["expected"], case["error_code"], case["error_message"]))
    ]
    with capsys.disabled():
        sys.stdout.write(
            f"\nevent patterns: {len(known)} cases, {len(others)} answered otherwise\n"
        )
    assert others == []


def test_recorded_patterns__find_their_events_in_one_index_too() -> None:
    index: PatternIndex[str] = PatternIndex()
    compiled = {}
    known = cases()
    for case in known:
        try:
            compiled[case["name"]] = compile_pattern(case["pattern"])
        except InvalidEventPattern:
            continue
        index.add(case["name"], compiled[case["name"]])
    assert len(index) > len(known) / 2
    for case in known:
        by_one = {name for name, pattern in compiled.items() if pattern.matches(case["event"])}
        assert index.match(case["event"]) == by_one, case["name"]


def test_an_event_without_its_envelope__is_refused_with_the_code_of_the_service() -> None:
    with pytest.raises(InvalidEvent) as caught:
        matches({"source": ["orders"]}, {"source": "orders"})
    assert (caught.value.code, caught.value.message) == (
        "ValidationException",
        "Parameter Event is not valid.",
    )
