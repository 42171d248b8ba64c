"""HTTP of the query service."""

from starlette.responses import Response

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import (
    ARROW_STREAM,
    JSON,
    Accept,
    Client,
    OperationRoute,
    Operations,
)
from meshplane.services.query.sampling import Sampling
from meshplane.services.query.schemas import (
    MaterializedView,
    NewExplanation,
    NewMaterialization,
    NewQuery,
    NewSample,
    PlanView,
    QueryView,
    SampleView,
)
from meshplane.services.query.service import Queries


def routes(queries: Queries, sampling: Sampling, boundary: Boundary) -> list[OperationRoute]:
    """The routes under /api/v1/query."""
    operations = Operations(boundary)

    @operations.write("POST", "/query", "runQuery", answers={JSON: QueryView, ARROW_STREAM: None})
    async def run_query(call: Call, accept: Accept, body: NewQuery) -> Response:
        return await queries.run(call, body, accept)

    @operations.write("POST", "/query/materialize", "materializeQuery", status=201)
    async def materialize_query(
        call: Call, body: NewMaterialization, client: Client
    ) -> MaterializedView:
        return await queries.materialize(call, body, client)

    @operations.write("POST", "/query/explain", "explainQuery")
    async def explain_query(call: Call, body: NewExplanation) -> PlanView:
        return await queries.explain(call, body)

    @operations.write("POST", "/query/sync-to-development", "syncToDevelopment")
    async def sync_to_development(call: Call, body: NewSample) -> SampleView:
        return await sampling.sync(call, body)

    return operations.routes
