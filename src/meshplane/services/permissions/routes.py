"""HTTP of the permissions service."""

from typing import Annotated

from fastapi import APIRouter, Query

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import CallArgument, Operations
from meshplane.boundary.schemas import Page
from meshplane.services.permissions.schemas import (
    EffectiveQuery,
    EffectiveView,
    GrantQuery,
    GrantView,
)
from meshplane.services.permissions.service import Permissions


def router(permissions: Permissions, boundary: Boundary) -> APIRouter:
    """The routes under /api/v1/permissions."""
    operations = Operations(boundary, "permissions")

    @operations.read("/permissions", "listGrants")
    async def list_grants(
        call: CallArgument, query: Annotated[GrantQuery, Query()]
    ) -> Page[GrantView]:
        return await permissions.list(call, query)

    @operations.read("/permissions/effective", "getEffectivePermission")
    async def get_effective_permission(
        call: CallArgument, query: Annotated[EffectiveQuery, Query()]
    ) -> EffectiveView:
        return await permissions.effective(call, query)

    return operations.router
