"""The entry: what every request passes before a route sees it.

limits of the request line, headers and body → who is it → the route → headers of the answer. A
path answers without a token only if it stands in `OPEN_PATHS`, compared whole and as it was sent.
"""

import re
import secrets
import time
from collections.abc import Callable
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import ARROW_STREAM
from meshplane.gateway import problems
from meshplane.gateway.identity import Identity, TokenVerifier
from meshplane.gateway.metrics import RequestMetrics
from meshplane.kit.errors import Invalid, MeshplaneError, TooLarge, Unauthenticated

LARGEST_JSON_BYTES = 1024 * 1024
LONGEST_URL_BYTES = 8 * 1024
MOST_HEADERS = 100
LONGEST_HEADER_BYTES = 16 * 1024

OPEN_PATHS = frozenset(
    {
        "/",
        "/portal.css",
        "/portal.js",
        "/docs",
        "/health",
        "/ready",
        "/openapi.json",
        "/.well-known/openid-configuration",
        "/.well-known/jwks.json",
    }
)

_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")
_ANSWER_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]


class Entry:
    """ASGI middleware around the whole application.

    Args:
        app: what lies behind.
        verifier: gives the verifier of access tokens, the same each time.
        boundary: keeps refusals of strangers in the audit trail.
        metrics: counts requests.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Callable[[], TokenVerifier],
        boundary: Boundary,
        metrics: RequestMetrics,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._boundary = boundary
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event of the ASGI server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = _headers(scope)
        scope["trace_id"] = trace_id = _trace_id(headers)
        begun, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [
                    *message.get("headers", ()),
                    *_ANSWER_HEADERS,
                    (b"trace-id", trace_id.encode()),
                    *_cache_header(scope, message),
                ]
            await send(message)

        try:
            _check_head(scope)
            if scope["path"] not in OPEN_PATHS:
                scope["actor"] = await self._actor(headers, trace_id, scope["path"])
            await self._app(scope, _counting(receive, headers), sending)
        except MeshplaneError as error:
            await problems.response(error, trace_id)(scope, receive, sending)
        finally:
            self._metrics.observe(scope, status, time.perf_counter() - begun)

    async def _actor(self, headers: dict[bytes, bytes], trace_id: str, path: str) -> Actor:
        authorization = headers.get(b"authorization")
        try:
            text = authorization.decode("latin-1") if authorization is not None else None
            return _actor(await self._verifier().authenticate(text), trace_id)
        except Unauthenticated as error:
            await self._boundary.record_stranger(error, trace_id, path)
            raise


def _actor(identity: Identity, trace_id: str) -> Actor:
    if identity.service is not None:
        return Actor(
            identity.service,
            is_service=True,
            on_behalf_of=identity.on_behalf_of,
            trace_id=trace_id,
        )
    return Actor(identity.subject, identity.groups, trace_id=trace_id)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name. A name sent twice keeps its first value, as routes see it too."""
    named: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        named.setdefault(name, value)
    return named


def _trace_id(headers: dict[bytes, bytes]) -> str:
    """The trace that the caller is in (W3C Trace Context), or a new one."""
    found = _TRACEPARENT.fullmatch(headers.get(b"traceparent", b""))
    return found[1].decode() if found else secrets.token_hex(16)


def _check_head(scope: Scope) -> None:
    if len(scope.get("raw_path", b"")) + len(scope["query_string"]) > LONGEST_URL_BYTES:
        raise Invalid("URL_TOO_LONG", f"A URL has at most {LONGEST_URL_BYTES} bytes.")
    headers = scope["headers"]
    if len(headers) > MOST_HEADERS or any(
        len(name) + len(value) > LONGEST_HEADER_BYTES for name, value in headers
    ):
        raise Invalid(
            "HEADERS_TOO_LARGE",
            f"A request has at most {MOST_HEADERS} headers of {LONGEST_HEADER_BYTES} bytes.",
        )
    if sum(1 for name, _ in headers if name == b"authorization") > 1:
        raise Invalid("HEADER_REPEATED", "Send Authorization once.", field="Authorization")


def _counting(receive: Receive, headers: dict[bytes, bytes]) -> Receive:
    """A `receive` that stops a body over the limit. Rows have a limit of their own."""
    if headers.get(b"content-type", b"").split(b";")[0].strip() == ARROW_STREAM.encode():
        return receive
    length = headers.get(b"content-length", b"0")
    too_large = TooLarge(
        "BODY_TOO_LARGE", f"A body has at most {LARGEST_JSON_BYTES} bytes.", field="(body)"
    )
    if length.isdigit() and int(length) > LARGEST_JSON_BYTES:
        raise too_large
    received = 0

    async def counted() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > LARGEST_JSON_BYTES:
            raise too_large
        return message

    return counted


def _cache_header(scope: Scope, message: Message) -> list[tuple[bytes, Any]]:
    """Answers to somebody are for him alone."""
    if scope["path"] in OPEN_PATHS and message["status"] == 200:
        return []
    return [(b"cache-control", b"no-store")]
