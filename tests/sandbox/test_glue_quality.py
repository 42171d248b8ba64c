"""Glue Data Quality in the sandbox: rulesets, runs, results."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.glue_quality import GlueQualityFake
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.sandbox_lake import Guard, Seen, iceberg_table, make_bucket

ROLE = "arn:aws:iam::111122223333:role/quality"
SOURCE = {"GlueTable": {"DatabaseName": "aviation", "TableName": "flights"}}
ROWS = pa.table(
    {
        "id": [1, 2, 3, 4],
        "carrier": ["LH", "LH", "AF", None],
        "price": [10.0, 20.0, 30.0, 40.0],
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"glue": GlueQualityFake}) as running:
        yield running


@pytest.fixture(scope="module")
def aws(sandbox: AwsSandbox) -> Aws:
    aws = aws_of(sandbox)
    make_bucket(aws)
    iceberg_table(aws, "aviation", "flights", ROWS)
    return aws


def put(aws: Aws, name: str, *rules: str) -> None:
    text = f"Rules = [ {', '.join(rules)} ]"
    aws.run("glue", "create_data_quality_ruleset", Name=name, Ruleset=text)


def started(aws: Aws, *names: str, **more: Any) -> str:
    given = {"DataSource": SOURCE, "Role": ROLE, "RulesetNames": list(names), **more}
    answer = aws.run("glue", "start_data_quality_ruleset_evaluation_run", **given)
    return str(answer["RunId"])


def run_of(aws: Aws, number: str) -> dict[str, Any]:
    return aws.run("glue", "get_data_quality_ruleset_evaluation_run", RunId=number)


def ended(aws: Aws, number: str) -> dict[str, Any]:
    while True:
        run = run_of(aws, number)
        if run["Status"] not in {"STARTING", "RUNNING"}:
            return run


def results(aws: Aws, name: str, *rules: str, **more: Any) -> dict[str, Any]:
    """The result of a new ruleset."""
    put(aws, name, *rules)
    run = ended(aws, started(aws, name, **more))
    assert run["Status"] == "SUCCEEDED", run
    return aws.run("glue", "get_data_quality_result", ResultId=run["ResultIds"][0])


def test_run__goes_through_its_states_and_gives_a_score(aws: Aws) -> None:
    put(aws, "states", "RowCount = 4", 'IsComplete "carrier"')
    number = started(aws, "states")
    states = [run_of(aws, number)["Status"] for _ in range(2)]
    assert states == ["RUNNING", "SUCCEEDED"]
    run = run_of(aws, number)
    result = aws.run("glue", "get_data_quality_result", ResultId=run["ResultIds"][0])
    assert result["Score"] == 0.5
    assert result["RulesetName"] == "states"
    assert result["RulesetEvaluationRunId"] == number
    first, second = result["RuleResults"]
    assert (first["Name"], first["Description"], first["Result"]) == (
        "Rule_1",
        "RowCount = 4",
        "PASS",
    )
    assert first["EvaluatedMetrics"] == {"Dataset.*.RowCount": 4.0}
    assert second["Result"] == "FAIL"
    assert second["EvaluatedMetrics"] == {"Column.carrier.Completeness": 0.75}
    assert second["EvaluationMessage"] == "Value: 0.75 does not meet the constraint requirement!"


@pytest.mark.parametrize(
    ("rule", "outcome"),
    [
        ("RowCount between 3 and 5", "PASS"),
        ("RowCount between 4 and 5", "FAIL"),
        ("ColumnCount = 3", "PASS"),
        ('ColumnExists "carrier"', "PASS"),
        ('Completeness "carrier" >= 0.75', "PASS"),
        ('IsUnique "id"', "PASS"),
        ('IsUnique "carrier"', "FAIL"),
        ('IsPrimaryKey "id"', "PASS"),
        ('IsPrimaryKey "carrier"', "FAIL"),
        ('Uniqueness "carrier" > 0.3', "PASS"),
        ('UniqueValueRatio "carrier" = 0.5', "PASS"),
        ('DistinctValuesCount "carrier" = 3', "PASS"),
        ('Mean "price" = 25', "PASS"),
        ('Sum "price" between 99 and 101', "PASS"),
        ('StandardDeviation "price" between 11 and 12', "PASS"),
        ('ColumnValues "price" > 9', "PASS"),
        ('ColumnValues "price" between 10 and 41', "FAIL"),
        ('ColumnValues "carrier" in ["LH", "AF"]', "FAIL"),
        ('ColumnValues "carrier" in ["LH", "AF", NULL]', "PASS"),
        ('ColumnValues "carrier" in ["LH", "AF"] with threshold > 0.7', "PASS"),
        ('ColumnValues "carrier" != "XX"', "PASS"),
        ('ColumnValues "carrier" not in ["XX"]', "PASS"),
        ('ColumnValues "carrier" matches "[A-Z]{2}" where "id < 4"', "PASS"),
        ('ColumnValues "carrier" matches "[A-Z]"', "FAIL"),
        ('ColumnLength "carrier" = 2 where "id < 4"', "PASS"),
        ('CustomSql "select max(price) from primary" = 40', "PASS"),
        ('CustomSql "select id from primary where price > 10" with threshold > 0.7', "PASS"),
        ('CustomSql "select gone from primary" = 1', "FAIL"),
        ('ColumnValues "gone" > 1', "FAIL"),
        ('(RowCount > 100) or (IsUnique "id")', "PASS"),
        ('(RowCount > 1) and (IsComplete "carrier")', "FAIL"),
        ('(RowCount > 100) and (RowCount > 1) or (IsUnique "id")', "PASS"),
        ("DetectAnomalies", "ERROR"),
        ('SchemaMatch "other" = 1.0', "ERROR"),
    ],
)
def test_rule__has_the_outcome_that_its_words_say(
    aws: Aws, rule: str, outcome: str, request: pytest.FixtureRequest
) -> None:
    if rule == "DetectAnomalies":
        rule = 'DetectAnomalies "RowCount"'
    name = f"rule {abs(hash(request.node.name))}"
    only = results(aws, name, rule)["RuleResults"][0]
    assert only["Result"] == outcome, only


def test_additional_source__is_another_table_by_its_alias(aws: Aws) -> None:
    iceberg_table(aws, "aviation", "carriers", pa.table({"code": ["LH", "AF", "BA"]}))
    other = {"GlueTable": {"DatabaseName": "aviation", "TableName": "carriers"}}
    found = results(
        aws,
        "two tables",
        'ReferentialIntegrity "carrier" "known.code" = 0.75',
        'RowCountMatch "known" > 1.3',
        AdditionalDataSources={"known": other},
    )
    assert [one["Result"] for one in found["RuleResults"]] == ["PASS", "PASS"]


@pytest.mark.parametrize(
    "text",
    [
        "Rules = []",
        "IsComplete",
        'Rules = [ IsComplet "id" ]',
        'Rules = [ IsComplete "id" > 1 ]',
        'Rules = [ Completeness "id" ]',
        'Rules = [ ColumnValues "id" > 1 with ]',
        'Rules = [ RowCount "id" > 1 ]',
        "Rules = [ RowCount > 1",
    ],
)
def test_ruleset__that_is_not_dqdl_is_refused(aws: Aws, text: str) -> None:
    with pytest.raises(AwsRejected) as refused:
        aws.run("glue", "create_data_quality_ruleset", Name="wrong", Ruleset=text)
    assert refused.value.aws_code == "InvalidInputException"


def test_ruleset__is_read_changed_listed_and_deleted(aws: Aws) -> None:
    target = {"DatabaseName": "aviation", "TableName": "flights"}
    given = {"Name": "kept", "Ruleset": "Rules = [ RowCount > 0 ]", "TargetTable": target}
    aws.run("glue", "create_data_quality_ruleset", **given)
    with pytest.raises(AwsRejected) as twice:
        aws.run("glue", "create_data_quality_ruleset", **given)
    assert twice.value.aws_code == "AlreadyExistsException"
    text = 'Rules = [ RowCount > 1, IsUnique "id" ]'
    aws.run("glue", "update_data_quality_ruleset", Name="kept", Ruleset=text)
    assert aws.run("glue", "get_data_quality_ruleset", Name="kept")["Ruleset"] == text
    listed = aws.run("glue", "list_data_quality_rulesets", Filter={"TargetTable": target})
    assert [(one["Name"], one["RuleCount"]) for one in listed["Rulesets"]] == [("kept", 2)]
    aws.run("glue", "delete_data_quality_ruleset", Name="kept")
    with pytest.raises(AwsRejected) as gone:
        aws.run("glue", "get_data_quality_ruleset", Name="kept")
    assert gone.value.aws_code == "EntityNotFoundException"


def test_run__needs_its_ruleset_and_its_table(aws: Aws) -> None:
    put(aws, "lonely", "RowCount > 0")
    with pytest.raises(AwsRejected) as no_ruleset:
        started(aws, "unknown")
    assert no_ruleset.value.aws_code == "EntityNotFoundException"
    nowhere = {"GlueTable": {"DatabaseName": "aviation", "TableName": "nothing"}}
    with pytest.raises(AwsRejected) as no_table:
        started(aws, "lonely", DataSource=nowhere)
    assert no_table.value.aws_code == "EntityNotFoundException"


def test_run__with_the_same_token_is_the_same_run(aws: Aws) -> None:
    put(aws, "token", "RowCount > 0")
    first = started(aws, "token", ClientToken="once")
    assert started(aws, "token", ClientToken="once") == first
    with pytest.raises(AwsRejected) as other:
        started(aws, "token", ClientToken="once", Timeout=5)
    assert other.value.aws_code == "ConflictException"


def test_run__is_cancelled_once(aws: Aws) -> None:
    put(aws, "stopped", "RowCount > 0")
    number = started(aws, "stopped")
    aws.run("glue", "cancel_data_quality_ruleset_evaluation_run", RunId=number)
    assert run_of(aws, number)["Status"] == "STOPPED"
    with pytest.raises(AwsRejected):
        aws.run("glue", "cancel_data_quality_ruleset_evaluation_run", RunId=number)


def test_results__are_listed_and_read_together(aws: Aws) -> None:
    put(aws, "first", "RowCount > 0")
    put(aws, "second", "RowCount > 9")
    run = ended(aws, started(aws, "first", "second"))
    answer = aws.run(
        "glue", "batch_get_data_quality_result", ResultIds=[*run["ResultIds"], "unknown"]
    )
    assert [one["Score"] for one in answer["Results"]] == [1.0, 0.0]
    assert answer["ResultsNotFound"] == ["unknown"]
    listed = aws.run("glue", "list_data_quality_results", Filter={"DataSource": SOURCE})
    numbers = [one["ResultId"] for one in listed["Results"]]
    assert numbers[:2] == run["ResultIds"][::-1]
    runs = aws.run(
        "glue", "list_data_quality_ruleset_evaluation_runs", Filter={"DataSource": SOURCE}
    )["Runs"]
    assert runs[0]["RunId"] == run["RunId"]


def test_run__reads_the_table_as_its_role(sandbox: AwsSandbox, aws: Aws) -> None:
    guard = Guard(sandbox.world)
    sandbox.world.services["lakeformation"] = guard
    try:
        put(aws, "as role", "RowCount = 4")
        refused = ended(aws, started(aws, "as role"))
        assert refused["Status"] == "FAILED"
        assert "Insufficient Lake Formation permission(s)" in refused["ErrorString"]
        guard.seen["quality", "flights"] = (Seen(frozenset({"id", "price"}), "price > 15"),)
        found = results(aws, "some", "RowCount = 3", 'ColumnExists "carrier"')
        assert [one["Result"] for one in found["RuleResults"]] == ["PASS", "FAIL"]
    finally:
        del sandbox.world.services["lakeformation"]
