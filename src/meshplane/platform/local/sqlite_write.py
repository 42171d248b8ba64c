"""What a unit of work collected, and how it is applied inside SQLite's transaction."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

import orjson

from meshplane.kit import hash_chain
from meshplane.kit.errors import Invalid, Stale
from meshplane.platform.gathering import Batch, Write
from meshplane.platform.local.sqlite_schema import columns_of
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Item, Table


class Applier:
    """Applies batches to one connection, inside a transaction that its caller opened."""

    def __init__(
        self, connection: sqlite3.Connection, new_id: Callable[[str], str], now: Callable[[], str]
    ) -> None:
        self._connection = connection
        self._new_id = new_id
        self._now = now

    def write_rows(self, batch: Batch, now_epoch_seconds: int) -> None:
        """Writes the rows of one batch.

        Raises:
            MeshplaneError: a condition did not hold. The caller rolls back.
        """
        for write in batch.writes:
            if not self._write(write, now_epoch_seconds):
                raise write.otherwise or Stale(
                    "STALE", "It was changed by someone else meanwhile: read it again and retry."
                )

    def write_logs(self, batches: Sequence[Batch]) -> None:
        """Writes the events and audit records of batches whose rows are written, in their order."""
        now = self._now()
        events = [
            (
                event.event_id or self._new_id("evt"),
                event.type,
                event.source,
                event.entity,
                now,
                _json(event.detail).decode(),
                event.hops,
            )
            for batch in batches
            for event in batch.events
        ]
        if events:
            self._connection.executemany(
                "INSERT INTO Outbox (event_id, type, source, entity, time, detail, hops) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                events,
            )
        records = [record for batch in batches for record in batch.records]
        if records:
            self._connection.executemany(
                "INSERT INTO AuditTrail (sequence, body, hash) VALUES (?, ?, ?)",
                self._chained(records, now),
            )

    def _chained(
        self, records: Sequence[dict[str, Any]], now: str
    ) -> Iterator[tuple[int, bytes, str]]:
        row = self._connection.execute(
            "SELECT sequence, hash FROM AuditTrail ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        sequence, digest = row or (0, hash_chain.GENESIS)
        for record in records:
            sequence += 1
            body, digest = hash_chain.link({**record, "time": now}, sequence, digest)
            yield sequence, body, digest

    def _write(self, write: Write, now_epoch_seconds: int) -> bool:
        if write.item is None:
            return self._delete(write)
        self._drop_expired(write, now_epoch_seconds)
        done = self._put(write, write.item)
        if done and write.table.search:
            self._index_text(write, write.item)
        return done

    def _put(self, write: Write, item: Item) -> bool:
        table = write.table
        values = _values(table, item)
        if write.expected is None or write.expected == ABSENT:
            insert, on_conflict = _insert_statements(table)
            statement = insert if write.expected == ABSENT else on_conflict
            done = self._connection.execute(
                statement, (write.partition, write.sort, *values)
            ).rowcount
        else:
            done = self._connection.execute(
                _update_statement(table), (*values, write.partition, write.sort, write.expected)
            ).rowcount
        return done == 1

    def _delete(self, write: Write) -> bool:
        key = (write.partition, write.sort)
        name = write.table.name
        if write.table.search:
            self._connection.execute(
                f'DELETE FROM "{name}_search" WHERE rowid = '  # noqa: S608 - declared names
                f'(SELECT rowid FROM "{name}" WHERE pk = ? AND sk = ?)',
                key,
            )
        statement = f'DELETE FROM "{name}" WHERE pk = ? AND sk = ?'  # noqa: S608 - declared names
        if write.expected is None:
            self._connection.execute(statement, key)
            return True
        if write.expected == ABSENT:
            return self._connection.execute(statement, key).rowcount == 0
        done = self._connection.execute(f"{statement} AND version = ?", (*key, write.expected))
        return done.rowcount == 1

    def _drop_expired(self, write: Write, now_epoch_seconds: int) -> None:
        # An ended item does not count as being there, even if it has not been swept yet.
        table, name = write.table, write.table.name
        if not table.expires:
            return
        ended = "WHERE pk = ? AND sk = ? AND expires <= ?"
        values = (write.partition, write.sort, now_epoch_seconds)
        if table.search:
            self._connection.execute(
                f'DELETE FROM "{name}_search" WHERE rowid = '  # noqa: S608 - declared names
                f'(SELECT rowid FROM "{name}" {ended})',
                values,
            )
        self._connection.execute(f'DELETE FROM "{name}" {ended}', values)  # noqa: S608 - as above

    def _index_text(self, write: Write, item: Item) -> None:
        name, fields = write.table.name, write.table.search
        rowid = self._connection.execute(
            f'SELECT rowid FROM "{name}" WHERE pk = ? AND sk = ?',  # noqa: S608 - declared names
            (write.partition, write.sort),
        ).fetchone()[0]
        columns = ", ".join(f"f{number}" for number in range(len(fields)))
        marks = ", ".join("?" for _ in fields)
        self._connection.execute(
            f'INSERT OR REPLACE INTO "{name}_search" '  # noqa: S608 - declared names
            f"(rowid, {columns}) VALUES (?, {marks})",
            (rowid, *(_text(item.get(field)) for field in fields)),
        )


def _text(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return "" if value is None else str(value)


def _json(value: Any) -> bytes:
    """A value as JSON that every reader takes.

    Raises:
        Invalid: VALUE_UNSUITABLE. What computes values, as workflows do, can bring about one.
    """
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        raise Invalid(
            "VALUE_UNSUITABLE",
            "It holds a whole number of more than 64 bits, or text with an unpaired surrogate, "
            "which cannot be stored: make it text, or leave it out.",
        ) from None


def _values(table: Table, item: Item) -> list[Any]:
    values: list[Any] = [_json(item), item.get(table.expires) if table.expires else None]
    for index in table.indexes:
        keys = [item.get(name) for name in (index.partition, index.sort) if name]
        # An item that lacks one of the index's attributes is not in it.
        values += [None] * len(keys) if None in keys else keys
    return values


@cache
def _insert_statements(table: Table) -> tuple[str, str]:
    """An insert that yields to what is there, and one that replaces it."""
    columns = [name for name in columns_of(table) if name != "version"]
    marks = ", ".join("?" for _ in columns)
    insert = (
        f'INSERT INTO "{table.name}" ({", ".join(columns)}, version) '  # noqa: S608 - declared
        f"VALUES ({marks}, 1) ON CONFLICT (pk, sk) DO "
    )
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[2:])
    return f"{insert}NOTHING", f"{insert}UPDATE SET version = version + 1, {changes}"


@cache
def _update_statement(table: Table) -> str:
    columns = [name for name in columns_of(table)[2:] if name != "version"]
    changes = ", ".join(f"{name} = ?" for name in columns)
    return (
        f'UPDATE "{table.name}" SET {changes}, version = version + 1 '  # noqa: S608 - declared
        "WHERE pk = ? AND sk = ? AND version = ?"
    )
