"""The bell: tells those who wait in this process that a queue has something new.

It is only a hint that saves waiting. Other processes do not hear it, so whoever listens looks again
from time to time by himself.
"""

import asyncio
import math
from collections.abc import Set

from meshplane.events.queues import MESSAGES
from meshplane.platform.store import Store
from meshplane.platform.tables import KeyValue


class Bell:
    """Rings after each commit of this process that put messages into queues.

    Args:
        store: whose commits it listens to.
    """

    def __init__(self, store: Store) -> None:
        self._rings: dict[str, int] = {}
        self._waiters: dict[asyncio.Future[None], str] = {}
        self._stillness = store.stillness
        store.on_puts(MESSAGES, self._put)

    def ring(self, queue: str) -> None:
        """Wakes whoever waits for the queue."""
        self._put({queue})

    def _put(self, queues: Set[KeyValue]) -> None:
        for queue in queues:
            name = str(queue)
            self._rings[name] = self._rings.get(name, 0) + 1
        for waiter, wanted in self._waiters.items():
            if not waiter.done() and wanted in queues:
                waiter.set_result(None)

    def heard(self, queue: str) -> int:
        """How often it rang for the queue; taken before one looks, it makes `wait` miss nothing."""
        return self._rings.get(queue, 0)

    async def wait(
        self,
        queue: str,
        heard: int,
        usual_seconds: float,
        most_seconds: float = math.inf,
        *,
        since: float | None = None,
    ) -> None:
        """Returns once it has rung for the queue since `heard`, or when it is time to look again.

        Args:
            queue: its name.
            heard: from `heard`.
            usual_seconds: between two looks while anything moves.
            most_seconds: until something falls due that is known already.
            since: when the look began that found nothing, by `time.monotonic`.
        """
        if self.heard(queue) != heard:
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters[waiter] = queue
        try:
            await self._stillness.pause(
                usual_seconds,
                most_seconds,
                of=((MESSAGES.name, queue),),
                since=since,
                woken=waiter,
            )
        finally:
            del self._waiters[waiter]
