"""The relay: reads the outbox once, and hands every event to the lanes that want it.

outbox → `Relay` (by sequence) → `Lane` of each consumer → its handler and its place in one commit.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from logging import DEBUG, ERROR, WARNING

from meshplane.events.consumer import Consumer
from meshplane.events.lane import CursorMoved, Lane
from meshplane.kit.clock import Clock
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import Store
from meshplane.platform.telemetry import log

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
            except MeshplaneError as error:
                # The store itself is not to be had. Events wait in it, and so does the relay.
                log(WARNING, "relay_waits", code=error.code)
                await asyncio.sleep(_IDLE_SECONDS)
            except Exception as error:  # noqa: BLE001 - nothing may end the delivery for good
                log(ERROR, "relay_waits", exc_info=error)
                await asyncio.sleep(_IDLE_SECONDS)

    async def _follow(self, position: int) -> None:
        """Delivers page after page; ends only by an error."""
        while True:
            page, reached = await self._store.events_of(self._types, position, _PAGE)
            await self._hand_over_to_all(page, reached)
            position = reached
            for lane in self._lanes:
                await lane.look_again()
                await lane.retry_due()
            if not page:
                await self._store.wait_for_events(self._types, position, self._patience_seconds())

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
                await lane.deliver(event)
        # Not at every page: a place that is behind costs a little reading at the next start only.
        if reached - lane.position >= _SKIP_AT_LEAST:
            await lane.skip_to(reached)

    def _patience_seconds(self) -> float:
        """How long to wait: other processes write to the same outbox, and retries fall due."""
        times = [lane.next_retry_epoch_seconds for lane in self._lanes]
        soonest = min((time for time in times if time is not None), default=None)
        idle_seconds = self._store.stillness.seconds(_IDLE_SECONDS)
        if soonest is None:
            return idle_seconds
        return max(0.0, min(idle_seconds, soonest - self._clock.now().timestamp()))
