"""Recorded outcomes of Glue's rules, and what the sandbox makes of the same tables and rules."""

import json
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from meshplane.sandbox.glue_quality.dqdl import parse
from meshplane.sandbox.glue_quality.evaluation import evaluate
from meshplane.sandbox.glue_quality.measures import Measured, quoted

CASES = Path(__file__).resolve().parents[2] / "../shared/conformance/dqdl_outcomes.jsonl"
AS_RECORDED = {"PASS": "Passed", "FAIL": "Failed", "ERROR": "Failed"}


def cases() -> list[Any]:
    if not CASES.exists():
        return []
    return [json.loads(line) for line in CASES.read_text().splitlines()]


def measured(connection: duckdb.DuckDBPyConnection, name: str, frame: dict[str, Any]) -> Measured:
    columns = {
        column: [row[index] for row in frame["rows"]]
        for index, column in enumerate(frame["columns"])
    }
    arrays = {
        name: pa.array(values, pa.string()) if all(one is None for one in values) else values
        for name, values in columns.items()
    }
    connection.register(name, pa.table(arrays))
    known = connection.table(name)
    types = map(str, known.types)
    return Measured(
        connection,
        quoted(name),
        dict(zip((one.lower() for one in known.columns), types, strict=True)),
    )


@pytest.mark.parametrize("case", cases(), ids=lambda case: case["name"][:80])
def test_recorded_outcome__is_what_the_sandbox_gives(case: dict[str, Any]) -> None:
    with duckdb.connect(":memory:", config={"enable_external_access": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        table = measured(connection, "primary table", case["df"])
        more = (case.get("additional") or {}).items()
        others = {alias: measured(connection, f"the {alias}", frame) for alias, frame in more}
        results = [
            evaluate(rule, table, others, number)
            for number, rule in enumerate(parse(case["ruleset"]), 1)
        ]
    given = [AS_RECORDED[one["Result"]] for one in results]
    for index, expected in case["outcomes"].items():
        wanted = given if index == "*" else [given[int(index)]]
        assert wanted == [expected] * len(wanted), results
    assert given
    metrics = {
        name: value for one in results for name, value in one.get("EvaluatedMetrics", {}).items()
    }
    for name, value in case.get("metrics") or []:
        assert metrics[name] == pytest.approx(value), results


def test_recorded_outcomes__are_there() -> None:
    if not CASES.exists():
        pytest.skip("the folder `shared` is not beside the repository")
    assert len(cases()) > 100
