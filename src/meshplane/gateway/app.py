"""The application of one process: its services' routes behind the entry."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from meshplane import __version__
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.call import Call
from meshplane.boundary.operation import OperationRoute, Operations
from meshplane.events.right_of_way import RightOfWay
from meshplane.gateway import problems
from meshplane.gateway.entry import Entry
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.gateway.metrics import RequestMetrics
from meshplane.kit.errors import MeshplaneError
from meshplane.policy.model import MESH

_PORTAL = {
    "/": ("index.html", "text/html; charset=utf-8"),
    "/docs": ("docs.html", "text/html; charset=utf-8"),
    "/portal.css": ("portal.css", "text/css; charset=utf-8"),
    "/portal.js": ("portal.js", "text/javascript; charset=utf-8"),
}
_PORTAL_POLICY = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'"


def application(
    *,
    boundary: Boundary,
    verifier: Callable[[], TokenVerifier],
    operations: Sequence[OperationRoute],
    internal: Sequence[BaseRoute],
    issuer: Callable[[], EmbeddedIssuer] | None,
    is_ready: Callable[[], bool],
    run: Callable[[], AbstractAsyncContextManager[None]],
    way: RightOfWay | None = None,
    metrics: RequestMetrics | None = None,
) -> ASGIApp:
    """The ASGI application.

    Args:
        boundary: runs operations.
        verifier: gives the verifier of access tokens.
        operations: the services' public routes.
        internal: routes that other processes of the mesh call.
        issuer: gives the embedded issuer, where there is one.
        is_ready: whether requests can be served now.
        run: what runs while the server runs.
        way: requests take it, and what runs beside them gives it.
        metrics: counts requests.
    """

    @asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with run():
            yield

    metrics = metrics or RequestMetrics()
    operations = [*operations, *_operations(boundary, metrics)]
    app = Starlette(
        routes=[
            *operations,
            *internal,
            *_open_routes(operations, is_ready),
            *_issuer_routes(issuer),
        ],
        exception_handlers={
            MeshplaneError: problems.on_error,
            HTTPException: problems.on_http_error,
            Exception: problems.on_bug,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    return Entry(app, verifier, boundary, metrics, operations, way=way or RightOfWay())


def _operations(boundary: Boundary, metrics: RequestMetrics) -> list[OperationRoute]:
    operations = Operations(boundary, prefix="")

    @operations.read("/metrics", "getMetrics", {"text/plain": None})
    async def get_metrics(call: Call) -> Response:
        """Counts and times of requests, for Prometheus."""
        await call.allow(MESH)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return operations.routes


def _open_routes(
    operations: Sequence[OperationRoute], is_ready: Callable[[], bool]
) -> list[BaseRoute]:
    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def ready(_request: Request) -> Response:
        done = is_ready()
        return JSONResponse({"ready": done}, 200 if done else 503)

    @cache
    def made() -> bytes:
        # Made when it is first asked for: FastAPI, which makes it, takes long to load.
        from meshplane.gateway.openapi import document

        return orjson.dumps(document(operations))

    one_at_a_time = Lock()

    def document() -> bytes:
        # Two threads that make it at once would see each other's half-made models.
        with one_at_a_time:
            return made()

    async def openapi(_request: Request) -> Response:
        return Response(await asyncio.to_thread(document), media_type="application/json")

    def page(name: str, media_type: str) -> Callable[[Request], Any]:
        async def show(_request: Request) -> Response:
            body = files("meshplane.gateway").joinpath("portal", name).read_bytes()
            headers = {"Content-Security-Policy": _PORTAL_POLICY}
            return Response(body, headers=headers, media_type=media_type)

        return show

    return [
        Route("/health", health),
        Route("/ready", ready),
        Route("/openapi.json", openapi),
        *(Route(path, page(name, kind)) for path, (name, kind) in _PORTAL.items()),
    ]


def _issuer_routes(issuer: Callable[[], EmbeddedIssuer] | None) -> list[BaseRoute]:
    """Discovery and keys: only where this process has the embedded issuer."""
    if issuer is None:
        return []

    async def discovery(_request: Request) -> Response:
        return JSONResponse(issuer().discovery())

    async def keys(_request: Request) -> Response:
        return JSONResponse(issuer().jwks())

    return [
        Route("/.well-known/openid-configuration", discovery),
        Route("/.well-known/jwks.json", keys),
    ]
