"""Use cases of governed SQL."""

import asyncio
import tempfile
from logging import ERROR
from pathlib import Path
from typing import Any

import orjson
from starlette.responses import Response

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import ARROW_STREAM, JSON, Client
from meshplane.kit.errors import LimitReached, MeshplaneError
from meshplane.platform.telemetry import log
from meshplane.policy.model import MESH, Resource
from meshplane.services.projects.api import no_such_project
from meshplane.services.query.access import Access
from meshplane.services.query.column_types import iceberg_types
from meshplane.services.query.governing import Governing, Job
from meshplane.services.query.in_flight import InFlight
from meshplane.services.query.materializing import Below, Target
from meshplane.services.query.planning import explain
from meshplane.services.query.sandbox import Limits, Outcome, Relation, Sandbox, Statement
from meshplane.services.query.sandbox.job import Output
from meshplane.services.query.schemas import (
    MaterializedView,
    NewExplanation,
    NewMaterialization,
    NewQuery,
    PlanView,
    ResultColumn,
)
from meshplane.services.query.streaming import LiveResponse, Spill
from meshplane.services.query.versions import versions_of
from meshplane.services.query.view_rows import ViewBook
from meshplane.services.query.viewed import ViewedAccess
from meshplane.services.tables.api import Origin, QueryResult, TableSummary

_JSON_BYTES = 64 * 1024 * 1024
_STREAM_BYTES = 1024 * 1024 * 1024  # never all at once in memory
_MOST_ORIGINS = 5_000
_MATERIALIZED_LIMITS = Limits(
    timeout_seconds=300.0, memory_mib=2048, max_rows=50_000_000, max_bytes=128 * 1024 * 1024
)


