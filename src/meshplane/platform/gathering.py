"""What every store's unit of work gathers until its commit, and who is told of it. Pure.

A use case puts, deletes, emits and records; nothing is written meanwhile. The commit hands all of
it to the store as one batch. How a batch becomes durable is the store's own affair.
"""

from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any, Generic, TypeVar

from meshplane.kit.errors import MeshplaneError
from meshplane.platform.events import NewEvent
from meshplane.platform.tables import Item, KeyValue, Table

Key = tuple[str, KeyValue, KeyValue]
"""A row's table, partition and sort key."""


@dataclass(frozen=True, slots=True)
class Write:
    """A put (`item` is set) or a delete, with its condition."""

    table: Table
    partition: KeyValue
    sort: KeyValue
    item: Item | None
    expected: int | None
    otherwise: MeshplaneError | None

    @property
    def key(self) -> Key:
        """Which row it is about."""
        return self.table.name, self.partition, self.sort


@dataclass(slots=True)
class Batch:
    """All that one unit of work will write."""

    writes: list[Write] = field(default_factory=list)
    events: list[NewEvent] = field(default_factory=list)
    records: list[dict[str, Any]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.writes or self.events or self.records)


BatchT = TypeVar("BatchT", bound=Batch)


class Gathering(Generic[BatchT]):
    """The writing half of a unit of work; see `UnitOfWork`.

    Args:
        make: makes an empty batch of the store's kind.
        hops: of every event at the least, as in `NewEvent`.
    """

    def __init__(self, make: Callable[[], BatchT], hops: int) -> None:
        self._make = make
        self.hops = hops
        self._batch = make()
        self._own: dict[Key, Item | None] = {}

    def put(
        self,
        table: Table,
        item: dict[str, Any],
        *,
        expected: int | None = None,
        otherwise: MeshplaneError | None = None,
    ) -> None:
        """See `UnitOfWork.put`."""
        partition, sort = table.key_of(item)
        self._own[(table.name, partition, sort)] = item
        self._batch.writes.append(Write(table, partition, sort, item, expected, otherwise))

    def delete(
        self,
        table: Table,
        partition: KeyValue,
        sort: KeyValue = "",
        *,
        expected: int | None = None,
        otherwise: MeshplaneError | None = None,
    ) -> None:
        """See `UnitOfWork.delete`."""
        self._own[(table.name, partition, sort)] = None
        self._batch.writes.append(Write(table, partition, sort, None, expected, otherwise))

    def emit(self, event: NewEvent) -> None:
        """See `UnitOfWork.emit`."""
        if event.hops < self.hops:
            event = replace(event, hops=self.hops)
        self._batch.events.append(event)

    def record(self, record: dict[str, Any]) -> None:
        """See `UnitOfWork.record`."""
        self._batch.records.append(record)

    def _taken(self) -> BatchT:
        """What was gathered; nothing is, from here on."""
        batch, self._batch, self._own = self._batch, self._make(), {}
        return batch


class PutListeners:
    """Who is told which items of a table this process has put; see `Store.on_puts`."""

    def __init__(self) -> None:
        self._calls: dict[str, list[Callable[[Set[KeyValue]], None]]] = {}

    def add(self, table: Table, call: Callable[[Set[KeyValue]], None]) -> None:
        """Has `call` called with the partition keys of what a commit put into the table."""
        self._calls.setdefault(table.name, []).append(call)

    def tell(self, batches: Iterable[Batch]) -> None:
        """Calls those who listen to what these batches have put."""
        if not self._calls:
            return
        writes: Sequence[Write] = [write for batch in batches for write in batch.writes]
        for name, calls in self._calls.items():
            put = {
                write.partition
                for write in writes
                if write.table.name == name and write.item is not None
            }
            for call in calls if put else ():
                call(put)
