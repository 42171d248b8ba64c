"""Rulesets and tables whose answers the published parser and engine of DQDL gave."""

import json
import sys
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Invalid
from meshplane.services.quality.dqdl import (
    Outcome,
    QualityResult,
    Ruleset,
    check_supported,
    evaluate,
    parse,
)
from meshplane.services.quality.dqdl.model import AnyRule, Composite

CASES = Path(__file__).resolve().parents[2] / ".." / "shared" / "conformance"
CLOCK = FixedClock(datetime(2026, 1, 1, tzinfo=UTC))


def cases(name: str) -> list[dict[str, Any]]:
    file = CASES / name
    if not file.exists():
        pytest.skip(f"the folder `shared` with {name} does not stand beside the repository")
    return [json.loads(line) for line in file.read_text("utf-8").splitlines()]


def tell(capsys: pytest.CaptureFixture[str], text: str) -> None:
    with capsys.disabled():
        sys.stdout.write(f"\n{text}\n")


def verdict(text: str) -> tuple[str, list[str] | None]:
    try:
        ruleset = parse(text)
    except Invalid as problem:
        return "invalid" if problem.code == "RULESET_INVALID" else problem.code, None
    kinds = ["Composite" if isinstance(rule, Composite) else rule.type for rule in ruleset.rules]
    return "valid", kinds


def test_dqdl_syntax__is_judged_as_the_published_parser_does(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = cases("dqdl_syntax.jsonl")
    others = [
        (case["text"], case["expected"], case["rule_types"], found)
        for case in known
        if (found := verdict(case["text"])) != (case["expected"], case["rule_types"])
    ]
    tell(capsys, f"DQDL syntax: {len(known)} cases, {len(others)} judged otherwise")
    assert others == []


def type_of(values: list[Any]) -> str:
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present):
        return "BOOLEAN"
    if any(isinstance(value, float) for value in present):
        return "DOUBLE"
    if present and isinstance(present[0], int):
        return "BIGINT"
    return "DATE" if present and isinstance(present[0], dict) else "VARCHAR"


def load(connection: duckdb.DuckDBPyConnection, table: dict[str, Any]) -> dict[str, str]:
    names, rows = table["columns"], table["rows"]
    columns = {name: type_of([row[i] for row in rows]) for i, name in enumerate(names)}
    listed = ", ".join(f'"{name}" {kind}' for name, kind in columns.items())
    connection.execute(f"CREATE TABLE t ({listed})")
    for row in rows:
        cells = [
            date.fromisoformat(cell["$date"]) if isinstance(cell, dict) else cell for cell in row
        ]
        connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * len(cells))})", cells)
    return columns


def refusal(ruleset: Ruleset, columns: dict[str, str]) -> str | None:
    """Why a ruleset is refused up front; a column that is not there fails its rule in a run."""
    try:
        check_supported(ruleset, columns)
    except Invalid as problem:
        if problem.code == "RULE_COLUMN_UNKNOWN":
            return None
        where = any(getattr(rule, "where", None) is not None for rule in ruleset.rules)
        return "a where clause" if where else str(problem.details["rule_type"])
    return None


def differences(
    case: dict[str, Any], rules: tuple[AnyRule, ...], result: QualityResult
) -> list[str]:
    found = []
    outcomes = [str(rule.outcome) for rule in result.rules]
    expected = {"Passed": "PASS", "Failed": "FAIL"}
    for position, outcome in case["outcomes"].items():
        chosen = outcomes if position == "*" else [outcomes[int(position)]]
        found += [f"{one} for {outcome}" for one in chosen if one != expected[outcome]]
    metrics = {name: value for rule in result.rules for name, value in rule.metrics.items()}
    found += [
        f"{name} is {metrics.get(name)} for {value}"
        for name, value in case["metrics"]
        if metrics.get(name) != value
    ]
    # The rows of a composite are joined row by row, which tells nothing about the whole.
    if case["row_outcomes"] and not any(isinstance(rule, Composite) for rule in rules):
        all_rows = all(outcome == "Passed" for outcome in case["row_outcomes"])
        if all_rows != all(outcome == "PASS" for outcome in outcomes):
            found.append(f"{outcomes} for the rows {case['row_outcomes']}")
    return found


def test_dqdl_outcomes__are_those_that_the_published_engine_recorded(
    capsys: pytest.CaptureFixture[str],
) -> None:
    known = cases("dqdl_outcomes.jsonl")
    refused: Counter[str] = Counter()
    others: list[tuple[str, list[str]]] = []
    for case in known:
        ruleset = parse(case["ruleset"])
        with duckdb.connect(":memory:") as connection:
            columns = load(connection, case["df"])
            result = evaluate(connection, "t", columns, ruleset, clock=CLOCK)
        reason = refusal(ruleset, columns)
        if reason is not None:
            refused[reason] += 1
            assert Outcome.ERROR in [rule.outcome for rule in result.rules], case["name"]
        elif found := differences(case, ruleset.rules, result):
            others.append((case["name"], found))
    listed = ", ".join(f"{name} {count}" for name, count in sorted(refused.items()))
    tell(
        capsys,
        f"DQDL outcomes: {len(known)} cases, {len(known) - refused.total()} evaluated, "
        f"{len(others)} of them otherwise; refused as unsupported {refused.total()}: {listed}",
    )
    assert others == []
