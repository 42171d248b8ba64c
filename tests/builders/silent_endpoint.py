"""An address on loopback that swallows what is sent to it, until it is told to lead to another."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"
_PIECE = 65536


class SilentEndpoint:
    """Takes no connection: the system's queue is full, so that requests to connect are dropped.

    Args:
        port: where `lead` will lead to, on loopback.
    """

    def __init__(self, port: int) -> None:
        self._there = port
        self._listener = socket.create_server((HOST, 0), backlog=0)
        self._queued: list[socket.socket] = []
        self._open: list[socket.socket] = []
        for _ in range(8):
            filler = socket.socket()
            filler.setblocking(False)
            with suppress(BlockingIOError):
                filler.connect(self._listener.getsockname())
            self._queued.append(filler)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://{HOST}:{self._listener.getsockname()[1]}"

    def lead(self) -> None:
        """From now on connections are taken, and lead to the other port."""
        for filler in self._queued:
            filler.close()
        self._listener.listen(128)
        threading.Thread(target=self._serve, name="endpoint", daemon=True).start()

    def close(self) -> None:
        """Ends it and its connections."""
        for one in (*self._queued, *self._open, self._listener):
            # What is closed already, or was never connected, cannot be shut down.
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _serve(self) -> None:
        # The listener is closed at the end, which ends this.
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection((HOST, self._there))
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(
                        target=_pump, args=(one, other), name="endpoint", daemon=True
                    ).start()


def _pump(one: socket.socket, other: socket.socket) -> None:
    # Either side may end at any time.
    with suppress(OSError):
        while piece := one.recv(_PIECE):
            other.sendall(piece)
        other.shutdown(socket.SHUT_WR)


@contextmanager
def silent_endpoint(port: int) -> Iterator[SilentEndpoint]:
    """A silent address for as long as the block lasts."""
    endpoint = SilentEndpoint(port)
    try:
        yield endpoint
    finally:
        endpoint.close()
