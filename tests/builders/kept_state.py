"""What a home keeps, read beside the server: to see whether a refused request left anything."""

import hashlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

_MOST_LOOKS, _PAUSE_SECONDS = 50, 0.1
# The audit trail holds a record of each failure, the relay notes how far it came, by itself.
_ALWAYS_MOVING = frozenset({"AuditTrail", "ConsumerCursors", "ParkedEvents"})


def kept_state(home: Path) -> dict[str, str]:
    """A digest of each table's rows, the outbox among them, and of the lake's file names."""
    database = sqlite3.connect(f"file:{home / 'meshplane.db'}?mode=ro", uri=True)
    try:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%\\_search%' "
            "ESCAPE '\\' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"
        ).fetchall()
        state = {
            name: _digest(map(repr, database.execute(f'SELECT * FROM "{name}" ORDER BY 1, 2')))
            for (name,) in tables
            if name not in _ALWAYS_MOVING
        }
    finally:
        database.close()
    lake = home / "lake"
    files = sorted(str(file.relative_to(lake)) for file in lake.rglob("*") if file.is_file())
    return {**state, "lake": _digest(files)}


def settled_state(home: Path) -> dict[str, str]:
    """The state once the consumers of what happened so far have done their part."""
    last: dict[str, str] = {}
    for _ in range(_MOST_LOOKS):
        now = kept_state(home)
        if now == last:
            break
        last = now
        time.sleep(_PAUSE_SECONDS)
    return last


def audit_records(home: Path) -> int:
    """How many records the audit trail has."""
    database = sqlite3.connect(f"file:{home / 'meshplane.db'}?mode=ro", uri=True)
    try:
        count: int = database.execute("SELECT count(*) FROM AuditTrail").fetchone()[0]
        return count
    finally:
        database.close()


def _digest(lines: Iterable[str]) -> str:
    digest, count = hashlib.sha256(), 0
    for line in lines:
        digest.update(line.encode() + b"\n")
        count += 1
    return f"{count}:{digest.hexdigest()[:16]}"
