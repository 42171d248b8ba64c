"""Executions that were recorded on AWS Step Functions: status, output, error, cause and events."""

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from meshplane.workflows.asl import execute

CASES = Path(__file__).resolve().parents[2].parent / "shared/conformance/asl_executions.jsonl"
PLACEHOLDER = re.compile(r"<[A-Za-z][\w-]*(?::\d+)?>")


@cache
def cases() -> dict[str, dict[str, Any]]:
    if not CASES.exists():
        return {}
    rows = [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]
    return {row["name"]: row for row in rows}


def to_the_letter(value: Any) -> str:
    """A JSON value so that 1, 1.0 and true differ."""
    return json.dumps(value, sort_keys=True)


def tells(cause: str | None, recorded: str | None) -> bool:
    """Whether a cause is the recorded one; what was masked in the record may be anything."""
    if cause is None or recorded is None:
        return cause is recorded
    parts = [re.escape(part) for part in PLACEHOLDER.split(recorded)]
    return re.fullmatch(".*".join(parts), cause, re.DOTALL) is not None


def as_the_recorder_wrote(types: list[str]) -> list[str]:
    """Types as the record has them where a Parallel is.

    What happened in its branches at once has no order, so the recorder sorted it. It put the
    sorted events in the place of all that stood between the last ParallelStateStarted and each
    later end of a Parallel, which dropped the ends in between.
    """
    types = list(types)
    start, inside, at = 0, False, 0
    sublist: list[str] = []
    while at < len(types):
        kind = types[at]
        if kind == "ParallelStateStarted":
            start, inside, sublist = at + 1, True, []
        elif kind in ("ParallelStateSucceeded", "ParallelStateExited", "ParallelStateFailed"):
            types[start:at] = sorted(sublist)
            inside = False
        elif inside:
            sublist.append(kind)
        at += 1
    return types


def test_cases__are_there_or_skipped_openly() -> None:
    if not cases():
        pytest.skip(f"{CASES} is not there")
    assert len(cases()) >= 400


@pytest.mark.parametrize("name", cases())
def test_execution__ends_as_recorded(name: str) -> None:
    case = cases()[name]
    result = execute(case["definition"], case["input"])
    assert (result.status, result.error) == (case["status"], case["error"]), result.cause
    assert to_the_letter(result.output) == to_the_letter(case["output"])
    assert tells(result.cause, case["cause"]), result.cause
    if case["events"]:
        types = [event.type for event in result.events]
        assert as_the_recorder_wrote(types) == case["events"]
