"""State machines that others recorded as valid or invalid, and those that ran on Step Functions."""

import json
from pathlib import Path
from typing import Any

import pytest

from meshplane.workflows.asl.validation import Problem, validate

RECORDED = Path(__file__).resolve().parents[2] / "../shared/conformance"


def recorded(file: str) -> list[dict]:
    path = RECORDED / file
    if not path.exists():
        pytest.skip("the recorded cases (../shared/conformance) are not beside this repository")
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def errors_of(case: dict) -> list[Problem]:
    kind = "EXPRESS" if "express" in case["name"].lower() else "STANDARD"
    return [each for each in validate(case["definition"], kind) if each.severity == "ERROR"]


def fragments(hint: Any) -> list[str]:
    """What a linter's answer names; long answers of a service are compared elsewhere."""
    return [each for each in hint if isinstance(each, str)] if isinstance(hint, list) else []


def test_validate__agrees_with_every_recorded_document() -> None:
    wrong = [
        case["name"]
        for case in recorded("asl_documents.jsonl")
        if bool(errors_of(case)) != (case["expected"] == "invalid")
    ]
    assert wrong == []


def test_validate__names_what_the_recorded_answer_names() -> None:
    missed = []
    for case in recorded("asl_documents.jsonl"):
        told = "\n".join(f"{each.path} {each.message}" for each in errors_of(case))
        missed += [
            (case["name"], fragment)
            for fragment in fragments(case["hint"])
            if fragment not in told and "bin/statelint" not in fragment
        ]
    assert missed == []


def test_validate__gives_the_diagnostics_of_step_functions() -> None:
    compared = 0
    for case in recorded("asl_documents.jsonl"):
        for wanted in case["hint"] if isinstance(case["hint"], list) else []:
            if isinstance(wanted, dict):
                compared += 1
                location = wanted.get("location", "/")
                assert Problem("ERROR", wanted["code"], location, wanted["message"]) in errors_of(
                    case
                ), case["name"]
    assert compared >= 6


def test_validate__accepts_everything_that_ran_on_step_functions() -> None:
    refused = {
        case["name"]: problems
        for case in recorded("asl_executions.jsonl")
        if (problems := errors_of({**case, "name": ""}))
    }
    assert refused == {}
