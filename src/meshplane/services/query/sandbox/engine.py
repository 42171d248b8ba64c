"""The engine of one statement: opened in the child before a job comes, locked when it has come."""

from dataclasses import dataclass
from typing import Any

import duckdb
import orjson

from meshplane.services.query.sandbox.faults import DEEP, NOT_SELECT, invalid, limit, refused
from meshplane.services.query.sandbox.job import Limits

Connection = duckdb.DuckDBPyConnection

# Set when the engine opens, before any text of a caller is near. No temporary directory: nothing
# of a query ever lies on a disk. A session has one time zone, so that answers do not depend on
# where the server stands. errors_as_json gives the place of an error without reading its text.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "temp_directory": "",
    "python_enable_replacements": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "allow_persistent_secrets": False,
    "errors_as_json": True,
    "threads": 1,  # more when the job says so
    "async_threads": 2,  # that read ahead; more of them start slower and read local files no faster
}


OFF = "statistics_propagation,common_subexpressions,in_clause"
"""The optimisers that would tell of hidden rows; `open_engine` says how."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement as the engine parsed it: what it will run, and the tree that the gate walks."""

    statement: duckdb.Statement
    tree: dict[str, Any]


def open_engine() -> Connection:
    """A fresh engine in memory, with a session that does not depend on this machine."""
    connection = duckdb.connect(":memory:", config=_SETTINGS)
    connection.execute("SET TimeZone = 'UTC'")
    # The engine folds conditions by the least and greatest value of a column, hidden rows included,
    # and through a secure view too: over plain files `fails(x) OR id <= 500` failed or not by
    # hidden ids alone. Reading by field ids has kept such statistics back so far; this makes sure.
    # It takes an expression that a filter holds twice out of the TRY around it, too, to work it out
    # once; there it fails on a hidden row. And a list of six or more after IN becomes a join, below
    # some row filters: what stands before IN is worked out for hidden rows then.
    connection.execute(f"SET disabled_optimizers = '{OFF}'")
    # A footer is read once for checking, binding and running; the process does not live to see it
    # grow old.
    connection.execute("SET parquet_metadata_cache = true")
    return connection


def lock(connection: Connection, limits: Limits, files: list[str]) -> None:
    """Closes the engine for good: it opens `files` and nothing else, and no setting changes.

    The order matters: the paths while they can still be set, the configuration lock last.
    """
    paths = ", ".join(literal(path) for path in files)
    for setting in (
        f"threads = {int(limits.threads)}",
        f"memory_limit = '{int(limits.memory_mib)}MiB'",
        f"allowed_paths = [{paths}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")


def scalar(connection: Connection, query: str, parameter: str) -> str:
    """The one text that a query of our own gives for a parameter."""
    [(text,)] = connection.execute(query, [parameter]).fetchall()
    return str(text)


def serialise(connection: Connection, sql: str) -> dict[str, Any]:
    """The engine's tree of a text, as it writes it.

    Raises:
        LimitReached: it is nested deeper than the decoder goes (some 330 levels of functions).
    """
    text = scalar(connection, "SELECT json_serialize_sql($1::VARCHAR)", sql)
    try:
        tree: dict[str, Any] = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise limit(DEEP) from error
    return tree


def parse(connection: Connection, sql: str) -> Parsed | None:
    """Parses a text into exactly one SELECT.

    Returns:
        None for one statement that the engine would run as several: a PIVOT without values.

    Raises:
        Refused: it holds another kind of statement, or several.
        Invalid: it is empty.
        LimitReached: it is nested too deeply.
        duckdb.Error: it does not parse.
    """
    statements = connection.extract_statements(sql)
    if not statements:
        raise invalid("There is no statement in the text.")
    if len(statements) > 1:
        raise refused("One statement at a time: the text holds several.")
    kind = _kind(statements[0])
    if kind is duckdb.StatementType.MULTI:
        return None
    if kind is not duckdb.StatementType.SELECT:
        raise refused(NOT_SELECT)
    tree = serialise(connection, sql)
    if tree["error"] or len(tree["statements"]) != 1:
        raise refused(NOT_SELECT)
    return Parsed(statements[0], tree["statements"][0])


def _kind(statement: duckdb.Statement) -> duckdb.StatementType | None:
    """What kind of statement it is; None for one that the engine's client has no name for."""
    try:
        return statement.type
    except ValueError:
        return None


def literal(text: str) -> str:
    """The text as a string literal of the engine."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """The name as a quoted identifier of the engine."""
    return '"' + name.replace('"', '""') + '"'
