"""An HTTP service outside of the mesh that fails often, and keeps a book of what it was asked."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_LONGEST_ANSWER_SECONDS = 0.15
_FAILS = 0.25
_REPLY_LOST = 0.15


@dataclass
class Book:
    """What it was asked.

    Args:
        chance: decides when it fails.
        asked: by idempotency key, the bodies.
        answered: by key, what was done for it.
        attempts: how often it was asked for each key.
    """

    chance: random.Random
    asked: dict[str, list[Any]] = field(default_factory=dict)
    answered: dict[str, Any] = field(default_factory=dict)
    attempts: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def keys_of(self, execution: str) -> list[str]:
        """The keys under which an execution asked for something."""
        return [key for key, bodies in self.asked.items() if bodies[0]["execution"] == execution]

    def ask(self, key: str, body: Any) -> tuple[int, Any] | None:
        """Does what is asked, once for each key; None when the answer is lost on its way."""
        with self.lock:
            self.attempts[key] += 1
            bodies = self.asked.setdefault(key, [])
            if body not in bodies:
                bodies.append(body)
            pause, fate = self.chance.random() * _LONGEST_ANSWER_SECONDS, self.chance.random()
        time.sleep(pause)
        if fate < _FAILS:
            return 503, {"error": "busy"}
        with self.lock:
            answer = self.answered.setdefault(key, {"n": body["n"] + 1})
        return None if fate < _FAILS + _REPLY_LOST else (200, answer)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Who asked was killed meanwhile: nothing to be said about it."""


@contextmanager
def flaky_outside(seed: int) -> Iterator[tuple[str, Book]]:
    """The service's address, and its book."""
    book = Book(random.Random(seed))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            answer = book.ask(self.headers["idempotency-key"], body)
            if answer is None:
                self.close_connection = True
                return
            status, given = answer
            content = json.dumps(given).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            """Says nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, name="outside", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/work", book
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
