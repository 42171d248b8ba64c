"""The records between parent and fork server: one byte of operation, eight of child number."""

import os
import socket
import struct
from collections import deque

_RECORD = struct.Struct("!cQ")
FORK, KILL, READY, ENDED = b"F", b"K", b"R", b"E"
_BATCH = 64


def record(operation: bytes, number: int) -> bytes:
    """One record, ready to send."""
    return _RECORD.pack(operation, number)


class Inbox:
    """Puts records together from a stream, with the descriptors that came beside FORK records.

    Descriptors arrive in the order of their records, though one read may hold several of either.
    """

    def __init__(self) -> None:
        self._buffer = b""
        self._descriptors: deque[int] = deque()

    def receive(self, sock: socket.socket) -> list[tuple[bytes, int, int | None]] | None:
        """Reads once. None: the other end is closed."""
        try:
            data, descriptors, _, _ = socket.recv_fds(sock, _RECORD.size * _BATCH, _BATCH)
        except ConnectionError:
            return None
        self._descriptors.extend(descriptors)
        if not data:
            self.close_waiting()
            return None
        self._buffer += data
        records = []
        while len(self._buffer) >= _RECORD.size:
            operation, number = _RECORD.unpack_from(self._buffer)
            self._buffer = self._buffer[_RECORD.size :]
            wanted = operation == FORK and bool(self._descriptors)
            records.append((operation, number, self._descriptors.popleft() if wanted else None))
        return records

    def close_waiting(self) -> None:
        """Closes descriptors whose record has not been handled."""
        while self._descriptors:
            os.close(self._descriptors.popleft())
