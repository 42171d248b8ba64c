"""Athena's fake reads what Glue's tables are made of: Iceberg, Parquet, CSV and JSON."""

from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet
import pytest
from pyiceberg.types import LongType

from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.athena import AthenaFake
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.sandbox_lake import (
    BUCKET,
    failure_of,
    iceberg_table,
    lake_catalog,
    make_bucket,
    make_workgroup,
    query,
    rows_of,
)

HIVE = "org.apache.hadoop.hive"
PARQUET = f"{HIVE}.ql.io.parquet.serde.ParquetHiveSerDe"
OPEN_CSV = f"{HIVE}.serde2.OpenCSVSerde"
PLAIN_CSV = f"{HIVE}.serde2.lazy.LazySimpleSerDe"
JSON_LINES = "org.openx.data.jsonserde.JsonSerDe"


@pytest.fixture(scope="module")
def aws() -> Iterator[Aws]:
    with sandbox_in(fakes={"athena": partial(AthenaFake, open=True)}) as running:
        aws = aws_of(running)
        make_bucket(aws)
        make_workgroup(aws)
        aws.run("glue", "create_database", DatabaseInput={"Name": "files"})
        yield aws


def put(aws: Aws, key: str, body: bytes) -> None:
    aws.run("s3", "put_object", Bucket=BUCKET, Key=key, Body=body)


def register(aws: Aws, name: str, columns: dict[str, str], library: str, **more: Any) -> None:
    """A table over `s3://lake/files/NAME/`."""
    serde = {"SerializationLibrary": library, "Parameters": more.pop("serde", {})}
    descriptor = {
        "Columns": [{"Name": column, "Type": kind} for column, kind in columns.items()],
        "Location": f"s3://{BUCKET}/files/{name}/",
        "InputFormat": more.pop("input_format", "org.apache.hadoop.mapred.TextInputFormat"),
        "SerdeInfo": serde,
    }
    table = {"Name": name, "TableType": "EXTERNAL_TABLE", "StorageDescriptor": descriptor, **more}
    aws.run("glue", "create_table", DatabaseName="files", TableInput=table)


def test_iceberg__written_over_http_is_read(aws: Aws) -> None:
    catalog = lake_catalog(aws, in_process=False)
    catalog.create_namespace("net")
    rows = pa.table(
        {
            "at": pa.array([datetime(2026, 1, 1, 10, 0, 0, 5, UTC)], pa.timestamp("us", "UTC")),
            "local": pa.array(["2026-01-01 10:00:00"]).cast(pa.timestamp("us")),
            "tags": [["a", "b"]],
            "place": [{"city": "Bonn", "code": 53111}],
        }
    )
    table = catalog.create_table("net.events", rows.schema)
    table.append(rows)
    assert rows_of(aws, "SELECT * FROM net.events") == [
        ["at", "local", "tags", "place"],
        [
            "2026-01-01 10:00:00.000005 UTC",
            "2026-01-01 10:00:00.000000",
            "[a, b]",
            "{city=Bonn, code=53111}",
        ],
    ]
    assert rows_of(aws, "SELECT place.city FROM net.events e") == [["city"], ["Bonn"]]
    assert rows_of(aws, "SELECT e.place.code FROM net.events e") == [["code"], ["53111"]]
    unnested = "SELECT t FROM net.events CROSS JOIN UNNEST(tags) AS u(t) ORDER BY t"
    assert rows_of(aws, unnested) == [["t"], ["a"], ["b"]]


def test_iceberg__a_column_that_was_added_or_renamed_reads_old_files(aws: Aws) -> None:
    table = iceberg_table(aws, "evolving", "stock", pa.table({"n": [1], "old": ["x"]}))
    with table.update_schema() as update:
        update.add_column("more", LongType())
        update.rename_column("old", "new")
    table.append(pa.table({"n": [2], "new": pa.array(["y"], pa.large_string()), "more": [7]}))
    assert rows_of(aws, "SELECT n, new, more FROM evolving.stock ORDER BY n") == [
        ["n", "new", "more"],
        ["1", "x", None],
        ["2", "y", "7"],
    ]


