"""What the store holds for somebody to look after: the reads of the runner's poll."""

import math
import time
from collections.abc import AsyncIterator

from meshplane.platform.stillness import Stillness, parts
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Between, Row
from meshplane.workflows.tables import EXECUTIONS, SHARDS, TASK_TOKENS

_PAGE = 200
_LONGEST_LEASE_SECONDS = 300.0
_SHARDS = tuple(str(number) for number in range(SHARDS))
_LOOKS_AT = parts(EXECUTIONS, TASK_TOKENS)


class Rest:
    """Whether the poll may leave the store alone for a while.

    Args:
        stillness: of the store.
        usual_seconds: between two looks while anything moves.

    Attributes:
        ends_at: when something falls due that a look has shown, epoch seconds.
    """

    def __init__(self, stillness: Stillness, usual_seconds: float) -> None:
        self._stillness, self._usual_seconds = stillness, usual_seconds
        self._looked_at = -math.inf
        self.ends_at = 0.0

    def begin(self, now: float) -> float:
        """A look begins; how far ahead it should look, `now` and that in epoch seconds."""
        self._looked_at, self.ends_at = time.monotonic(), 0.0
        return now + self._seconds()

    def is_over(self, now: float) -> bool:
        """Whether it is time to look again."""
        seconds = self._seconds()
        rests = seconds > self._usual_seconds and now < self.ends_at
        return not rests or time.monotonic() - self._looked_at >= seconds

    def _seconds(self) -> float:
        return self._stillness.seconds(self._usual_seconds, _LOOKS_AT, since=self._looked_at)


async def rows_until(work: UnitOfWork, now: float, limit: int) -> list[Row]:
    """The executions whose time has come by `now` (epoch seconds), the longest overdue first."""
    found: list[Row] = []
    until = Between(None, int(now * 1000))
    for shard in _SHARDS:
        page = await work.query(EXECUTIONS, shard, index="byWake", where=until, limit=limit)
        found += page.rows
    found.sort(key=lambda row: row.item["wakeAt"])
    return found[:limit]


async def first_after(work: UnitOfWork, now: float, at_most: float) -> float:
    """When the next execution is due, or `at_most` if that is earlier; epoch seconds."""
    between = Between(int(now * 1000) + 1, int(at_most * 1000))
    for shard in _SHARDS:
        page = await work.query(EXECUTIONS, shard, index="byWake", where=between, limit=1)
        if page.rows:
            at_most = min(at_most, page.rows[0].item["wakeAt"] / 1000)
    return at_most


async def rows_of_owner(work: UnitOfWork, owner: str, now: float) -> AsyncIterator[Row]:
    """The executions that an owner has a lease of."""
    leased = Between(int(now * 1000), int((now + _LONGEST_LEASE_SECONDS) * 1000))
    for shard in _SHARDS:
        cursor = None
        while True:
            page = await work.query(
                EXECUTIONS, shard, index="byWake", where=leased, limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                if row.item.get("owner") == owner:
                    yield row
            cursor = page.cursor
            if cursor is None:
                break


async def answered_executions(work: UnitOfWork) -> AsyncIterator[str]:
    """The executions that have answers to apply, wherever these were given."""
    for shard in _SHARDS:
        cursor = None
        while True:
            page = await work.query(
                TASK_TOKENS, shard, index="bySignal", limit=_PAGE, cursor=cursor
            )
            for execution_id in {row.item["executionId"] for row in page.rows}:
                yield execution_id
            cursor = page.cursor
            if cursor is None:
                break
