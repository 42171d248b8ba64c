"""Use cases of crawls: what lies in a project's raw area, and a table made of it.

A crawl and what is made of it take a role in the project. A grant that lets create tables there is
not enough: what lies in the area is the project's own, and was granted to nobody.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page
from meshplane.kit.errors import BaseMoved, Conflict, Invalid, Missing, TooLarge
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.policy.model import Resource
from meshplane.services.projects.api import ProjectsApi, ProjectSummary, no_such_project
from meshplane.services.tables import crawl_records, records
from meshplane.services.tables.crawl_ports import (
    FoundTable,
    RawFile,
    RawFiles,
    ToRead,
    WantedColumn,
)
from meshplane.services.tables.crawling import Crawling
from meshplane.services.tables.crawls_schemas import (
    CrawlQuery,
    CrawlSummaryView,
    CrawlView,
    NewCrawl,
    NewTableFromCrawl,
)
from meshplane.services.tables.ports import ColumnSpec, PartitionBy
from meshplane.services.tables.raw_area import (
    MOST_FILES,
    area_of,
    checked_path,
    format_of,
    tables_in,
)
from meshplane.services.tables.schemas import TableView
from meshplane.services.tables.service import Tables, project_resource
from meshplane.services.tables.store import CRAWL_TURNS, CRAWLED_TABLES, CRAWLS

MOST_BYTES = 1024**3
"""Of the files that one table is made of."""

_AT_ONCE = 2
_PLAIN = frozenset(
    {
        *("boolean", "int", "long", "float", "double", "string", "binary", "uuid"),
        *("date", "time", "timestamp", "timestamptz"),
    }
)


class Crawls:
    """Has raw areas crawled, and makes tables of what was found.

    Args:
        projects: the service below.
        tables: makes tables.
        files: reads raw areas.
        crawling: carries crawls to their end.
        scratch: a directory for rows on their way.
    """

    def __init__(
        self,
        projects: ProjectsApi,
        tables: Tables,
        files: RawFiles,
        crawling: Crawling,
        scratch: Path,
    ) -> None:
        self._projects = projects
        self._tables = tables
        self._files = files
        self._crawling = crawling
        self._scratch = scratch
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def start(self, call: Call, body: NewCrawl) -> CrawlView:
        """Begins a crawl. One of the same path that goes on already is joined.

        Raises:
            Missing: PROJECT_NOT_FOUND.
            Invalid: CRAWL_PATH_INVALID.
            Conflict: CRAWL_RUNNING, the project has another one that goes on.
        """
        project = await self._project(call, body.project_id)
        await call.allow(project_resource(project))
        path = checked_path(body.path)
        turn = await call.work.get(CRAWL_TURNS, project.project_id)
        there = await call.work.get(CRAWLS, turn.item["crawlId"]) if turn is not None else None
        if there is not None and there.item["status"] == crawl_records.RUNNING:
            if there.item["path"] != path:
                raise _running()
            call.resource = f"Crawl:{there.item['crawlId']}"
            return crawl_records.view(there.item, [])
        item = self._new_item(call, project, path)
        call.work.put(CRAWLS, item, expected=ABSENT)
        call.work.put(
            CRAWL_TURNS,
            {"projectId": project.project_id, "crawlId": item["crawlId"]},
            expected=turn.version if turn is not None else ABSENT,
            otherwise=BaseMoved("CRAWL_RUNNING", "Another crawl was begun meanwhile: try again."),
        )
        self._crawling.begin(call.work, item["crawlId"])
        return crawl_records.view(item, [])

    async def get(self, call: Call, crawl_id: str) -> CrawlView:
        """The crawl with that id, and what it found.

        Raises:
            Missing: CRAWL_NOT_FOUND.
        """
        row = await self._allowed(call, crawl_id)
        found = await call.work.get(CRAWLED_TABLES, crawl_id)
        return crawl_records.view(row.item, crawl_records.found_in(found))

    async def list(self, call: Call, query: CrawlQuery) -> Page[CrawlSummaryView]:
        """The crawls of a project, latest first."""
        project = await self._project(call, query.project_id)
        await call.allow(project_resource(project))
        page = await call.work.query(
            CRAWLS,
            query.project_id,
            index="byProject",
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        return Page[CrawlSummaryView](
            items=[crawl_records.summary(row.item) for row in page.rows], next_cursor=page.cursor
        )

    async def create_table(self, call: Call, crawl_id: str, body: NewTableFromCrawl) -> TableView:
        """Makes a table of files that a crawl found, with their rows as they are now.

        Raises:
            Missing: CRAWL_NOT_FOUND, FOUND_TABLE_MISSING, RAW_FILE_NOT_FOUND.
            Conflict: CRAWL_NOT_DONE, NAME_TAKEN.
            Invalid: FOUND_TABLE_UNUSABLE, COLUMN_NOT_FOUND, COLUMN_TYPE_UNSUPPORTED,
                FILES_UNREADABLE, FILES_DO_NOT_FIT, and what `TableFiles` refuses.
            TooLarge: FILES_TOO_LARGE, and what `TableFiles` refuses.
        """
        row = await self._allowed(call, crawl_id)
        project = await self._project(call, row.item["projectId"])
        found = await self._found(call, row, body.found)
        columns = _wanted(found, body)
        name = body.name or body.found
        await self._tables.demand_free_name(call, project.project_id, name)
        asked = await asyncio.to_thread(self._to_read, project, found, columns, body)
        specs = [ColumnSpec(column.name, column.type) for column in columns]
        parts = [PartitionBy(part.column, part.transform) for part in body.partition_by]
        call.note(crawl=crawl_id, files=len(asked.files))
        async with self._turns:
            rows = await asyncio.to_thread(self._rows, asked)
            try:
                made = await self._tables.create_with_rows(
                    call, project, name, specs, parts, rows_file=rows
                )
            finally:
                rows.unlink(missing_ok=True)
        return records.view(made)

    def _rows(self, asked: ToRead) -> Path:
        from meshplane.services.tables.raw_tables import written

        return written(self._files, asked, self._scratch)

    def _to_read(
        self,
        project: ProjectSummary,
        found: FoundTable,
        columns: Sequence[WantedColumn],
        body: NewTableFromCrawl,
    ) -> ToRead:
        area = area_of(project.bucket, project.project_id)
        if found.format is None:
            raise _unusable(found.problem)
        there = self._files.listed(area, found.location, MOST_FILES)
        if not there and "/" not in found.location and format_of(found.location) is not None:
            # A file at the top of the area; where it is gone, that is said when it is opened.
            there = [RawFile(found.location, found.size_bytes)]
        tables, _ = tables_in(there)
        now = next((one for one in tables if one.location == found.location), None)
        if now is None:
            raise Missing(
                "RAW_FILE_NOT_FOUND", "The files are in the raw area no longer.", field="found"
            )
        sources = {one.name: one.source for one in found.columns}
        said = [sources[name] for name in found.partition_columns]
        if now.problem or now.format != found.format or sorted(now.partitions) != sorted(said):
            raise _unusable(now.problem or "Its files have changed since: crawl again.")
        _demand_small(now.files)
        return ToRead(
            area, now.location, found.format, now.files, columns, said, known=body.columns is None
        )

    async def _found(self, call: Call, row: Row, name: str) -> FoundTable:
        if row.item["status"] != crawl_records.SUCCEEDED:
            raise Conflict(
                "CRAWL_NOT_DONE",
                "The crawl goes on, or has failed: wait for its end, or start another one.",
            )
        kept = await call.work.get(CRAWLED_TABLES, row.item["crawlId"])
        found = next((one for one in crawl_records.found_in(kept) if one.name == name), None)
        if found is None:
            raise Missing(
                "FOUND_TABLE_MISSING", "The crawl found no table of this name.", field="found"
            )
        if found.problem:
            raise _unusable(found.problem)
        return found

    async def _project(self, call: Call, project_id: str) -> ProjectSummary:
        project = await self._projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        return project

    async def _allowed(self, call: Call, crawl_id: str) -> Row:
        """The crawl, for those who may know that it exists."""
        row = await call.work.get(CRAWLS, crawl_id)
        missing = Missing("CRAWL_NOT_FOUND", "There is no crawl with this id.", field="crawlId")
        if row is None:
            # Asked all the same, so that this answer takes the way of the other.
            await call.allow(Resource("Project", "unknown"), hide=missing, known_by="getCrawl")
            raise missing
        item = row.item
        resource = Resource(
            "Project", item["projectId"], domain_id=item["domainId"], project_id=item["projectId"]
        )
        await call.allow(resource, hide=missing, known_by="getCrawl")
        return row

    def _new_item(self, call: Call, project: ProjectSummary, path: str) -> dict[str, Any]:
        crawl_id = call.new_id("crawl")
        call.resource = f"Crawl:{crawl_id}"
        return {
            "crawlId": crawl_id,
            "projectId": project.project_id,
            "domainId": project.domain_id,
            "bucket": project.bucket,
            "path": path,
            "status": crawl_records.RUNNING,
            "statusReason": None,
            "foundTables": 0,
            "skippedFiles": 0,
            "startedBy": call.actor.on_behalf_of or call.actor.name,
            "startedAt": call.now,
            "endedAt": None,
            "traceId": call.actor.trace_id,
        }


def _wanted(found: FoundTable, body: NewTableFromCrawl) -> list[WantedColumn]:
    """The columns to take: all of them, or those that are named.

    Raises:
        Invalid: COLUMN_NOT_FOUND, COLUMN_TYPE_UNSUPPORTED, COLUMNS_MISSING.
    """
    there = {column.name: column for column in found.columns}
    if body.columns is None:
        taken = [(column.name, column.type) for column in found.columns]
    else:
        taken = []
        for position, one in enumerate(body.columns):
            if one.name not in there:
                raise Invalid(
                    "COLUMN_NOT_FOUND",
                    f"The found table has no column {one.name!r}: name some of those it has.",
                    field=f"columns.{position}.name",
                )
            taken.append((one.name, one.type or there[one.name].type))
    for name, kind in taken:
        if kind not in _PLAIN and not kind.startswith(("decimal(", "fixed[")):
            raise Invalid(
                "COLUMN_TYPE_UNSUPPORTED",
                f"The column {name!r} is {kind}, which tables here do not take. Name the columns "
                "to take, without this one or with another type for it.",
                field="columns",
            )
    if {name for name, _ in taken} <= set(found.partition_columns):
        raise Invalid(
            "COLUMNS_MISSING",
            "Name one column at least that is in the files, beside those that their folders say.",
            field="columns",
        )
    return [WantedColumn(name, kind, there[name].source) for name, kind in taken]


def _demand_small(files: tuple[RawFile, ...]) -> None:
    size = sum(file.size_bytes for file in files)
    if size > MOST_BYTES:
        raise TooLarge(
            "FILES_TOO_LARGE",
            f"The files have {size:,} bytes, and a table is made of at most {MOST_BYTES:,}. Keep "
            "some of them in another folder, and append their rows afterwards.",
            field="found",
        )


def _unusable(problem: str) -> Invalid:
    return Invalid("FOUND_TABLE_UNUSABLE", f"No table can be made of it. {problem}", field="found")


def _running() -> Conflict:
    return Conflict(
        "CRAWL_RUNNING",
        "A crawl of another path of this project goes on: wait until it has ended.",
        field="path",
    )
