"""Group commit: units of work that arrive together share one transaction and one fsync.

The statements of a group run on the event loop's own thread, each in a few microseconds, because
handing every one to another thread would cost more in waits for the interpreter lock than the
statements take. Only COMMIT, which waits for the disk, runs in a thread; while it does, requests go
on and the next group gathers.
"""

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from logging import ERROR

from meshplane.kit.errors import Unavailable
from meshplane.platform.gathering import Batch
from meshplane.platform.local.sqlite_write import Applier
from meshplane.platform.telemetry import log

LOCK_WAIT_SECONDS = 5.0
_LOCK_RETRY_SECONDS = 0.002
_MOST_IN_A_GROUP = 256

_Waiting = tuple[Batch, "asyncio.Future[None]"]
_Failed = tuple[_Waiting, Exception]


class GroupCommit:
    """Commits batches in the order in which they came.

    Args:
        connection: the one that writes; nothing else uses it.
        applier: of that connection.
        now: the present in epoch seconds.
        on_commit: called after a commit with the batches that it made durable.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        applier: Applier,
        now: Callable[[], int],
        on_commit: Callable[[Sequence[Batch]], None],
    ) -> None:
        self._connection = connection
        self._applier = applier
        self._now = now
        self._on_commit = on_commit
        self._closed = False
        self._waiting: list[_Waiting] = []
        self._worker: asyncio.Task[None] | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite-commit")

    async def commit(self, batch: Batch) -> None:
        """Returns when the batch is on disk; raises what kept it from being written."""
        if self._closed:
            raise Unavailable("STORE_UNAVAILABLE", "The store is closing: try again.")
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        self._waiting.append((batch, done))
        if self._worker is None or self._worker.done():
            self._worker = loop.create_task(self._work())
        await done

    async def close(self) -> None:
        """Commits what waits, and ends."""
        self._closed = True
        if self._worker is not None:
            await self._worker
        self._disk.shutdown()
        self._connection.close()

    async def _work(self) -> None:
        while self._waiting:
            group, self._waiting = (
                self._waiting[:_MOST_IN_A_GROUP],
                self._waiting[_MOST_IN_A_GROUP:],
            )
            try:
                await self._begin()
                written, failed = self._apply(group)
                await asyncio.get_running_loop().run_in_executor(
                    self._disk, self._connection.execute, "COMMIT"
                )
            except Exception as error:  # noqa: BLE001 - whatever it is, every waiter gets an answer
                self._fail(group, error)
                continue
            for _, done in written:
                if not done.done():
                    done.set_result(None)
            # Only now: whoever lost to a neighbour of this group finds what that one wrote.
            for (_, done), refusal in failed:
                if not done.done():
                    done.set_exception(refusal)
            if written:
                self._on_commit([batch for batch, _ in written])

    async def _begin(self) -> None:
        deadline = time.monotonic() + LOCK_WAIT_SECONDS
        while True:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                # Another process of this home is committing. Waiting here must not stop the loop.
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_LOCK_RETRY_SECONDS)

    def _apply(self, group: list[_Waiting]) -> tuple[list[_Waiting], list[_Failed]]:
        """Applies all batches, or those that can be; the ones that were written, and the others."""
        now = self._now()
        self._connection.execute("SAVEPOINT work")
        try:
            for batch, _ in group:
                self._applier.write_rows(batch, now)
            self._applier.write_logs([batch for batch, _ in group])
        except Exception as error:
            if _is_of_the_disk(error):
                raise
            # Seldom: begin again, with a savepoint for each, to find out whose error it is. The
            # transaction stays open, or another process would take its place and all would fail.
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            written, failed = [], []
            for waiting in group:
                error_of_it = self._apply_alone(waiting[0], now)
                if error_of_it is None:
                    written.append(waiting)
                else:
                    failed.append((waiting, error_of_it))
            return written, failed
        return group, []

    def _apply_alone(self, batch: Batch, now: int) -> Exception | None:
        """Applies one batch; what kept it from being written, if anything did."""
        self._connection.execute("SAVEPOINT work")
        try:
            self._applier.write_rows(batch, now)
            self._applier.write_logs([batch])
        except Exception as error:
            if _is_of_the_disk(error):
                raise
            # A condition that does not hold, or a value that cannot be stored: its own affair.
            self._connection.execute("ROLLBACK TO work")
            self._connection.execute("RELEASE work")
            return error
        self._connection.execute("RELEASE work")
        return None

    def _fail(self, group: list[_Waiting], error: Exception) -> None:
        try:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
        except sqlite3.Error as second:
            # The next BEGIN meets it again, and fails in its turn.
            log(ERROR, "rollback_failed", code=type(second).__name__)
        for _, done in group:
            if not done.done():
                refusal = Unavailable(
                    "STORE_UNAVAILABLE",
                    "The store could not write (disk full, failing, or locked by another process). "
                    "Nothing of this request was kept: try again.",
                )
                refusal.__cause__ = error
                done.set_exception(refusal)


def _is_of_the_disk(error: Exception) -> bool:
    """Whether the database itself failed, rather than what a batch wanted of it."""
    return isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError
