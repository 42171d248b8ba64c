"""Athena's fake: queries from the start to their results."""

import csv
import io
import random
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.table import Table

from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.errors import AwsRejected
from meshplane.sandbox.athena import AthenaFake
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.sandbox_lake import (
    failure_of,
    iceberg_table,
    make_bucket,
    make_workgroup,
    query,
    rows_of,
)

FLIGHTS = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "carrier": ["LH", "LH", "AF", None],
        "seats": pa.array([180, 220, 150, 7], pa.int32()),
        "price": pa.array([Decimal("99.50"), Decimal("120.00"), Decimal("7.05"), None]),
        "day": [date(2026, 1, 1), date(2026, 1, 2), date(2026, 1, 3), None],
        "ratio": pa.array([0.5, 1e10, 1e-5, None], pa.float64()),
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"athena": partial(AthenaFake, open=True)}) as running:
        yield running


@pytest.fixture(scope="module")
def aws(sandbox: AwsSandbox) -> Aws:
    aws = aws_of(sandbox)
    make_bucket(aws)
    make_workgroup(aws)
    return aws


@pytest.fixture(scope="module")
def flights(aws: Aws) -> Table:
    return iceberg_table(aws, "aviation", "flights", FLIGHTS)


def test_select__gives_the_header_first_and_then_texts(aws: Aws, flights: Table) -> None:
    assert rows_of(aws, "SELECT * FROM aviation.flights ORDER BY id") == [
        ["id", "carrier", "seats", "price", "day", "ratio"],
        ["1", "LH", "180", "99.50", "2026-01-01", "0.5"],
        ["2", "LH", "220", "120.00", "2026-01-02", "1.0E10"],
        ["3", "AF", "150", "7.05", "2026-01-03", "1.0E-5"],
        ["4", None, "7", None, None, None],
    ]


def test_select__names_and_types_its_columns_as_athena_does(aws: Aws, flights: Table) -> None:
    sql = (
        "SELECT id, count(*), sum(seats), max(price) AS top, avg(ratio), max(day), "
        "timestamp '2026-01-01 10:00:00', true, array_agg(seats) "
        "FROM aviation.flights GROUP BY id ORDER BY id LIMIT 1"
    )
    execution = query(aws, sql)
    answer = aws.run("athena", "get_query_results", QueryExecutionId=execution["QueryExecutionId"])
    columns = answer["ResultSet"]["ResultSetMetadata"]["ColumnInfo"]
    assert [(one["Name"], one["Type"]) for one in columns] == [
        ("id", "bigint"),
        ("_col1", "bigint"),
        ("_col2", "bigint"),
        ("top", "decimal"),
        ("_col4", "double"),
        ("_col5", "date"),
        ("_col6", "timestamp"),
        ("_col7", "boolean"),
        ("_col8", "array"),
    ]
    assert (columns[3]["Precision"], columns[3]["Scale"]) == (5, 2)


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("7 / 2", "3"),
        ("-7 / 2", "-3"),
        ("7 / 2.0e0", "3.5"),
        ("true", "true"),
        ("cast(null as integer)", None),
        ("ARRAY[1, NULL]", "[1, null]"),
        ("MAP(ARRAY['a'], ARRAY[1])", "{a=1}"),
        ("cast(row(1, 'x') as row(n integer, s varchar))", "{n=1, s=x}"),
        ("X'4869'", "48 69"),
        ("cast(1.5 as decimal(10, 3))", "1.500"),
        ("cast(16777216 as real)", "1.6777216E7"),
        ("cast(0.1 as real)", "0.1"),
        ("1e0 / 0e0 > 1", "true"),
        ("date_diff('day', date '2026-01-01', date '2026-01-31')", "30"),
        ("date_trunc('month', date '2026-01-31')", "2026-01-01"),
        ("coalesce(null, 'it''s')", "it's"),
        ("strpos('meshplane', 'plane')", "5"),
    ],
)
def test_select__an_expression_prints_as_athena_prints_it(
    aws: Aws, expression: str, text: str | None
) -> None:
    assert rows_of(aws, f"SELECT {expression} AS v") == [["v"], [text]]


