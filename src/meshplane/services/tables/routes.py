"""HTTP of the tables service."""

from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.boundary.uploads import Upload
from meshplane.services.tables.expiry import Cleaning
from meshplane.services.tables.external import Externals
from meshplane.services.tables.schemas import (
    CommitView,
    Expiry,
    ExpiryView,
    NewExternalTable,
    NewTable,
    RowsToDelete,
    SnapshotView,
    TableQuery,
    TableView,
)
from meshplane.services.tables.service import Tables


def routes(
    tables: Tables, externals: Externals, cleaning: Cleaning, boundary: Boundary
) -> list[OperationRoute]:
    """The routes under /api/v1/tables."""
    operations = Operations(boundary)
    _declare_cleaning(operations, cleaning)

    @operations.write("POST", "/tables/external", "createExternalTable", status=201)
    async def create_external_table(call: Call, body: NewExternalTable) -> TableView:
        return await externals.create(call, body)

    @operations.write("POST", "/tables", "createTable", status=201)
    async def create_table(call: Call, body: NewTable) -> TableView:
        return await tables.create(call, body)

    @operations.read("/tables", "listTables")
    async def list_tables(call: Call, query: TableQuery) -> Page[TableView]:
        return await tables.list(call, query)

    @operations.read("/tables/{table_id}", "getTable")
    async def get_table(call: Call, table_id: str) -> TableView:
        return await tables.get(call, table_id)

    @operations.write("POST", "/tables/{table_id}/rows", "appendRows", status=201)
    async def append_rows(call: Call, table_id: str, upload: Upload) -> CommitView:
        return await tables.append(call, table_id, upload)

    @operations.write("POST", "/tables/{table_id}/rows/delete", "deleteRows")
    async def delete_rows(call: Call, table_id: str, body: RowsToDelete) -> CommitView:
        return await tables.delete(call, table_id, body)

    @operations.read("/tables/{table_id}/snapshots", "listSnapshots")
    async def list_snapshots(call: Call, table_id: str, query: PageQuery) -> Page[SnapshotView]:
        return await tables.snapshots(call, table_id, query)

    return operations.routes


def _declare_cleaning(operations: Operations, cleaning: Cleaning) -> None:
    async def settle(actor: Actor, table_id: str, answer: dict[str, Any]) -> ExpiryView:
        await cleaning.remove_files(table_id)
        return ExpiryView.model_validate(answer)

    @operations.write(
        "POST", "/tables/{table_id}/snapshots/expire", "expireSnapshots", settle=settle
    )
    async def expire_snapshots(call: Call, table_id: str, body: Expiry) -> ExpiryView:
        return await cleaning.expire(call, table_id, body)

    # Declared before the path of one table, which would take it for an id.
    @operations.read("/tables/all", "listAllTables")
    async def list_all_tables(call: Call, query: PageQuery) -> Page[TableView]:
        return await cleaning.all_tables(call, query)
