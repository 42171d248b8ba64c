"""Use cases of governed SQL."""

import asyncio
import hashlib
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import orjson
from starlette.responses import Response

from meshplane.boundary.actor import Actor, service_actor
from meshplane.boundary.call import Call
from meshplane.boundary.operation import ARROW_STREAM, JSON
from meshplane.kit.clock import from_text
from meshplane.kit.errors import Invalid, LimitReached
from meshplane.policy.model import MESH, Resource
from meshplane.services.projects.api import no_such_project
from meshplane.services.query.access import Access
from meshplane.services.query.api import FilterColumn
from meshplane.services.query.column_types import iceberg_types
from meshplane.services.query.materializing import Below, Target
from meshplane.services.query.sandbox import Column, Limits, Outcome, Sandbox, Scope, Statement
from meshplane.services.query.schemas import (
    MaterializedView,
    NewMaterialization,
    NewQuery,
    ResultColumn,
)
from meshplane.services.query.turns import Turns
from meshplane.services.tables.api import Origin, QueryResult, TableSummary, remove_residue

_MOST_ORIGINS = 5_000
_MATERIALIZED_LIMITS = Limits(
    timeout_seconds=300.0, memory_mib=2048, max_rows=50_000_000, max_bytes=128 * 1024 * 1024
)


class Queries:
    """Runs governed SQL.

    Args:
        sandbox: runs statements.
        below: the services that say what may be read.
        hash_key: of hash masks.
        memory_mib: that one query may use.
        scratch: a folder for results on their way into a table.
    """

    def __init__(
        self, sandbox: Sandbox, below: Below, hash_key: bytes, memory_mib: int, scratch: Path
    ) -> None:
        self._sandbox = sandbox
        self.below = below
        self._hash_key = hash_key
        self._memory_mib = memory_mib
        self._scratch = scratch
        self._turns = Turns()

    async def run(self, call: Call, body: NewQuery, accept: str | None) -> Response:
        """Answers a statement, as JSON or as an Arrow stream.

        Raises:
            MeshplaneError: SQL_REFUSED, SQL_INVALID, SQL_RUNTIME, SQL_LIMIT, ACCESS_REQUIRED.
        """
        await self._allow(call, body.project_id)
        wants_arrow = (accept or "").split(";")[0].strip() == ARROW_STREAM
        limits = Limits(
            timeout_seconds=body.timeout_seconds,
            memory_mib=self._memory_mib,
            max_rows=body.max_rows,
        )
        output = "arrow" if wants_arrow else "json"
        statement = Statement(body.sql, body.parameters, output, limits)  # type: ignore[arg-type]
        access = self._access(call.actor, body.project_id, body.as_of)
        query_id = call.new_id("qry")
        outcome = await self._governed(call, query_id, statement, access)
        return _response(query_id, outcome, access, wants_arrow)

    async def materialize(self, call: Call, body: NewMaterialization) -> MaterializedView:
        """Makes a table of the project from a statement's result, with its lineage."""
        await self._allow(call, body.project_id)
        access = self._access(call.actor, body.project_id, body.as_of)
        target = Target(body.project_id, body.table_name)
        query_id, table = await self.make(call, body.sql, access, target)
        return MaterializedView(
            query_id=query_id,
            table_id=table.table_id,
            project_id=table.project_id,
            name=table.name,
            columns=[ResultColumn(name=c.name, type=c.sql_type) for c in table.columns],
            rows=table.rows,
            snapshot_id=table.snapshot_id,
        )

    async def make(
        self, call: Call, sql: str, access: Access, target: Target
    ) -> tuple[str, TableSummary]:
        """See `Materializing.make`."""
        query_id = call.new_id("qry")
        statement = Statement(sql, None, "arrow", _MATERIALIZED_LIMITS)
        outcome = await self._governed(call, query_id, statement, access)
        if outcome.truncated:
            raise LimitReached(
                "SQL_LIMIT", "The result has too many rows for a table.", field="sql"
            )
        columns = iceberg_types(outcome.columns)
        file = await asyncio.to_thread(_write_file, self._scratch, outcome.body)
        try:
            table = await self.below.tables.create_from_query(
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
                    origins=await asyncio.to_thread(_origins, sql, access, outcome),
                    once=call.once or query_id,
                    sample_of=target.sample_of,
                ),
            )
        finally:
            file.unlink()
        return query_id, table

    async def check_row_filter(self, expression: str, columns: Sequence[FilterColumn]) -> str:
        """See `QueryApi.check_row_filter`."""
        return await self._sandbox.check_row_filter(
            expression, [Column(c.name, c.field_id, c.sql_type) for c in columns]
        )

    async def _allow(self, call: Call, project_id: str | None) -> None:
        if project_id is None:
            await call.allow(MESH)
            return
        project = await self.below.projects.find(call.actor, project_id)
        if project is None:
            raise no_such_project()
        await call.allow(Resource("Project", project_id, project.domain_id, project_id))

    def _access(self, actor: Actor, project_id: str | None, as_of: str | None) -> Access:
        below = self.below
        return Access(
            actor,
            project_id,
            _instant(as_of),
            below.assets,
            below.tables,
            below.projects,
            below.permissions,
        )

    async def _governed(
        self, call: Call, query_id: str, statement: Statement, access: Access
    ) -> Outcome:
        digest = hashlib.sha256(statement.sql.encode("utf-8", "surrogatepass")).hexdigest()
        call.note(queryId=query_id, sqlSha256=digest)
        try:
            async with self._turns.of(call.actor.name):
                outcome = await self._sandbox.run(statement, access.resolve, self._hash_key)
        finally:
            read = [opened.read for opened in access.opened]
            call.note(relations=[one.name for one in read], snapshots=[o.snapshot_id for o in read])
            for opened in access.opened:
                await asyncio.to_thread(remove_residue, opened.scan)
        call.note(rows=outcome.row_count)
        return outcome


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        return from_text(text)
    except ValueError:
        raise Invalid(
            "AS_OF_INVALID",
            "Write the instant as RFC 3339 with its offset, such as 2026-01-31T12:00:00Z.",
            field="asOf",
        ) from None


def _response(query_id: str, outcome: Outcome, access: Access, wants_arrow: bool) -> Response:
    if wants_arrow:
        headers = {
            "Query-Id": query_id,
            "Row-Count": str(outcome.row_count),
            "Truncated": str(outcome.truncated).lower(),
        }
        return Response(outcome.body, headers=headers, media_type=ARROW_STREAM)
    told = {
        "queryId": query_id,
        "columns": [dict(column) for column in outcome.columns],
        "rowCount": outcome.row_count,
        "truncated": outcome.truncated,
        "relations": [opened.read.model_dump(by_alias=True) for opened in access.opened],
        "seconds": round(outcome.seconds, 6),
    }
    # The rows are JSON already, made beside the engine; they are put in as they are.
    body = orjson.dumps(told)[:-1] + b',"rows":' + outcome.body + b"}"
    return Response(body, media_type=JSON)


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
        RelationName(opened.relation.schema, opened.relation.name): _visible(opened.relation.scopes)
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


def _visible(scopes: Sequence[Scope]) -> list[str]:
    names: dict[str, None] = {}
    for scope in scopes:
        names.update(dict.fromkeys(scope.columns))
    return list(names)
