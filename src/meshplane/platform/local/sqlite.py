"""The store on SQLite: one file in the home folder, WAL, `synchronous=FULL`, group commit.

Point reads run on the event loop: each takes some ten microseconds, less than handing it to a
thread. Full-text search and long scans run in a thread, on a connection of its own.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import orjson

from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import MeshplaneError
from meshplane.kit.hash_chain import GENESIS
from meshplane.kit.ids import IdMaker
from meshplane.platform.events import StoredEvent
from meshplane.platform.gathering import Batch, Gathering, PutListeners, Write
from meshplane.platform.local import sqlite_read
from meshplane.platform.local.sqlite_commit import GroupCommit
from meshplane.platform.local.sqlite_schema import connect, create
from meshplane.platform.local.sqlite_write import Applier
from meshplane.platform.stillness import Stillness
from meshplane.platform.tables import KeyValue, Row, RowPage, SortCondition, Table, by_name

_AUDIT_PAGE = 1000
_MOST_KEYS = 200
_EVENTS = "SELECT sequence, event_id, type, source, entity, time, detail, hops FROM Outbox"

T = TypeVar("T")


class SqliteUnitOfWork(Gathering[Batch]):
    """A unit of work on SQLite; see `UnitOfWork`."""

    def __init__(self, store: "SqliteStore", hops: int = 0) -> None:
        super().__init__(Batch, hops)
        self._store = store

    async def get(self, table: Table, partition: KeyValue, sort: KeyValue = "") -> Row | None:
        """See `UnitOfWork.get`."""
        found = sqlite_read.get(self._store.reader, table, partition, sort, self._store.now())
        key = (table.name, partition, sort)
        if self._own and key in self._own:
            item = self._own[key]
            return None if item is None else Row(item, (found.version if found else 0) + 1)
        return found

    async def get_many(
        self, table: Table, keys: Sequence[tuple[KeyValue, KeyValue]]
    ) -> Sequence[Row]:
        """See `UnitOfWork.get_many`."""
        found: list[Row] = []
        for begin in range(0, len(keys), _MOST_KEYS):
            part = keys[begin : begin + _MOST_KEYS]
            found += sqlite_read.get_many(self._store.reader, table, part, self._store.now())
        return found

    async def query(
        self,
        table: Table,
        partition: KeyValue,
        *,
        index: str | None = None,
        where: SortCondition | None = None,
        limit: int = 50,
        cursor: str | None = None,
        descending: bool = False,
    ) -> RowPage:
        """See `UnitOfWork.query`."""
        return sqlite_read.query(
            self._store.reader,
            table,
            partition,
            index=index,
            where=where,
            limit=limit,
            cursor=cursor,
            descending=descending,
            now=self._store.now(),
        )

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `UnitOfWork.together`: one transaction of the reader, which no coroutine leaves."""
        reader = self._store.reader
        if reader.in_transaction:
            yield
            return
        reader.execute("BEGIN")
        try:
            yield
        finally:
            reader.execute("COMMIT")

    async def search(self, table: Table, words: str, limit: int) -> Sequence[Row]:
        """See `UnitOfWork.search`."""
        return await self._store.in_thread(
            lambda reader: sqlite_read.search(reader, table, words, limit, self._store.now())
        )

    async def commit(self) -> None:
        """See `UnitOfWork.commit`."""
        if batch := self._taken():
            await self._store.commit(batch)


