"""How declared tables lie in SQLite.

Each declared table is one SQLite table: key columns `pk` and `sk`, `version`, the item as JSON in
`body`, `expires`, and two columns per index. The columns have no affinity, so that text stays text
and numbers stay numbers, and text compares by its bytes, as DynamoDB's does. A table with full text
has an FTS5 table beside it, written in the same transaction.
"""

import sqlite3
import time
from collections.abc import Iterable

from meshplane.kit.errors import Unavailable
from meshplane.platform.tables import Index, Table

_WAL_WAIT_SECONDS = 5.0
_WAL_RETRY_SECONDS = 0.005

FORMAT = 2
"""The layout's number. A home written by a newer layout is refused, never guessed at."""

SYSTEM_TABLES = """
CREATE TABLE IF NOT EXISTS Outbox (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, event_id TEXT NOT NULL, type TEXT NOT NULL,
    source TEXT NOT NULL, entity TEXT NOT NULL, time TEXT NOT NULL, detail TEXT NOT NULL,
    hops INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS AuditTrail (
    sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, hash TEXT NOT NULL);
"""

MIGRATIONS = {
    # Events did not count how many rules led to them.
    1: "ALTER TABLE Outbox ADD COLUMN hops INTEGER NOT NULL DEFAULT 0",
}
"""By the number of an older layout: the statement that brings it to the next one."""


def index_columns(index: Index) -> tuple[str, ...]:
    """The columns that hold an index's keys."""
    name = index.name.replace("-", "_")  # the columns stand in statements without quotes
    names = (f"{name}_pk", f"{name}_sk")
    return names if index.sort else names[:1]


def columns_of(table: Table) -> list[str]:
    """All columns of a table, in order."""
    columns = ["pk", "sk", "version", "body", "expires"]
    for index in table.indexes:
        columns += index_columns(index)
    return columns


def statements(table: Table) -> Iterable[str]:
    """The statements that create a table, its indexes and its full text, if they are not there."""
    columns = ", ".join(columns_of(table)[2:])
    # FTS5 finds its rows by rowid, so a searchable table must keep one.
    tail = "" if table.search else " WITHOUT ROWID"
    yield (
        f'CREATE TABLE IF NOT EXISTS "{table.name}" '
        f"(pk NOT NULL, sk NOT NULL, {columns}, PRIMARY KEY (pk, sk)){tail}"
    )
    for index in table.indexes:
        keys = ", ".join((*index_columns(index), "pk", "sk"))
        yield (
            f'CREATE INDEX IF NOT EXISTS "{table.name}_{index.name}" ON "{table.name}" ({keys}) '
            f"WHERE {index_columns(index)[0]} IS NOT NULL"
        )
    if table.expires:
        yield (
            f'CREATE INDEX IF NOT EXISTS "{table.name}_expires" ON "{table.name}" (expires) '
            "WHERE expires IS NOT NULL"
        )
    if table.search:
        fields = ", ".join(f"f{number}" for number in range(len(table.search)))
        yield (
            f'CREATE VIRTUAL TABLE IF NOT EXISTS "{table.name}_search" USING fts5({fields}, '
            "tokenize = 'porter unicode61 remove_diacritics 2')"
        )


def _add_new_indexes(connection: sqlite3.Connection, table: Table) -> None:
    """Gives a table of an earlier version the columns of indexes that it has got since, filled."""
    found = {line[1] for line in connection.execute(f'PRAGMA table_info("{table.name}")')}
    for index in table.indexes if found else ():
        new = [column for column in index_columns(index) if column not in found]
        if not new:
            continue
        for column in new:
            connection.execute(f'ALTER TABLE "{table.name}" ADD COLUMN {column}')
        attributes = [name for name in (index.partition, index.sort) if name is not None]
        values = [f"""json_extract(CAST(body AS TEXT), '$."{name}"')""" for name in attributes]
        settings = ", ".join(
            f"{column} = {value}"
            for column, value in zip(index_columns(index), values, strict=True)
        )
        # An item without one of the index's attributes is not in the index.
        whole = " AND ".join(f"{value} IS NOT NULL" for value in values)
        connection.execute(f'UPDATE "{table.name}" SET {settings} WHERE {whole}')  # noqa: S608


def create(connection: sqlite3.Connection, tables: Iterable[Table]) -> None:
    """Brings a database to the present layout.

    Raises:
        Unavailable: HOME_TOO_NEW, a newer Meshplane wrote this home.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        found = connection.execute("PRAGMA user_version").fetchone()[0]
        if found > FORMAT:
            raise Unavailable(
                "HOME_TOO_NEW",
                f"The home folder has layout {found}, this Meshplane knows {FORMAT}: upgrade it.",
            )
        # A new file has layout 0; it begins with the present one.
        for layout in range(found or FORMAT, FORMAT):
            connection.execute(MIGRATIONS[layout])
        for statement in SYSTEM_TABLES.split(";"):
            connection.execute(statement)
        for table in tables:
            _add_new_indexes(connection, table)
            for statement in statements(table):
                connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {FORMAT}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def connect(path: str) -> sqlite3.Connection:
    """A connection in WAL mode whose commits are on disk when they return."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5.0)
    _enter_wal(connection)
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA temp_store = MEMORY")
    # Pages that change again and again, as those of logs do, are copied into the database less
    # often: a tenth more writes a second, for a log of up to 32 MiB beside it.
    connection.execute("PRAGMA wal_autocheckpoint = 8000")
    return connection


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Changes to WAL. SQLite does not wait here by itself when another process does the same."""
    deadline = time.monotonic() + _WAL_WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
            if not busy or time.monotonic() > deadline:
                raise
        time.sleep(_WAL_RETRY_SECONDS)
