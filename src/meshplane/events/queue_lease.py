"""Taking a message, so that others leave it alone while its handler works.

The message's row says until when it is taken, and its version is the fence: whoever was paused for
so long that another took the message can no longer finish it.
"""

import asyncio
from logging import WARNING

from meshplane.events.queues import MESSAGES, Message, MessageGone, message_of, milliseconds
from meshplane.kit.clock import Clock
from meshplane.kit.errors import Unavailable
from meshplane.platform.store import Store
from meshplane.platform.tables import Row
from meshplane.platform.telemetry import log


class Lease:
    """One taken message; it is renewed until `end`.

    Args:
        store: holds the message.
        row: of the message, as it was found.
        clock: the present.
        visibility_seconds: how long it stays hidden from others without being renewed.
    """

    def __init__(self, store: Store, row: Row, clock: Clock, visibility_seconds: float) -> None:
        self._store = store
        self._row = row
        self._clock = clock
        self._visibility_seconds = visibility_seconds
        self._over = asyncio.Event()
        self._renewal: asyncio.Task[None] | None = None
        self._lost = False

    @property
    def message(self) -> Message:
        """The message with the version that this lease has given it."""
        return message_of(self._row)

    async def take(self, *, renewed: bool = True) -> None:
        """Takes the message and counts an attempt.

        Args:
            renewed: whether to renew it until `end`.

        Raises:
            MessageGone: another was quicker.
            Unavailable: the store cannot be written now.
        """
        await self._hide(self._row.item["attempts"] + 1, self._visibility_seconds)
        if renewed:
            self._renewal = asyncio.create_task(self._renew(), name="lease")

    async def end(self) -> None:
        """Ends the renewal; to be awaited before the message is finished.

        Raises:
            MessageGone: the message was taken from us meanwhile.
        """
        self._over.set()
        if self._renewal is not None:
            await self._renewal
        if self._lost:
            raise MessageGone

    async def release(self) -> None:
        """Gives the message back for others to take at once, and the attempt with it.

        Raises:
            MessageGone: it was not ours any more.
        """
        await self.end()
        await self._hide(self._row.item["attempts"] - 1, 0.0)

    async def _renew(self) -> None:
        while True:
            try:
                await asyncio.wait_for(self._over.wait(), self._visibility_seconds / 3)
            except TimeoutError:
                try:
                    await self._hide(self._row.item["attempts"], self._visibility_seconds)
                except MessageGone:
                    self._lost = True
                    return
                except Unavailable as error:
                    # Nobody else has it until it falls due, so it may still be kept.
                    log(WARNING, "lease_not_renewed", queue=self.message.queue, code=error.code)
            else:
                return

    async def _hide(self, attempts: int, seconds: float) -> None:
        due_at = milliseconds(self._clock.now()) + int(seconds * 1000)
        item = {**self._row.item, "attempts": attempts, "dueAt": due_at}
        work = self._store.begin()
        work.put(MESSAGES, item, expected=self._row.version, otherwise=MessageGone())
        await work.commit()
        self._row = Row(item, self._row.version + 1)