class Queries:
    """Runs governed SQL.

    Args:
        boundary: records how streamed answers end.
        sandbox: checks row filters.
        governing: runs statements.
        in_flight: where those under way are listed.
        below: the services that say what may be read.
        memory_mib: that one query may use.
        scratch: a folder for results on their way into a table.
        views: finds views.
        here: runs statements on this machine, where `governing` has another engine run them: those
            whose rows come back into the mesh.
    """

    def __init__(
        self,
        boundary: Boundary,
        sandbox: Sandbox,
        governing: Governing,
        in_flight: InFlight,
        *,
        below: Below,
        memory_mib: int,
        scratch: Path,
        views: ViewBook,
        here: Governing | None = None,
    ) -> None:
        self._boundary = boundary
        self._sandbox = sandbox
        self._governing = governing
        self._here = here if here is not None else governing
        self._in_flight = in_flight
        self.below = below
        self._memory_mib = memory_mib
        self._scratch = scratch
        self._views = views

    async def run(self, call: Call, body: NewQuery, accept: str | None) -> Response:
        """Answers a statement, as JSON or as an Arrow stream.

        Raises:
            MeshplaneError: SQL_REFUSED, SQL_INVALID, SQL_RUNTIME, SQL_LIMIT, SQL_CANCELLED,
                ACCESS_REQUIRED.
        """
        await self._allow(call, body.project_id)
        wants_arrow = (accept or "").split(";")[0].strip() == ARROW_STREAM
        limits = Limits(
            timeout_seconds=body.timeout_seconds,
            memory_mib=self._memory_mib,
            max_rows=body.max_rows,
            max_bytes=_STREAM_BYTES if wants_arrow else _JSON_BYTES,
        )
        output: Output = "arrow" if wants_arrow else "json"
        statement = Statement(body.sql, body.parameters, output, limits)
        job = await self._begin(call, statement, body, body.project_id)
        if wants_arrow:
            return await self._streamed(job)
        outcome = await self._governing.run(job)
        return _json(job, outcome)

    async def _streamed(self, job: Job) -> Response:
        """An Arrow stream: whole if it is small, and otherwise as it is made."""
        spill = Spill()
        making = asyncio.create_task(self._governing.run(job, spill))
        over = asyncio.create_task(spill.overflowed.wait())
        either: set[asyncio.Future[Any]] = {making, over}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            making.cancel()
            await asyncio.gather(making, return_exceptions=True)
            raise
        finally:
            over.cancel()
        headers = {"Query-Id": job.entry.query_id}
        if making.done():
            outcome = making.result()
            headers["Row-Count"] = str(outcome.row_count)
            headers["Truncated"] = str(outcome.truncated).lower()
            return Response(spill.whole(), headers=headers, media_type=ARROW_STREAM)
        return self._live(job, spill, making, headers)

    def _live(
        self, job: Job, spill: Spill, making: asyncio.Task[Outcome], headers: dict[str, str]
    ) -> Response:
        """An answer that goes on when its operation is committed; its end is recorded then."""
        call, read = job.call, [one.read for one in job.access.opened]
        call.note(
            relations=[one.name for one in read],
            snapshots=[one.snapshot_id for one in read],
            streamed=True,
        )
        job.entry.goes_on = job.ran.goes_on = True

        def leave(ended: asyncio.Task[Outcome]) -> None:
            self._in_flight.leave(job.entry)
            if not ended.cancelled():
                ended.exception()  # `finish` tells of it; of an answer never begun nobody does

        making.add_done_callback(leave)

        async def finish(error: BaseException | None) -> None:
            job.ran.goes_on = False
            await self._boundary.record_end(call, _told(error))

        return LiveResponse(spill, making, finish, headers)

    async def explain(self, call: Call, body: NewExplanation) -> PlanView:
        """How a statement would be run; see `planning.explain`."""
        await self._allow(call, body.project_id)
        access = self._access(call.actor, body.project_id, body)
        return await explain(self._governing, call, body, access, self._memory_mib)

    async def materialize(
        self, call: Call, body: NewMaterialization, client: Client
    ) -> MaterializedView:
        """Makes a table of the project from a statement's result, with its lineage.

        The statement ends when its client hangs up; once there is a result, the table is made.
        """
        await self._allow(call, body.project_id)
        statement = Statement(body.sql, None, "arrow", _MATERIALIZED_LIMITS)
        job = await self._begin(call, statement, body, body.project_id)
        outcome = await client.wait_for(self._here.run(job))
        target = Target(body.project_id, body.table_name)
        table = await self.keep(job, outcome, target)
        return MaterializedView(
            query_id=job.entry.query_id,
            table_id=table.table_id,
            project_id=table.project_id,
            name=table.name,
            columns=[ResultColumn(name=c.name, type=c.sql_type) for c in table.columns],
            rows=table.rows,
            snapshot_id=table.snapshot_id,
            cost=job.cost(),
        )

    async def make(
        self, call: Call, sql: str, access: Access, target: Target
    ) -> tuple[str, TableSummary]:
        """See `Materializing.make`."""
        statement = Statement(sql, None, "arrow", _MATERIALIZED_LIMITS)
        job = await self._here.begin(
            call, statement, access, query_id=None, project_id=target.project_id
        )
        outcome = await self._here.run(job)
        return job.entry.query_id, await self.keep(job, outcome, target)

    async def keep(self, job: Job, outcome: Outcome, target: Target) -> TableSummary:
        """Makes a table of a result, with its lineage, in one commit.

        Raises:
            LimitReached: SQL_LIMIT, it has too many rows.
            Conflict: NAME_TAKEN.
        """
        if outcome.truncated:
            raise LimitReached(
                "SQL_LIMIT", "The result has too many rows for a table.", field="sql"
            )
        call, access, query_id = job.call, job.access, job.entry.query_id
        columns = iceberg_types(outcome.columns)
        file = await asyncio.to_thread(_write_file, self._scratch, outcome.body)
        try:
            return await self.below.tables.create_from_query(
                service_actor(
                    "query", call.actor.on_behalf_of or call.actor.name, call.actor.trace_id
                ),
                QueryResult(
                    project_id=target.project_id,
                    name=target.name,
                    columns=columns,
                    rows_file=str(file),
                    query_id=query_id,
                    from_table_ids=tuple(opened.asset.table_id for opened in access.opened),
                    origins=await asyncio.to_thread(_origins, job.statement.sql, access, outcome),
                    once=call.once or query_id,
                    sample_of=target.sample_of,
                ),
            )
        finally:
            file.unlink()

    async def _allow(self, call: Call, project_id: str | None) -> None:
        if project_id is None:
            await call.allow(MESH)
            return
        project = await self.below.projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        await call.allow(Resource("Project", project_id, project.domain_id, project_id))

    async def _begin(
        self,
        call: Call,
        statement: Statement,
        body: NewQuery | NewMaterialization,
        project_id: str | None,
    ) -> Job:
        access = self._access(call.actor, project_id, body)
        return await self._governing.begin(
            call, statement, access, query_id=body.query_id, project_id=project_id
        )

    def _access(
        self,
        actor: Actor,
        project_id: str | None,
        body: NewQuery | NewMaterialization | NewExplanation,
    ) -> Access:
        below, versions = self.below, versions_of(body.as_of, body.snapshots)
        return ViewedAccess(
            actor,
            project_id,
            versions.instant,
            below.assets,
            below.tables,
            below.projects,
            below.permissions,
            versions=versions,
            views=self._views,
        )


