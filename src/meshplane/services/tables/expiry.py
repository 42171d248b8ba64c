"""Use cases of cleaning: old versions of tables go, and the files that only they had."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import orjson

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, PageQuery
from meshplane.events.tables import TableSnapshotsExpired
from meshplane.kit.errors import BaseMoved, Invalid
from meshplane.platform.store import ABSENT, Store
from meshplane.policy.model import MESH
from meshplane.services.projects.api import ProjectsApi
from meshplane.services.tables import records
from meshplane.services.tables.ports import TableFiles
from meshplane.services.tables.schemas import Expiry, ExpiryView, TableView
from meshplane.services.tables.service import Tables
from meshplane.services.tables.store import TABLE_GARBAGE, TABLES_TABLE

_FILES_OF_A_ROW = 1_000
_MOST_PROJECTS_OF_A_PAGE = 50


class Cleaning:
    """Expires snapshots.

    Args:
        tables: finds and locks tables.
        projects: the service below.
        files: the lake.
        store: holds which files are to go, until they are gone.
    """

    def __init__(
        self, tables: Tables, projects: ProjectsApi, files: TableFiles, store: Store
    ) -> None:
        self._tables = tables
        self._projects = projects
        self._files = files
        self._store = store

    async def expire(self, call: Call, table_id: str, body: Expiry) -> ExpiryView:
        """Forgets the versions that are older than so many days, but never the last ones.

        The files that only they had are noted in the same commit, and removed after it.
        """
        row = await self._tables.locked(call, table_id)
        before = call.clock.now() - timedelta(days=body.older_than_days)
        staged = await asyncio.to_thread(
            self._files.expire, row.item["metadataLocation"], before, body.keep_last
        )
        call.note(expiredSnapshots=staged.expired, removedFiles=len(staged.files))
        if staged.expired:
            call.work.put(
                TABLES_TABLE,
                records.moved_on(row.item, staged.commit),
                expected=row.version,
                otherwise=BaseMoved("TABLE_BUSY", "Others keep writing to this table: try again."),
            )
            _note_garbage(call, table_id, staged.files)
            call.work.emit(
                TableSnapshotsExpired(
                    table_id=table_id,
                    expired_snapshots=staged.expired,
                    removed_files=len(staged.files),
                    expired_by=call.actor.on_behalf_of or call.actor.name,
                    expired_at=call.now,
                ).event()
            )
        return ExpiryView(
            table_id=table_id,
            expired_snapshots=staged.expired,
            removed_files=len(staged.files),
            snapshot_id=records.text_id(staged.commit.snapshot_id),
        )

    async def remove_files(self, table_id: str) -> None:
        """Removes what was noted as left over, now or by a process that died before it did."""
        work = self._store.begin()
        page = await work.query(TABLE_GARBAGE, table_id, limit=200)
        for row in page.rows:
            await asyncio.to_thread(self._files.remove, row.item["files"])
            work.delete(TABLE_GARBAGE, table_id, row.item["garbageId"])
        if page.rows:
            await work.commit()

    async def all_tables(self, call: Call, query: PageQuery) -> Page[TableView]:
        """Every table of the mesh's lake, by project; a page may be shorter than its limit."""
        await call.allow(MESH)
        at_project, at_table = _places(query.cursor)
        tables: list[TableView] = []
        for _ in range(_MOST_PROJECTS_OF_A_PAGE):
            projects = await self._projects.listed(call.actor, 1, at_project)
            if not projects.projects:
                return Page[TableView](items=tables)
            found = await call.work.query(
                TABLES_TABLE,
                projects.projects[0].project_id,
                index="byProject",
                limit=query.limit - len(tables),
                cursor=at_table,
            )
            # Of what another engine keeps, nothing can be cleaned up here.
            tables += [records.view(row) for row in found.rows if "source" not in row.item]
            at_table = found.cursor
            if at_table is None:
                at_project = projects.cursor
                if at_project is None:
                    return Page[TableView](items=tables)
            if len(tables) >= query.limit:
                break
        return Page[TableView](items=tables, next_cursor=_cursor(at_project, at_table))


def _note_garbage(call: Call, table_id: str, files: Sequence[str]) -> None:
    for begin in range(0, len(files), _FILES_OF_A_ROW):
        item = {
            "tableId": table_id,
            "garbageId": call.new_id("left"),
            "files": list(files[begin : begin + _FILES_OF_A_ROW]),
        }
        call.work.put(TABLE_GARBAGE, item, expected=ABSENT)


def _cursor(at_project: str | None, at_table: str | None) -> str:
    return orjson.dumps([at_project, at_table]).hex()


def _places(cursor: str | None) -> tuple[str | None, str | None]:
    if cursor is None:
        return None, None
    try:
        at_project, at_table = orjson.loads(bytes.fromhex(cursor))
    except (ValueError, TypeError):
        at_project, at_table = 0, 0
    places = (at_project, at_table)
    if any(place is not None and not isinstance(place, str) for place in places):
        raise Invalid(
            "CURSOR_INVALID",
            "The cursor is not one that an earlier page of this list gave.",
            field="cursor",
        )
    return places
