"""The worker: hands the messages of queues to their handlers.

queue (by `dueAt`) → handler → what it wrote and the end of the message in one commit. A failure
puts the message back for later, and in the end to the dead letters. Each queue has a loop of its
own with its own bound, so that none waits for another.
"""

import asyncio
import math
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from logging import DEBUG, ERROR, WARNING

from meshplane.events.bell import Bell
from meshplane.events.dead_letters import (
    MAXIMUM_AGE,
    MAXIMUM_ATTEMPTS,
    NOT_RETRYABLE,
    Failure,
    bury,
)
from meshplane.events.queue_lease import Lease
from meshplane.events.queues import (
    MESSAGES,
    GiveUp,
    Message,
    MessageGone,
    QueueHandler,
    RetryAfter,
    finish,
    message_of,
    milliseconds,
    postpone,
)
from meshplane.events.retry_policy import LONGEST_DELAY_SECONDS, delay_seconds
from meshplane.events.right_of_way import RightOfWay
from meshplane.kit.clock import Clock
from meshplane.kit.errors import MeshplaneError, Stale
from meshplane.platform.store import Store
from meshplane.platform.tables import Row
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

_POLL_SECONDS = 0.5
_PAUSE_SECONDS = 0.25
_GRACE_SECONDS = 5.0
_SHARED_SECONDS = 5.0
_PAGES_OF_CONCURRENCY = 4
_FIRST_CLASH_SECONDS = 0.02


class QueueWorker:
    """Works the queues that this process has handlers for, until it is stopped.

    Args:
        store: holds the messages.
        handlers: one for each queue.
        clock: the present.
        poll_seconds: how often to look for messages that other processes sent; more seldom
            where the store tells that nothing moves.
        way: given to the requests of this process before each message.

    Raises:
        ValueError: two handlers want one queue.
    """

    def __init__(
        self,
        store: Store,
        handlers: Sequence[QueueHandler],
        clock: Clock,
        poll_seconds: float = _POLL_SECONDS,
        way: RightOfWay | None = None,
    ) -> None:
        self._bell = Bell(store)
        way = way or RightOfWay()
        self._lines = [
            _Line(store, each, clock, self._bell, poll_seconds, way=way) for each in handlers
        ]
        if len({each.queue for each in handlers}) != len(handlers):
            raise ValueError("two handlers want one queue")
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begins to work."""
        self._tasks = [
            asyncio.create_task(line.run(), name=f"queue:{line.handler.queue}")
            for line in self._lines
        ]

    async def stop(self) -> None:
        """Ends: what is being handled may finish within some seconds, the rest is put back."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(line.drain(_GRACE_SECONDS) for line in self._lines))

    def wake(self, queue: str) -> None:
        """Has a queue looked at now. Commits of this process do so by themselves."""
        self._bell.ring(queue)

    async def run_due(self) -> int:
        """Handles what is due now and what that brings, without `start`; how many attempts."""
        total = 0
        while attempts := sum([await line.run_due() for line in self._lines]):
            total += attempts
        return total


