"""The embedded lake's own side: a table of grants in a file of its own, apart from the store.

Several processes may have it open, and a person may change it through the administrators' door; so
it drifts as any lake does. Importing this is cheap, and so is making one.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import orjson

from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Invalid, TooLarge, Unavailable
from meshplane.services.lake.entries import canonical, entry, fingerprint_of
from meshplane.services.lake.ports import (
    MOST_CHANGES,
    LakeChange,
    LakeEntry,
    LakeFailure,
    LakeKind,
    LakePage,
    MarkPage,
)

_BUSY_SECONDS = 10.0
_MOST_READ = 10_000
_MOST_ENTRY_BYTES = 1_000_000
_KEY_LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")

_PAGE = """
SELECT key, principal, resource, permissions, grantable, filter, masks, made_by, made_at, revision
FROM LakeGrants WHERE key > ? ORDER BY key LIMIT ?
"""
_MARKS = """
SELECT key, '[' || permissions || ',' || grantable || ',' || filter || ',' || masks || ']'
FROM LakeGrants WHERE key > ? ORDER BY key LIMIT ?
"""
_ONE = """
SELECT key, principal, resource, permissions, grantable, filter, masks, made_by, made_at, revision
FROM LakeGrants WHERE key = ?
"""
_SCHEMA = """
CREATE TABLE IF NOT EXISTS LakeGrants (
    key TEXT PRIMARY KEY, principal TEXT NOT NULL, resource TEXT NOT NULL,
    permissions TEXT NOT NULL, grantable TEXT NOT NULL, filter TEXT NOT NULL, masks TEXT NOT NULL,
    made_by TEXT, made_at TEXT, revision INTEGER NOT NULL
) WITHOUT ROWID
"""
_PUT = """
INSERT INTO LakeGrants VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 1)
ON CONFLICT (key) DO UPDATE SET permissions = excluded.permissions,
    grantable = excluded.grantable, filter = excluded.filter, masks = excluded.masks,
    made_by = excluded.made_by, made_at = excluded.made_at, revision = revision + 1
WHERE permissions <> excluded.permissions OR grantable <> excluded.grantable
    OR filter <> excluded.filter OR masks <> excluded.masks
