"""HTTP of what is done about the portal."""

from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import PageQuery
from meshplane.services.catalog.shown import Shown
from meshplane.services.catalog.shown_schemas import (
    PortalDriftView,
    PortalReconcile,
    PortalReconciliationView,
)


def routes(shown: Shown, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/catalog/portal."""
    operations = Operations(boundary)

    @operations.read("/catalog/portal/drift", "listPortalDrift")
    async def list_portal_drift(call: Call, query: PageQuery) -> PortalDriftView:
        return await shown.drift(call, query)

    async def settle(actor: Actor, answer: dict[str, Any]) -> PortalReconciliationView:
        return await shown.awaited(answer["reconciliationId"])

    @operations.write("POST", "/catalog/portal/reconcile", "reconcilePortal", settle=settle)
    async def reconcile_portal(call: Call, body: PortalReconcile) -> PortalReconciliationView:
        return await shown.reconcile(call, body)

    @operations.read(
        "/catalog/portal/reconciliations/{reconciliation_id}", "getPortalReconciliation"
    )
    async def get_portal_reconciliation(
        call: Call, reconciliation_id: str
    ) -> PortalReconciliationView:
        return await shown.get(call, reconciliation_id)

    return operations.routes
