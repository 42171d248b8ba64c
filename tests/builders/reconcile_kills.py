"""A reconciliation that is killed again and again; each life goes on where the one before fell."""

import asyncio
import os
import signal
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from meshplane.kit.clock import SystemClock
from meshplane.services.lake.ports import LakeChange
from meshplane.services.lake.schemas import NewReconciliation, ReconcileQuery
from meshplane.services.lake.store import ALL, RECONCILIATIONS
from tests.builders.lake_grants import held, puts, table
from tests.builders.lake_world import ITSELF, LakeWorld

GRANTED, REVOKED, EXCESS = 120, 30, 20
_LATER_SECONDS = 60.0


class LaterClock(SystemClock):
    """The system's clock, some lives later: what a dead process had taken is free again."""

    def __init__(self, life: int) -> None:
        self._later = timedelta(seconds=_LATER_SECONDS * life)

    def now(self) -> datetime:
        return super().now() + self._later


async def prepare(folder: Path) -> None:
    """A mesh whose lake lacks grants, holds others that ended, and some that nobody granted."""
    world = LakeWorld(folder, LaterClock(0))
    gone = [await world.grant(number, "group:gone") for number in range(REVOKED)]
    await world.keeping.ensure(ITSELF, [grant.grant_id for grant in gone])
    await asyncio.gather(*(world.permissions.revoke(ITSELF, one.grant_id) for one in gone))
    await asyncio.gather(*(world.grant(number) for number in range(GRANTED)))
    by_hand = [
        held("user:eve@m", table(f"t_{number}"), made_by="user:ada@mesh")
        for number in range(EXCESS)
    ]
    await world.lake.apply(puts(*by_hand))
    await world.policy("adopt")
    await world.write(
        "reconcileLake",
        lambda call: world.cases.reconcile(call, NewReconciliation(), ReconcileQuery()),
    )
    await world.close()


def live(folder: str, life: int, dies_at: int) -> None:
    """Works the reconciliation off; dies at that touch of the lake, counted from 1, or never."""
    asyncio.run(_live(Path(folder), life, dies_at))


async def _live(folder: Path, life: int, dies_at: int) -> None:
    world, touches = LakeWorld(folder, LaterClock(life)), 0

    async def touch(changes: Sequence[LakeChange]) -> None:
        nonlocal touches
        touches += 1
        if touches == dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    world.lake.before = world.lake.after = touch
    await world.worker.run_due()
    await world.close()


async def outcome(folder: Path, life: int) -> dict[str, Any]:
    """The row of the reconciliation, and what differs still."""
    world = LakeWorld(folder, LaterClock(life))
    page = await world.store.begin().query(RECONCILIATIONS, ALL, index="byTime")
    (row,) = page.rows
    events = await world.store.events_after(0, 100_000)
    told = {
        **row.item,
        "drift": await world.drift(),
        "ends": sum(event.type == "LakeReconciled" for event in events),
        "granted": len((await world.permissions.desired(ITSELF, 1000, None)).grants),
    }
    await world.close()
    return told