class _Line:
    """One queue's loop."""

    def __init__(
        self,
        store: Store,
        handler: QueueHandler,
        clock: Clock,
        bell: Bell,
        poll_seconds: float,
        *,
        way: RightOfWay,
    ) -> None:
        self.handler = handler
        self._way = way
        self._store = store
        self._clock = clock
        self._bell = bell
        self._poll_seconds = poll_seconds
        self._running: dict[str, asyncio.Task[None]] = {}
        self._freed = asyncio.Event()
        self._shared_until = 0.0
        self._in_trouble = False
        self._left_due: set[str] = set()
        self._trouble = Trouble("queue_waits", "queue_goes_on", queue=handler.queue)

    async def run(self) -> None:
        """Works until it is cancelled."""
        queue = self.handler.queue
        while True:
            heard, since = self._bell.heard(queue), time.monotonic()
            try:
                due, most_seconds = await self._look()
                for rows in self._shares(due):
                    await self._hand_over(rows)
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - nothing may end the work for good
                self._trouble.met(error)
                self._in_trouble = True
                continue
            finally:
                if self._in_trouble:
                    # The store itself is not to be had. Messages wait in it, and so does this.
                    self._in_trouble = False
                    await asyncio.sleep(_PAUSE_SECONDS)
            if not due:
                await self._bell.wait(queue, heard, self._poll_seconds, most_seconds, since=since)

    async def run_due(self) -> int:
        """Handles what is due now; how many attempts that were."""
        due, _ = await self._look()
        for rows in self._shares(due):
            await self._hand_over(rows)
        await asyncio.gather(*self._running.values())
        return len(due)

    async def drain(self, grace_seconds: float) -> None:
        """Waits for what runs, and stops what does not end in time."""
        if not self._running:
            return
        _, late = await asyncio.wait(set(self._running.values()), timeout=grace_seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _look(self) -> tuple[list[Row], float]:
        """Messages that are due and not in hand, and the longest to wait when there is none."""
        limit = self.handler.concurrency * _PAGES_OF_CONCURRENCY + len(self._running)
        page = await self._store.begin().query(
            MESSAGES, self.handler.queue, index="byDue", limit=limit
        )
        now = milliseconds(self._clock.now())
        due = [
            row
            for row in page.rows
            if row.item["dueAt"] <= now and row.item["messageId"] not in self._running
        ]
        later = [row.item["dueAt"] - now for row in page.rows if row.item["dueAt"] > now]
        most_seconds = later[0] / 1000 if later else math.inf
        if time.monotonic() < self._shared_until:
            # Another process works here too: in the same order both would want the same message.
            random.shuffle(due)
        return due, most_seconds

    def _shares(self, due: Sequence[Row]) -> Iterator[Sequence[Row]]:
        """The messages in the shares in which they are handled: of one count of hops each."""
        most = 1 if self.handler.exclusive else self.handler.together
        if most == 1:
            yield from ((row,) for row in due)
            return
        by_hops: dict[int, list[Row]] = {}
        for row in due:
            by_hops.setdefault((row.item["origin"] or {}).get("hops", 0), []).append(row)
        for rows in by_hops.values():
            yield from (rows[begin : begin + most] for begin in range(0, len(rows), most))

    async def _hand_over(self, rows: Sequence[Row]) -> None:
        while len(self._running) >= self.handler.concurrency:
            self._freed.clear()
            await self._freed.wait()
        task = asyncio.create_task(self._work_off_all(rows), name=f"queue:{self.handler.queue}")
        message_ids = [row.item["messageId"] for row in rows]
        self._running.update(dict.fromkeys(message_ids, task))
        task.add_done_callback(lambda _: self._free(message_ids))

    def _free(self, message_ids: Sequence[str]) -> None:
        for message_id in message_ids:
            self._running.pop(message_id, None)
        self._freed.set()
        if not self._left_due.isdisjoint(message_ids):
            # Not put off or finished here, it may be due again, and no commit tells of that. Not
            # at once: an index may go on showing what another process has taken.
            self._left_due.difference_update(message_ids)
            loop = asyncio.get_running_loop()
            loop.call_later(_PAUSE_SECONDS, self._bell.ring, self.handler.queue)

    async def _work_off_all(self, rows: Sequence[Row]) -> None:
        """One attempt at each, together if that goes well."""
        await self._way.give()
        if len(rows) > 1 and await self._attempt_together([message_of(row) for row in rows]):
            return
        for row in rows:
            await self._work_off(row)

    async def _attempt_together(self, messages: Sequence[Message]) -> bool:
        """Whether all were handled, in one unit of work; otherwise nothing of it was done."""
        work = self._store.begin(hops=messages[0].hops)
        try:
            async with asyncio.timeout(self.handler.timeout_seconds):
                for message in messages:
                    await self.handler.handle(work, message)
                    finish(work, message)
            await work.commit()
        except Exception as error:  # noqa: BLE001 - whose it is shows when each is tried alone
            log(DEBUG, "messages_apart", queue=self.handler.queue, code=Failure.of(error).code)
            return False
        return True

    async def _work_off(self, row: Row) -> None:
        """One attempt, whatever comes of it."""
        message_id = row.item["messageId"]
        self._left_due.add(message_id)
        try:
            if self.handler.exclusive:
                await self._attempt_exclusively(row)
            else:
                await self._attempt(message_of(row), None)
            self._left_due.discard(message_id)
        except MessageGone:
            self._shared_until = time.monotonic() + _SHARED_SECONDS
            log(DEBUG, "message_gone", queue=self.handler.queue)
        except MeshplaneError as error:
            log(WARNING, "message_waits", queue=self.handler.queue, code=error.code)
            self._in_trouble = True
        except Exception as error:  # noqa: BLE001 - the message stays, and its time comes again
            log(ERROR, "message_waits", queue=self.handler.queue, exc_info=error)
            self._in_trouble = True

    async def _attempt_exclusively(self, row: Row) -> None:
        found = message_of(row)
        if found.attempts >= found.maximum_attempts:
            # Each attempt was counted when it began, and none came to an end.
            lost = Failure("HANDLER_LOST", "Each process that handled it ended before it did.")
            await self._end(found, lost, MAXIMUM_ATTEMPTS, found.attempts)
            return
        lease = Lease(self._store, row, self._clock, self.handler.visibility_seconds)
        await lease.take()
        try:
            await self._attempt(lease.message, lease)
        except asyncio.CancelledError:
            with suppress(MessageGone):
                await lease.release()
            raise

    async def _attempt(self, message: Message, lease: Lease | None) -> None:
        work = self._store.begin(hops=message.hops)
        try:
            async with asyncio.timeout(self.handler.timeout_seconds):
                await self.handler.handle(work, message)
        except Exception as error:  # noqa: BLE001 - whatever a handler raises is its message's fate
            await self._failed(await _settled(message, lease), error, lease is not None)
            return
        message = await _settled(message, lease)
        finish(work, message)
        try:
            await work.commit()
        except MessageGone:
            raise
        except Exception as error:  # noqa: BLE001 - what the handler wrote cannot be stored
            await self._failed(message, error, lease is not None)

    async def _failed(self, message: Message, error: Exception, counted: bool) -> None:
        """Puts the message off, or gives it up.

        Raises:
            MessageGone: it was another's meanwhile.
            Unavailable: the store cannot be written; the message stays as it is.
        """
        failure = Failure.of(error)
        attempts = message.attempts if counted else message.attempts + 1
        log(
            WARNING,
            "message_failed",
            queue=message.queue,
            message_id=message.message_id,
            attempts=attempts,
            code=failure.code,
        )
        if failure.code == "INTERNAL":
            log(ERROR, "message_failed", queue=message.queue, exc_info=error)
        now = self._clock.now()
        age_seconds = (now - message.sent_at).total_seconds()
        left_seconds = message.maximum_age_seconds - age_seconds
        if isinstance(error, GiveUp):
            await self._end(message, failure, NOT_RETRYABLE, attempts)
        elif attempts >= message.maximum_attempts:
            await self._end(message, failure, MAXIMUM_ATTEMPTS, attempts)
        elif left_seconds <= 0:
            await self._end(message, failure, MAXIMUM_AGE, attempts)
        else:
            wait_seconds = min(left_seconds, _wait_seconds(error, attempts))
            work = self._store.begin()
            postpone(work, message, attempts, milliseconds(now) + int(wait_seconds * 1000))
            await work.commit()

    async def _end(self, message: Message, failure: Failure, limit: str, attempts: int) -> None:
        work = self._store.begin()
        bury(work, message, failure, limit, self._clock.now(), attempts=attempts)
        finish(work, message)
        await work.commit()
        log(
            WARNING,
            "message_given_up",
            queue=message.queue,
            message_id=message.message_id,
            code=failure.code,
        )


def _wait_seconds(error: Exception, attempts: int) -> float:
    """How long to wait after that many attempts; full jitter, so that not all come back at once."""
    if isinstance(error, Stale):
        # It read what another was about to change: there is nothing to wait for.
        limit: float = min(LONGEST_DELAY_SECONDS, _FIRST_CLASH_SECONDS * 2 ** min(attempts, 20))
        return random.random() * limit  # noqa: S311 - not for secrets
    wait = delay_seconds(attempts, random.random)
    return max(wait, error.seconds) if isinstance(error, RetryAfter) else wait


async def _settled(message: Message, lease: Lease | None) -> Message:
    """The message as it lies in the store, once its lease is no longer renewed."""
    if lease is None:
        return message
    await lease.end()
    return lease.message