"""

PERMISSIONS = frozenset(
    {"SELECT", "DESCRIBE", "INSERT", "DELETE", "ALTER", "DROP", "CREATE_TABLE"}
    | {"DATA_LOCATION_ACCESS"}
)
"""What this lake can permit."""

T = TypeVar("T")


class LocalLake:
    """`LakeGrants` over an SQLite file. Calls run in threads.

    Args:
        file: where the grants lie; made with its folder when it is first needed.
        clock: tells when an entry was made that says nothing of it.
    """

    def __init__(self, file: Path, clock: Clock) -> None:
        self._file = file
        self._clock = clock

    async def read(self, limit: int, cursor: str | None) -> LakePage:
        """See `LakeGrants.read`."""
        _check(cursor)
        wanted = max(1, min(limit, _MOST_READ))

        def page(database: sqlite3.Connection) -> LakePage:
            rows = database.execute(_PAGE, (cursor or "", wanted + 1)).fetchall()
            more = len(rows) > wanted
            entries = tuple(_entry(row) for row in rows[:wanted])
            return LakePage(entries, entries[-1].key if more else None)

        return await self._run(page)

    async def marks(self, limit: int, cursor: str | None) -> MarkPage:
        """See `LakeGrants.marks`."""
        _check(cursor)
        wanted = max(1, min(limit, _MOST_READ))

        def page(database: sqlite3.Connection) -> MarkPage:
            rows = database.execute(_MARKS, (cursor or "", wanted + 1)).fetchall()
            # What each column holds is canonical, and so is what they are together.
            marks = tuple((key, fingerprint_of(said.encode())) for key, said in rows[:wanted])
            return MarkPage(marks, marks[-1][0] if len(rows) > wanted else None)

        return await self._run(page)

    async def find(self, key: str) -> LakeEntry | None:
        """See `LakeGrants.find`."""

        def one(database: sqlite3.Connection) -> LakeEntry | None:
            row = database.execute(_ONE, (key,)).fetchone()
            return None if row is None else _entry(row)

        return await self._run(one)

    async def apply(self, changes: Sequence[LakeChange]) -> list[LakeFailure]:
        """See `LakeGrants.apply`."""
        if len(changes) > MOST_CHANGES:
            raise TooLarge(
                "LAKE_BATCH_TOO_LARGE", f"A lake takes at most {MOST_CHANGES} changes at once."
            )
        now = to_text(self._clock.now())

        def make(database: sqlite3.Connection) -> list[LakeFailure]:
            failures: list[LakeFailure] = []
            database.execute("BEGIN IMMEDIATE")
            for change in changes:
                failed = _changed(database, change, now)
                if failed is not None:
                    failures.append(failed)
            database.execute("COMMIT")
            return failures

        return await self._run(make)

    async def describe(self) -> LakeKind:
        """See `LakeGrants.describe`."""
        return LakeKind("embedded lake", "embedded", tells_makers=True, masks=True)

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        return await asyncio.to_thread(self._work, work)

    def _work(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            with self._open() as database:
                return work(database)
        except (sqlite3.Error, OSError):
            raise Unavailable(
                "LAKE_UNAVAILABLE", "The lake's table of grants does not answer: try again."
            ) from None

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self._file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        database = sqlite3.connect(self._file, timeout=_BUSY_SECONDS, isolation_level=None)
        try:
            database.execute("PRAGMA synchronous = FULL")
            if database.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None:
                database.execute("PRAGMA journal_mode = WAL")
                database.execute(_SCHEMA)
            yield database
        finally:
            database.close()  # what was begun and not committed is undone


def _check(cursor: str | None) -> None:
    """Refuses a cursor that no page gave.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    if cursor is not None and not (cursor and _KEY_LETTERS.issuperset(cursor)):
        raise Invalid(
            "CURSOR_INVALID",
            "The cursor is not one that an earlier page of this list gave.",
            field="cursor",
        )


def _changed(database: sqlite3.Connection, change: LakeChange, now: str) -> LakeFailure | None:
    meant = change.entry
    if change.action == "put":
        wrong = _problem(meant)
        if wrong is not None:
            return LakeFailure(meant.key, "LAKE_ENTRY_INVALID", wrong, again=False)
        database.execute(
            _PUT,
            (
                meant.key,
                meant.principal,
                _text(meant.resource),
                _text(meant.permissions),
                _text(meant.grantable),
                _text(meant.filter),
                _text(meant.masks),
                meant.made_by,
                meant.made_at or now,
            ),
        )
        return None
    if not change.unchanged:
        database.execute("DELETE FROM LakeGrants WHERE key = ?", (meant.key,))
        return None
    database.execute(
        "DELETE FROM LakeGrants WHERE key = ? AND revision = ?", (meant.key, int(meant.revision))
    )
    left = database.execute("SELECT 1 FROM LakeGrants WHERE key = ?", (meant.key,)).fetchone()
    if left is None:
        return None
    return LakeFailure(
        meant.key, "LAKE_ENTRY_MOVED", "It was changed after it was looked at.", again=False
    )


def _problem(meant: LakeEntry) -> str | None:
    """Why the lake cannot hold an entry; None if it can."""
    if not meant.permissions or not PERMISSIONS.issuperset(meant.permissions):
        return "It permits nothing that this lake knows."
    if not set(meant.permissions).issuperset(meant.grantable):
        return "It passes on what it does not permit."
    if len(_text(meant.resource)) + len(_text(meant.filter)) > _MOST_ENTRY_BYTES:
        return "Its filter and columns are longer than this lake holds."
    return None


def _entry(row: Sequence[Any]) -> LakeEntry:
    resource: Mapping[str, Any] = orjson.loads(row[2])
    return entry(
        row[1],
        resource,
        orjson.loads(row[3]),
        orjson.loads(row[4]),
        filter=orjson.loads(row[5]),
        masks=orjson.loads(row[6]),
        made_by=row[7],
        made_at=row[8],
        revision=str(row[9]),
    )


def _text(value: Any) -> str:
    return canonical(value).decode()
