"""What a home keeps, read beside the server: to see whether a refused request left anything.

Tests look thousands of times, so a home is opened once, and read anew only after a commit.
"""

import hashlib
import marshal
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

from meshplane.events.rules import RESERVED_QUEUES
from tests.builders.idle_process import is_idle

_LONGEST_WAIT_SECONDS, _PAUSE_SECONDS = 30.0, 0.03
# The audit trail holds a record of each failure, and so does the history of who sent a query; the
# relay notes how far it came, and the scheduler when a rule fires next, by themselves.
_ALWAYS_MOVING = frozenset(
    {"AuditTrail", "QueryHistory", "ConsumerCursors", "ParkedEvents", "ScheduleTimes"}
)
# Other queues are worked off by people, who may leave messages where they are.
_MESH_QUEUES = ", ".join(f"'{queue}'" for queue in sorted(RESERVED_QUEUES))
# What the mesh does at once: messages that are due, failed deliveries, steps that are ready,
# grants on their way into the lake.
# SQLite takes a BLOB for its own binary JSON, hence the casts.
_UNDER_WAY = (
    f"""SELECT count(*) FROM "Messages" WHERE pk IN ({_MESH_QUEUES}) AND (byDue_sk <= :soon
       OR (byDue_sk <= :taken AND json_extract(CAST(body AS TEXT), '$.attempts') > 0))""",
    """SELECT count(*) FROM "ParkedEvents" """,
    """SELECT count(*) FROM "Executions" WHERE byWake_sk IS NOT NULL AND (byWake_sk <= :soon
       OR json_extract(CAST(body AS TEXT), '$.owner') IS NOT NULL)""",
    """SELECT count(*) FROM "TaskTokens" WHERE bySignal_pk IS NOT NULL""",
    """SELECT count(*) FROM "EventReplays"
       WHERE json_extract(CAST(body AS TEXT), '$.active') IS NOT NULL""",
    # Every grant is carried into the lake, which is then noted on it.
    """SELECT count(*) FROM "Grants"
       WHERE json_extract(CAST(body AS TEXT), '$.lakeState') = 'pending'""",
)
_SOON_SECONDS = 2.0
# A message that somebody works on is hidden for ten seconds, again and again.
_TAKEN_SECONDS = 11.0
_STATEMENTS_KEPT = 256


def kept_state(home: Path) -> dict[str, str]:
    """A digest of each table's rows, the outbox among them, and of the lake's file names."""
    lake = str(home / "lake")
    return {**_look_into(home).rows(), "lake": _digest(sorted(_files_below(lake)))}


def settled_state(home: Path) -> dict[str, str]:
    """The state once rules, consumers and workflows have done their part in what happened."""
    settle(home)
    return kept_state(home)


def settle(home: Path) -> None:
    """Returns when nothing is under way in the mesh: all of it waits for people or for a time."""
    look, processes = _look_into(home), _PROCESSES.get(home, ())
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    last = None
    while True:
        # On a busy machine a process may need long to begin with what follows from an event. That
        # it has nothing to do tells of all that it wrote before, so this comes before the look.
        rests = last is not None and all(is_idle(pid) for pid in processes)
        now = look.movement()
        under_way = any(now[2:])
        if look.rested_at == now[0] and not under_way:
            return  # nothing has happened since, that anybody could follow up
        if rests and now == last and not under_way:
            break
        assert time.monotonic() < give_up, f"the mesh does not come to rest: {now}, {rests=}"
        last = now
        time.sleep(_PAUSE_SECONDS)
    look.rested_at = now[0]


def audit_records(home: Path) -> int:
    """How many records the audit trail has; they are numbered one after another."""
    return _look_into(home).last_of("AuditTrail")


def served_by(home: Path, pid: int) -> None:
    """Tells that a process serves a home, until it is forgotten."""
    _PROCESSES.setdefault(home, []).append(pid)


def forget(home: Path) -> None:
    """Closes what was opened in a home that goes."""
    _PROCESSES.pop(home, None)
    look = _LOOKS.pop(home, None)
    if look is not None:
        look.close()


class _Look:
    """One connection into a home's database, beside its server.

    Attributes:
        rested_at: how many events there had been when the mesh last was at rest.
    """

    def __init__(self, home: Path) -> None:
        self._database = sqlite3.connect(
            f"file:{home / 'meshplane.db'}?mode=ro",
            uri=True,
            isolation_level=None,
            cached_statements=_STATEMENTS_KEPT,
        )
        self._tables: list[str] = []
        self._read_at: tuple[int, int] | None = None
        self._rows: dict[str, str] = {}
        self.rested_at: int | None = None

    def close(self) -> None:
        """Ends the connection."""
        self._database.close()

    def rows(self) -> dict[str, str]:
        """A digest of each table's rows, all as of one commit."""
        self._database.execute("BEGIN")
        try:
            schema = self._number("PRAGMA schema_version")
            # It moves with every commit of somebody else.
            now = (schema, self._number("PRAGMA data_version"))
            if now != self._read_at:
                if self._read_at is None or self._read_at[0] != schema:
                    self._tables = self._tables_there()
                self._rows = {name: self._digest_of(name) for name in self._tables}
                self._read_at = now
        finally:
            self._database.execute("COMMIT")
        return self._rows

    def movement(self) -> list[int]:
        """How much happened so far, twice, and how much of each kind is under way."""
        now = time.time()
        soon = {
            "soon": int((now + _SOON_SECONDS) * 1000),
            "taken": int((now + _TAKEN_SECONDS) * 1000),
        }
        under_way = [self._database.execute(query, soon).fetchone()[0] for query in _UNDER_WAY]
        return [self.last_of("Outbox"), self.last_of("AuditTrail"), *under_way]

    def last_of(self, log: str) -> int:
        """The number of the last row of the outbox or the audit trail."""
        return self._number(f"SELECT coalesce(max(sequence), 0) FROM {log}")

    def _number(self, statement: str) -> int:
        number: int = self._database.execute(statement).fetchone()[0]
        return number

    def _tables_there(self) -> list[str]:
        found = self._database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_search%' "
            "ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        return [name for (name,) in found if name not in _ALWAYS_MOVING]

    def _digest_of(self, table: str) -> str:
        return _digest(self._database.execute(f'SELECT * FROM "{table}" ORDER BY 1, 2').fetchall())


_LOOKS: dict[Path, _Look] = {}
_PROCESSES: dict[Path, list[int]] = {}


def _look_into(home: Path) -> _Look:
    look = _LOOKS.get(home)
    if look is None:
        look = _LOOKS[home] = _Look(home)
    return look


def _files_below(folder: str) -> Iterator[str]:
    """The paths of all files in a folder and those below, without links followed."""
    try:
        entries = list(os.scandir(folder))
    except FileNotFoundError:
        return  # a folder may go while it is looked for
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(entry.path)
        elif entry.is_file():
            yield entry.path


def _digest(rows: list[tuple[object, ...]] | list[str]) -> str:
    # The second format writes equal values in equal bytes, whoever else refers to them.
    told = marshal.dumps(rows, 2)
    return f"{len(rows)}:{hashlib.sha256(told).hexdigest()[:16]}"
