"""Events that others recorded as valid or invalid under OpenLineage 2-0-2."""

import json
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid
from meshplane.services.lineage.openlineage import column_lineage_of, validated_event

CASES = Path(__file__).resolve().parents[2] / "../shared/conformance/openlineage_events.jsonl"


def recorded() -> list[dict]:
    if not CASES.exists():
        pytest.skip("the recorded events (../shared/conformance) are not beside this repository")
    return [json.loads(line) for line in CASES.read_text(encoding="utf-8").splitlines()]


def test_validated_event__agrees_with_every_recorded_case() -> None:
    wrong = []
    for case in recorded():
        try:
            validated_event(case["event"])
            verdict = "valid"
        except Invalid as refusal:
            told = refusal.code == "LINEAGE_EVENT_INVALID" and refusal.fields
            verdict = "invalid" if told else "refused without a reason"
        if verdict != case["expected"]:
            wrong.append(case["name"])
    assert wrong == []


def test_column_lineage_of__reads_every_valid_event() -> None:
    edges = [
        edge
        for case in recorded()
        if case["expected"] == "valid"
        for edge in column_lineage_of(case["event"])
    ]
    assert [(edge.source_field, edge.target_field, edge.kind) for edge in edges] == [
        ("a", "a", "DIRECT"),
        ("b", "b", "DIRECT"),
    ]
