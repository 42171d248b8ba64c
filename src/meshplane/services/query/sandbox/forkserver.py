"""The parent's side of the fork server: starts it, asks it for children, has it end them."""

import asyncio
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from meshplane.services.query.sandbox import control
from meshplane.services.query.sandbox.channel import AsyncChannel, ChannelClosed

_MODULE = "meshplane.services.query.sandbox.zygote"
_START_SECONDS = 30.0
_STOP_SECONDS = 5.0
_IDLE_FRAME_BYTES = 4096
# Nothing of the parent's environment. Arrow's allocator would start a thread of its own at import,
# and threads do not survive a fork.
_ENVIRONMENT = {
    "TZ": "UTC",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


@dataclass(frozen=True, slots=True)
class Child:
    """A forked process that waits for its job: number, process id, our end of its socket."""

    number: int
    pid: int
    channel: AsyncChannel


class ForkServer:
    """One running fork server. When it is gone it stays gone: make another.

    Args:
        on_end: told when it is gone.
    """

    def __init__(self, on_end: Callable[[], None]) -> None:
        self._on_end = on_end
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._inbox = control.Inbox()
        self._ready: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._reaping: asyncio.Task[None] | None = None
        self._numbers = 0
        self._living: dict[int, asyncio.Event] = {}
        self.alive = False

    async def start(self) -> None:
        """Starts the process and waits until it has loaded the engine.

        Raises:
            ChannelClosed: it ended instead.
            TimeoutError: it took longer than 30 s.
        """
        ours, theirs = socket.socketpair()
        try:
            self._process = await asyncio.to_thread(
                subprocess.Popen,
                [sys.executable, "-I", "-m", _MODULE, str(theirs.fileno())],
                env=_ENVIRONMENT,
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        ours.setblocking(False)
        self._socket = ours
        self.alive = True
        asyncio.get_running_loop().add_reader(ours.fileno(), self._read)
        async with asyncio.timeout(_START_SECONDS):
            await asyncio.shield(self._ready)

    @property
    def pid(self) -> int | None:
        """The process id of the fork server."""
        return self._process.pid if self._process else None

    async def fork(self) -> Child:
        """A new child, once it has opened its engine.

        Raises:
            ChannelClosed: the fork server or the child ended.
        """
        if self._socket is None or not self.alive:
            raise ChannelClosed
        self._numbers += 1
        number = self._numbers
        ours, theirs = socket.socketpair()
        channel = AsyncChannel(ours)
        try:
            self._living[number] = asyncio.Event()
            socket.send_fds(self._socket, [control.record(control.FORK, number)], [theirs.fileno()])
            theirs.close()
            ready = await channel.receive(_IDLE_FRAME_BYTES)
        except BaseException as error:
            theirs.close()
            channel.close()
            self.kill(number)
            if isinstance(error, OSError):
                raise ChannelClosed from error
            raise
        return Child(number, ready["pid"], channel)

    def kill(self, number: int) -> None:
        """Ends a child now, whatever it is in the middle of. A child that has ended stays so."""
        if self._socket is None or not self.alive or number not in self._living:
            return
        try:
            self._socket.send(control.record(control.KILL, number))
        except OSError:
            self._ended()  # its children end with it

    async def ended(self, number: int) -> None:
        """Waits until the child has been reaped."""
        event = self._living.get(number)
        if event is not None:
            await event.wait()

    async def stop(self) -> None:
        """Ends the fork server and all its children, and waits until it is gone."""
        self._ended()
        if self._reaping is not None:
            await asyncio.shield(self._reaping)

    async def _reap(self, process: subprocess.Popen[bytes]) -> None:
        try:
            await asyncio.to_thread(process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            await asyncio.to_thread(process.wait)

    def _read(self) -> None:
        if self._socket is None:
            return
        try:
            records = self._inbox.receive(self._socket)
        except BlockingIOError:
            return
        if records is None:
            self._ended()
            return
        for operation, number, _ in records:
            if operation == control.READY and not self._ready.done():
                self._ready.set_result(number)
            elif operation == control.ENDED and number in self._living:
                self._living.pop(number).set()

    def _ended(self) -> None:
        if self._socket is None:
            return
        asyncio.get_running_loop().remove_reader(self._socket.fileno())
        self._socket.close()
        self._socket = None
        self.alive = False
        for event in self._living.values():
            event.set()
        self._living.clear()
        if not self._ready.done():
            self._ready.set_exception(ChannelClosed())
            self._ready.exception()  # whoever waits still gets it; if nobody does, that is fine
        if self._process is not None:
            self._reaping = asyncio.get_running_loop().create_task(self._reap(self._process))
        self._on_end()
