"""Connections: requests read off them, answers written to them, and those that are to be dropped.

werkzeug's own loop ends each connection after one request. Clients keep theirs, as on AWS, so that
this one does as well.
"""

import select
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

from moto.moto_server.werkzeug_app import MotoRequestHandler
from werkzeug.serving import ThreadedWSGIServer

from meshplane.sandbox.front import Dropped, HungUp
from meshplane.sandbox.request import Answer, Request

_BACKLOG = 128
_BODILESS = frozenset({204, 304})


def listener(
    host: str, port: int, answer: Callable[[Request, HungUp], Answer]
) -> "ConnectionServer":
    """A server that is bound to an address, and does not serve yet.

    Raises:
        OSError: the address is taken.
    """

    class Connection(_Connection):
        respond = staticmethod(answer)

    # werkzeug would end the process where the address is taken.
    with socket.create_server((host, port), backlog=_BACKLOG) as bound:
        number = bound.getsockname()[1]
        return ConnectionServer(host, number, _unused, Connection, fd=bound.fileno())


class ConnectionServer(ThreadedWSGIServer):
    """A thread for each connection; it knows which are open."""

    daemon_threads = True

    def __init__(self, *given: Any, **named: Any) -> None:
        self._open: set[socket.socket] = set()
        self._serving: set[threading.Thread] = set()
        self._lock = threading.Lock()
        super().__init__(*given, **named)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Serves a connection to its end."""
        with self._lock:
            self._open.add(request)
            self._serving.add(threading.current_thread())
        try:
            super().process_request_thread(request, client_address)
        finally:
            with self._lock:
                self._open.discard(request)
                self._serving.discard(threading.current_thread())

    def end_connections(self) -> None:
        """Ends those that are open, and waits a moment for their threads."""
        with self._lock:
            left, threads = list(self._open), list(self._serving)
        for connection in left:
            _shut(connection)
        for thread in threads:
            thread.join(1.0)


class _Connection(MotoRequestHandler):
    disable_nagle_algorithm = True
    protocol_version = "HTTP/1.1"
    respond: Callable[[Request, HungUp], Answer]

    def run_wsgi(self) -> None:
        """Answers one request; what werkzeug calls for each."""
        if self.headers.get("Expect", "").strip().lower() == "100-continue":
            self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        environ = self.make_environ()
        request = _request_of(environ, self.path)
        try:
            answer = self.respond(request, self._hung_up)
        except Dropped:
            self.close_connection = True
            _shut(self.connection)
            return
        except Exception as error:  # noqa: BLE001 # the client hears of a defect of the sandbox
            self.log_error("%s in the sandbox: %s", type(error).__name__, error)
            answer = Answer(500, f"{type(error).__name__}: {error}".encode())
        self._send(answer, with_body=request.method != "HEAD")

    def _send(self, answer: Answer, *, with_body: bool) -> None:
        self.send_response(answer.status)
        measured = False
        for name, value in _headers(answer):
            measured = measured or name.lower() == "content-length"
            self.send_header(name, value)
        if not measured and answer.status not in _BODILESS:
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if with_body and answer.status not in _BODILESS:
            self.wfile.write(answer.body)
        self.wfile.flush()

    def _hung_up(self, seconds: float) -> bool:
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if not readable:
            return False
        try:
            return not self.connection.recv(1, socket.MSG_PEEK)
        except OSError:
            return True

    def log_request(self, code: Any = "-", size: Any = "-") -> None:
        """Says nothing: `calls` holds what came."""


def _headers(answer: Answer) -> Iterator[tuple[str, str]]:
    yield from answer.headers.items()
    given = {name.lower() for name in answer.headers}
    # How the body is sent is decided here.
    given |= {"connection", "transfer-encoding", "date", "server"}
    for name, value in answer.listed_headers:
        if name.lower() not in given:
            yield name, str(value)


def _request_of(environ: dict[str, Any], target: str) -> Request:
    path, _, query = target.partition("?")
    headers = {
        name[5:].replace("_", "-").lower(): str(value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    for name in ("CONTENT_TYPE", "CONTENT_LENGTH"):
        if name in environ:
            headers[name.replace("_", "-").lower()] = str(environ[name])
    return Request(environ["REQUEST_METHOD"], path, query, headers, _body_of(environ), environ)


def _body_of(environ: dict[str, Any]) -> bytes:
    if environ.get("wsgi.input_terminated"):
        return bytes(environ["wsgi.input"].read())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    return bytes(environ["wsgi.input"].read(length)) if length else b""


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was faster


def _unused(_environ: Any, _start: Any) -> list[bytes]:
    return []
