"""Governed SQL on Athena: as the project's role, so that Lake Formation decides what it reads.

statement → parsed and gated (`aws_sql`) → relations resolved, as on this machine, so that what is
not granted is refused with the product's own words → written in Athena's words → run as the role
in the project's workgroup (`aws_athena`) → rows typed again (`aws_rows`), and encoded as on this
machine. What Lake Formation then lets the role see is what counts: the two agree, masks apart,
which it cannot do; a masked column is left out there.

Needs AWS: how Lake Formation and Athena decide is shown here by fakes that follow AWS's texts.
"""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

import orjson

from meshplane.boundary.actor import Actor
from meshplane.kit.errors import Invalid, MeshplaneError, Unavailable
from meshplane.platform.aws.calls import Aws
from meshplane.services.projects.api import ProjectSummary, no_such_project
from meshplane.services.query.access import Access, broken
from meshplane.services.query.aws_athena import (
    Execution,
    WorkgroupLost,
    Workgroups,
    WorkgroupSettings,
)
from meshplane.services.query.aws_failures import NoRight
from meshplane.services.query.aws_redshift_engine import RedshiftEngine, Told, lies_elsewhere
from meshplane.services.query.aws_translations import Translations
from meshplane.services.query.ports import Asked
from meshplane.services.query.sandbox import Outcome, Relation, RelationName, Sink, Statement
from meshplane.services.query.sandbox.faults import limit, refused
from meshplane.services.query.sandbox.text import check_text
from meshplane.services.query.versions import VersionedAccess
from meshplane.services.tables.api import QueryResult, Scan, TablesApi, TableSummary

if TYPE_CHECKING:  # it loads the parser
    from meshplane.services.query.aws_sql import Translated

_PARAMETER_BYTES = 1024 * 1024
_FEW_ROWS = 50
_SESSION_CHARACTERS = 64  # of the name of a role's session


