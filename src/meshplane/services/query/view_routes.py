"""HTTP of views."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.services.query.view_schemas import NewView, ViewView
from meshplane.services.query.viewing import Viewing


def view_routes(viewing: Viewing, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/query/views."""
    operations = Operations(boundary)

    @operations.write("POST", "/query/views", "createQueryView", status=201)
    async def create_query_view(call: Call, body: NewView) -> ViewView:
        return await viewing.create(call, body)

    @operations.read("/query/views/{view_id}", "getQueryView")
    async def get_query_view(call: Call, view_id: str) -> ViewView:
        return await viewing.get(call, view_id)

    return operations.routes
