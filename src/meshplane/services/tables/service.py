"""Use cases of tables."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery, position
from meshplane.boundary.uploads import Upload
from meshplane.kit.clock import to_text
from meshplane.kit.errors import BaseMoved, Missing
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.permissions.api import PermissionsApi
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project
from meshplane.services.tables import records
from meshplane.services.tables.api import QueryResult
from meshplane.services.tables.new_rows import emit_snapshot, name_taken, put_new
from meshplane.services.tables.ports import ColumnSpec, PartitionBy, StagedCommit, TableFiles
from meshplane.services.tables.schemas import (
    CommitView,
    NewTable,
    RowsToDelete,
    SnapshotView,
    TableQuery,
    TableView,
)
from meshplane.services.tables.store import TABLE_NAMES, TABLES_TABLE

_LONGEST_LOCK_MAP = 10_000

_GRANTED_OPERATIONS = frozenset({"appendRows", "deleteRows"})
"""What may be done to a table by a grant as well as by a role in its project."""


class Tables:
    """Creates tables and commits snapshots to them.

    Args:
        projects, permissions: the services below.
        files: the lake.
        lake: where buckets lie: a folder, or `s3://`.
    """

    def __init__(
        self,
        projects: ProjectsApi,
        permissions: PermissionsApi,
        files: TableFiles,
        lake: Path | str,
    ) -> None:
        self._projects = projects
        self._permissions = permissions
        self._files = files
        root = str(lake)
        self._lake = root if root.endswith("/") else f"{root}/"
        # Writers of one table in this process take turns. Across processes the pointer's version
        # decides, and the loser stages again.
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def create(self, call: Call, body: NewTable) -> TableView:
        """Creates an empty table.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Conflict: NAME_TAKEN.
            Invalid: what `TableFiles.create` refuses.
        """
        project = await self._project(call, body.project_id)
        resource = await self._with_grants(call, project_resource(project), None)
        await call.allow(resource)
        await self.demand_free_name(call, project.project_id, body.name)
        item = self._new_item(call, project, body.name)
        item["partitionBy"] = [part.model_dump(by_alias=True) for part in body.partition_by]
        columns = [
            ColumnSpec(column.name, column.type, column.required, column.doc)
            for column in body.columns
        ]
        parts = [PartitionBy(part.column, part.transform) for part in body.partition_by]
        staged = await asyncio.to_thread(self._files.create, item["location"], columns, parts)
        item = records.moved_on(item, staged)
        put_new(call, item)
        return records.view(Row(item, 1))

    async def create_from_query(self, call: Call, result: QueryResult) -> Row:
        """Creates a table with the rows of a query, in one commit with its lineage."""
        project = await self._project(call, result.project_id)
        await call.allow(project_resource(project))
        there = await self._there_before(call, result)
        if there is not None:
            made = there.item.get("madeBy") == result.once
            return there if made else await self._renewed(call, there, result)
        columns = [ColumnSpec(name, kind) for name, kind in result.columns]
        rows_file = Path(result.rows_file)
        item = {**self._new_item(call, project, result.name), "partitionBy": []}
        item, staged = await self._filled(item, columns, [], rows_file)
        item["madeBy"] = result.once
        if result.sample_of is not None:
            item["sampleOf"] = result.sample_of
        put_new(call, item)
        emit_snapshot(call, item["tableId"], "append", staged, result)
        return Row(item, 1)

    async def create_with_rows(
        self,
        call: Call,
        project: ProjectSummary,
        name: str,
        columns: Sequence[ColumnSpec],
        partition_by: Sequence[PartitionBy],
        *,
        rows_file: Path,
    ) -> Row:
        """Makes a table with its first rows, for a call that is allowed to.

        Args:
            call: the operation.
            project: of the table.
            name: one that is free.
            columns: of the table.
            partition_by: how its rows are split.
            rows_file: an Arrow IPC stream.

        Raises:
            Conflict: NAME_TAKEN, at the commit.
            Invalid, TooLarge: what `TableFiles.create` and `TableFiles.append` refuse.
        """
        item = self._new_item(call, project, name)
        item["partitionBy"] = [
            {"column": part.column, "transform": part.transform} for part in partition_by
        ]
        item, staged = await self._filled(item, columns, partition_by, rows_file)
        put_new(call, item)
        if staged.snapshot_id is not None:
            emit_snapshot(call, item["tableId"], "append", staged, None)
        return Row(item, 1)

    async def _filled(
        self,
        item: dict[str, Any],
        columns: Sequence[ColumnSpec],
        partition_by: Sequence[PartitionBy],
        rows_file: Path,
    ) -> tuple[dict[str, Any], StagedCommit]:
        """The row of a new table with its first rows, and what was staged for it."""
        empty = await asyncio.to_thread(self._files.create, item["location"], columns, partition_by)
        staged = await asyncio.to_thread(self._files.append, empty.metadata_location, rows_file)
        return records.moved_on(item, staged), staged

    async def get(self, call: Call, table_id: str) -> TableView:
        """The table with that id."""
        return records.view(await self._allowed(call, table_id))

    async def list(self, call: Call, query: TableQuery) -> Page[TableView]:
        """The tables of a project, by name."""
        project = await self._project(call, query.project_id)
        await call.allow(project_resource(project))
        page = await call.work.query(
            TABLES_TABLE,
            query.project_id,
            index="byProject",
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[TableView](
            items=[records.view(row) for row in page.rows], next_cursor=page.cursor
        )

    async def append(self, call: Call, table_id: str, upload: Upload) -> CommitView:
        """Appends the rows of an Arrow stream, as one snapshot."""
        return await self._commit(
            call, table_id, "append", lambda at: self._files.append(at, upload.path)
        )

    async def delete(self, call: Call, table_id: str, body: RowsToDelete) -> CommitView:
        """Deletes the rows for which a condition is true, as one snapshot."""
        return await self._commit(
            call, table_id, "delete", lambda at: self._files.delete(at, body.where)
        )

    async def snapshots(self, call: Call, table_id: str, query: PageQuery) -> Page[SnapshotView]:
        """The versions of a table, oldest first."""
        row = await self._allowed(call, table_id)
        records.demand_own(row.item)
        found = await asyncio.to_thread(self._files.snapshots, row.item["metadataLocation"])
        begin = position(query.cursor)
        end = begin + query.limit
        views = [
            SnapshotView(
                snapshot_id=str(snapshot.snapshot_id),
                parent_id=records.text_id(snapshot.parent_snapshot_id),
                committed_at=to_text(snapshot.committed_at),
                operation=snapshot.operation,
                added_rows=snapshot.added_rows,
                deleted_rows=snapshot.deleted_rows,
                total_rows=snapshot.total_rows,
            )
            for snapshot in found[begin:end]
        ]
        return Page[SnapshotView](items=views, next_cursor=str(end) if end < len(found) else None)

    async def _commit(
        self, call: Call, table_id: str, operation: str, stage: Callable[[str], StagedCommit]
    ) -> CommitView:
        row = await self.locked(call, table_id)
        staged = await asyncio.to_thread(stage, row.item["metadataLocation"])
        call.note(addedRows=staged.added_rows, deletedRows=staged.deleted_rows)
        if staged.metadata_location != row.item["metadataLocation"]:
            call.work.put(
                TABLES_TABLE,
                records.moved_on(row.item, staged),
                expected=row.version,
                otherwise=BaseMoved("TABLE_BUSY", "Others keep writing to this table: try again."),
            )
            emit_snapshot(call, table_id, operation, staged, None)
        return CommitView(
            table_id=table_id,
            snapshot_id=records.text_id(staged.snapshot_id),
            added_rows=staged.added_rows,
            deleted_rows=staged.deleted_rows,
            total_rows=staged.total_rows,
            committed_at=to_text(staged.committed_at),
        )

    async def locked(self, call: Call, table_id: str) -> Row:
        """The table, if the call may be made on it, and no other writer of this process at it."""
        row = await self._allowed(call, table_id)
        records.demand_own(row.item)
        await call.hold(self._lock(table_id))
        return await call.work.get(TABLES_TABLE, table_id) or row

    def _lock(self, table_id: str) -> asyncio.Lock:
        if len(self._locks) > _LONGEST_LOCK_MAP:
            idle = [key for key, lock in self._locks.items() if not lock.locked()]
            for key in idle:
                del self._locks[key]
        return self._locks[table_id]

    async def _allowed(self, call: Call, table_id: str) -> Row:
        """The table, for those who may know that it exists."""
        row = await call.work.get(TABLES_TABLE, table_id)
        missing = Missing("TABLE_NOT_FOUND", "There is no table with this id.", field="tableId")
        if row is None:
            # Asked all the same, so that this answer takes the way of the other.
            await call.allow(Resource("Table", table_id), hide=missing, known_by="getTable")
            raise missing
        resource = Resource(
            "Table", table_id, domain_id=row.item["domainId"], project_id=row.item["projectId"]
        )
        if call.operation in _GRANTED_OPERATIONS:
            resource = await self._with_grants(call, resource, table_id)
        await call.allow(resource, hide=missing, known_by="getTable")
        return row

    async def _with_grants(self, call: Call, resource: Resource, table_id: str | None) -> Resource:
        """The resource with what grants permit the caller there, for the policies to read.

        Grants are looked up where his roles alone do not do.
        """
        actor = call.actor
        if actor.is_service or await call.judge.allows(actor, call.operation, resource):
            return resource
        projects = await self._projects.of_principals(actor, actor.principals)
        principals = [*actor.principals, *(f"project:{project_id}" for project_id in projects)]
        rights = await self._permissions.table_rights(
            actor, table_id, resource.domain_id or "", principals
        )
        return replace(resource, attributes=(("granted", tuple(rights)),))

    async def _project(self, call: Call, project_id: str) -> ProjectSummary:
        project = await self._projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        return project

    async def demand_free_name(self, call: Call, project_id: str, name: str) -> None:
        """Demands that a project has no table of that name.

        Raises:
            Conflict: NAME_TAKEN.
        """
        # The commit checks it again; asking first spares writing files for nothing.
        if await call.work.get(TABLE_NAMES, project_id, name) is not None:
            raise name_taken()

    async def _there_before(self, call: Call, result: QueryResult) -> Row | None:
        """The table of that name: this request made it, or it may be renewed.

        Raises:
            Conflict: NAME_TAKEN.
        """
        named = await call.work.get(TABLE_NAMES, result.project_id, result.name)
        if named is None:
            return None
        row = await call.work.get(TABLES_TABLE, named.item["tableId"])
        if row is not None:
            is_made = row.item.get("madeBy") == result.once
            is_sample = result.sample_of is not None and (
                row.item.get("sampleOf") == result.sample_of
            )
            if is_made or is_sample:
                return row
        raise name_taken("tableName")

    async def _renewed(self, call: Call, row: Row, result: QueryResult) -> Row:
        """The table with the rows of a result in place of its own, as one snapshot."""
        table_id = row.item["tableId"]
        call.resource = f"Table:{table_id}"
        columns = [ColumnSpec(name, kind) for name, kind in result.columns]
        rows_file = Path(result.rows_file)
        staged = await asyncio.to_thread(
            self._files.replace, row.item["metadataLocation"], columns, rows_file
        )
        item = {**records.moved_on(row.item, staged), "madeBy": result.once}
        moved = BaseMoved("TABLE_BUSY", "Others keep writing to this table: try again.")
        call.work.put(TABLES_TABLE, item, expected=row.version, otherwise=moved)
        emit_snapshot(call, table_id, "overwrite", staged, result)
        return Row(item, row.version + 1)

    def _new_item(self, call: Call, project: ProjectSummary, name: str) -> dict[str, Any]:
        item = new_item(call, project, name)
        item["location"] = f"{self._lake}{project.bucket}/{name}-{item['tableId']}"
        return item


def new_item(call: Call, project: ProjectSummary, name: str) -> dict[str, Any]:
    """What the row of every new table has, wherever it lies."""
    table_id = call.new_id("tbl")
    call.resource = f"Table:{table_id}"
    return {
        "tableId": table_id,
        "projectId": project.project_id,
        "domainId": project.domain_id,
        "domainName": project.domain_name,
        "name": name,
        "createdBy": call.actor.on_behalf_of or call.actor.name,
        "createdAt": call.now,
    }


def project_resource(project: ProjectSummary) -> Resource:
    """A project, for the policies to judge what is done in it."""
    return Resource(
        "Project", project.project_id, domain_id=project.domain_id, project_id=project.project_id
    )
