"""Athena's fake shows each role what Lake Formation lets it see, and no more."""

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pyarrow as pa
import pytest

from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.athena import AthenaFake
from meshplane.sandbox.server import AwsSandbox
from tests.builders.aws_sandbox import aws_as, aws_of, sandbox_in
from tests.builders.sandbox_lake import (
    Guard,
    Seen,
    failure_of,
    iceberg_table,
    make_bucket,
    make_workgroup,
    query,
    rows_of,
)

MESH, CONSUMER = "111122223333", "444455556666"
PEOPLE = pa.table(
    {
        "id": pa.array([1, 2, 3, 4], pa.int64()),
        "name": ["ann", "bob", "cid", None],
        "country": ["DE", "FR", None, "DE"],
        "pay": pa.array([10, 20, 30, None], pa.int64()),
    }
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in(fakes={"guard": Guard, "athena": partial(AthenaFake)}) as running:
        root = aws_of(running)
        make_bucket(root)
        make_workgroup(root)
        iceberg_table(root, "hr", "people", PEOPLE)
        yield running


@pytest.fixture
def guard(sandbox: AwsSandbox) -> Guard:
    found: Guard = sandbox.world.services["lakeformation"]
    found.seen.clear()
    sandbox.world.services["athena"].polls_before_end = 0
    return found


@pytest.fixture(scope="module")
def analyst(sandbox: AwsSandbox) -> Aws:
    return aws_as(sandbox, f"arn:aws:iam::{MESH}:role/analyst")


def seen(rows: str | None, *columns: str) -> Seen:
    return Seen(frozenset(columns), rows)


def test_no_grant__the_query_fails_for_want_of_permissions(guard: Guard, analyst: Aws) -> None:
    reason = failure_of(analyst, "SELECT * FROM hr.people")
    assert reason.startswith("Insufficient permissions to execute the query.")


def test_no_guard__nobody_sees_anything(sandbox: AwsSandbox, guard: Guard, analyst: Aws) -> None:
    del sandbox.world.services["lakeformation"]
    try:
        assert "Insufficient permissions" in failure_of(analyst, "SELECT * FROM hr.people")
    finally:
        sandbox.world.services["lakeformation"] = guard


def test_column_grant__other_columns_do_not_exist(guard: Guard, analyst: Aws) -> None:
    guard.seen["analyst", "people"] = (seen(None, "id", "country"),)
    assert rows_of(analyst, "SELECT * FROM hr.people WHERE id = 1") == [
        ["id", "country"],
        ["1", "DE"],
    ]
    reason = failure_of(analyst, "SELECT id, pay FROM hr.people")
    assert reason == (
        "COLUMN_NOT_FOUND: line 1:12: Column 'pay' cannot be resolved or requester is not "
        "authorized to access requested resources"
    )
    assert "COLUMN_NOT_FOUND" in failure_of(analyst, "SELECT id FROM hr.people ORDER BY pay")


def test_row_filter__shows_rows_for_which_it_is_true_and_hides_unknown(
    guard: Guard, analyst: Aws
) -> None:
    guard.seen["analyst", "people"] = (seen("country <> 'FR'", "id", "name"),)
    # The condition may use a column that is itself hidden; for id 3 it is unknown.
    rows = rows_of(analyst, "SELECT id FROM hr.people ORDER BY id")
    assert rows == [["id"], ["1"], ["4"]]
    assert rows_of(analyst, "SELECT count(*) AS n FROM hr.people") == [["n"], ["2"]]


def test_union__a_cell_is_null_where_no_scope_with_its_column_has_the_row(
    guard: Guard, analyst: Aws
) -> None:
    guard.seen["analyst", "people"] = (
        seen("country = 'DE'", "id", "pay"),
        seen("id >= 2", "id", "name"),
    )
    assert rows_of(analyst, "SELECT * FROM hr.people ORDER BY id") == [
        ["id", "name", "pay"],
        ["1", None, "10"],
        ["2", "bob", None],
        ["3", "cid", None],
        ["4", None, None],
    ]
    # A hidden cell is NULL for conditions, too.
    assert rows_of(analyst, "SELECT id FROM hr.people WHERE pay > 0") == [["id"], ["1"]]


def test_union__with_the_whole_table_is_the_whole_table(guard: Guard, analyst: Aws) -> None:
    everything = seen(None, *PEOPLE.column_names)
    guard.seen["analyst", "people"] = (seen("id = 1", "id"), everything)
    assert len(rows_of(analyst, "SELECT * FROM hr.people")) == 5


def test_queries__cannot_reach_hidden_rows_by_errors_or_functions(
    guard: Guard, analyst: Aws
) -> None:
    guard.seen["analyst", "people"] = (seen("id = 1", "id", "name"),)
    assert rows_of(analyst, "SELECT 10 / (id - 2) AS v FROM hr.people") == [["v"], ["-10"]]
    for sql in (
        "SELECT * FROM whole",
        "SELECT * FROM t1",
        "SELECT * FROM hr.t1",
        "SELECT * FROM duckdb_tables()",
        "SELECT * FROM sqlite_master",
        "SELECT * FROM information_schema.tables",
    ):
        assert query(analyst, sql)["Status"]["State"] == "FAILED", sql


def test_roles__see_each_their_own(guard: Guard, sandbox: AwsSandbox, analyst: Aws) -> None:
    guard.seen["analyst", "people"] = (seen("country = 'DE'", "id"),)
    guard.seen["auditor", "people"] = (seen("country = 'FR'", "id"),)
    auditor = aws_as(sandbox, f"arn:aws:iam::{MESH}:role/auditor")
    sql = "SELECT id FROM hr.people ORDER BY id"
    for _ in range(2):
        assert rows_of(analyst, sql)[1:] == [["1"], ["4"]]
        assert rows_of(auditor, sql)[1:] == [["2"]]
    guard.seen.pop(("auditor", "people"))
    assert "Insufficient permissions" in failure_of(auditor, sql)


def test_resource_link__leads_to_the_other_accounts_table(
    guard: Guard, sandbox: AwsSandbox
) -> None:
    root = aws_of(sandbox, CONSUMER)
    target = {"CatalogId": MESH, "DatabaseName": "hr"}
    root.run("glue", "create_database", DatabaseInput={"Name": "hr_l", "TargetDatabase": target})
    root.run("glue", "create_database", DatabaseInput={"Name": "own"})
    link = {"Name": "staff", "TargetTable": {**target, "Name": "people"}}
    root.run("glue", "create_table", DatabaseName="own", TableInput=link)
    make_workgroup(root)
    reader = aws_as(sandbox, f"arn:aws:iam::{CONSUMER}:role/reader")
    guard.seen["reader", "people"] = (seen("id < 3", "id", "name"),)
    expected = [["id", "name"], ["1", "ann"], ["2", "bob"]]
    assert rows_of(reader, "SELECT * FROM hr_l.people ORDER BY id") == expected
    assert rows_of(reader, "SELECT * FROM own.staff ORDER BY id") == expected
    assert failure_of(reader, "SELECT * FROM hr.people").startswith("SCHEMA_NOT_FOUND")
    root.run(
        "athena",
        "create_data_catalog",
        Name="mesh",
        Type="GLUE",
        Parameters={"catalog-id": MESH},
    )
    assert rows_of(reader, "SELECT * FROM mesh.hr.people ORDER BY id") == expected


def test_view__reads_with_the_rights_of_who_asks(guard: Guard, analyst: Aws) -> None:
    guard.seen["analyst", "people"] = (seen(None, *PEOPLE.column_names),)
    sql = "SELECT country, count(*) AS n FROM hr.people GROUP BY country"
    done = query(analyst, f"CREATE VIEW hr.by_country AS {sql}")
    assert done["Status"]["State"] == "SUCCEEDED"
    assert done["StatementType"] == "DDL"
    stored = analyst.run("glue", "get_table", DatabaseName="hr", Name="by_country")["Table"]
    assert stored["TableType"] == "VIRTUAL_VIEW"
    assert [(one["Name"], one["Type"]) for one in stored["StorageDescriptor"]["Columns"]] == [
        ("country", "string"),
        ("n", "bigint"),
    ]
    read = "SELECT v.n FROM hr.by_country v WHERE v.country = 'DE'"
    assert "Insufficient permissions" in failure_of(analyst, read)
    guard.seen["analyst", "by_country"] = (seen(None, "country", "n"),)
    assert rows_of(analyst, read) == [["n"], ["2"]]
    guard.seen["analyst", "people"] = (seen("id = 1", "country"),)
    assert rows_of(analyst, read) == [["n"], ["1"]]
    guard.seen.pop(("analyst", "people"))
    assert "Insufficient permissions" in failure_of(analyst, read)
    assert "ALREADY_EXISTS" in failure_of_view(guard, analyst, sql)
    assert query(analyst, "DROP VIEW hr.by_country")["Status"]["State"] == "SUCCEEDED"
    assert failure_of(analyst, read).startswith("TABLE_NOT_FOUND")


def failure_of_view(guard: Guard, analyst: Aws, sql: str) -> str:
    guard.seen["analyst", "people"] = (seen(None, *PEOPLE.column_names),)
    return failure_of(analyst, f"CREATE VIEW hr.by_country AS {sql}")


CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "country = 'DE'": lambda row: row["country"] == "DE",
    "id IN (1, 3)": lambda row: row["id"] in (1, 3),
    "pay BETWEEN 10 AND 20": lambda row: row["pay"] is not None and 10 <= row["pay"] <= 20,
    "name LIKE '%b%' OR country IS NULL": lambda row: (
        (row["name"] is not None and "b" in row["name"]) or row["country"] is None
    ),
    "NOT (pay > 15)": lambda row: row["pay"] is not None and row["pay"] <= 15,
    "FALSE": lambda row: False,
}


@pytest.mark.parametrize("seed", range(40))
def test_union__of_random_scopes_is_the_sum_of_what_each_shows(
    guard: Guard, analyst: Aws, seed: int
) -> None:
    chance = random.Random(seed)
    scopes = []
    for _ in range(chance.randint(1, 4)):
        columns = chance.sample(PEOPLE.column_names, chance.randint(1, 4))
        scopes.append(seen(chance.choice([None, *CONDITIONS]), *columns))
    guard.seen["analyst", "people"] = tuple(scopes)
    shown = [name for name in PEOPLE.column_names if any(name in one.columns for one in scopes)]
    expected: list[list[str | None]] = [list(shown)]
    for row in PEOPLE.to_pylist():
        fitting = [one for one in scopes if one.rows is None or CONDITIONS[one.rows](row)]
        if fitting:
            expected.append(
                [
                    str(row[name])
                    if row[name] is not None and any(name in one.columns for one in fitting)
                    else None
                    for name in shown
                ]
            )
    assert rows_of(analyst, "SELECT * FROM hr.people") == expected, f"seed {seed}: {scopes}"
