"""A lake under test, and rows for it."""

import datetime as dt
import random
import sys
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest

from meshplane.kit.clock import FixedClock
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.ports import (
    ColumnSpec,
    PartitionBy,
    ScanPlan,
    StagedCommit,
    TableFiles,
)

NOON = dt.datetime(2024, 5, 1, 12, tzinfo=dt.UTC)


@dataclass
class Lake:
    """A lake under test, and hands to fill it and to look into it."""

    files: TableFiles
    root: str
    workplace: Path
    clock: FixedClock

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


@pytest.fixture(params=["local"])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    """Another adapter joins by another name here."""
    assert request.param == "local"
    clock = FixedClock(NOON)
    workplace = tmp_path / "workplace"
    workplace.mkdir()
    root = tmp_path / "home" / "lake"
    files = LocalTableFiles(
        root, tmp_path / "scratch", clock, chunk_bytes=8 * 2**20, most_rows=1_000_000
    )
    return Lake(files, str(root), workplace, clock)


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
