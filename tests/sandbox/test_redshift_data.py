"""Redshift's Data API in the sandbox: statements from the start to their results."""

from collections.abc import Iterator
from typing import Any

import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.redshift_data import RedshiftDataFake
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in

PLACE = {"WorkgroupName": "analytics", "Database": "dev"}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"redshift": RedshiftDataFake}) as running:
        fake = running.world.services["redshift-data"]
        with running.world.lock:
            loaded = fake.database("111122223333", "eu-central-1", "analytics")
            loaded.execute(
                "CREATE TABLE flights AS SELECT i::BIGINT AS id, 'LH' || i AS carrier, "
                "(i * 1.25)::DECIMAL(10, 2) AS price, DATE '2026-01-01' + i::INTEGER AS day "
                "FROM range(1, 2501) AS t(i)"
            )
        yield running


@pytest.fixture(scope="module")
def aws(sandbox: AwsSandbox) -> Aws:
    return aws_of(sandbox)


def done(aws: Aws, sql: str, parameters: dict[str, str] | None = None) -> dict[str, Any]:
    """A statement's description, once it has ended."""
    bound = [{"name": name, "value": value} for name, value in (parameters or {}).items()]
    given: dict[str, Any] = {"Parameters": bound} if bound else {}
    number = aws.run("redshift-data", "execute_statement", Sql=sql, **PLACE, **given)["Id"]
    while True:
        shown = aws.run("redshift-data", "describe_statement", Id=number)
        if shown["Status"] in {"FINISHED", "FAILED", "ABORTED"}:
            return shown


def test_select__gives_records_of_tagged_values(aws: Aws) -> None:
    sql = (
        "SELECT id, carrier, price, day, id > 1 AS late, 0.5::float8 AS half, "
        "NULL::varchar AS nothing FROM flights ORDER BY id LIMIT 1"
    )
    shown = done(aws, sql)
    assert (shown["Status"], shown["HasResultSet"], shown["ResultRows"]) == ("FINISHED", True, 1)
    answer = aws.run("redshift-data", "get_statement_result", Id=shown["Id"])
    assert answer["Records"] == [
        [
            {"longValue": 1},
            {"stringValue": "LH1"},
            {"stringValue": "1.25"},
            {"stringValue": "2026-01-02"},
            {"booleanValue": False},
            {"doubleValue": 0.5},
            {"isNull": True},
        ]
    ]
    types = [one["typeName"] for one in answer["ColumnMetadata"]]
    assert types == ["int8", "varchar", "numeric", "date", "bool", "float8", "varchar"]


def test_results__come_in_pages(aws: Aws) -> None:
    shown = done(aws, "SELECT id FROM flights ORDER BY id")
    pages = list(aws.run_pages("redshift-data", "get_statement_result", Id=shown["Id"]))
    assert [len(page["Records"]) for page in pages] == [1000, 1000, 500]
    assert pages[0]["TotalNumRows"] == 2500


def test_parameters__are_bound_by_name(aws: Aws) -> None:
    sql = "SELECT count(*) FROM flights WHERE id <= :most AND day >= :day AND carrier <> :text"
    shown = done(aws, sql, {"most": "10", "day": "2026-01-06", "text": "'; DROP TABLE flights"})
    answer = aws.run("redshift-data", "get_statement_result", Id=shown["Id"])
    assert answer["Records"] == [[{"longValue": 6}]]


def test_parameters__that_are_missing_or_too_many_are_told(aws: Aws) -> None:
    assert "Cannot find parameter: most" in done(aws, "SELECT :most")["Error"]
    with pytest.raises(AwsRejected) as refused:
        done(aws, "SELECT 1", {"most": "10"})
    assert refused.value.aws_code == "ValidationException"


@pytest.mark.parametrize("sql", ["SELECT gone FROM flights", "SELEC 1", "SELECT 1; SELECT 2"])
def test_failure__is_told_and_has_no_result(aws: Aws, sql: str) -> None:
    shown = done(aws, sql)
    assert shown["Status"] == "FAILED"
    assert shown["Error"].startswith("ERROR: ")
    with pytest.raises(AwsRejected) as refused:
        aws.run("redshift-data", "get_statement_result", Id=shown["Id"])
    assert refused.value.aws_code == "ResourceNotFoundException"