class AthenaQueries:
    """`QueryEngine` over Athena.

    Args:
        aws: the mesh itself, which may take the roles of projects.
        role_of: the ARN of the role that acts as a project, by the project's id.
        workgroup_of: the name of a project's workgroup in Athena, by the project's id.
        settings: what workgroups enforce, and the price of scanning.
        redshift: runs statements whose tables lie in Redshift; None: such are refused.
    """

    def __init__(
        self,
        aws: Aws,
        role_of: Callable[[str], str],
        workgroup_of: Callable[[str], str],
        settings: WorkgroupSettings | None = None,
        redshift: RedshiftEngine | None = None,
    ) -> None:
        self._redshift = redshift
        self._aws = aws
        self._role_of = role_of
        self._workgroup_of = workgroup_of
        self._settings = settings or WorkgroupSettings()
        self._workgroups = Workgroups(aws, self._settings)
        self._translations = Translations()

    async def run(self, asked: Asked, sink: Sink | None = None) -> Outcome:
        """See `QueryEngine.run`; raises as well `Invalid("PROJECT_REQUIRED")`."""
        begun = time.monotonic()
        statement = asked.statement
        ready = await self._ready(asked)
        if isinstance(ready, _Elsewhere):
            return await ready.engine.run(ready.told, ready.project, statement, begun, sink)
        resolved = time.monotonic()
        seconds = statement.limits.timeout_seconds
        project = ready.project
        aws = self._aws.as_role(
            self._role_of(project.project_id),
            f"meshplane-{project.project_id}"[:_SESSION_CHARACTERS],
        )
        workgroup = self._workgroup_of(project.project_id)
        output = f"s3://{project.bucket}/temp/{project.project_id}/"
        await self._workgroups.ensure(workgroup, output)
        execution = Execution(aws, workgroup, ready.translate)
        try:
            async with asyncio.timeout(seconds):
                await execution.begin()
                ended = await execution.ended()
                body, told = await _encoded(execution, statement, sink)
        except NoRight as error:
            raise _not_in_the_lake(asked.access) from error
        except WorkgroupLost:
            self._workgroups.forget(workgroup)
            raise
        except TimeoutError:
            await asyncio.shield(execution.stop())
            raise limit(f"The statement took longer than {seconds:g} seconds.") from None
        except (asyncio.CancelledError, Unavailable):
            await asyncio.shield(execution.stop())
            raise
        return Outcome(
            columns=tuple(told.columns),
            row_count=told.row_count,
            truncated=told.truncated,
            body=body,
            relations=ready.names,
            seconds=time.monotonic() - begun,
            resolve_seconds=resolved - begun,
            spent=self._settings.spent(ended.get("Statistics") or {}),
        )

    async def explain(self, asked: Asked) -> Outcome:
        """See `QueryEngine.explain`. The plan is the statement as Athena would be told it.

        Athena's own plan is not asked for: it tells of rows and filters that are not the caller's.
        """
        from meshplane.services.query.aws_sql import shown_columns

        begun = time.monotonic()
        ready = await self._ready(asked)
        rows = [
            [relation.schema, relation.name, column.name, column.sql_type]
            for relation in ready.relations
            for column in shown_columns(relation)
        ]
        if isinstance(ready, _Elsewhere):
            sql = ready.sql
        else:
            sql = (await asyncio.to_thread(ready.translate)).sql
        rows.append(["", "", "", sql])
        names = ("schema", "relation", "name", "text")
        return Outcome(
            columns=tuple({"name": name, "type": "VARCHAR"} for name in names),
            row_count=len(rows),
            truncated=False,
            body=orjson.dumps(rows),
            relations=ready.names,
            seconds=time.monotonic() - begun,
            resolve_seconds=0.0,
        )

    async def _ready(self, asked: Asked) -> "_Ready | _Elsewhere":
        """The statement over what its sender may read."""
        from meshplane.services.query.aws_sql import Seen, parse

        statement, access = asked.statement, asked.access
        _check(statement)
        read = await self._translations.read(statement.sql)
        project = await _project_of(access)
        # Its lists of what was opened are those of the access itself.
        known = replace(access, tables=_WithoutFiles(access.tables))
        relations = await known.resolve(read.names)
        if lies_elsewhere(known):
            if self._redshift is None:
                raise refused("The statement reads a table in Redshift, which is not reached here.")
            parsed = read.parsed
            if parsed is None:
                parsed = await asyncio.to_thread(parse, statement.sql)
            there = await self._redshift.ready(known, project, parsed, relations, statement)
            return _Elsewhere(self._redshift, there, project)
        for relation in relations:
            if relation.body is not None:
                raise refused(
                    f"{relation.schema}.{relation.name} is a view, which Athena does not read yet: "
                    "read what lies below it."
                )
        versions = [_version(access, relation) for relation in relations]
        seen = [
            Seen(relation, snapshot_id, instant)
            for relation, (snapshot_id, instant) in zip(relations, versions, strict=True)
        ]
        translate = partial(self._translations.told, read, statement, seen)
        return _Ready(translate, read.names, tuple(relations), project)


@dataclass(frozen=True, slots=True)
class _Elsewhere:
    """What Redshift is to be told, and as which project."""

    engine: RedshiftEngine
    told: Told
    project: ProjectSummary

    @property
    def sql(self) -> str:
        return self.told.translated.sql

    @property
    def names(self) -> tuple[RelationName, ...]:
        return self.told.translated.names

    @property
    def relations(self) -> tuple[Relation, ...]:
        return self.told.relations


@dataclass(frozen=True, slots=True)
class _Ready:
    """What can be handed in when it is translated, which takes a thread; and as which project."""

    translate: Callable[[], "Translated"]
    names: tuple[RelationName, ...]
    relations: tuple[Relation, ...]
    project: ProjectSummary


