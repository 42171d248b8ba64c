"""Sends the same kind of request over several connections and counts the answers.

A process of its own, with as little Python per request as can be, so that on two cores it is the
server that is measured. Run as `python http_load.py`, with a JSON plan on standard input; prints
one JSON object: `{"requests": …, "seconds": …, "p50_ms": …, "p99_ms": …}`.
"""

import asyncio
import json
import sys
import time
from typing import Any


class _Connection(asyncio.Protocol):
    """Sends one request after another; an answer ends where its Content-Length says."""

    def __init__(self, load: "_Load") -> None:
        self._load = load
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._send()

    def _send(self) -> None:
        request = self._load.next_request()
        if request is None:
            self._transport.close()
            self._load.ended()
            return
        self._sent = time.perf_counter()
        self._transport.write(request)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head_end = self._buffer.find(b"\r\n\r\n")
        if head_end < 0:
            return
        head = self._buffer[:head_end].lower()
        at = head.index(b"content-length:") + 15
        length = int(head[at : head.find(b"\r", at) if b"\r" in head[at:] else None])
        if len(self._buffer) < head_end + 4 + length:
            return
        self._load.answered(self._buffer[9:12], time.perf_counter() - self._sent)
        self._buffer = b""
        self._send()


class _Load:
    def __init__(self, plan: dict[str, Any]) -> None:
        self._plan = plan
        self._number = 0
        self._open = plan["connections"]
        self._expected = str(plan["status"]).encode()
        self.seconds: list[float] = []
        self.done: asyncio.Event = asyncio.Event()

    def next_request(self) -> bytes | None:
        if self._number == self._plan["requests"]:
            return None
        self._number += 1
        plan = self._plan
        body = plan["body"].replace("NUMBER", f"{plan['run']}-{self._number}").encode()
        head = (
            f"{plan['method']} {plan['path']} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        )
        if plan.get("token"):
            head += f"Authorization: Bearer {plan['token']}\r\n"
        return head.encode() + b"\r\n" + body

    def answered(self, status: bytes, seconds: float) -> None:
        if status != self._expected:
            raise SystemExit(f"expected status {self._expected!r}, got {status!r}")
        self.seconds.append(seconds)

    def ended(self) -> None:
        self._open -= 1
        if not self._open:
            self.done.set()


async def _run(plan: dict[str, Any]) -> dict[str, float]:
    load, loop = _Load(plan), asyncio.get_running_loop()
    begun = time.perf_counter()
    for _ in range(plan["connections"]):
        await loop.create_connection(lambda: _Connection(load), "127.0.0.1", plan["port"])
    await load.done.wait()
    took = time.perf_counter() - begun
    ordered = sorted(load.seconds)
    return {
        "requests": len(ordered),
        "seconds": took,
        "p50_ms": ordered[len(ordered) // 2] * 1000,
        "p99_ms": ordered[int(len(ordered) * 0.99)] * 1000,
    }


if __name__ == "__main__":
    import uvloop

    plan = json.load(sys.stdin)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(json.dumps(runner.run(_run(plan))))