def test_parquet__with_partitions_is_read(aws: Aws) -> None:
    register(
        aws,
        "sales",
        {"id": "bigint", "amount": "decimal(10,2)", "later": "string"},
        PARQUET,
        PartitionKeys=[{"Name": "year", "Type": "int"}],
    )
    for year in (2025, 2026):
        body = BytesIO()
        rows = pa.table({"id": [year], "amount": [1.5]})
        pyarrow.parquet.write_table(rows, body)
        put(aws, f"files/sales/year={year}/part.parquet", body.getvalue())
        place = {"Location": f"s3://{BUCKET}/files/sales/year={year}/", "Columns": []}
        partition = {"Values": [str(year)], "StorageDescriptor": place}
        aws.run(
            "glue",
            "create_partition",
            DatabaseName="files",
            TableName="sales",
            PartitionInput=partition,
        )
    put(aws, "files/sales/year=2026/_SUCCESS", b"")
    assert rows_of(aws, "SELECT * FROM files.sales WHERE year = 2026") == [
        ["id", "amount", "later", "year"],
        ["2026", "1.50", None, "2026"],
    ]


def test_csv__with_quotes_and_a_header_is_read(aws: Aws) -> None:
    put(aws, "files/carriers/a.csv", b'code,name\n"LH","Luft, hansa"\nAF,\\N\n')
    register(
        aws,
        "carriers",
        {"code": "string", "name": "string"},
        OPEN_CSV,
        Parameters={"skip.header.line.count": "1"},
    )
    rows = rows_of(aws, "SELECT * FROM files.carriers ORDER BY code DESC")
    assert rows == [["code", "name"], ["LH", "Luft, hansa"], ["AF", None]]


def test_csv__of_numbers_and_days_is_read_in_its_types(aws: Aws) -> None:
    put(aws, "files/plain/a.csv", b"1|2026-01-01|2026-01-01 10:00:00\n2|\\N|\\N\n")
    register(
        aws,
        "plain",
        {"n": "int", "d": "date", "t": "timestamp"},
        PLAIN_CSV,
        serde={"field.delim": "|"},
    )
    assert rows_of(aws, "SELECT n + 1 AS n, d, t FROM files.plain ORDER BY n") == [
        ["n", "d", "t"],
        ["2", "2026-01-01", "2026-01-01 10:00:00.000"],
        ["3", None, None],
    ]
    put(aws, "files/plain/b.csv", b"not a number|\\N|\\N\n")
    assert failure_of(aws, "SELECT n FROM files.plain").startswith("HIVE_BAD_DATA")


def test_json__is_read_and_what_is_no_object_fails_the_query(aws: Aws) -> None:
    put(aws, "files/logs/a.json", b'{"id": 1, "word": "one"}\n\n{"id": 2}\n')
    register(aws, "logs", {"id": "bigint", "word": "string"}, JSON_LINES)
    read = "SELECT id, word FROM files.logs ORDER BY id"
    assert rows_of(aws, read) == [["id", "word"], ["1", "one"], ["2", None]]
    for line in (b"null", b"[1]", b'{"id": 3} null', b"{"):
        put(aws, "files/logs/b.json", line + b"\n")
        assert failure_of(aws, read).startswith("HIVE_BAD_DATA")


def test_files__of_an_unknown_format_fail_the_query(aws: Aws) -> None:
    register(aws, "odd", {"a": "string"}, "com.example.Odd", input_format="com.example.Odd")
    assert failure_of(aws, "SELECT * FROM files.odd").startswith("HIVE_UNSUPPORTED_FORMAT")


def test_iceberg__whose_metadata_is_gone_fails_the_query(aws: Aws) -> None:
    table = iceberg_table(aws, "evolving", "lost", pa.table({"n": [1]}))
    key = table.metadata_location.removeprefix(f"s3://{BUCKET}/")
    aws.run("s3", "delete_object", Bucket=BUCKET, Key=key)
    assert failure_of(aws, "SELECT * FROM evolving.lost").startswith("ICEBERG_MISSING_METADATA")


def test_create_table_as__leaves_a_table_of_parquet(aws: Aws) -> None:
    sql = (
        "CREATE TABLE files.squares "
        f"WITH (format = 'PARQUET', external_location = 's3://{BUCKET}/files/squares/') AS "
        "SELECT x, x * x AS y FROM UNNEST(sequence(1, 3)) AS t(x)"
    )
    assert query(aws, sql)["Status"]["State"] == "SUCCEEDED"
    assert rows_of(aws, "SELECT sum(y) AS s FROM files.squares") == [["s"], ["14"]]
    assert failure_of(aws, sql).startswith("TABLE_ALREADY_EXISTS")
