"""Finding drift: 100,000 granted against 100,000 that the lake holds, all of it read anew.

The grants lie in the store as permissions writes them, on 1,000 data products; the lake's entries
lie in the embedded lake's own file. Some are missing, some in excess, some changed. The whole look
is timed: both sides read and compiled, compared, and what differs looked at once more. Beside it,
the comparison alone, and the floor: the same rows read from both files and parsed, and no more.
"""

import asyncio
import gc
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
from report import Ratio, publish

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Judge
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.policy.engine import Engine, policy_texts
from meshplane.services.assets.api import PUBLISHED, AssetSummary
from meshplane.services.domains.api import DomainSummary
from meshplane.services.lake.desired import DesiredGrants
from meshplane.services.lake.drift import differing
from meshplane.services.lake.entries import entry
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.looking import Looking
from meshplane.services.lake.ports import MOST_CHANGES, LakeChange, LakeEntry
from meshplane.services.lake.store import TABLES as LAKE_TABLES
from meshplane.services.permissions.api import (
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    Target,
)
from meshplane.services.permissions.grant_rows import item_of
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.permissions.store import GRANTS
from meshplane.services.permissions.store import TABLES as PERMISSION_TABLES

ENTRIES, ASSETS, DIFFERENT, ROUNDS = 100_000, 1_000, 100, 5
TARGET_SECONDS = 3.0
NOW = "2026-01-01T00:00:00.000000Z"
DOMAIN = DomainSummary("dzd-1", "aviation", "data-lake-aviation")


class Domains:
    async def find(self, actor: Actor, domain_id: str) -> DomainSummary:
        return DOMAIN

    async def named(self, actor: Actor, name: str) -> DomainSummary:
        return DOMAIN

    async def of_bucket(self, actor: Actor, bucket: str) -> DomainSummary:
        return DOMAIN


class Assets:
    async def find(self, actor: Actor, asset_id: str) -> AssetSummary:
        return AssetSummary(
            asset_id, asset_id.replace("-", "_"), "dzd-1", "aviation", "proj-1", "flying", "tbl-1",
            "", "internal", "user:o@m", (), None, PUBLISHED,
        )  # fmt: skip


def grants() -> Iterator[Grant]:
    """Grants as a mesh has them: most on tables, some on columns, some on rows with masks."""
    for number in range(ENTRIES):
        asset = f"asset-{number % ASSETS}"
        more: dict[str, Any] = {}
        permissions = frozenset({"SELECT", "DESCRIBE"})
        kind = number % 5
        if kind == 0:
            target = Target("columns", asset_id=asset, included=("carrier", "delay", "origin"))
            permissions = frozenset({"SELECT"})
        elif kind == 1:
            target = Target("rows", asset_id=asset)
            more = {
                "row_filter": RowFilter('("delay" > 10)'),
                "columns": (
                    GrantedColumn("carrier", None, 1),
                    GrantedColumn("tail", MaskRule("partial", keep_last=4), 2),
                ),
                "subscription_id": f"sub-req-{number}",
            }
        else:
            target = Target("table", asset_id=asset)
        yield Grant(
            f"grant-{number:06d}", f"project:proj-{number // ASSETS}", target, permissions,
            "dzd-1", granted_by="user:s@m", granted_at=NOW, reason="Asked.",
            lake_state="applied", **more,
        )  # fmt: skip


async def fill(store: SqliteStore) -> None:
    """Writes the grants as permissions does."""
    work, waiting = store.begin(), 0
    for grant in grants():
        work.put(GRANTS, item_of(grant, NOW))
        waiting += 1
        if waiting == 5_000:
            await work.commit()
            work, waiting = store.begin(), 0
    await work.commit()


async def fill_lake(lake: LocalLake, wanted: list[LakeEntry]) -> None:
    """Writes what the lake holds: a hundred of each kind of difference among it."""
    held = [
        entry(one.principal, one.resource, ("SELECT", "DROP"), filter=one.filter)
        if number < DIFFERENT
        else one
        for number, one in enumerate(wanted[DIFFERENT:])
    ]
    held += [
        entry(f"user:eve-{number}@m", {"Database": {"Name": "aviation"}}, ("DESCRIBE",))
        for number in range(DIFFERENT)
    ]
    for begin in range(0, len(held), MOST_CHANGES):
        part = held[begin : begin + MOST_CHANGES]
        assert await lake.apply([LakeChange("put", one) for one in part]) == []


def floor(database: Path, grants_file: Path) -> float:
    """Seconds to read and parse the rows of both files, and no more."""
    begun = time.perf_counter()
    with sqlite3.connect(database) as store, sqlite3.connect(grants_file) as lake:
        rows = store.execute('SELECT body FROM "Grants"').fetchall()
        parsed = [orjson.loads(row[0]) for row in rows]
        held = lake.execute("SELECT resource, permissions, filter, masks FROM LakeGrants")
        parsed += [[orjson.loads(part) for part in row] for row in held.fetchall()]
    assert len(parsed) == 2 * ENTRIES
    return time.perf_counter() - begun


async def measure(folder: Path) -> list[Ratio]:
    """Fills both sides and looks for drift some times."""
    clock = SystemClock()
    new_id = id_maker(clock)
    database, grants_file = folder / "meshplane.db", folder / "lake" / "grants.db"
    store = SqliteStore(database, (*PERMISSION_TABLES, *LAKE_TABLES), clock, new_id)
    nobody: Any = None
    boundary = Boundary(store, Judge(Engine(policy_texts().values()), nobody, {}), clock, new_id)
    permissions = PermissionsKeeper(boundary, store, nobody)
    assets: Any = Assets()
    domains: Any = Domains()
    desired = DesiredGrants(permissions, assets, domains, store)
    lake = LocalLake(grants_file, clock)
    looking = Looking(lake, desired, permissions, domains, store, clock=clock)
    actor = service_actor("lake")
    await fill(store)
    scan = await desired.scan(actor)
    assert len(scan.marks) == ENTRIES
    wanted = await desired.under(actor, scan.marks.keys())
    await fill_lake(lake, [one.entry for one in wanted.values()])
    del scan, wanted
    whole, worked, alone, least = [], [], [], []
    for _ in range(ROUNDS):
        gc.collect()
        begun, busy = time.perf_counter(), time.process_time()
        look = await looking.look(actor)
        whole.append(time.perf_counter() - begun)
        worked.append(time.process_time() - busy)
        assert len(look.found) == 3 * DIFFERENT
        begun = time.perf_counter()
        meant = {key: mark[0] for key, mark in look.scan.marks.items()}
        assert len(differing(meant, look.held)) == 3 * DIFFERENT
        alone.append(time.perf_counter() - begun)
        del look, meant
        least.append(floor(database, grants_file))
    await store.close()
    seconds, bare = statistics.median(whole), statistics.median(least)
    return [
        Ratio(
            "drift of 100k granted against 100k held found, seconds",
            seconds,
            TARGET_SECONDS,
            at_least=False,
            parts={
                "whole look, seconds": seconds,
                "whole look, processor seconds": statistics.median(worked),
                "comparison alone, seconds": statistics.median(alone),
                "both files read and parsed alone, seconds": bare,
                "whole look ÷ both read and parsed": seconds / bare,
            },
        )
    ]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        publish("lake_drift", asyncio.run(measure(Path(folder))))


if __name__ == "__main__":
    main()
