"""The store on DynamoDB: a table for each declared one, and a log that gives all commits one order.

What flows where: a unit of work reads through `dynamodb_calls`, collects its writes, and hands them
to `dynamodb_commit`, which decides them (`dynamodb_plan`) and writes rows, events and audit records
in one transaction. `dynamodb_tail` knows what was committed last; with it, indexes that lag are
corrected, reads see one instant, and full text is found (`dynamodb_search`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence, Set
from dataclasses import replace

from meshplane.kit.clock import Clock, to_text
from meshplane.kit.ids import IdMaker
from meshplane.platform.aws import dynamodb_layout
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_commit import GroupCommit
from meshplane.platform.aws.dynamodb_items import Image, Shape
from meshplane.platform.aws.dynamodb_logs import Logs
from meshplane.platform.aws.dynamodb_plan import Batch
from meshplane.platform.aws.dynamodb_records import Record
from meshplane.platform.aws.dynamodb_search import TextIndex
from meshplane.platform.aws.dynamodb_spill import Spill
from meshplane.platform.aws.dynamodb_sweep import Sweep
from meshplane.platform.aws.dynamodb_tail import Tail
from meshplane.platform.aws.dynamodb_unit import DynamoUnitOfWork
from meshplane.platform.events import StoredEvent
from meshplane.platform.gathering import PutListeners, Write
from meshplane.platform.stillness import Stillness
from meshplane.platform.tables import Item, KeyValue, Row, Table, by_name

_POLL_SECONDS = 0.5


class DynamoStore:
    """The store on DynamoDB; see `Store`. Opened on the event loop that uses it.

    Args:
        aws: who calls; names of tables begin with the prefix of its place.
        tables: all that may be used.
        clock: gives the times of events and audit records.
        new_id: makes the ids of events.
        bucket: where values lie that are too large for DynamoDB; None: they are refused.
        poll_seconds: how often it is looked for events of other processes while somebody waits.
    """

    def __init__(
        self,
        aws: Aws,
        tables: Iterable[Table],
        clock: Clock,
        new_id: IdMaker,
        *,
        bucket: str | None = None,
        poll_seconds: float = _POLL_SECONDS,
    ) -> None:
        declared = by_name([*tables, *dynamodb_layout.OWN_TABLES])
        prefix = aws.place.prefix
        self.shapes = {name: Shape(table, prefix) for name, table in declared.items()}
        self.reading = Reading(aws, self.shapes)
        self.tail = Tail()
        self.spill = Spill(self.reading, bucket, f"{prefix}rows/")
        self._clock, self._new_id = clock, new_id
        self.writer = GroupCommit(
            self.reading, self.tail, self.now, lambda: to_text(clock.now()), self._committed
        )
        self._logs = Logs(
            self.reading, self.writer.settled_head, self.writer.in_flight, poll_seconds
        )
        self._text = TextIndex(self.reading, self.tail, declared.values())
        self._sweep = Sweep(self.reading, self.spill, self.writer.commit)
        self._put_listeners = PutListeners()

    async def prepare(self, *, recovery: bool = True) -> None:
        """Makes the tables that are not there yet, as often as one likes; see `dynamodb_layout`."""
        await asyncio.to_thread(
            dynamodb_layout.prepare, self.reading.aws, self.shapes.values(), recovery=recovery
        )

    @property
    def stillness(self) -> Stillness:
        """See `Store.stillness`."""
        return self._logs.stillness

    def now(self) -> int:
        """The present in epoch seconds."""
        return int(self._clock.now().timestamp())

    def begin(self, hops: int = 0) -> DynamoUnitOfWork:
        """See `Store.begin`."""
        return DynamoUnitOfWork(self, hops)

    def on_puts(self, table: Table, call: Callable[[Set[KeyValue]], None]) -> None:
        """See `Store.on_puts`."""
        self._put_listeners.add(table, call)

    async def commit(self, batch: Batch) -> None:
        """Makes one batch durable, together with those that arrive at the same time."""
        for place, write in enumerate(batch.writes):
            if write.item is not None:
                batch.images[place] = await self._made_ready(write, write.item)
        batch.events = [
            event if event.event_id else replace(event, event_id=self._new_id("evt"))
            for event in batch.events
        ]
        await self.writer.commit(batch)

    async def row(self, image: Image) -> Row:
        """The row that an image is of."""
        return Row(await self.spill.item(image), image.version)

    async def find(self, table: Table, words: str, limit: int) -> Sequence[Row]:
        """See `UnitOfWork.search`."""
        head = await self.writer.settled_head()
        keys = await self._text.search(table, words, limit, head.commit, self.now())
        images = await self.reading.images(keys) if keys else {}
        found = [images[key] for key in keys if key in images]
        return [await self.row(image) for image in found if not image.ended(self.now())] or ()

    async def events_after(self, sequence: int, limit: int) -> Sequence[StoredEvent]:
        """See `Store.events_after`."""
        return await self._logs.events_after(sequence, limit)

    async def events_of(
        self, types: frozenset[str], after: int, limit: int
    ) -> tuple[Sequence[StoredEvent], int]:
        """See `Store.events_of`."""
        return await self._logs.events_of(types, after, limit)

    async def wait_for_events(
        self, types: frozenset[str] | None, after: int, timeout_seconds: float
    ) -> None:
        """See `Store.wait_for_events`."""
        await self._logs.wait(types, after, timeout_seconds)

    async def last_event(self) -> int:
        """See `Store.last_event`."""
        return (await self.writer.settled_head()).events

    async def event_place(self, event_id: str) -> int | None:
        """See `Store.event_place`."""
        return await self._logs.event_place(event_id)

    async def audit_after(self, sequence: int, limit: int) -> Sequence[tuple[int, bytes, str]]:
        """See `Store.audit_after`."""
        return await self._logs.audit_after(sequence, limit)

    async def audit_head(self) -> tuple[int, str]:
        """See `Store.audit_head`."""
        head = await self.writer.settled_head()
        return head.audit, head.digest

    def audit_lines(self) -> AsyncIterator[tuple[int, bytes, str]]:
        """See `Store.audit_lines`."""
        return self._logs.audit_lines()

    async def remove_expired(self, limit: int = 500) -> int:
        """See `Store.remove_expired`."""
        return await self._sweep.remove_expired(self.now(), limit)

    async def close(self) -> None:
        """See `Store.close`."""
        await self.writer.close()
        await self._logs.close()
        self._text.close()

    async def _made_ready(self, write: Write, item: Item) -> Image:
        """The image of what is put."""
        shape = self.shapes[write.table.name]
        image = Image(shape.checked(item), 0, 0, shape.end_of(item))
        return await self.spill.fitted(shape, write.key, image)

    def _committed(self, record: Record, batches: Sequence[Batch]) -> None:
        """Wakes those who wait for what was committed."""
        types = frozenset(event.type for batch in batches for event in batch.events)
        self._logs.wrote(record)
        self._logs.committed(types, self.writer.known_events)
        self._put_listeners.tell(batches)
