"""HTTP of what is done about the lake's own catalogue."""

from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import PageQuery
from meshplane.services.tables.projecting import Projecting
from meshplane.services.tables.projecting_schemas import (
    ProjectionDriftView,
    ProjectionReconcile,
    ProjectionReconciliationView,
)


def projection_routes(projecting: Projecting, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/tables/projection."""
    operations = Operations(boundary)

    @operations.read("/tables/projection/drift", "listProjectionDrift")
    async def list_projection_drift(call: Call, query: PageQuery) -> ProjectionDriftView:
        return await projecting.drift(call, query)

    async def settle(actor: Actor, answer: dict[str, Any]) -> ProjectionReconciliationView:
        return await projecting.awaited(answer["reconciliationId"])

    @operations.write("POST", "/tables/projection/reconcile", "reconcileProjection", settle=settle)
    async def reconcile_projection(
        call: Call, body: ProjectionReconcile
    ) -> ProjectionReconciliationView:
        return await projecting.reconcile(call, body)

    @operations.read(
        "/tables/projection/reconciliations/{reconciliation_id}", "getProjectionReconciliation"
    )
    async def get_projection_reconciliation(
        call: Call, reconciliation_id: str
    ) -> ProjectionReconciliationView:
        return await projecting.get(call, reconciliation_id)

    return operations.routes
