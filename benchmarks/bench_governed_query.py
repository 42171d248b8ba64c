"""A governed query beside the same query on the raw table: the flights of 2013, thirty times over.

Raw is DuckDB in this process, reading the table's data files with the same threads and memory.
Governed is the sandbox: a process of its own, the gate, secure views, the locked engine. Both times
run from the statement to the whole answer. The raw query has no filter: it reads every row.
"""

import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import duckdb
import pyarrow as pa
from report import Ratio, publish
from servers import HERE

from meshplane.kit.clock import SystemClock
from meshplane.sample.nycflights import NycFlights
from meshplane.sample.products import product
from meshplane.services.query.sandbox import (
    Column,
    Limits,
    Mask,
    Relation,
    Sandbox,
    Scope,
    Statement,
)
from meshplane.services.tables.local import LocalTableFiles
from meshplane.services.tables.ports import ColumnSpec, PartitionBy, ScanPlan

COPIES = 30
ROUNDS = 9
LIMITS = Limits(timeout_seconds=60, memory_mib=2048, threads=2, max_rows=1_000_000)
SELECT = "SELECT {0}, count(*), avg(arr_delay) FROM flights GROUP BY {0}"
UNUSED = {
    "tailnum": Mask("hash"),
    "flight": Mask("null"),
    "dest": Mask("partial", keep_first=1),
    "distance": Mask("round", digits=-2),
    "time_hour": Mask("truncate", unit="month"),
}
# What is compared, the column by which the query groups, the row filter, masks, and the target.
CASES: tuple[tuple[str, str, str | None, dict[str, Mask], float], ...] = (
    ("nothing filtered or masked", "carrier", None, {}, 1.3),
    ("unused masks, row filter, 5% pass", "carrier", "dest = 'LAX'", UNUSED, 1.3),
    ("row filter, 33% pass", "carrier", "origin = 'JFK'", {}, 1.6),
    ("row filter, 90% pass", "carrier", "dep_delay < 45", {}, 1.6),
    ("row filter, 97% pass", "carrier", "dep_time IS NOT NULL", {}, 1.6),
    ("null mask read", "tailnum", None, {"tailnum": Mask("null")}, 2.1),
    ("constant mask read", "tailnum", None, {"tailnum": Mask("constant", "-")}, 2.1),
    ("partial mask read, one end", "tailnum", None, {"tailnum": Mask("partial", None, 0, 4)}, 2.1),
    (
        "partial mask read, both ends",
        "tailnum",
        None,
        {"tailnum": Mask("partial", None, 1, 2)},
        2.1,
    ),
    ("round mask read", "distance", None, {"distance": Mask("round", digits=-2)}, 2.1),
    (
        "truncate mask read, day",
        "time_hour",
        None,
        {"time_hour": Mask("truncate", unit="day")},
        2.1,
    ),
    (
        "truncate mask read, month",
        "time_hour",
        None,
        {"time_hour": Mask("truncate", unit="month")},
        2.1,
    ),
    ("hash mask read", "tailnum", None, {"tailnum": Mask("hash")}, 2.1),
    ("row filter and hash mask read", "tailnum", "origin = 'JFK'", {"tailnum": Mask("hash")}, 2.1),
)


def build_table(folder: Path) -> ScanPlan:
    """The Iceberg table of ten million flights, by month."""
    told = product("flights")
    rows = NycFlights().read("flights")
    many = pa.concat_tables([rows] * COPIES)
    stream = folder / "rows.arrows"
    with pa.OSFile(str(stream), "wb") as sink, pa.ipc.new_stream(sink, many.schema) as writer:
        writer.write_table(many)
    files = LocalTableFiles(folder / "lake", folder / "scratch", SystemClock())
    (folder / "lake").mkdir()
    (folder / "scratch").mkdir()
    specs = [ColumnSpec(c.name, c.type) for c in told.columns]
    empty = files.create(str(folder / "lake" / "t"), specs, [PartitionBy("time_hour", "month")])
    return files.scan(files.append(empty.metadata_location, stream).metadata_location)


def relation(plan: ScanPlan, scope: Scope) -> Relation:
    """The table as one grant shows it."""
    columns = tuple(Column(c.name, c.field_id, c.sql_type) for c in plan.columns)
    return Relation("aviation", "flights", plan.files, columns, (scope,))


def raw_seconds(plan: ScanPlan, sql: str) -> float:
    """The query on the raw files."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "2GiB"}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        begun = time.perf_counter()
        engine.from_parquet(list(plan.files)).create_view("flights")
        engine.sql(sql).to_arrow_table()
        return time.perf_counter() - begun


async def governed_seconds(sandbox: Sandbox, sql: str, shown: Relation) -> float:
    """The query through the sandbox."""

    async def resolve(_names: object) -> list[Relation]:
        return [shown]

    begun = time.perf_counter()
    await sandbox.run(Statement(sql, limits=LIMITS), resolve, b"k" * 32)
    return time.perf_counter() - begun


async def compare(plan: ScanPlan, sql: str, scope: Scope) -> tuple[float, float]:
    """Median seconds, raw and governed, measured in turn."""
    sandbox = Sandbox(pool_size=2)
    await sandbox.start()
    raw, governed = [], []
    try:
        for _ in range(ROUNDS + 1):
            await asyncio.sleep(0.2)  # lets the pool of warm processes fill up again
            raw.append(raw_seconds(plan, sql))
            governed.append(await governed_seconds(sandbox, sql, relation(plan, scope)))
    finally:
        await sandbox.stop()
    return statistics.median(raw[1:]), statistics.median(governed[1:])


def main() -> None:
    """Measures and publishes."""
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        plan = build_table(Path(folder))
        plain: dict[str, Mask | None] = dict.fromkeys(column.name for column in plan.columns)
        ratios = []
        for name, column, row_filter, masks, target in CASES:
            scope = Scope(row_filter, {**plain, **masks})
            raw, governed = asyncio.run(compare(plan, SELECT.format(column), scope))
            parts = {"raw seconds": raw, "governed seconds": governed, "rows": plan.total_rows}
            ratios.append(Ratio(f"governed ÷ raw, {name}", governed / raw, target, False, parts))
    publish("governed_query", ratios)


if __name__ == "__main__":
    main()
