"""Frames between parent and child: one byte of kind, four of length (big endian), the payload."""

import asyncio
import socket
import struct
from typing import Any

import orjson

_HEAD = struct.Struct("!cI")
JSON = b"J"
BYTES = b"B"
_SLACK_BYTES = 16 * 1024 * 1024  # a plan of many files, over and above what a result may hold


class ChannelClosed(Exception):
    """The other end is gone."""


def _receive_exactly(sock: socket.socket, size: int) -> bytes:
    buffer = bytearray(size)
    view, filled = memoryview(buffer), 0
    while filled < size:
        count = sock.recv_into(view[filled:])
        if count == 0:
            raise ChannelClosed
        filled += count
    return bytes(buffer)


def send(sock: socket.socket, value: Any) -> None:
    """Sends a JSON frame from the child, blocking."""
    payload = orjson.dumps(value)
    sock.sendall(_HEAD.pack(JSON, len(payload)) + payload)


def send_bytes(sock: socket.socket, payload: bytes) -> None:
    """Sends a frame of bytes from the child, blocking."""
    sock.sendall(_HEAD.pack(BYTES, len(payload)))
    sock.sendall(payload)


def receive(sock: socket.socket) -> Any:
    """The next JSON frame that the parent sent, blocking.

    Raises:
        ChannelClosed: the parent is gone.
    """
    _, size = _HEAD.unpack(_receive_exactly(sock, _HEAD.size))
    return orjson.loads(_receive_exactly(sock, size))


class AsyncChannel:
    """The parent's end, on the running event loop."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self._sock = sock
        self.frames_received = 0

    async def _receive_exactly(self, size: int) -> bytes:
        loop = asyncio.get_running_loop()
        buffer = bytearray(size)
        view, filled = memoryview(buffer), 0
        while filled < size:
            count = await loop.sock_recv_into(self._sock, view[filled:])
            if count == 0:
                raise ChannelClosed
            filled += count
        return bytes(buffer)

    async def send(self, value: Any) -> None:
        """Sends a JSON frame.

        Raises:
            ChannelClosed: the child is gone.
        """
        payload = orjson.dumps(value)
        try:
            frame = _HEAD.pack(JSON, len(payload)) + payload
            await asyncio.get_running_loop().sock_sendall(self._sock, frame)
        except OSError as error:
            raise ChannelClosed from error

    async def receive(self, max_bytes: int) -> Any:
        """The next frame: JSON values, or bytes.

        Raises:
            ChannelClosed: the child is gone, or it sends more than it may.
        """
        try:
            kind, size = _HEAD.unpack(await self._receive_exactly(_HEAD.size))
            if size > max_bytes + _SLACK_BYTES:
                raise ChannelClosed
            payload = await self._receive_exactly(size)
        except OSError as error:
            raise ChannelClosed from error
        self.frames_received += 1
        return payload if kind == BYTES else orjson.loads(payload)

    def close(self) -> None:
        """Closes this end; an idle child ends with it."""
        self._sock.close()
