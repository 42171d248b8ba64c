"""External tables: their rows are kept by another engine, and only their shape is known here.

They are published, found and asked for like others. They have no files and no snapshots, so nothing
is appended, deleted or expired here, and no engine of the mesh's own reads them.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from meshplane.boundary.call import Call
from meshplane.kit.errors import Conflict, Missing
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Row
from meshplane.services.projects.api import ProjectsApi, no_such_project
from meshplane.services.tables import records
from meshplane.services.tables.api import ExternalSource
from meshplane.services.tables.new_rows import name_taken, put_new
from meshplane.services.tables.schemas import NewExternalTable, TableView
from meshplane.services.tables.service import new_item, project_resource
from meshplane.services.tables.store import EXTERNAL_PLACES, TABLE_NAMES

_PLAIN: Mapping[str, tuple[str, str]] = {
    "bool": ("boolean", "BOOLEAN"),
    "int2": ("int", "SMALLINT"),
    "int4": ("int", "INTEGER"),
    "int8": ("long", "BIGINT"),
    "float4": ("float", "FLOAT"),
    "float8": ("double", "DOUBLE"),
    "date": ("date", "DATE"),
    "time": ("time", "TIME"),
    "timestamp": ("timestamp", "TIMESTAMP"),
    "timestamptz": ("timestamptz", "TIMESTAMP WITH TIME ZONE"),
    "varbyte": ("binary", "BLOB"),
}
_TEXT = ("string", "VARCHAR")
_DECIMAL = re.compile(r"numeric\((\d+),(\d+)\)")


@dataclass(frozen=True, slots=True)
class ExternalColumn:
    """A column; `type` in the words of its engine: `int8`, `numeric(10,2)`, `varchar(20)`."""

    name: str
    type: str


class ExternalCatalog(Protocol):
    """Looks at tables that other engines keep."""

    async def columns(self, project_id: str, source: ExternalSource) -> Sequence[ExternalColumn]:
        """The columns of a table that a project may read whole.

        Args:
            project_id: as which project to look.
            source: the table; its `types` are not asked for.

        Raises:
            Missing: EXTERNAL_NOT_FOUND, there is no such table, or the project may not read it.
            Unavailable: the engine does not answer.
        """
        ...


class Externals:
    """Registers external tables.

    Args:
        projects: the service below.
        catalog: looks at them; None: the mesh reaches no such engine.
    """

    def __init__(self, projects: ProjectsApi, catalog: ExternalCatalog | None) -> None:
        self._projects = projects
        self._catalog = catalog

    async def create(self, call: Call, body: NewExternalTable) -> TableView:
        """Registers a table that a project may read where it lies.

        Raises:
            Missing: PROJECT_NOT_FOUND, EXTERNAL_NOT_FOUND.
            Conflict: NAME_TAKEN; EXTERNAL_TAKEN, a table of the mesh stands for it already;
                EXTERNAL_TABLES_OFF, the mesh runs no queries on AWS.
        """
        project = await self._projects.find(call.actor, body.project_id)
        if project is None:
            raise no_such_project()
        await call.allow(project_resource(project))
        if self._catalog is None:
            raise Conflict(
                "EXTERNAL_TABLES_OFF",
                "This mesh reaches no Redshift: its part `query` runs on this machine, not on AWS.",
                field="source.kind",
            )
        if await call.work.get(TABLE_NAMES, project.project_id, body.name) is not None:
            raise name_taken()
        given = body.source
        source = ExternalSource(
            given.kind,
            given.database,
            given.schema_name,
            given.table,
            given.workgroup,
            given.cluster,
        )
        columns = await self._catalog.columns(project.project_id, source)
        if not columns:
            raise no_such_external()
        item = {
            **new_item(call, project, body.name),
            "location": location_of(source),
            "partitionBy": [],
            "metadataLocation": None,
            "snapshotId": None,
            "rows": 0,
            "columns": [_column_item(number, one) for number, one in enumerate(columns, 1)],
            "source": {
                **given.model_dump(by_alias=True, exclude_none=True),
                "types": {one.name: one.type for one in columns},
            },
        }
        put_new(call, item)
        _put_place(call, item)
        return records.view(Row(item, 1))


def location_of(source: ExternalSource) -> str:
    """Where a table lies, as one text."""
    home = source.workgroup or source.cluster
    return f"{source.kind}://{home}/{source.database}/{source.schema}/{source.table}"


def no_such_external() -> Missing:
    """The error for a table that is not there for the project."""
    return Missing(
        "EXTERNAL_NOT_FOUND",
        "There is no such table, or the project's role may not read it: grant it SELECT on the "
        "whole table in Redshift first.",
        field="source.table",
    )


def _put_place(call: Call, item: dict[str, Any]) -> None:
    """Lets nobody else register what has been registered.

    Whoever was granted a table reads it where it lies, too: could he register it as his own, he
    would hand on rows and columns that only its owner may grant. Redshift folds the case of names.
    """
    call.work.put(
        EXTERNAL_PLACES,
        {"location": item["location"].lower(), "tableId": item["tableId"]},
        expected=ABSENT,
        otherwise=Conflict(
            "EXTERNAL_TAKEN",
            "A table of the mesh stands for it already: find its asset in the catalog, and "
            "request a subscription to it.",
            field="source.table",
        ),
    )


def _column_item(number: int, column: ExternalColumn) -> dict[str, Any]:
    decimal = _DECIMAL.fullmatch(column.type)
    kind, sql_type = _PLAIN.get(column.type, _TEXT)
    if decimal is not None:
        size = f"({decimal[1]},{decimal[2]})"
        kind, sql_type = f"decimal{size}", f"DECIMAL{size}"
    return {
        "name": column.name,
        "fieldId": number,
        "type": kind,
        "sqlType": sql_type,
        "required": False,
        "doc": None,
    }
