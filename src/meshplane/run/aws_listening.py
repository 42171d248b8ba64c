"""Listens to DataZone for as long as a process runs, from when AWS lets it."""

import asyncio
from contextlib import suppress
from logging import ERROR, WARNING

from meshplane.events.aws_listener import DataZoneListener
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.telemetry import log

_AGAIN_SECONDS = 30.0


class Listening:
    """Starts a listener, as often as it takes; requests do not wait for it.

    Args:
        listener: hears, once it is started.
        again_seconds: how long to wait after a start that AWS did not let through.
    """

    def __init__(self, listener: DataZoneListener, again_seconds: float = _AGAIN_SECONDS) -> None:
        self._listener = listener
        self._again_seconds = again_seconds
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to begin."""
        self._task = asyncio.create_task(self._begin(), name="listening")

    async def stop(self) -> None:
        """Ends; what came meanwhile waits in the queue."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self._listener.stop()

    async def _begin(self) -> None:
        while True:
            try:
                await self._listener.start()
                return
            except MeshplaneError as error:
                log(WARNING, "portal_not_heard", code=error.code)
            except Exception as error:  # noqa: BLE001 - nothing may end it for good
                log(ERROR, "portal_not_heard", exc_info=error)
            await asyncio.sleep(self._again_seconds)
