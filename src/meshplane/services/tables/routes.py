"""HTTP of the tables service."""

from typing import Annotated

from fastapi import APIRouter, Query

from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import CallArgument, Operations, UploadArgument
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.services.tables.schemas import (
    CommitView,
    NewTable,
    RowsToDelete,
    SnapshotView,
    TableQuery,
    TableView,
)
from meshplane.services.tables.service import Tables


def router(tables: Tables, boundary: Boundary) -> APIRouter:
    """The routes under /api/v1/tables."""
    operations = Operations(boundary, "tables")

    @operations.write("POST", "/tables", "createTable", status=201)
    async def create_table(call: CallArgument, body: NewTable) -> TableView:
        return await tables.create(call, body)

    @operations.read("/tables", "listTables")
    async def list_tables(
        call: CallArgument, query: Annotated[TableQuery, Query()]
    ) -> Page[TableView]:
        return await tables.list(call, query)

    @operations.read("/tables/{table_id}", "getTable")
    async def get_table(call: CallArgument, table_id: str) -> TableView:
        return await tables.get(call, table_id)

    @operations.write("POST", "/tables/{table_id}/rows", "appendRows", status=201)
    async def append_rows(
        call: CallArgument, table_id: str, upload: UploadArgument
    ) -> CommitView:
        return await tables.append(call, table_id, upload)

    @operations.write("POST", "/tables/{table_id}/rows/delete", "deleteRows")
    async def delete_rows(call: CallArgument, table_id: str, body: RowsToDelete) -> CommitView:
        return await tables.delete(call, table_id, body)

    @operations.read("/tables/{table_id}/snapshots", "listSnapshots")
    async def list_snapshots(
        call: CallArgument, table_id: str, query: Annotated[PageQuery, Query()]
    ) -> Page[SnapshotView]:
        return await tables.snapshots(call, table_id, query)

    return operations.router
