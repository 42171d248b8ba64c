"""A unit of work on DynamoDB."""

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_commit import GroupCommit
from meshplane.platform.aws.dynamodb_items import Image, Shape, Stored
from meshplane.platform.aws.dynamodb_plan import Batch
from meshplane.platform.aws.dynamodb_query import (
    Position,
    Question,
    commit_of,
    cursor_invalid,
    merged,
)
from meshplane.platform.aws.dynamodb_tail import Tail
from meshplane.platform.aws.errors import AwsRejected
from meshplane.platform.gathering import Gathering, Key
from meshplane.platform.tables import KeyValue, Row, RowPage, SortCondition, Table


class StoreParts(Protocol):
    """What a unit of work needs of its store.

    Attributes:
        shapes: of all tables.
        reading: of them.
        tail: of what was committed last.
        writer: knows the head of the log.
    """

    shapes: dict[str, Shape]
    reading: Reading
    tail: Tail
    writer: GroupCommit

    def now(self) -> int:
        """The present in epoch seconds."""
        ...

    async def row(self, image: Image) -> Row:
        """The row that an image is of."""
        ...

    async def find(self, table: Table, words: str, limit: int) -> Sequence[Row]:
        """See `UnitOfWork.search`."""
        ...

    async def commit(self, batch: Batch) -> None:
        """Makes a batch durable."""
        ...


class DynamoUnitOfWork(Gathering[Batch]):
    """A unit of work on DynamoDB; see `UnitOfWork`."""

    def __init__(self, store: StoreParts, hops: int = 0) -> None:
        super().__init__(Batch, hops)
        self._store = store
        self._together = False
        self._instant: int | None = None

    async def get(self, table: Table, partition: KeyValue, sort: KeyValue = "") -> Row | None:
        """See `UnitOfWork.get`."""
        key = (table.name, partition, sort)
        found = await self._images([key])
        image = found.get(key)
        if key in self._own:
            item = self._own[key]
            return None if item is None else Row(item, (image.version if image else 0) + 1)
        return None if image is None else await self._store.row(image)

    async def get_many(
        self, table: Table, keys: Sequence[tuple[KeyValue, KeyValue]]
    ) -> Sequence[Row]:
        """See `UnitOfWork.get_many`."""
        if not keys:
            return []
        found = await self._images([(table.name, *key) for key in keys])
        return [await self._store.row(image) for image in found.values()]

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
        shape = self._store.shapes[table.name]
        question = Question(shape, partition, index, where, descending)
        start = None if cursor is None else question.start(cursor)
        conditions = question.conditions()
        if conditions is None:
            return RowPage((), None)
        await self._begin_instant()
        found: list[tuple[Stored, Image]] = []
        now = self._store.now()
        try:
            async for page in self._pages(question, conditions, start, limit + 1):
                for stored in page:
                    image = shape.image(stored)
                    if not image.ended(now):
                        found.append((stored, image))
                if len(found) > limit:
                    break
        except AwsRejected as refusal:
            if cursor is not None and refusal.aws_code == "ValidationException":
                # It names a place outside of what is asked for.
                raise cursor_invalid() from refusal
            raise
        self._remember({shape.key_of(stored): image for stored, image in found})
        rows = tuple([await self._store.row(image) for _, image in found[:limit]])
        more = len(found) > limit
        return RowPage(rows, question.cursor(found[limit - 1][0]) if more else None)

    @contextmanager
    def together(self) -> Iterator[None]:
        """See `UnitOfWork.together`: what is committed after the first read is taken back."""
        if self._together:
            yield
            return
        self._together = True
        try:
            yield
        finally:
            self._together, self._instant = False, None

    async def search(self, table: Table, words: str, limit: int) -> Sequence[Row]:
        """See `UnitOfWork.search`."""
        return await self._store.find(table, words, limit)

    async def commit(self) -> None:
        """See `UnitOfWork.commit`."""
        if batch := self._taken():
            await self._store.commit(batch)

    async def _images(self, keys: Sequence[Key]) -> dict[Key, Image]:
        """The rows of these keys, as of the instant where there is one."""
        await self._begin_instant()
        if len(keys) == 1:
            image = await self._store.reading.image(keys[0])
            found = {} if image is None else {keys[0]: image}
        else:
            found = await self._store.reading.images(keys)
        wanted = set(keys)
        for key, before in (await self._since_instant()).items():
            if key in wanted:
                found.pop(key, None)
                if before is not None:
                    found[key] = before
        now = self._store.now()
        found = {key: image for key, image in found.items() if not image.ended(now)}
        self._remember(found)
        return found

    async def _pages(
        self, question: Question, conditions: Mapping[str, Any], start: Stored | None, limit: int
    ) -> AsyncIterator[list[Stored]]:
        """The answers of a query, corrected."""
        after = None if start is None else question.position(start)
        while True:
            page, start = await self._store.reading.page(question.shape, conditions, start, limit)
            upto = None if start is None else question.position(start)
            lying = await self._lying(question, page, after, upto)
            yield merged(question, page, after, upto, lying) if lying else page
            if start is None:
                return
            after = upto

    async def _lying(
        self,
        question: Question,
        page: Iterable[Stored],
        after: Position | None,
        upto: Position | None,
    ) -> dict[Key, Stored | None]:
        """The rows of the table that lie otherwise than an answer shows."""
        images: dict[Key, Image | None] = {}
        if question.index is not None and (doubtful := self._doubtful(question, page, after, upto)):
            found = await self._store.reading.images(doubtful)
            images = {key: found.get(key) for key in doubtful}
        table = question.shape.table.name
        before = await self._since_instant()
        images |= {key: image for key, image in before.items() if key[0] == table}
        return {
            key: None if image is None else question.shape.stored(image)
            for key, image in images.items()
        }

    def _doubtful(
        self,
        question: Question,
        page: Iterable[Stored],
        after: Position | None,
        upto: Position | None,
    ) -> list[Key]:
        """The rows that were changed a moment ago, and that an index's answer may show wrongly.

        What this process wrote is no answer by itself: another may have changed it since.
        """
        shape = question.shape
        recent = self._store.tail.recent(shape.table.name)
        shown = {shape.key_of(stored): commit_of(stored) for stored in page} if recent else {}
        found = []
        for key, row in recent.items():
            if key in shown:
                doubtful = shown[key] < row.commit
            else:
                doubtful = not row.known or (
                    row.after is not None and question.within(shape.stored(row.after), after, upto)
                )
            if doubtful:
                found.append(key)
        return found

    async def _begin_instant(self) -> None:
        """The first read of several that are to see one instant says which it is."""
        if self._together and self._instant is None:
            head = await self._store.writer.settled_head()
            # What other processes did a moment ago is not in the indexes, perhaps.
            await self._store.tail.follow(self._store.reading, head.commit)
            self._instant = head.commit

    async def _since_instant(self) -> Mapping[Key, Image | None]:
        """By row, what it was at the instant, of all that were changed since."""
        if self._instant is None:
            return {}
        head = await self._store.writer.settled_head()
        return await self._store.tail.before(self._store.reading, self._instant, head.commit)

    def _remember(self, found: Mapping[Key, Image]) -> None:
        """So that a write that counts on what was read need not read it again."""
        self._batch.read.update(found)
