"""Good requests for what is done about the portal and the lake's own catalogue."""

from collections.abc import Callable

from tests.builders.request import Request
from tests.builders.small_mesh import SmallMesh


def shown_reads(mesh: SmallMesh) -> dict[str, str]:
    """Their paths, by operation."""
    portal, projection = mesh.shown_reconciliations
    return {
        "listPortalDrift": "/catalog/portal/drift",
        "getPortalReconciliation": f"/catalog/portal/reconciliations/{portal}",
        "listProjectionDrift": "/tables/projection/drift",
        "getProjectionReconciliation": f"/tables/projection/reconciliations/{projection}",
    }


def shown_writes() -> dict[str, Callable[[], Request]]:
    """The writes."""
    return {
        "reconcilePortal": lambda: Request("POST", "/catalog/portal/reconcile", {"mend": False}),
        "reconcileProjection": lambda: Request("POST", "/tables/projection/reconcile", {}),
    }
