"""HTTP of the lineage service."""

from typing import Any

from pydantic import RootModel

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.services.lineage.schemas import AcceptedView, AssetLineageView, LineageQuery
from meshplane.services.lineage.service import Lineage


class LineageEvent(RootModel[dict[str, Any]]):
    """An OpenLineage 2-0-2 RunEvent, JobEvent or DatasetEvent."""


def routes(lineage: Lineage, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/lineage."""
    operations = Operations(boundary)

    @operations.write("POST", "/lineage", "receiveLineageEvent", status=202)
    async def receive_lineage_event(call: Call, body: LineageEvent) -> AcceptedView:
        return await lineage.receive(call, body.root)

    @operations.read("/lineage/{asset_id}", "getAssetLineage")
    async def get_asset_lineage(call: Call, asset_id: str, query: LineageQuery) -> AssetLineageView:
        return await lineage.of_asset(call, asset_id, query)

    return operations.routes