def test_result__of_what_has_not_ended_is_not_there(aws: Aws) -> None:
    number = aws.run("redshift-data", "execute_statement", Sql="SELECT 1", **PLACE)["Id"]
    with pytest.raises(AwsRejected):
        aws.run("redshift-data", "get_statement_result", Id=number)
    state = aws.run("redshift-data", "describe_statement", Id=number)["Status"]
    assert state == "STARTED"
    waited = aws.run("redshift-data", "describe_statement", Id=number, WaitTimeSeconds=5)
    assert waited["Status"] == "FINISHED"


def test_cancel__ends_a_running_statement_once(aws: Aws) -> None:
    number = aws.run("redshift-data", "execute_statement", Sql="SELECT 1", **PLACE)["Id"]
    assert aws.run("redshift-data", "cancel_statement", Id=number)["Status"] is True
    assert aws.run("redshift-data", "describe_statement", Id=number)["Status"] == "ABORTED"
    with pytest.raises(AwsRejected):
        aws.run("redshift-data", "cancel_statement", Id=number)


def test_same_token__is_the_same_statement(aws: Aws) -> None:
    asked = {"Sql": "SELECT 1", "ClientToken": "once", **PLACE}
    first = aws.run("redshift-data", "execute_statement", **asked)
    again = aws.run("redshift-data", "execute_statement", **asked)
    assert first["Id"] == again["Id"]


@pytest.mark.parametrize(
    "place",
    [
        {"Database": "dev"},
        {"WorkgroupName": "analytics"},
        {"WorkgroupName": "analytics", "ClusterIdentifier": "c", "Database": "dev"},
        {"WorkgroupName": "analytics", "Database": "dev", "DbUser": "me"},
        {"WorkgroupName": "UPPER", "Database": "dev"},
    ],
)
def test_place__must_be_named_in_full_and_once(aws: Aws, place: dict[str, str]) -> None:
    with pytest.raises(AwsRejected) as refused:
        aws.run("redshift-data", "execute_statement", Sql="SELECT 1", **place)
    assert refused.value.aws_code == "ValidationException"


def test_batch__is_undone_when_one_of_it_fails(aws: Aws) -> None:
    sqls = ["CREATE TABLE kept (n INT)", "INSERT INTO kept VALUES (1)"]

    def run(statements: list[str]) -> dict[str, Any]:
        number = aws.run("redshift-data", "batch_execute_statement", Sqls=statements, **PLACE)["Id"]
        return aws.run("redshift-data", "describe_statement", Id=number, WaitTimeSeconds=5)

    failed = run([*sqls, "SELECT gone FROM kept"])
    assert failed["Status"] == "FAILED"
    assert [one["Status"] for one in failed["SubStatements"]] == ["FINISHED", "FINISHED", "FAILED"]
    assert done(aws, "SELECT * FROM kept")["Status"] == "FAILED"
    worked = run([*sqls, "SELECT sum(n) FROM kept"])
    assert worked["Status"] == "FINISHED"
    last = worked["SubStatements"][2]["Id"]
    answer = aws.run("redshift-data", "get_statement_result", Id=last)
    assert answer["Records"] == [[{"longValue": 1}]]


def test_tables__are_listed_and_described(aws: Aws) -> None:
    listed = aws.run("redshift-data", "list_tables", TablePattern="fl%", **PLACE)["Tables"]
    assert [(one["name"], one["type"]) for one in listed] == [("flights", "TABLE")]
    columns = aws.run("redshift-data", "describe_table", Table="flights", **PLACE)["ColumnList"]
    assert [(one["name"], one["typeName"]) for one in columns] == [
        ("id", "int8"),
        ("carrier", "varchar"),
        ("price", "numeric"),
        ("day", "date"),
    ]
    assert (columns[2]["precision"], columns[2]["scale"]) == (10, 2)
    assert "dev" in aws.run("redshift-data", "list_databases", **PLACE)["Databases"]
    assert "public" in aws.run("redshift-data", "list_schemas", **PLACE)["Schemas"]


def test_statements__are_listed_by_state_and_name(aws: Aws) -> None:
    number = aws.run(
        "redshift-data", "execute_statement", Sql="SELECT 7", StatementName="seven", **PLACE
    )["Id"]
    aws.run("redshift-data", "describe_statement", Id=number, WaitTimeSeconds=1)
    listed = aws.run("redshift-data", "list_statements", StatementName="seven", Status="FINISHED")[
        "Statements"
    ]
    assert [one["Id"] for one in listed] == [number]
