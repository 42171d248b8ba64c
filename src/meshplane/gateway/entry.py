"""The entry: what every request passes before a route sees it.

limits of the request line, headers and body → who is it → the route → headers of the answer. A
path answers without a token only if it stands in `OPEN_PATHS`, compared whole and as it was sent.
"""

import re
import time
from collections.abc import Callable, Sequence
from typing import Any

from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from meshplane.boundary.actor import Actor
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import OperationRoute
from meshplane.events.right_of_way import RightOfWay
from meshplane.gateway import problems
from meshplane.gateway.identity import Identity, TokenVerifier
from meshplane.gateway.metrics import RequestMetrics
from meshplane.kit.errors import (
    HeadersTooLarge,
    Invalid,
    MeshplaneError,
    Unauthenticated,
    UrlTooLong,
)
from meshplane.kit.ids import random_hex

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
        operations: all that `app` has.
        way: each request takes it.
    """

    def __init__(
        self,
        app: ASGIApp,
        verifier: Callable[[], TokenVerifier],
        boundary: Boundary,
        metrics: RequestMetrics,
        operations: Sequence[OperationRoute],
        *,
        way: RightOfWay,
    ) -> None:
        self._app = app
        self._verifier = verifier
        self._boundary = boundary
        self._metrics = metrics
        self._way = way
        self._fixed = {
            (route.method, route.path): route for route in operations if "{" not in route.path
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handles one connection event of the ASGI server."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            with self._way.request():
                await self._http(scope, receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        trace_id = scope["trace_id"] = _trace_id(scope)
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
            headers = _headers(scope)
            if not _is_open(scope):
                scope["actor"] = await self._actor(headers, trace_id, scope["path"])
            await self._serve(scope, receive, sending)
        except MeshplaneError as error:
            await problems.response(error, trace_id)(scope, receive, sending)
        finally:
            self._metrics.observe(scope, status, time.perf_counter() - begun)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Goes straight to an operation whose path is fixed; to the router with any other."""
        operation = self._fixed.get((scope["method"], scope["path"]))
        if operation is None:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        try:
            response = await operation.answer(request)
        except MeshplaneError:
            raise
        except Exception as error:  # noqa: BLE001 - as the router does with what nobody foresaw
            response = await problems.on_bug(request, error)
        await response(scope, receive, send)

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
            via=identity.via,
            hops=identity.hops,
        )
    return Actor(
        identity.subject,
        identity.groups,
        trace_id=trace_id,
        via=identity.via,
        hops=identity.hops,
    )


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """The headers by name. A name sent twice keeps its first value, as routes see it too.

    Raises:
        UrlTooLong: URL_TOO_LONG.
        HeadersTooLarge: HEADERS_TOO_LARGE.
        Invalid: HEADER_REPEATED.
    """
    if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL_BYTES:
        raise UrlTooLong("URL_TOO_LONG", f"A URL has at most {LONGEST_URL_BYTES} bytes.")
    named: dict[bytes, bytes] = {}
    sent = scope["headers"]
    too_long = len(sent) > MOST_HEADERS
    for name, value in sent:
        too_long = too_long or len(name) + len(value) > LONGEST_HEADER_BYTES
        if named.setdefault(name, value) is not value and name == b"authorization":
            raise Invalid("HEADER_REPEATED", "Send Authorization once.", field="Authorization")
    if too_long:
        raise HeadersTooLarge(
            "HEADERS_TOO_LARGE",
            f"A request has at most {MOST_HEADERS} headers of {LONGEST_HEADER_BYTES} bytes.",
        )
    return named


def _trace_id(scope: Scope) -> str:
    """The trace that the caller is in (W3C Trace Context), or a new one."""
    for name, value in scope["headers"]:
        if name == b"traceparent" and (found := _TRACEPARENT.fullmatch(value)):
            return found[1].decode()
    return random_hex(32)


def _is_open(scope: Scope) -> bool:
    """Whether this path answers without a token; another spelling of an open path does not."""
    path: str = scope["path"]
    return path in OPEN_PATHS and scope["raw_path"] == path.encode()


def _cache_header(scope: Scope, message: Message) -> list[tuple[bytes, Any]]:
    """Answers to somebody are for him alone."""
    if _is_open(scope) and message["status"] == 200:
        return []
    return [(b"cache-control", b"no-store")]
