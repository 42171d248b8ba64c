"""Use case: a round of quality runs over everything that is published."""

import time

from meshplane.boundary.actor import service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.store import Store
from meshplane.policy.model import MESH
from meshplane.services.assets.api import AssetsApi
from meshplane.services.quality.records import COMPLETED, RUNNING
from meshplane.services.quality.schemas import NewRound, NewRun, RoundView, RunView
from meshplane.services.quality.service import Quality
from meshplane.services.quality.store import RULESETS

_PAGE = 100


class Rounds:
    """Runs all rulesets, one after another.

    Args:
        quality: runs one.
        assets: the service below.
        boundary, store: for the runs, each a commit of its own.
    """

    def __init__(
        self, quality: Quality, assets: AssetsApi, boundary: Boundary, store: Store
    ) -> None:
        self._quality = quality
        self._assets = assets
        self._boundary = boundary
        self._store = store

    async def run(self, call: Call, body: NewRound) -> RoundView:
        """Runs the ruleset of each published asset that has one.

        Each run is committed by itself, with its alert, in the name of the mesh's workflows; a run
        that breaks off is counted and on record, and holds up no other.
        """
        await call.allow(MESH)
        begun = time.perf_counter()
        runs, running, failed, broken = 0, 0, 0, 0
        cursor: str | None = None
        while True:
            page = await self._assets.listed(call.actor, _PAGE, cursor)
            for asset in page.assets:
                if await self._store.begin().get(RULESETS, asset.asset_id) is None:
                    continue
                try:
                    run = await self._run_one(call, asset.asset_id)
                except MeshplaneError:
                    broken += 1  # the boundary has put it on record
                    continue
                runs += 1
                running += run.status == RUNNING
                failed += run.status == COMPLETED and run.rules_passed < run.rules_total
            cursor = page.cursor
            if cursor is None:
                break
        call.note(
            runs=runs,
            running=running,
            failed=failed,
            broken=broken,
            triggeredBy=body.triggered_by,
        )
        seconds = round(time.perf_counter() - begun, 6)
        return RoundView(runs=runs, running=running, failed=failed, broken=broken, seconds=seconds)

    async def _run_one(self, call: Call, asset_id: str) -> RunView:
        behalf = call.actor.on_behalf_of or call.actor.name
        itself = service_actor("workflows", behalf, call.actor.trace_id)
        return await self._boundary.write(
            "startQualityRun",
            itself,
            lambda inner: self._quality.run(inner, NewRun(asset_id=asset_id)),
        )
