"""Compares what a crashed world's store holds with its ledger. Independent of the store's code."""

import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

from meshplane.kit.hash_chain import verify


def _lines(folder: Path) -> list[list[str]]:
    path = folder / "ledger"
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def _noted(folder: Path, word: str) -> set[tuple[str, int]]:
    return {(line[1], int(line[2])) for line in _lines(folder) if line[0] == word}


def _read(connection: sqlite3.Connection, table: str) -> list[dict[str, Any]]:
    found = connection.execute(f'SELECT body FROM "{table}"').fetchall()
    return [json.loads(body) for (body,) in found]


def problems_of_writes(folder: Path) -> list[str]:
    """What is wrong with rows, events, audit trail and text index after a kill."""
    with closing(sqlite3.connect(folder / "meshplane.db")) as connection:
        rows = {(row["entity"], row["number"]) for row in _read(connection, "Orders")}
        told = [
            (entity, json.loads(detail)["number"])
            for entity, detail in connection.execute(
                "SELECT entity, detail FROM Outbox ORDER BY sequence"
            )
        ]
        trail = connection.execute("SELECT body, hash FROM AuditTrail ORDER BY sequence").fetchall()
        whole = connection.execute("PRAGMA integrity_check").fetchone()[0]
        texts = connection.execute("SELECT count(*) FROM Orders_search").fetchone()[0]
    recorded = [(json.loads(body)["entity"], json.loads(body)["number"]) for body, _ in trail]
    acknowledged, intended = _noted(folder, "acknowledged"), _noted(folder, "intended")
    checks = {
        "the database is damaged": whole == "ok",
        "an acknowledged order is lost": acknowledged <= rows,
        "an order appeared that nobody placed": rows <= intended,
        "a refused order was kept": not rows & _noted(folder, "refused"),
        "an event has no row": set(told) <= rows,
        "a row has no event": rows <= set(told),
        "an order has two events": len(told) == len(set(told)),
        "rows and audit trail differ": sorted(recorded) == sorted(rows),
        "the audit chain is broken": verify(trail).valid,
        "rows and text index differ": texts == len(rows),
    }
    return [problem for problem, holds in checks.items() if not holds]


def problems_of_effects(folder: Path, *, all_delivered: bool) -> list[str]:
    """What is wrong with the effects of consumers."""
    with closing(sqlite3.connect(folder / "meshplane.db")) as connection:
        ids = [each for (each,) in connection.execute("SELECT event_id FROM Outbox")]
        applied = {row["eventId"]: row["times"] for row in _read(connection, "Applied")}
        journals = [row["numbers"] for row in _read(connection, "Journals")]
        parked = connection.execute("SELECT count(*) FROM ParkedEvents").fetchone()[0]
    heard = Counter(line[1] for line in _lines(folder) if line[0] == "told")
    checks = {
        "two events have one id": len(ids) == len(set(ids)),
        "an event was applied twice": all(times == 1 for times in applied.values()),
        "an effect has no event": set(applied) <= set(ids),
        "events of an entity were applied out of order": all(
            numbers == list(range(len(numbers))) for numbers in journals
        ),
        "something was told that was not stored": set(heard) <= set(ids),
    }
    if all_delivered:
        checks |= {
            "an event was not applied": set(applied) == set(ids),
            "an event was not told": set(heard) == set(ids),
            "an event stays parked": parked == 0,
        }
    return [problem for problem, holds in checks.items() if not holds]


def effects(folder: Path) -> int:
    """How many events were applied."""
    with closing(sqlite3.connect(folder / "meshplane.db")) as connection:
        return len(_read(connection, "Applied"))


def orders(folder: Path) -> int:
    """How many orders there are."""
    with closing(sqlite3.connect(folder / "meshplane.db")) as connection:
        return int(connection.execute("SELECT count(*) FROM Orders").fetchone()[0])
