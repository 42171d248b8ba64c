"""What other services may ask of tables; see `TablesApi`."""

import asyncio
from datetime import datetime
from typing import Any

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.kit.errors import Missing
from meshplane.platform.store import Store
from meshplane.services.tables import records
from meshplane.services.tables.api import QueryResult, Scan, TableSummary
from meshplane.services.tables.ports import TableFiles
from meshplane.services.tables.service import Tables
from meshplane.services.tables.store import TABLES_TABLE

_LONGEST_ID = 19


class TablesKeeper:
    """Answers other services."""

    def __init__(self, tables: Tables, files: TableFiles, boundary: Boundary, store: Store) -> None:
        self._tables = tables
        self._files = files
        self._boundary = boundary
        self._store = store

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        """See `TablesApi.find`."""
        row = await self._store.begin().get(TABLES_TABLE, table_id)
        return records.summary(row.item) if row else None

    async def scan(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        """See `TablesApi.scan`."""
        item = await self._item(table_id)
        records.demand_own(item)
        location = item["metadataLocation"]
        plan = await asyncio.to_thread(self._files.scan, location, as_of, _number(snapshot_id))
        return records.scan(table_id, plan)

    async def version(
        self,
        actor: Actor,
        table_id: str,
        as_of: datetime | None,
        snapshot_id: str | None = None,
    ) -> Scan:
        """See `TablesApi.version`. Of the current one, the row tells all that is asked."""
        item = await self._item(table_id)
        if as_of is None and snapshot_id is None:
            now = records.summary(item)
            return Scan(table_id, now.snapshot_id, (), now.columns, 0, (), now.source)
        records.demand_own(item)
        location = item["metadataLocation"]
        plan = await asyncio.to_thread(self._files.version, location, as_of, _number(snapshot_id))
        return records.scan(table_id, plan)

    async def _item(self, table_id: str) -> dict[str, Any]:
        row = await self._store.begin().get(TABLES_TABLE, table_id)
        if row is None:
            raise Missing("TABLE_NOT_FOUND", "There is no table with this id.", field="tableId")
        return row.item

    async def create_from_query(self, actor: Actor, result: QueryResult) -> TableSummary:
        """See `TablesApi.create_from_query`."""
        row = await self._boundary.write(
            "createTableFromQuery",
            actor,
            lambda call: self._tables.create_from_query(call, result),
        )
        return records.summary(row.item)


def _number(snapshot_id: str | None) -> int | None:
    """A snapshot's id as Iceberg has it: a whole number of 64 bits."""
    if snapshot_id is None:
        return None
    if not (snapshot_id.isascii() and snapshot_id.isdigit()) or len(snapshot_id) > _LONGEST_ID:
        raise Missing("SNAPSHOT_NOT_FOUND", "There is no snapshot with this id.")
    return int(snapshot_id)
