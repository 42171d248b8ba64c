"""Full text, which DynamoDB has not: an index in this process's memory that follows the commits.

It is SQLite's, with the same words and the same order as in a mesh on one machine. It is filled
when something is first searched, from an index of DynamoDB that names every row with text. Each
search asks how far the log is and takes in what was committed since, so that it misses nothing that
was committed before it began.
"""

import asyncio
from collections.abc import Iterable, Mapping

from meshplane.kit.errors import Unavailable
from meshplane.platform.aws.dynamodb_calls import Reading
from meshplane.platform.aws.dynamodb_items import SHARD, SHARDS, TEXT_INDEX, Image, Stored
from meshplane.platform.aws.dynamodb_tail import Tail
from meshplane.platform.gathering import Batch, Key, Write
from meshplane.platform.local import sqlite_read
from meshplane.platform.local.sqlite_schema import connect, create
from meshplane.platform.local.sqlite_write import Applier
from meshplane.platform.tables import Table

_MOST_FOLLOWED = 5000
_BEGINS_BEFORE = 200
_PAGE = 1000


class TextIndex:
    """The texts of all rows of the tables that have some.

    Args:
        reading: of the mesh's tables.
        tail: of its commits.
        tables: all; those without full text are passed over.
    """

    def __init__(self, reading: Reading, tail: Tail, tables: Iterable[Table]) -> None:
        self._reading, self._tail = reading, tail
        self._tables = {table.name: table for table in tables if table.search}
        self._lock = asyncio.Lock()
        self._reached: int | None = None
        self._empty()

    async def search(self, table: Table, words: str, limit: int, head: int, now: int) -> list[Key]:
        """The keys of the rows that hold all the words, or failing that some, best first.

        Args:
            table: where to look.
            words: what for.
            limit: how many at most.
            head: the last commit that is to be seen.
            now: the present in epoch seconds.
        """
        async with self._lock:
            await self._follow(head)
        found = sqlite_read.search(self._connection, table, words, limit, now)
        return [(table.name, *table.key_of(row.item)) for row in found]

    def close(self) -> None:
        """Forgets it all."""
        self._connection.close()

    def _empty(self) -> None:
        self._connection = connect(":memory:")
        create(self._connection, self._tables.values())
        self._applier = Applier(self._connection, str, str)

    async def _follow(self, head: int) -> None:
        if self._reached is not None and head - self._reached <= _MOST_FOLLOWED:
            try:
                changed = await self._tail.before(self._reading, self._reached, head)
            except Unavailable as refusal:
                if refusal.code != "COMMITS_FORGOTTEN":
                    raise
            else:
                await self._take([key for key in changed if key[0] in self._tables])
                self._reached = max(self._reached, head)
                return
        await self._fill(head)

    async def _fill(self, head: int) -> None:
        """Takes in all rows there are."""
        self._connection.close()
        self._empty()
        for table in self._tables.values():
            for shard in range(SHARDS):
                await self._fill_shard(table, str(shard))
        # What the index of DynamoDB does not show yet was committed a moment ago.
        try:
            recent = await self._tail.before(self._reading, max(0, head - _BEGINS_BEFORE), head)
        except Unavailable as refusal:
            if refusal.code != "COMMITS_FORGOTTEN":
                raise
            recent = {}
        await self._take([key for key in recent if key[0] in self._tables])
        self._reached = head

    async def _fill_shard(self, table: Table, shard: str) -> None:
        shape = self._reading.shapes[table.name]
        start: Stored | None = None
        while True:
            page, start = await self._reading.page(
                shape,
                {
                    "IndexName": TEXT_INDEX,
                    "KeyConditionExpression": "#shard = :shard",
                    "ExpressionAttributeNames": {"#shard": SHARD},
                    "ExpressionAttributeValues": {":shard": {"S": shard}},
                },
                start,
                _PAGE,
            )
            await self._take([shape.key_of(stored) for stored in page])
            if start is None:
                return

    async def _take(self, keys: list[Key]) -> None:
        """Brings these rows to what they are now."""
        if not keys:
            return
        images = await self._reading.images(keys)
        batch = Batch([self._write(key, images) for key in keys])
        self._applier.write_rows(batch, 0)

    def _write(self, key: Key, images: Mapping[Key, Image]) -> Write:
        name, partition, sort = key
        table = self._tables[name]
        image = images.get(key)
        if image is None:
            return Write(table, partition, sort, None, None, None)
        kept = {table.partition, table.sort, table.expires, *table.search}
        item = {name: value for name, value in image.item().items() if name in kept}
        return Write(table, partition, sort, item, None, None)
