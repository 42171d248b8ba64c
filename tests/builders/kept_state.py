"""What a home keeps, read beside the server: to see whether a refused request left anything."""

import hashlib
import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from meshplane.events.rules import RESERVED_QUEUES

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


def kept_state(home: Path) -> dict[str, str]:
    """A digest of each table's rows, the outbox among them, and of the lake's file names."""
    with _opened(home) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_search%' "
            "ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        state = {
            name: _digest(map(repr, database.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2')))
            for (name,) in tables
            if name not in _ALWAYS_MOVING
        }
    lake = home / "lake"
    files = sorted(str(file.relative_to(lake)) for file in lake.rglob("*") if file.is_file())
    return {**state, "lake": _digest(files)}


def settled_state(home: Path) -> dict[str, str]:
    """The state once rules, consumers and workflows have done their part in what happened."""
    settle(home)
    return kept_state(home)


def settle(home: Path) -> None:
    """Returns when nothing is under way in the mesh: all of it waits for people or for a time."""
    give_up = time.monotonic() + _LONGEST_WAIT_SECONDS
    last = None
    while (now := _movement(home)) != last or any(now[2:]):
        assert time.monotonic() < give_up, f"the mesh does not come to rest: {now}"
        last = now
        time.sleep(_PAUSE_SECONDS)


def audit_records(home: Path) -> int:
    """How many records the audit trail has."""
    with _opened(home) as database:
        count: int = database.execute("SELECT count(*) FROM AuditTrail").fetchone()[0]
    return count


def _movement(home: Path) -> list[int]:
    """How much happened so far, twice, and how much of each kind is under way."""
    now = time.time()
    soon = {
        "soon": int((now + _SOON_SECONDS) * 1000),
        "taken": int((now + _TAKEN_SECONDS) * 1000),
    }
    with _opened(home) as database:
        counts = [
            database.execute(f"SELECT coalesce(max(sequence), 0) FROM {table}").fetchone()[0]
            for table in ("Outbox", "AuditTrail")
        ]
        return counts + [database.execute(query, soon).fetchone()[0] for query in _UNDER_WAY]


@contextmanager
def _opened(home: Path) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(f"file:{home / 'meshplane.db'}?mode=ro", uri=True)
    try:
        yield database
    finally:
        database.close()


def _digest(lines: Iterable[str]) -> str:
    digest, count = hashlib.sha256(), 0
    for line in lines:
        digest.update(line.encode() + b"\n")
        count += 1
    return f"{count}:{digest.hexdigest()[:16]}"