def test_names__are_found_with_and_without_database_and_catalog(aws: Aws, flights: Table) -> None:
    for name in (
        "aviation.flights",
        '"aviation"."flights"',
        "awsdatacatalog.aviation.flights",
        '"AwsDataCatalog"."aviation"."flights"',
        "AVIATION.Flights",
    ):
        assert rows_of(aws, f"SELECT count(*) AS n FROM {name}") == [["n"], ["4"]]
    context = {"Database": "aviation"}
    assert rows_of(
        aws,
        "WITH flights AS (SELECT id FROM flights WHERE id < 3) "
        "SELECT f.id FROM flights f JOIN aviation.flights g ON f.id = g.id ORDER BY 1",
        QueryExecutionContext=context,
    ) == [["id"], ["1"], ["2"]]
    assert rows_of(
        aws, "SELECT aviation.flights.id FROM aviation.flights WHERE aviation.flights.id = 2"
    ) == [["id"], ["2"]]


def test_parameters__stand_in_the_place_of_question_marks_in_their_order(
    aws: Aws, flights: Table
) -> None:
    sql = "SELECT id, ? AS note FROM aviation.flights WHERE carrier = ? AND day >= ? ORDER BY id"
    parameters = ["'it''s a ?'", "'LH'", "DATE '2026-01-02'"]
    assert rows_of(aws, sql, parameters=parameters) == [["id", "note"], ["2", "it's a ?"]]


@pytest.mark.parametrize("parameters", [["1", "2"], ["carrier"], ["(SELECT 1)"], ["1 OR 2 ="]])
def test_parameters__that_do_not_fit_or_are_no_literals_fail_the_query(
    aws: Aws, flights: Table, parameters: list[str]
) -> None:
    reason = failure_of(aws, "SELECT id FROM aviation.flights WHERE id = ?", parameters=parameters)
    assert reason.startswith(("INVALID_PARAMETER_USAGE", "SYNTAX_ERROR"))


@pytest.mark.parametrize(
    ("sql", "reason"),
    [
        (
            "SELECT * FROM aviation.nothing",
            "TABLE_NOT_FOUND: line 1:15: Table 'awsdatacatalog.aviation.nothing' does not exist",
        ),
        ("SELECT * FROM nowhere.flights", "SCHEMA_NOT_FOUND"),
        ("SELECT * FROM flights", "MISSING_SCHEMA_NAME"),
        ("SELECT * FROM other.aviation.flights", "CATALOG_NOT_FOUND"),
        (
            "SELECT gone FROM aviation.flights",
            "COLUMN_NOT_FOUND: line 1:8: Column 'gone' cannot be resolved or requester is not "
            "authorized to access requested resources",
        ),
        (
            "SELECT f.gone FROM aviation.flights f",
            "COLUMN_NOT_FOUND: line 1:10: Column 'gone' cannot be resolved or requester is not "
            "authorized to access requested resources",
        ),
        ("SELECT id / 0 FROM aviation.flights", "DIVISION_BY_ZERO"),
        ("SELECT cast(carrier AS integer) FROM aviation.flights", "INVALID_CAST_ARGUMENT"),
        ("SELECT no_such(id) FROM aviation.flights", "FUNCTION_NOT_FOUND"),
        ("SELECT carrier FROM aviation.flights GROUP BY id", "SYNTAX_ERROR"),
        ("SELECT * FROM read_csv('/etc/hosts')", "FUNCTION_NOT_FOUND"),
        ("SELECT * FROM duckdb_settings()", "FUNCTION_NOT_FOUND"),
    ],
)
def test_failure__says_why_as_athena_does(aws: Aws, flights: Table, sql: str, reason: str) -> None:
    assert failure_of(aws, sql).startswith(reason)


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", "MALFORMED_QUERY"),
        ("SELECT * FROM", "MALFORMED_QUERY"),
        ("SELECT 1; SELECT 2", "INVALID_INPUT"),
        ("INSERT INTO aviation.flights VALUES (1)", "INVALID_INPUT"),
        ("DELETE FROM aviation.flights", "INVALID_INPUT"),
    ],
)
def test_start__refuses_what_is_no_query(aws: Aws, sql: str, code: str) -> None:
    with pytest.raises(AwsRejected) as refused:
        query(aws, sql)
    assert refused.value.aws_code == "InvalidRequestException"
    assert refused.value.answer["AthenaErrorCode"] == code


