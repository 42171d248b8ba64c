"""What governing one query costs before its first row: in all, and part by part.

In all: the time to the first row through the sandbox, where each statement has a process of its
own, beside DuckDB in this process, on the same files of the flights of 2013. Part by part, in this
process with the code that the sandbox's child runs: the policy of twenty grants made into scopes;
the statement parsed and walked by the gate; the scopes made into a secure view; the engine's own
plan over it. Each figure is the fastest quarter of its rounds: these are milliseconds, and what
else runs on the machine only ever adds to them.
"""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import bench_governed_query
import duckdb
from report import Ratio, publish
from servers import HERE

from meshplane.services.permissions.model import (
    AssetTags,
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    TagMask,
    Target,
)
from meshplane.services.permissions.semantics import access
from meshplane.services.query.sandbox import Limits, Mask, Sandbox, Scope, Statement, views
from meshplane.services.query.sandbox.engine import identifier, lock, open_engine, parse
from meshplane.services.query.sandbox.gate import Gate
from meshplane.services.tables.ports import ScanPlan

ROUNDS = 25
GRANTS = 20
FIRST_ROW = "SELECT carrier, dep_time FROM flights WHERE dep_time IS NOT NULL LIMIT 1"
STATEMENT = """
SELECT carrier, origin, count(*) AS flights, avg(arr_delay) AS delay,
       max(dep_delay) FILTER (WHERE distance > 500) AS worst
FROM aviation.flights WHERE arr_delay > 30 AND month BETWEEN 3 AND 9
GROUP BY carrier, origin HAVING count(*) > 5 ORDER BY delay DESC LIMIT 20
"""
LARGE_STATEMENT = """
WITH late AS (
    SELECT carrier, origin, dest, dep_delay, arr_delay,
           rank() OVER (PARTITION BY origin ORDER BY arr_delay DESC) AS place
    FROM aviation.flights WHERE arr_delay > 30 AND month BETWEEN 3 AND 9
)
SELECT l.carrier, l.origin, count(*) AS flights, avg(l.arr_delay) AS delay
FROM late l JOIN aviation.flights f ON f.carrier = l.carrier AND f.origin = l.origin
WHERE f.distance > 500 GROUP BY l.carrier, l.origin ORDER BY delay DESC LIMIT 20
"""
LIMITS = Limits(timeout_seconds=60, memory_mib=1024, threads=2)


def governed(plan: ScanPlan) -> tuple[GovernedAsset, list[Grant], list[TagMask]]:
    """The flights, and grants of which each lets one carrier's rows through, with masks."""
    columns = tuple(
        GovernedColumn(column.name, column.field_id, column.sql_type, "internal")
        for column in plan.columns
    )
    asset = GovernedAsset(
        "asset-1", "flights", "dzd-1", "aviation", "proj-1", "tbl-1", "internal", columns
    )
    carrier = next(column for column in columns if column.name == "carrier")
    named = (FilterColumn(carrier.name, carrier.field_id, carrier.sql_type),)
    grants = [
        Grant(
            f"grant-{number}",
            "user:ada@here",
            Target("rows", asset_id="asset-1"),
            frozenset({"SELECT"}),
            "dzd-1",
            row_filter=RowFilter(f"carrier = 'C{number}'", named),
            columns=tuple(
                GrantedColumn(
                    column.name,
                    MaskRule("hash") if column.name == "tailnum" else None,
                    column.field_id,
                )
                for column in columns
            ),
        )
        for number in range(GRANTS)
    ]
    return asset, grants, [TagMask("classification", "confidential", MaskRule("hash"))]


