"""The relay: reads the outbox once, and hands every event to the lanes that want it.

outbox → `Relay` (by sequence) → `Lane` of each consumer → its handler and its place in one commit.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from logging import DEBUG

from meshplane.events.consumer import Consumer
from meshplane.events.lane import LOOK_AGAIN_SECONDS, CursorMoved, Lane
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

_PAGE = 200
_IDLE_SECONDS = 0.25
_SKIP_AT_LEAST = 1000


class Relay:
    """Delivers events to the consumers of this process until it is stopped.

    At least once, in order for one entity, across restarts. A consumer that is new starts at the
    oldest event.

    Args:
        store: holds the outbox.
        consumers: those of this process.
        clock: for the times of retries.
    """

    def __init__(self, store: Store, consumers: Sequence[Consumer], clock: Clock) -> None:
        self._store = store
        self._lanes = [Lane(store, consumer, clock) for consumer in consumers]
        self._types = frozenset().union(*(consumer.types for consumer in consumers))
        self._clock = clock
        self._trouble = Trouble("relay_waits", "relay_goes_on")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to deliver."""
        if self._lanes:
            self._task = asyncio.create_task(self._run(), name="relay")

    async def stop(self) -> None:
        """Ends; what was not committed is delivered at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                for lane in self._lanes:
                    await lane.load()
                await self._follow(min(lane.position for lane in self._lanes))
            except CursorMoved:
                log(DEBUG, "cursor_moved_elsewhere")
            except Exception as error:  # noqa: BLE001 - nothing may end the delivery for good
                # The store itself is not to be had. Events wait in it, and so does the relay.
                self._trouble.met(error)
                await asyncio.sleep(_IDLE_SECONDS)

    async def _follow(self, position: int) -> None:
        """Delivers page after page; ends only by an error."""
        while True:
            page, reached = await self._store.events_of(self._types, position, _PAGE)
            await self._hand_over_to_all(page, reached)
            position = reached
            for lane in self._lanes:
                await lane.look_again()
                await self._with_place(lane, lane.retry_due)
            self._trouble.over()
            if not page:
                await self._wait(position)

    async def _hand_over_to_all(self, page: Sequence[StoredEvent], reached: int) -> None:
        # All are waited for before an error goes on: no lane may still be at work when it reloads.
        ends = await asyncio.gather(
            *(self._hand_over(lane, page, reached) for lane in self._lanes), return_exceptions=True
        )
        for end in ends:
            if isinstance(end, BaseException):
                raise end

    async def _hand_over(self, lane: Lane, page: Sequence[StoredEvent], reached: int) -> None:
        for event in page:
            if lane.consumer.wants(event):
                await self._with_place(lane, partial(lane.deliver, event))
        # Not at every page: a place that is behind costs a little reading at the next start only.
        if reached - lane.position >= _SKIP_AT_LEAST:
            await self._with_place(lane, partial(lane.skip_to, reached))

    async def _with_place(self, lane: Lane, do: Callable[[], Awaitable[None]]) -> None:
        """Does something from the lane's place, wherever another process has moved that to."""
        while True:
            try:
                return await do()
            except CursorMoved:
                log(DEBUG, "cursor_moved_elsewhere", consumer=lane.consumer.name)
                await lane.load()

    async def _wait(self, position: int) -> None:
        """Returns when there are events, a retry falls due, or others have parked some."""
        stillness = self._store.stillness
        # Nothing but the outbox: the store tells of that, where it counts commits.
        idle_seconds = stillness.seconds(_IDLE_SECONDS, ())
        waiting = self._store.wait_for_events(self._types, position, idle_seconds)
        told = asyncio.ensure_future(waiting)
        try:
            await stillness.pause(
                min(idle_seconds, LOOK_AGAIN_SECONDS),
                min(lane.idle_seconds for lane in self._lanes),
                of=[lane.looks_at for lane in self._lanes],
                woken=told,
            )
            if told.done():
                told.result()
        finally:
            told.cancel()
