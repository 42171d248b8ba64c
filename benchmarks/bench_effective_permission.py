"""What a principal may do on a table: with 1,000 grants in the store, and with 100,000.

Grants lie on tables, databases, and tag expressions, with row filters and masks; 1,000 tags are
defined, and assigned to databases, tables and columns. A question is `PermissionsKeeper.access` for
one project and one asset, read from the durable store each time, nothing remembered. Both stores
are asked in turn in one run, so that the machine's mood meets both.

Grants of the larger store are spread over more tables and more projects, as in a larger mesh: each
project holds 200 grants in the one and 40 in the other.
"""

import asyncio
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from report import Ratio, publish

from meshplane.boundary.actor import service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.services.permissions.grant_rows import item_of
from meshplane.services.permissions.keeper import PermissionsKeeper
from meshplane.services.permissions.model import (
    FilterColumn,
    GovernedAsset,
    GovernedColumn,
    Grant,
    GrantedColumn,
    MaskRule,
    RowFilter,
    Target,
)
from meshplane.services.permissions.store import GRANTS, TABLES, TAG_ASSIGNMENTS, TAG_MASKS

SMALL, LARGE = 1_000, 100_000
TAGS = 1_000
COLUMNS = 20
QUESTIONS = 2_000
ROUNDS = 5
SEED = 20260501
AT = "2026-01-01T00:00:00.000Z"
ACTOR = service_actor("query")


@dataclass(frozen=True, slots=True)
class World:
    """A mesh of so many grants.

    Args:
        grants: how many.
        projects, assets, domains: how many of each.
    """

    grants: int
    projects: int
    assets: int
    domains: int

    def asset(self, number: int) -> GovernedAsset:
        """The asset of that number."""
        columns = tuple(
            GovernedColumn(f"c{place}", place + 1, "VARCHAR" if place % 2 else "BIGINT", "internal")
            for place in range(COLUMNS)
        )
        domain = f"dzd-{number % self.domains}"
        return GovernedAsset(
            f"asset-{number}", f"a{number}", domain, domain, "proj-x", "tbl-x", "internal", columns
        )


SMALL_WORLD = World(SMALL, 25, 100, 10)
LARGE_WORLD = World(LARGE, 500, 10_000, 100)


def grants(world: World, draw: random.Random) -> Iterator[Grant]:
    """The grants: 70 % scopes of rows and columns, 15 % tables, 5 % databases, 10 % by tags."""
    for number in range(world.grants):
        asset = draw.randrange(world.assets)
        asset_id, domain_id = f"asset-{asset}", f"dzd-{asset % world.domains}"
        chance = draw.random()
        more: dict[str, Any] = {}
        if chance < 0.7:
            target = Target("rows", asset_id=asset_id)
            more["row_filter"] = RowFilter("c0 > 10", (FilterColumn("c0", 1, "BIGINT"),))
            more["columns"] = tuple(
                GrantedColumn(f"c{place}", MaskRule("hash") if place == 1 else None, place + 1)
                for place in range(COLUMNS // 2)
            )
        elif chance < 0.85:
            target = Target("table", asset_id=asset_id)
        elif chance < 0.9:
            target = Target("tables", domain_id=domain_id)
        else:
            key = f"tag-{draw.randrange(TAGS)}"
            target = Target("tags", resource_type="TABLE", expression=((key, ("a", "b")),))
        yield Grant(
            grant_id=f"grant-{number:06}",
            principal=f"project:proj-{draw.randrange(world.projects)}",
            target=target,
            permissions=frozenset({"SELECT", "DESCRIBE"}),
            domain_id=domain_id,
            granted_by="user:steward@bench",
            granted_at=AT,
            reason="benchmark",
            **more,
        )


def assignments(world: World, draw: random.Random) -> Iterator[dict[str, Any]]:
    """Three tags for each table, two for one column of it, and two for each database."""
    for number in range(world.assets):
        for _ in range(3):
            yield _assigned(f"asset-{number}", "", draw)
        for _ in range(2):
            yield _assigned(f"asset-{number}", "c3", draw)
    for number in range(world.domains):
        for _ in range(2):
            yield _assigned(f"dzd-{number}", "", draw)


def _assigned(resource: str, column: str, draw: random.Random) -> dict[str, Any]:
    key, value = f"tag-{draw.randrange(TAGS)}", draw.choice("ab")
    return {
        "resource": f"asset:{resource}" if resource.startswith("asset") else f"domain:{resource}",
        "place": f"{column}#{key}",
        "column": column,
        "key": key,
        "value": value,
        "keyValue": f"{key}={value}",
    }


async def filled(folder: Path, world: World) -> tuple[SqliteStore, PermissionsKeeper]:
    """A durable store that holds the world, and who answers from it."""
    clock, draw = SystemClock(), random.Random(SEED)
    store = SqliteStore(folder / "store.db", TABLES, clock, id_maker(clock))
    work = store.begin()
    puts = [(GRANTS, item_of(grant, AT)) for grant in grants(world, draw)]
    puts += [(TAG_ASSIGNMENTS, item) for item in assignments(world, draw)]
    masked = {"scope": "mesh", "keyValue": "tag-1=a", "key": "tag-1", "value": "a"}
    puts.append((TAG_MASKS, {**masked, "mask": MaskRule("hash").to_json(), "listing": "all"}))
    for count, (table, item) in enumerate(puts, 1):
        work.put(table, item)
        if count % 1_000 == 0:
            await work.commit()
            work = store.begin()
    await work.commit()
    boundary = Boundary.__new__(Boundary)
    boundary.clock = clock
    return store, PermissionsKeeper(boundary, store, None)  # type: ignore[arg-type]


async def ask(world: World, keeper: PermissionsKeeper, draw: random.Random) -> list[float]:
    """How long each question took, in milliseconds; half of them about what is granted."""
    taken = []
    for _ in range(QUESTIONS):
        asset = world.asset(draw.randrange(world.assets))
        principal = f"project:proj-{draw.randrange(world.projects)}"
        began = time.perf_counter()
        await keeper.access(ACTOR, asset, [principal])
        taken.append((time.perf_counter() - began) * 1000)
    return taken


def p99(values: list[float]) -> float:
    """The value that one in a hundred exceeds."""
    return statistics.quantiles(values, n=100)[98]


async def main() -> None:
    """Fills both stores, asks both in turn, and reports."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        small, small_keeper = await filled(Path(one), SMALL_WORLD)
        large, large_keeper = await filled(Path(other), LARGE_WORLD)
        draw = random.Random(SEED)
        few, many = [], []
        for _ in range(ROUNDS):
            few.append(p99(await ask(SMALL_WORLD, small_keeper, draw)))
            many.append(p99(await ask(LARGE_WORLD, large_keeper, draw)))
        await small.close()
        await large.close()
    fewest, most = statistics.median(few), statistics.median(many)
    parts = {f"p99 at {SMALL} grants (ms)": fewest, f"p99 at {LARGE} grants (ms)": most}
    publish(
        "effective_permission",
        [
            Ratio("effective permission with 100,000 grants, p99 in ms", most, 2.0, False, parts),
            Ratio("p99 with 100,000 grants ÷ with 1,000", most / fewest, 3.0, False, parts),
        ],
    )


if __name__ == "__main__":
    asyncio.run(main())
