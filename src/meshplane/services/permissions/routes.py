"""HTTP of the permissions service."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.permissions.schemas import (
    EffectiveQuery,
    EffectiveView,
    GrantQuery,
    GrantView,
)
from meshplane.services.permissions.service import Permissions


def routes(permissions: Permissions, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/permissions."""
    operations = Operations(boundary)

    @operations.read("/permissions", "listGrants")
    async def list_grants(call: Call, query: GrantQuery) -> Page[GrantView]:
        return await permissions.list(call, query)

    @operations.read("/permissions/effective", "getEffectivePermission")
    async def get_effective_permission(call: Call, query: EffectiveQuery) -> EffectiveView:
        return await permissions.effective(call, query)

    return operations.routes