def test_start__with_the_same_token_is_the_same_query(aws: Aws) -> None:
    token = "t" * 32
    asked = {"QueryString": "SELECT 1", "WorkGroup": "project", "ClientRequestToken": token}
    first = aws.run("athena", "start_query_execution", **asked)
    again = aws.run("athena", "start_query_execution", **asked)
    assert first["QueryExecutionId"] == again["QueryExecutionId"]
    with pytest.raises(AwsRejected):
        aws.run("athena", "start_query_execution", **{**asked, "QueryString": "SELECT 2"})


def test_states__go_from_queued_over_running_to_the_end(sandbox: AwsSandbox, aws: Aws) -> None:
    fake = sandbox.world.services["athena"]
    fake.polls_before_end = 2
    try:
        number = aws.run(
            "athena", "start_query_execution", QueryString="SELECT 1", WorkGroup="project"
        )["QueryExecutionId"]
        with pytest.raises(AwsRejected) as early:
            aws.run("athena", "get_query_results", QueryExecutionId=number)
        assert early.value.aws_code == "InvalidRequestException"
        states = [
            aws.run("athena", "get_query_execution", QueryExecutionId=number)["QueryExecution"][
                "Status"
            ]["State"]
            for _ in range(3)
        ]
    finally:
        fake.polls_before_end = 1
    assert states == ["QUEUED", "RUNNING", "SUCCEEDED"]


def test_stop__a_running_query_is_cancelled_and_has_no_results(aws: Aws) -> None:
    number = aws.run(
        "athena", "start_query_execution", QueryString="SELECT 1", WorkGroup="project"
    )["QueryExecutionId"]
    aws.run("athena", "stop_query_execution", QueryExecutionId=number)
    execution = aws.run("athena", "get_query_execution", QueryExecutionId=number)["QueryExecution"]
    assert execution["Status"]["State"] == "CANCELLED"
    with pytest.raises(AwsRejected):
        aws.run("athena", "get_query_results", QueryExecutionId=number)


def test_results__come_in_pages_of_which_the_first_has_the_header(aws: Aws) -> None:
    sql = "SELECT x FROM UNNEST(sequence(1, 2500)) AS t(x)"
    number = query(aws, sql)["QueryExecutionId"]
    pages = list(aws.run_pages("athena", "get_query_results", QueryExecutionId=number))
    assert [len(page["ResultSet"]["Rows"]) for page in pages] == [1000, 1000, 501]
    assert pages[0]["ResultSet"]["Rows"][0] == {"Data": [{"VarCharValue": "x"}]}
    assert pages[2]["ResultSet"]["Rows"][-1] == {"Data": [{"VarCharValue": "2500"}]}
    with pytest.raises(AwsRejected):
        aws.run("athena", "get_query_results", QueryExecutionId=number, NextToken="other:1")


def test_result_file__is_a_csv_where_the_workgroup_says(aws: Aws, flights: Table) -> None:
    sql = "SELECT carrier, 'say \"hi\"' AS t FROM aviation.flights WHERE id > 2 ORDER BY id"
    execution = query(aws, sql)
    number = execution["QueryExecutionId"]
    place = execution["ResultConfiguration"]["OutputLocation"]
    assert place == f"s3://lake/results/project/{number}.csv"
    key = place.removeprefix("s3://lake/")
    text = aws.run("s3", "get_object", Bucket="lake", Key=key)["Body"].read().decode()
    assert text == '"carrier","t"\n"AF","say ""hi"""\n,"say ""hi"""\n'
    assert list(csv.reader(io.StringIO(text)))[1] == ["AF", 'say "hi"']