async def _encoded(
    execution: Execution, statement: Statement, sink: Sink | None
) -> tuple[bytes, Any]:
    """The body of the answer, empty where a sink took it, and what is told of it."""
    from meshplane.services.query.aws_rows import Columns
    from meshplane.services.query.sandbox.encoding import Encoding

    pieces: list[bytes] = []
    columns: Columns | None = None
    encoding: Encoding | None = None

    async def hand_on() -> None:
        while sink is not None and pieces:
            await sink(pieces.pop(0))

    pages = execution.pages()
    try:
        async for told, rows in pages:
            if encoding is None or columns is None:
                columns = Columns(told, execution.lists)
                encoding = Encoding(
                    columns.columns,
                    columns.schema,
                    statement.output,
                    statement.limits,
                    pieces.append,
                )
            if rows:
                # A few rows take less time than to hand them to a thread.
                is_short = len(rows) <= _FEW_ROWS
                build = columns.batch
                encoding.add(build(rows) if is_short else await asyncio.to_thread(build, rows))
            await hand_on()
            if encoding.is_full:
                break
    finally:
        await pages.aclose()  # type: ignore[attr-defined]
    if encoding is None:
        raise limit("Athena gave no result.")
    answer = encoding.finish()
    await hand_on()
    return b"".join(pieces), answer


async def _project_of(access: Access) -> ProjectSummary:
    """The project as which a statement runs: the one that is named, or the caller's only one.

    Raises:
        Invalid: PROJECT_REQUIRED.
    """
    project_id = access.project_id
    if project_id is None:
        own = await access.projects.of_principals(access.actor, access.actor.principals)
        if len(own) != 1:
            raise Invalid(
                "PROJECT_REQUIRED",
                "On Athena a statement runs as one project: name yours in projectId.",
                field="projectId",
            )
        project_id = own[0]
    project = await access.projects.find(access.actor, project_id)
    if project is None:
        raise no_such_project()
    return project


def _version(access: Access, relation: Relation) -> tuple[str | None, datetime | None]:
    """The snapshot or the instant that is asked for; None, None: what Glue points to now."""
    if not isinstance(access, VersionedAccess):
        return None, access.as_of
    versions = access.versions
    named = versions.snapshots.get(f"{relation.schema}.{relation.name}".lower())
    snapshot_id = named or versions.snapshot_id
    return snapshot_id, None if snapshot_id else versions.instant


def _not_in_the_lake(access: Access) -> MeshplaneError:
    """Our policy lets the project read what Lake Formation does not let its role."""
    if not access.opened:
        return refused("The lake does not let your project read what the statement names.")
    return broken(access.opened[0].asset)


def _check(statement: Statement) -> None:
    check_text(statement.sql)
    if statement.parameters is not None:
        try:
            size = len(orjson.dumps(statement.to_json()["parameters"]))
        except (TypeError, ValueError) as error:
            raise Invalid(
                "SQL_INVALID", "The value of a parameter is not a JSON value.", field="sql"
            ) from error
        if size > _PARAMETER_BYTES:
            raise limit(f"The parameters take more than {_PARAMETER_BYTES} bytes.")


@dataclass(frozen=True, slots=True)
class _WithoutFiles:
    """Tables whose versions are found and whose files are left where they are."""

    tables: TablesApi

    async def find(self, actor: Actor, table_id: str) -> TableSummary | None:
        return await self.tables.find(actor, table_id)

    async def scan(
        self, actor: Actor, table_id: str, as_of: datetime | None, snapshot_id: str | None = None
    ) -> Scan:
        return await self.tables.version(actor, table_id, as_of, snapshot_id)

    async def version(
        self, actor: Actor, table_id: str, as_of: datetime | None, snapshot_id: str | None = None
    ) -> Scan:
        return await self.tables.version(actor, table_id, as_of, snapshot_id)

    async def create_from_query(self, actor: Actor, result: QueryResult) -> TableSummary:
        return await self.tables.create_from_query(actor, result)
