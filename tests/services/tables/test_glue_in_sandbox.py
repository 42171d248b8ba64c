"""Glue where the sandbox does what moto leaves out: it writes metadata, and compares versions."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog.glue import GlueCatalog as OtherEngine

from meshplane.kit.clock import FixedClock
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import domain_bucket
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.aws_buckets import DomainBuckets
from meshplane.services.tables.aws_glue import GlueCatalog, GlueMoved
from meshplane.services.tables.aws_glue_shapes import GlueColumn, GlueEntry
from tests.builders.aws_sandbox import aws_of, govern_lake, sandbox_in
from tests.builders.lakes import NOON

COLUMNS = (
    GlueColumn("id", "long", 1, required=True, doc="the key"),
    GlueColumn("pay", "decimal(9,2)", 2),
    GlueColumn("at", "timestamptz", 3),
)


@pytest.fixture(scope="module")
def running() -> Iterator[AwsSandbox]:
    with sandbox_in() as sandbox:
        aws = aws_of(sandbox)
        govern_lake(aws)
        yield sandbox


@pytest.fixture
def aws(running: AwsSandbox) -> Aws:
    return aws_of(running)


async def _database(aws: Aws) -> tuple[GlueCatalog, str, str]:
    catalog, name = GlueCatalog(aws), f"sea-{uuid.uuid4().hex[:8]}"
    bucket = domain_bucket(aws.place, name)
    await DomainBuckets(aws).prepare(bucket)
    await catalog.ensure_database(name, bucket)
    return catalog, name, f"s3://{bucket}/logs"


def _other(aws: Aws) -> OtherEngine:
    keys, url = aws.frozen_credentials(), str(aws.place.endpoint_url)
    same = {
        "endpoint": url,
        "region": aws.place.region,
        "access-key-id": keys.access_key,
        "secret-access-key": keys.secret_key,
    }
    return OtherEngine(
        "others", **{f"{part}.{name}": it for part in ("glue", "s3") for name, it in same.items()}
    )


async def test_create_by_catalog__makes_a_table_that_engines_fill_and_we_adopt(
    aws: Aws, tmp_path: Path
) -> None:
    catalog, database, location = await _database(aws)
    made = await catalog.create_by_catalog(
        database, "logs", location, COLUMNS, [("id", "identity")]
    )
    assert made.metadata_location is not None
    assert made.metadata_location.startswith(f"{location}/metadata/")
    rows = pa.table(
        {
            "id": pa.array([1, 2], pa.int64()),
            "pay": pa.array([None, None], pa.decimal128(9, 2)),
            "at": pa.array([NOON, NOON], pa.timestamp("us", "UTC")),
        },
        schema=pa.schema(
            [
                pa.field("id", pa.int64(), nullable=False),
                pa.field("pay", pa.decimal128(9, 2)),
                pa.field("at", pa.timestamp("us", "UTC")),
            ]
        ),
    )
    _other(aws).load_table((database, "logs")).append(rows)
    now = await catalog.find(database, "logs")
    assert now is not None
    files = S3TableFiles(aws, tmp_path, FixedClock(NOON))
    taken = files.adopt(str(now.metadata_location), made.metadata_location)
    assert (taken.added_rows, taken.total_rows) == (2, 2)
    assert [(one.name, one.iceberg_type) for one in taken.columns] == [
        ("id", "long"),
        ("pay", "decimal(9,2)"),
        ("at", "timestamptz"),
    ]


async def test_create__of_a_name_that_is_taken_is_told(aws: Aws) -> None:
    catalog, database, location = await _database(aws)
    entry = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/0.json", COLUMNS)
    await catalog.create(entry)
    with pytest.raises(GlueMoved):
        await catalog.create(entry)


async def test_move__whose_answer_is_lost_is_done_once(aws: Aws, running: AwsSandbox) -> None:
    catalog, database, location = await _database(aws)
    first = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/0.json", COLUMNS)
    seen = await catalog.create(first)
    second = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/1.json", COLUMNS)
    running.faults.add(Fault("glue", "UpdateTable", "lost_answer", times=9))
    try:
        moved = await catalog.move(second, seen)
    finally:
        running.faults.clear()
    assert moved.metadata_location == second.metadata_location


async def test_move__by_who_read_an_older_version_is_refused(aws: Aws) -> None:
    catalog, database, location = await _database(aws)
    first = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/0.json", COLUMNS)
    seen = await catalog.create(first)
    second = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/1.json", COLUMNS)
    await catalog.move(second, seen)
    third = GlueEntry(database, "logs", "tbl-1", location, f"{location}/metadata/2.json", COLUMNS)
    with pytest.raises(GlueMoved):
        await catalog.move(third, seen)