def test_scanned_bytes__are_those_of_the_columns_that_are_read(aws: Aws, flights: Table) -> None:
    def scanned(sql: str) -> int:
        return query(aws, sql)["Statistics"]["DataScannedInBytes"]

    one = scanned("SELECT id FROM aviation.flights")
    two = scanned("SELECT id, carrier FROM aviation.flights")
    all_of_them = scanned("SELECT * FROM aviation.flights")
    assert 0 < one < two < all_of_them
    assert scanned("SELECT count(*) FROM aviation.flights") == 0


def test_bytes_cutoff__cancels_what_would_scan_more(aws: Aws) -> None:
    noise = random.Random(5)
    big = pa.table({"noise": [noise.randbytes(100).hex() for _ in range(120_000)]})
    iceberg_table(aws, "large", "noise", big)
    make_workgroup(aws, "thrifty", BytesScannedCutoffPerQuery=10_000_000)
    status = query(aws, "SELECT max(noise) FROM large.noise", workgroup="thrifty")["Status"]
    scanned = query(aws, "SELECT max(noise) FROM large.noise")["Statistics"]["DataScannedInBytes"]
    assert scanned > 10_000_000
    assert (status["State"], status["StateChangeReason"]) == (
        "CANCELLED",
        "Bytes scanned limit was exceeded",
    )


def test_workgroup__that_enforces_its_configuration_wins_over_the_client(aws: Aws) -> None:
    asked: Any = {"ResultConfiguration": {"OutputLocation": "s3://lake/mine/"}}
    enforced = query(aws, "SELECT 1", **asked)["ResultConfiguration"]["OutputLocation"]
    assert enforced.startswith("s3://lake/results/project/")
    make_workgroup(aws, "lenient", EnforceWorkGroupConfiguration=False)
    own = query(aws, "SELECT 1", workgroup="lenient", **asked)
    assert own["ResultConfiguration"]["OutputLocation"].startswith("s3://lake/mine/")


def test_workgroup__without_a_place_for_results_needs_one_from_the_client(aws: Aws) -> None:
    with pytest.raises(AwsRejected, match="InvalidRequestException"):
        query(aws, "SELECT 1", workgroup="primary")
    place = {"OutputLocation": "s3://lake/mine/"}
    done = query(aws, "SELECT 1", workgroup="primary", ResultConfiguration=place)
    assert done["Status"]["State"] == "SUCCEEDED"
    nowhere = {"OutputLocation": "s3://no-such-bucket/"}
    with pytest.raises(AwsRejected):
        query(aws, "SELECT 1", workgroup="primary", ResultConfiguration=nowhere)


def test_workgroup__is_updated_disabled_and_deleted(aws: Aws) -> None:
    make_workgroup(aws, "brief")
    updates = {
        "BytesScannedCutoffPerQuery": 20_000_000,
        "ResultConfigurationUpdates": {"OutputLocation": "s3://lake/elsewhere/"},
    }
    aws.run("athena", "update_work_group", WorkGroup="brief", ConfigurationUpdates=updates)
    shown = aws.run("athena", "get_work_group", WorkGroup="brief")["WorkGroup"]
    assert shown["Configuration"]["BytesScannedCutoffPerQuery"] == 20_000_000
    assert shown["Configuration"]["ResultConfiguration"]["OutputLocation"] == "s3://lake/elsewhere/"
    engine = shown["Configuration"]["EngineVersion"]["EffectiveEngineVersion"]
    assert engine == "Athena engine version 3"
    aws.run("athena", "update_work_group", WorkGroup="brief", State="DISABLED")
    with pytest.raises(AwsRejected):
        query(aws, "SELECT 1", workgroup="brief")
    aws.run("athena", "delete_work_group", WorkGroup="brief")
    with pytest.raises(AwsRejected):
        aws.run("athena", "get_work_group", WorkGroup="brief")


def test_list__gives_a_workgroups_queries_newest_first(aws: Aws) -> None:
    make_workgroup(aws, "busy")
    numbers = [query(aws, f"SELECT {i}", workgroup="busy")["QueryExecutionId"] for i in range(3)]
    listed = aws.run("athena", "list_query_executions", WorkGroup="busy", MaxResults=2)
    assert listed["QueryExecutionIds"] == numbers[:0:-1]
    rest = aws.run(
        "athena", "list_query_executions", WorkGroup="busy", NextToken=listed["NextToken"]
    )
    assert rest["QueryExecutionIds"] == numbers[:1]
    both = aws.run("athena", "batch_get_query_execution", QueryExecutionIds=[numbers[0], "unknown"])
    assert [one["QueryExecutionId"] for one in both["QueryExecutions"]] == numbers[:1]
    assert both["UnprocessedQueryExecutionIds"][0]["QueryExecutionId"] == "unknown"


