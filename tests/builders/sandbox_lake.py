"""Iceberg tables in a running sandbox, and queries over them."""

from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
from pyiceberg.catalog.glue import GlueCatalog
from pyiceberg.table import Table

from meshplane.platform.aws.calls import Aws
from meshplane.sandbox.fake import Caller

BUCKET = "lake"


@dataclass(frozen=True)
class Seen:
    """Some columns in some rows, as Lake Formation's decision gives it."""

    columns: frozenset[str]
    rows: str | None = None


@dataclass(frozen=True)
class SeenTable:
    scopes: tuple[Seen, ...]


@dataclass
class Guard:
    """Stands where Lake Formation does, and says what a test says: by role's name and table."""

    world: Any
    service: str = "lakeformation"
    handlers: dict[str, Any] = field(default_factory=dict)
    seen: dict[tuple[str, str], tuple[Seen, ...]] = field(default_factory=dict)

    def access(self, caller: Caller, catalog: str, database: str, table: str) -> SeenTable:
        return SeenTable(self.seen.get((caller.arn.rpartition("/")[2], table), ()))


def lake_catalog(aws: Aws, *, in_process: bool = True) -> GlueCatalog:
    """PyIceberg over the sandbox's Glue; files are put into its S3 directly, or over HTTP."""
    keys = aws.frozen_credentials()
    own: dict[str, str] = {
        "glue.endpoint": str(aws.place.endpoint_url),
        "glue.region": aws.place.region,
        "glue.access-key-id": keys.access_key,
        "glue.secret-access-key": keys.secret_key,
        "s3.endpoint": str(aws.place.endpoint_url),
        "s3.region": aws.place.region,
        "s3.access-key-id": keys.access_key,
        "s3.secret-access-key": keys.secret_key,
        "warehouse": f"s3://{BUCKET}/warehouse",
    }
    if in_process:
        own["py-io-impl"] = "meshplane.sandbox.lake_state.ObjectFileIO"
    return GlueCatalog("lake", **own)


def make_bucket(aws: Aws, name: str = BUCKET) -> None:
    aws.run(
        "s3",
        "create_bucket",
        Bucket=name,
        CreateBucketConfiguration={"LocationConstraint": aws.place.region},
    )


def iceberg_table(aws: Aws, database: str, name: str, rows: pa.Table) -> Table:
    """An Iceberg table with rows, in Glue and in S3; its database is made where it is missing."""
    catalog = lake_catalog(aws)
    catalog.create_namespace_if_not_exists(database)
    table = catalog.create_table(f"{database}.{name}", rows.schema)
    if rows.num_rows:
        table.append(rows)
    return table


def query(
    aws: Aws,
    sql: str,
    *,
    parameters: list[str] | None = None,
    workgroup: str = "project",
    **more: Any,
) -> dict[str, Any]:
    """Runs a query to its end, and gives its `QueryExecution`."""
    given = {"ExecutionParameters": parameters} if parameters else {}
    number = aws.run(
        "athena", "start_query_execution", QueryString=sql, WorkGroup=workgroup, **given, **more
    )["QueryExecutionId"]
    while True:
        execution: dict[str, Any] = aws.run(
            "athena", "get_query_execution", QueryExecutionId=number
        )["QueryExecution"]
        if execution["Status"]["State"] not in {"QUEUED", "RUNNING"}:
            return execution


def rows_of(aws: Aws, sql: str, **more: Any) -> list[list[str | None]]:
    """The rows of a query that works, as texts, the header first."""
    execution = query(aws, sql, **more)
    assert execution["Status"]["State"] == "SUCCEEDED", execution["Status"]
    number = execution["QueryExecutionId"]
    pages = aws.run_pages("athena", "get_query_results", QueryExecutionId=number)
    return [
        [one.get("VarCharValue") for one in row["Data"]]
        for page in pages
        for row in page["ResultSet"]["Rows"]
    ]


def failure_of(aws: Aws, sql: str, **more: Any) -> str:
    """Why a query fails."""
    status = query(aws, sql, **more)["Status"]
    assert status["State"] == "FAILED", status
    assert status["AthenaError"]["ErrorMessage"] == status["StateChangeReason"]
    return str(status["StateChangeReason"])


def make_workgroup(aws: Aws, name: str = "project", **configuration: Any) -> None:
    aws.run(
        "athena",
        "create_work_group",
        Name=name,
        Configuration={
            "ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/{name}/"},
            **configuration,
        },
    )
