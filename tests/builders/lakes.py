"""A lake under test, and rows for it."""

import datetime as dt
import random
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from meshplane.kit.clock import FixedClock
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.names import domain_bucket
from meshplane.services.tables.aws import S3TableFiles
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.ports import (
    ColumnSpec,
    PartitionBy,
    ScanPlan,
    StagedCommit,
    TableFiles,
)
from tests.builders.moto_aws import aws_at, moto_server

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


@dataclass
class Lake:
    """A lake under test, and hands to fill it and to look into it.

    `properties` are those with which pyiceberg reads its files; `aws` is of a lake in S3.
    """

    files: TableFiles
    root: str
    workplace: Path
    clock: FixedClock
    properties: dict[str, str] = field(default_factory=dict)
    aws: Aws | None = None

    def create(self, *columns: ColumnSpec, by: tuple[PartitionBy, ...] = ()) -> StagedCommit:
        return self.files.create(f"{self.root}/sales/t-{uuid.uuid4()}", columns, by)

    def stream(self, rows: pa.Table, **options: Any) -> Path:
        path = self.workplace / f"{uuid.uuid4()}.arrows"
        settings = pa.ipc.IpcWriteOptions(**options)
        with pa.ipc.new_stream(str(path), rows.schema, options=settings) as writer:
            writer.write_table(rows)
        return path

    def append(self, base: StagedCommit, rows: pa.Table) -> StagedCommit:
        return self.files.append(base.metadata_location, self.stream(rows))

    def rows(self, staged: StagedCommit) -> list[tuple[Any, ...]]:
        return read(self.files.scan(staged.metadata_location))

    def write(self, location: str, text: str) -> None:
        """Puts a file in the place of what is there, as a stranger would."""
        if self.aws is None:
            Path(location).write_text(text)
        else:
            self.aws.run("s3", "put_object", **_object(location), Body=text.encode())

    def text(self, location: str) -> str:
        if self.aws is None:
            return Path(location).read_text()
        content: bytes = self.aws.run("s3", "get_object", **_object(location))["Body"].read()
        return content.decode()

    def all_files(self) -> set[str]:
        """Where everything lies that was ever written and not removed."""
        if self.aws is None:
            return {str(path) for path in Path(self.root).rglob("*") if path.is_file()}
        bucket = self.root.removeprefix("s3://")
        pages = self.aws.run_pages("s3", "list_objects_v2", Bucket=bucket)
        return {f"{self.root}/{one['Key']}" for page in pages for one in page.get("Contents", ())}


def _object(location: str) -> dict[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Key": key}


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    with moto_server() as url:
        yield url


@pytest.fixture(params=["local", "s3"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """Another adapter joins by another name here."""
    if request.param == "local":
        return lake_on_disk(tmp_path)
    return lake_in_s3(tmp_path, request.getfixturevalue("s3_url"))


@pytest.fixture
def local_lake(tmp_path: Path) -> Lake:
    return lake_on_disk(tmp_path)


@pytest.fixture
def s3_lake(tmp_path: Path, s3_url: str) -> Lake:
    return lake_in_s3(tmp_path, s3_url)


def lake_on_disk(tmp_path: Path) -> Lake:
    clock, root = FixedClock(NOON), tmp_path / "home" / "lake"
    files = LocalTableFiles(root, tmp_path / "scratch", clock, **LIMITS)
    return Lake(files, str(root), _workplace(tmp_path), clock)


def lake_in_s3(tmp_path: Path, url: str) -> Lake:
    clock, aws = FixedClock(NOON), aws_at(url)
    bucket = domain_bucket(aws.place, f"lake-{uuid.uuid4()}")
    aws.run("s3", "create_bucket", Bucket=bucket, **ELSEWHERE)
    files = S3TableFiles(aws, tmp_path / "scratch", clock, **LIMITS)
    keys = aws.frozen_credentials()
    properties = {
        "s3.endpoint": url,
        "s3.access-key-id": keys.access_key,
        "s3.secret-access-key": keys.secret_key,
        "s3.region": aws.place.region,
    }
    return Lake(files, f"s3://{bucket}", _workplace(tmp_path), clock, properties, aws)


LIMITS: dict[str, Any] = {"chunk_bytes": 8 * 2**20, "most_rows": 1_000_000}
ELSEWHERE = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}


def _workplace(tmp_path: Path) -> Path:
    workplace = tmp_path / "workplace"
    workplace.mkdir()
    return workplace


def read(plan: ScanPlan) -> list[tuple[Any, ...]]:
    """The rows of a plan as DuckDB sees them, as text and sorted, matched by field id."""
    if not plan.files:
        return []
    ids = ", ".join(
        f"{one.field_id}: {{name: '{one.name}', type: '{one.sql_type}', default_value: NULL}}"
        for one in plan.columns
    )
    with duckdb.connect() as engine:
        engine.execute("SET timezone = 'UTC'")
        found = engine.execute(
            f"SELECT COLUMNS(*)::VARCHAR FROM read_parquet({list(plan.files)}, "
            f"schema=MAP{{{ids}}}) ORDER BY ALL"
        ).fetchall()
    assert len(found) == plan.total_rows
    return found


def numbers(*values: int | None) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


NUMBER = ColumnSpec("n", "long")


def seeded() -> random.Random:
    """Chance that a failed test can be given again: pytest shows what was printed."""
    seed = random.randrange(2**32)
    sys.stdout.write(f"seed {seed}\n")
    return random.Random(seed)
