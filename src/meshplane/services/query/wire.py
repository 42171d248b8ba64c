"""Puts the query service together."""

import asyncio
from collections.abc import Sequence

from meshplane.boundary.actor import Actor
from meshplane.boundary.wiring import Built, Ground, Needs
from meshplane.services.query.access import hash_key
from meshplane.services.query.api import FilterColumn, QueryApi
from meshplane.services.query.materializing import Below
from meshplane.services.query.routes import routes
from meshplane.services.query.sampling import Sampling
from meshplane.services.query.sandbox import Sandbox
from meshplane.services.query.service import Queries

_START_AFTER_SECONDS = 0.05

NEEDS = ("assets", "tables", "projects", "permissions")


class _Checker:
    """What other services may ask; see `QueryApi`."""

    def __init__(self, queries: Queries) -> None:
        self._queries = queries

    async def check_row_filter(
        self,
        actor: Actor,
        expression: str,
        columns: Sequence[FilterColumn],
    ) -> str:
        return await self._queries.check_row_filter(expression, columns)


def build(ground: Ground, needs: Needs) -> Built[QueryApi]:
    """The service on that ground."""
    sandbox = Sandbox(pool_size=ground.query_workers)
    queries = Queries(
        sandbox,
        Below(**needs),
        hash_key(ground.mask_key),
        ground.query_memory_mib,
        ground.scratch_folder,
    )
    starting: list[asyncio.Task[None]] = []

    async def start_soon() -> None:
        # The engine loads once the port is open; a query that comes before it is up waits.
        await asyncio.sleep(_START_AFTER_SECONDS)
        await sandbox.start()

    async def start() -> None:
        starting.append(asyncio.create_task(start_soon(), name="sandbox"))

    async def stop() -> None:
        for task in starting:
            task.cancel()
        await asyncio.gather(*starting, return_exceptions=True)
        await sandbox.stop()

    sampling = Sampling(queries, needs["assets"])
    return Built(
        routes(queries, sampling, ground.boundary), _Checker(queries), start=start, stop=stop
    )
