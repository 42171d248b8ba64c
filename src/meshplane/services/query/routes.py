"""HTTP of the query service."""

from fastapi import APIRouter
from starlette.responses import Response

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import ARROW_STREAM, Accept, CallArgument, Operations
from meshplane.services.query.schemas import (
    MaterializedView,
    NewMaterialization,
    NewQuery,
    QueryView,
)
from meshplane.services.query.service import Queries


def router(queries: Queries, boundary: Boundary) -> APIRouter:
    """The routes under /api/v1/query."""
    operations = Operations(boundary, "query")

    @operations.write(
        "POST", "/query", "runQuery", answers={200: {"model": QueryView, "content": {ARROW_STREAM: {}}}}
    )
    async def run_query(call: CallArgument, accept: Accept, body: NewQuery) -> Response:
        return await queries.run(call, body, accept)

    @operations.write("POST", "/query/materialize", "materializeQuery", status=201)
    async def materialize_query(
        call: CallArgument, body: NewMaterialization
    ) -> MaterializedView:
        return await queries.materialize(call, body)

    return operations.router
