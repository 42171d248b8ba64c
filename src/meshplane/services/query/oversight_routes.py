"""HTTP of queries under way and of those that have ended."""

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.query.cancelling import Cancelling
from meshplane.services.query.history import History
from meshplane.services.query.history_schemas import (
    Cancellation,
    CancelledView,
    HistoryEntryView,
    RunningQuery,
    RunningView,
)


def oversight_routes(
    cancelling: Cancelling, history: History, boundary: Boundary
) -> list[OperationRoute]:
    """The routes by which people look after their queries."""
    operations = Operations(boundary)

    @operations.read("/query/running", "listRunningQueries")
    async def list_running_queries(call: Call, query: RunningQuery) -> RunningView:
        return await cancelling.list(call, query)

    @operations.write("POST", "/query/{query_id}/cancel", "cancelQuery")
    async def cancel_query(call: Call, query_id: str, body: Cancellation) -> CancelledView:
        return await cancelling.cancel(call, query_id, body)

    @operations.read("/query/history", "listQueryHistory")
    async def list_query_history(call: Call, query: PageQuery) -> Page[HistoryEntryView]:
        return await history.list(call, query)

    @operations.read("/query/history/{query_id}", "getQueryHistoryEntry")
    async def get_query_history_entry(call: Call, query_id: str) -> HistoryEntryView:
        return await history.get(call, query_id)

    return operations.routes
