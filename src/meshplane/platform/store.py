"""The port of the store: units of work over tables, the outbox, and the audit chain.

One unit of work is one commit: rows, events and audit records together or not at all. Conditions
(`expected`) are checked when it commits, as DynamoDB's TransactWriteItems does, so that nothing is
locked while a use case thinks.
"""

from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import AbstractContextManager
from typing import Any, Protocol

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.events import NewEvent, StoredEvent
from meshplane.platform.stillness import Stillness
from meshplane.platform.tables import KeyValue, Row, RowPage, SortCondition, Table

ABSENT = 0
"""The `expected` version of an item that must not be there yet."""


class UnitOfWork(Protocol):
    """Reads now, and writes that happen together when `commit` is called, or never."""

    @property
    def hops(self) -> int:
        """As `begin` was given them: what is sent in it carries them on."""
        ...

    async def get(self, table: Table, partition: KeyValue, sort: KeyValue = "") -> Row | None:
        """The row with that key; what this unit of work has put itself is seen."""
        ...

    async def get_many(
        self, table: Table, keys: Sequence[tuple[KeyValue, KeyValue]]
    ) -> Sequence[Row]:
        """Those of the committed rows with these (partition, sort) keys that are there."""
        ...

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
        """A page of the committed rows of one partition of the table or of an index, by sort key.

        Raises:
            Invalid: CURSOR_INVALID, the cursor is not one that an earlier page of this gave.
        """
        ...

    def together(self) -> AbstractContextManager[None]:
        """Within it, `get`, `get_many` and `query` see the committed rows of one instant.

        Nothing else may be awaited in it: others read through the same eyes meanwhile.
        """
        ...

    async def search(self, table: Table, words: str, limit: int) -> Sequence[Row]:
        """The committed rows that hold all the words, or failing that some, best first."""
        ...

    def put(
        self,
        table: Table,
        item: dict[str, Any],
        *,
        expected: int | None = None,
        otherwise: MeshplaneError | None = None,
    ) -> None:
        """Writes an item whole.

        Args:
            table: where to.
            item: JSON values, with the key attributes.
            expected: the version that must be there now (`ABSENT`: none); None: any.
            otherwise: what `commit` raises when it is not; by default `Stale`.
        """
        ...

    def delete(
        self,
        table: Table,
        partition: KeyValue,
        sort: KeyValue = "",
        *,
        expected: int | None = None,
        otherwise: MeshplaneError | None = None,
    ) -> None:
        """Removes an item; arguments as in `put`. Without `expected`, an absent item is fine."""
        ...

    def emit(self, event: NewEvent) -> None:
        """Adds an event to the outbox; its hops are at least those that `begin` was given."""
        ...

    def record(self, record: dict[str, Any]) -> None:
        """Adds a record to the audit chain; sequence, time and hashes are set at the commit."""
        ...

    async def commit(self) -> None:
        """Makes it all durable, and returns only then.

        Raises:
            MeshplaneError: the `otherwise` of the first condition that did not hold. Nothing of
                this unit of work was written.
            Unavailable: STORE_UNAVAILABLE, the disk is full or failing; nothing was written. Where
                the store is elsewhere and does not answer, the message says that this is unknown.
        """
        ...


class Store(Protocol):
    """Opens units of work, and reads the two logs that they write."""

    @property
    def stillness(self) -> Stillness:
        """Tells whoever polls the store how long he may leave it alone."""
        ...

    def begin(self, hops: int = 0) -> UnitOfWork:
        """A new unit of work; `hops` as in `NewEvent`, of what it is begun for."""
        ...

    def on_puts(self, table: Table, call: Callable[[Set[KeyValue]], None]) -> None:
        """Has `call` called after each commit of this process that put items of the table.

        It gets the partition keys of these items. It is a hint that saves waiting: what other
        processes put is not told. `call` returns at once and raises nothing.
        """
        ...

    async def events_after(self, sequence: int, limit: int) -> Sequence[StoredEvent]:
        """Stored events from just after that place in the outbox, oldest first."""
        ...

    async def events_of(
        self, types: frozenset[str], after: int, limit: int
    ) -> tuple[Sequence[StoredEvent], int]:
        """Stored events of these types just after that place, oldest first, and how far that is.

        Up to the second value, the outbox holds no other event of these types.
        """
        ...

    async def wait_for_events(
        self, types: frozenset[str] | None, after: int, timeout_seconds: float
    ) -> None:
        """Returns when there may be events of these types past `after`, or after the timeout.

        Types of None are all. It may return before that though there are none.
        """
        ...

    async def last_event(self) -> int:
        """The place of the newest event in the outbox; 0 while there is none."""
        ...

    async def event_place(self, event_id: str) -> int | None:
        """The place of an event in the outbox; it looks through all of it."""
        ...

    async def audit_after(self, sequence: int, limit: int) -> Sequence[tuple[int, bytes, str]]:
        """(sequence, canonical bytes, hash) of audit records after that one, oldest first."""
        ...

    async def audit_head(self) -> tuple[int, str]:
        """(sequence, hash) of the last audit record; sequence 0 while there is none."""
        ...

    def audit_lines(self) -> AsyncIterator[tuple[int, bytes, str]]:
        """All audit records, oldest first, read in pages."""
        ...

    async def remove_expired(self, limit: int = 500) -> int:
        """Removes up to `limit` items of each table whose expiry has passed; how many."""
        ...

    async def close(self) -> None:
        """Ends after what was begun is committed."""
        ...