class SqliteStore:
    """The store on one SQLite file; see `Store`. Opened on the event loop that uses it.

    Args:
        path: the database file; its folder must exist.
        tables: all that may be used.
        clock: gives the times of events and audit records.
        new_id: makes the ids of events.
    """

    def __init__(self, path: Path, tables: Iterable[Table], clock: Clock, new_id: IdMaker) -> None:
        self._tables = by_name(tables)
        self._clock = clock
        writer = connect(str(path))
        create(writer, self._tables.values())
        writer.execute("PRAGMA busy_timeout = 0")
        self.reader = connect(str(path))
        self._thread_reader = connect(str(path))
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-read")
        applier = Applier(writer, new_id, lambda: to_text(clock.now()))
        self._writer = GroupCommit(writer, applier, self.now, self._committed)
        self._event_waiters: dict[asyncio.Future[None], frozenset[str] | None] = {}
        self._put_listeners = PutListeners()
        # A look at a file of this machine costs little, and what other processes do is seen soon.
        self.stillness = Stillness()

    def now(self) -> int:
        """The present in epoch seconds."""
        return int(self._clock.now().timestamp())

    def begin(self, hops: int = 0) -> SqliteUnitOfWork:
        """See `Store.begin`."""
        return SqliteUnitOfWork(self, hops)

    def on_puts(self, table: Table, call: Callable[[Set[KeyValue]], None]) -> None:
        """See `Store.on_puts`."""
        self._put_listeners.add(table, call)

    async def commit(self, batch: Batch) -> None:
        """Makes one batch durable, together with those that arrive at the same time."""
        await self._writer.commit(batch)

    async def in_thread(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Runs a longer read away from the event loop."""
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._thread, read, self._thread_reader)

    async def events_after(self, sequence: int, limit: int) -> Sequence[StoredEvent]:
        """See `Store.events_after`."""
        found = self.reader.execute(
            f"{_EVENTS} WHERE sequence > ? ORDER BY sequence LIMIT ?", (sequence, limit)
        ).fetchall()
        return [_event(line) for line in found]

    async def events_of(
        self, types: frozenset[str], after: int, limit: int
    ) -> tuple[Sequence[StoredEvent], int]:
        """See `Store.events_of`."""
        # Sequences are given inside the one writing transaction, so none below this comes later.
        last = await self.last_event()
        marks = ", ".join("?" for _ in types)
        found = self.reader.execute(
            f"{_EVENTS} WHERE sequence > ? AND sequence <= ? AND type IN ({marks}) "
            "ORDER BY sequence LIMIT ?",
            (after, last, *sorted(types), limit),
        ).fetchall()
        events = [_event(line) for line in found]
        return events, events[-1].sequence if len(events) == limit else max(after, last)

    async def wait_for_events(
        self, types: frozenset[str] | None, after: int, timeout_seconds: float
    ) -> None:
        """See `Store.wait_for_events`."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._event_waiters[waiter] = types
        try:
            if types is None:
                waits = await self.last_event() <= after
            else:
                waits = not (await self.events_of(types, after, 1))[0]
            if waits:
                await asyncio.wait([waiter], timeout=timeout_seconds)
        finally:
            del self._event_waiters[waiter]

    async def last_event(self) -> int:
        """See `Store.last_event`."""
        found = self.reader.execute("SELECT max(sequence) FROM Outbox").fetchone()
        return found[0] or 0

    async def event_place(self, event_id: str) -> int | None:
        """See `Store.event_place`."""
        found = await self.in_thread(
            lambda reader: reader.execute(
                "SELECT sequence FROM Outbox WHERE event_id = ?", (event_id,)
            ).fetchone()
        )
        return found[0] if found else None

    def _committed(self, batches: Sequence[Batch]) -> None:
        """Wakes those who wait for what was committed."""
        types = {event.type for batch in batches for event in batch.events}
        if types:
            for waiter, wanted in self._event_waiters.items():
                if not waiter.done() and (wanted is None or not wanted.isdisjoint(types)):
                    waiter.set_result(None)
        self._put_listeners.tell(batches)

    async def audit_after(self, sequence: int, limit: int) -> Sequence[tuple[int, bytes, str]]:
        """See `Store.audit_after`."""
        return await self.in_thread(
            lambda reader: reader.execute(
                "SELECT sequence, body, hash FROM AuditTrail WHERE sequence > ? "
                "ORDER BY sequence LIMIT ?",
                (sequence, limit),
            ).fetchall()
        )

    async def audit_head(self) -> tuple[int, str]:
        """See `Store.audit_head`."""
        row = self.reader.execute(
            "SELECT sequence, hash FROM AuditTrail ORDER BY sequence DESC LIMIT 1"
        ).fetchone()
        return (row[0], row[1]) if row else (0, GENESIS)

    async def audit_lines(self) -> AsyncIterator[tuple[int, bytes, str]]:
        """See `Store.audit_lines`."""
        # From the very first key that can be: whoever slips a record in before the first is found.
        position = -(2**63)
        while page := await self.audit_after(position, _AUDIT_PAGE):
            for line in page:
                yield line
            position = page[-1][0]

    async def remove_expired(self, limit: int = 500) -> int:
        """See `Store.remove_expired`."""
        now, removed = self.now(), 0
        for table in self._tables.values():
            if not table.expires:
                continue
            keys = self.reader.execute(
                f'SELECT pk, sk, version FROM "{table.name}" '  # noqa: S608 - declared names
                "WHERE expires <= ? LIMIT ?",
                (now, limit),
            ).fetchall()
            for partition, sort, version in keys:
                # The version keeps what was written anew since this was read.
                write = Write(table, partition, sort, None, version, None)
                try:
                    await self.commit(Batch(writes=[write]))
                except MeshplaneError:
                    continue
                removed += 1
        return removed

    async def close(self) -> None:
        """See `Store.close`."""
        await self._writer.close()
        self._thread.shutdown()
        self._thread_reader.close()
        self.reader.close()


def _event(line: tuple[int, str, str, str, str, str, str, int]) -> StoredEvent:
    sequence, event_id, kind, source, entity, time, detail, hops = line
    return StoredEvent(sequence, event_id, kind, source, entity, time, orjson.loads(detail), hops)