def _json(job: Job, outcome: Outcome) -> Response:
    told = {
        "queryId": job.entry.query_id,
        "columns": [dict(column) for column in outcome.columns],
        "rowCount": outcome.row_count,
        "truncated": outcome.truncated,
        "relations": job.ran.relations,
        "seconds": job.ran.seconds,
        "cost": job.cost().model_dump(by_alias=True),
    }
    # The rows are JSON already, made beside the engine; they are put in as they are.
    body = orjson.dumps(told)[:-1] + b',"rows":' + outcome.body + b"}"
    return Response(body, media_type=JSON)


def _told(error: BaseException | None) -> MeshplaneError | None:
    """What the audit trail says of how a stream ended."""
    if error is None or isinstance(error, MeshplaneError):
        return error
    if isinstance(error, asyncio.CancelledError):
        return MeshplaneError("CANCELLED", "Nobody waits.")
    log(ERROR, "unforeseen", exc_info=error)
    return MeshplaneError("INTERNAL", "An unforeseen error.")


def _write_file(folder: Path, body: bytes) -> Path:
    with tempfile.NamedTemporaryFile(dir=folder, suffix=".arrows", delete=False) as file:
        file.write(body)
    return Path(file.name)


def _origins(sql: str, access: Access, outcome: Outcome) -> tuple[Origin, ...]:
    """From which columns of which tables each column of the result came."""
    # Loaded with the first result that becomes a table: the analysis is large.
    from meshplane.services.query.column_sources import RelationName, column_sources

    tables = {
        RelationName(opened.relation.schema, opened.relation.name): opened.asset.table_id
        for opened in access.opened
    }
    relations = {
        RelationName(opened.relation.schema, opened.relation.name): _visible(opened.relation)
        for opened in access.opened
    }
    names = [column["name"] for column in outcome.columns]
    columns = column_sources(sql, relations, names)
    if sum(len(column.sources) for column in columns) > _MOST_ORIGINS:
        return ()  # of whole tables alone: so many pairs would be one very large commit
    return tuple(
        Origin(output.name, tables[source.relation], source.column, source.kind, source.subtype)
        for output in columns
        for source in output.sources
    )


def _visible(relation: Relation) -> list[str]:
    shown = {column.policy_name: column.name for column in relation.columns}
    names = dict.fromkeys(shown[it] for scope in relation.scopes for it in scope.columns)
    return list(names)