def quick(found: list[float]) -> float:
    """The median of the fastest half of some figures: their lower quartile."""
    return statistics.median(sorted(found)[: len(found) // 2])


def quick_ms(work: Callable[[], Any]) -> float:
    """Milliseconds of some work, after one round that does not count."""
    found = []
    for _ in range(ROUNDS + 1):
        begun = time.perf_counter()
        work()
        found.append((time.perf_counter() - begun) * 1000)
    return quick(found[1:])


def parts_ms(plan: ScanPlan) -> dict[str, float]:
    """Milliseconds of each part of one query; those in brackets stand beside it."""
    asset, grants, tag_masks = governed(plan)
    now = datetime.now(UTC)
    tags = AssetTags()
    allowed = access(asset, tags, grants, (), tag_masks, now)
    scopes = tuple(
        Scope(
            scope.filter.text if scope.filter else None,
            {name: Mask("hash") if rule else None for name, rule in scope.columns.items()},
        )
        for scope in allowed.scopes
    )
    assert len(scopes) == GRANTS
    one = bench_governed_query.relation(plan, scopes[0])
    many = type(one)(one.schema, one.name, one.files, one.columns, scopes)
    engine = open_engine()
    lock(engine, LIMITS, sorted(plan.files))
    key = views.hash_key(b"k" * 32, "aviation")

    def gate() -> None:
        parsed = parse(engine, STATEMENT)
        assert parsed is not None
        Gate(STATEMENT).statement(parsed.tree)

    def make_views() -> None:
        views.check_files(engine, sorted(plan.files))
        views.create_view(engine, one, key)
        engine.execute(f"DROP VIEW aviation.{identifier(one.name)}")

    found = {
        f"policy of {GRANTS} grants": quick_ms(
            lambda: access(asset, tags, grants, (), tag_masks, now)
        ),
        "parse and gate": quick_ms(gate),
        "secure view": quick_ms(make_views),
        f"(text of a view of {GRANTS} scopes)": quick_ms(lambda: views.view_sql(engine, many, key)),
    }
    views.create_view(engine, one, key)
    found["engine's plan"] = quick_ms(lambda: engine.execute(f"EXPLAIN {STATEMENT}").fetchall())
    found["(engine's plan of a join with a window)"] = quick_ms(
        lambda: engine.execute(f"EXPLAIN {LARGE_STATEMENT}").fetchall()
    )
    engine.close()
    return found


def in_process_ms(plan: ScanPlan) -> float:
    """Milliseconds to the first row in this process, in an engine of its own."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "1GiB"}) as engine:
        begun = time.perf_counter()
        engine.from_parquet(list(plan.files)).create_view("flights")
        engine.execute(FIRST_ROW).fetchone()
        return (time.perf_counter() - begun) * 1000


async def first_row_ms(plan: ScanPlan) -> tuple[list[float], list[float]]:
    """Milliseconds to the first row, in this process and through the sandbox, taken in turn."""
    scope = Scope("origin = 'JFK'", {column.name: None for column in plan.columns})
    shown = bench_governed_query.relation(plan, scope)

    async def resolve(_names: object) -> list[Any]:
        return [shown]

    sandbox = Sandbox(pool_size=2)
    await sandbox.start()
    plain, through = [], []
    try:
        for _ in range(ROUNDS + 1):
            await asyncio.sleep(0.3)  # a person's pause: the pool fills up again
            plain.append(in_process_ms(plan))
            begun = time.perf_counter()
            await sandbox.run(Statement(FIRST_ROW, limits=LIMITS), resolve, b"k" * 32)
            through.append((time.perf_counter() - begun) * 1000)
    finally:
        await sandbox.stop()
    return plain[1:], through[1:]


def main() -> None:
    """Measures and publishes."""
    bench_governed_query.COPIES = 1
    with tempfile.TemporaryDirectory(dir=HERE) as folder:
        plan = bench_governed_query.build_table(Path(folder))
        parts = parts_ms(plan)
        plain, through = asyncio.run(first_row_ms(plan))
    more = quick(through) - quick(plain)
    whole = sum(value for name, value in parts.items() if not name.startswith("("))
    publish(
        "query_overhead",
        [
            Ratio("policy, gate, views and plan of one query, ms", whole, 10.0, False, parts),
            Ratio(
                "first row through the sandbox, ms more than in this process",
                more,
                25.0,
                False,
                {
                    "in this process, ms": quick(plain),
                    "through the sandbox, ms": quick(through),
                    "files": float(len(plan.files)),
                },
            ),
        ],
    )


if __name__ == "__main__":
    main()
