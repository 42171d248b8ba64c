"""The tables that a run evaluates, as its role sees them."""

from typing import Any

import duckdb

from meshplane.sandbox.athena.visible import visible_columns, visible_rows
from meshplane.sandbox.fake import Caller, FakeError, World
from meshplane.sandbox.glue_quality.measures import Measured, quoted
from meshplane.sandbox.lake_state import NoObject, table_of
from meshplane.sandbox.lake_tables import LakeTables, UnreadableTable

_SOURCES = ("GlueTable", "DataQualityGlueTable")


class RunFailed(Exception):
    """A run ends as FAILED; the message is its `ErrorString`."""


class Sources:
    """Reads data sources.

    Args:
        world: of whose `services["lakeformation"]`, if it is there, `access` is asked.
    """

    def __init__(self, world: World) -> None:
        self._world, self._tables = world, LakeTables()

    def measured(
        self,
        reader: Caller,
        connection: duckdb.DuckDBPyConnection,
        name: str,
        source: dict[str, Any],
    ) -> Measured:
        """A data source as a role sees it, in DuckDB.

        Args:
            reader: the role.
            connection: where it is put.
            name: under which.
            source: a `DataSource`.

        Raises:
            RunFailed: it is not there, the role may not read it, or its files cannot be read.
        """
        place = table_named(source)
        account = place.get("CatalogId", reader.account)
        glue = table_of(account, reader.region, place["DatabaseName"], place["TableName"])
        if glue is None:
            raise RunFailed(f"EntityNotFoundException: table {place['TableName']} was not found")
        location = (glue.get("Parameters") or {}).get("metadata_location")
        try:
            if location:
                data = self._tables.snapshot(location)
            else:
                data = self._tables.files(account, reader.region, glue)
        except (NoObject, UnreadableTable) as error:
            raise RunFailed("Exception: the table's data could not be read") from error
        columns = tuple(data.arrow.column_names)
        connection.register(f"whole {name}", data.arrow)
        arrow = self._seen(reader, account, glue, connection, f"whole {name}", columns, data.arrow)
        connection.register(name, arrow)
        relation = connection.table(quoted(name))
        kinds = zip(relation.columns, map(str, relation.types), strict=True)
        return Measured(connection, quoted(name), {one.lower(): kind for one, kind in kinds})

    def _seen(  # noqa: PLR0917 - one table's parts, passed once
        self,
        reader: Caller,
        account: str,
        glue: dict[str, Any],
        connection: duckdb.DuckDBPyConnection,
        name: str,
        columns: tuple[str, ...],
        arrow: Any,
    ) -> Any:
        guard = self._world.services.get("lakeformation")
        if guard is None:
            return arrow
        scopes = guard.access(reader, account, glue["DatabaseName"], glue["Name"]).scopes
        if not visible_columns(columns, scopes):
            raise RunFailed(
                "AccessDeniedException: Insufficient Lake Formation permission(s) on "
                f"{glue['Name']}"
            )
        text = visible_rows(quoted(name), columns, scopes)
        return arrow if text is None else connection.sql(text).to_arrow_table()


def table_named(source: dict[str, Any]) -> dict[str, Any]:
    """The one table that a `DataSource` names, its names in lower case.

    Raises:
        FakeError: InvalidInputException, it names none or two.
    """
    given = [source[name] for name in _SOURCES if source.get(name)]
    if len(given) != 1:
        raise FakeError("InvalidInputException", "DataSource must name one table")
    place: dict[str, Any] = {**given[0]}
    place["DatabaseName"] = place["DatabaseName"].lower()
    place["TableName"] = place["TableName"].lower()
    return place