def test_prepared_statement__is_executed_with_values(aws: Aws, flights: Table) -> None:
    aws.run(
        "athena",
        "create_prepared_statement",
        StatementName="by_carrier",
        WorkGroup="project",
        QueryStatement="SELECT count(*) AS n FROM aviation.flights WHERE carrier = ?",
    )
    assert rows_of(aws, "EXECUTE by_carrier USING 'LH'") == [["n"], ["2"]]
    assert rows_of(aws, "EXECUTE by_carrier", parameters=["'AF'"]) == [["n"], ["1"]]


def test_explain__gives_a_plan_without_a_header(aws: Aws, flights: Table) -> None:
    rows = rows_of(aws, "EXPLAIN SELECT * FROM aviation.flights")
    assert rows[0] != ["Query Plan"]
    assert len(rows) > 1


def test_time_travel__reads_a_snapshot_by_its_id_and_by_an_instant(aws: Aws) -> None:
    table = iceberg_table(aws, "history", "stock", pa.table({"n": [1]}))
    first = table.metadata.snapshots[-1]
    between = datetime.now(UTC)
    table.append(pa.table({"n": [2]}))
    assert rows_of(aws, "SELECT sum(n) AS s FROM history.stock")[1] == ["3"]
    by_id = f"SELECT sum(n) AS s FROM history.stock FOR VERSION AS OF {first.snapshot_id}"
    assert rows_of(aws, by_id)[1] == ["1"]
    instant = f"TIMESTAMP '{between:%Y-%m-%d %H:%M:%S.%f} UTC'"
    by_time = f"SELECT sum(n) AS s FROM history.stock FOR TIMESTAMP AS OF {instant} AS t"
    assert rows_of(aws, by_time)[1] == ["1"]
    assert "INVALID_ARGUMENTS" in failure_of(aws, "SELECT n FROM history.stock FOR VERSION AS OF 5")
    early = "SELECT n FROM history.stock FOR TIMESTAMP AS OF TIMESTAMP '2001-01-01 00:00:00 UTC'"
    assert "INVALID_ARGUMENTS" in failure_of(aws, early)
    shown = rows_of(aws, 'SELECT snapshot_id, operation FROM "history"."stock$snapshots"')
    assert shown[1:] == [[str(one.snapshot_id), "append"] for one in table.metadata.snapshots]
    history = rows_of(aws, 'SELECT snapshot_id, is_current_ancestor FROM "history"."stock$history"')
    assert [row[1] for row in history[1:]] == ["true", "true"]


def test_deleted_rows__are_gone(aws: Aws) -> None:
    table = iceberg_table(aws, "history", "erased", pa.table({"n": [1, 2, 3]}))
    table.delete("n = 2")
    assert rows_of(aws, "SELECT n FROM history.erased ORDER BY n") == [["n"], ["1"], ["3"]]


def test_empty_table__has_its_columns_and_no_rows(aws: Aws) -> None:
    iceberg_table(aws, "history", "empty", pa.table({"n": pa.array([], pa.int64())}))
    assert rows_of(aws, "SELECT * FROM history.empty") == [["n"]]


def test_columns__are_those_that_glue_lists(aws: Aws) -> None:
    table = iceberg_table(aws, "history", "bare", pa.table({"n": [1]}))
    aws.run(
        "glue",
        "update_table",
        DatabaseName="history",
        TableInput={
            "Name": "bare",
            "TableType": "EXTERNAL_TABLE",
            "Parameters": {"table_type": "ICEBERG", "metadata_location": table.metadata_location},
        },
    )
    reason = failure_of(aws, "SELECT * FROM history.bare")
    assert reason == "COLUMN_NOT_FOUND: line 1:15: Relation contains no accessible columns"
