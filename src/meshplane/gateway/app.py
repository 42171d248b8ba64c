"""The application of one process: its services' routes behind the entry."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.resources import files
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from meshplane import __version__
from meshplane.boundary.boundary import Boundary
from meshplane.boundary.operation import CallArgument, Operations
from meshplane.gateway import problems
from meshplane.gateway.entry import Entry
from meshplane.gateway.identity import TokenVerifier
from meshplane.gateway.issuer import EmbeddedIssuer
from meshplane.gateway.metrics import RequestMetrics
from meshplane.kit.errors import MeshplaneError
from meshplane.policy.model import MESH

API_PREFIX = "/api/v1"
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
    verifier: TokenVerifier,
    routers: Sequence[APIRouter],
    internal: Sequence[BaseRoute],
    issuer: EmbeddedIssuer | None,
    is_ready: Callable[[], bool],
    run: Callable[[], AbstractAsyncContextManager[None]],
) -> ASGIApp:
    """The ASGI application.

    Args:
        boundary: runs operations.
        verifier: of access tokens.
        routers: the services' public routes.
        internal: routes that other processes of the mesh call.
        issuer: the embedded issuer, where there is one.
        is_ready: whether requests can be served now.
        run: what runs while the server runs.
    """

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with run():
            yield

    app = FastAPI(
        title="Meshplane",
        version=__version__,
        summary="The control plane of a data mesh.",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.add_exception_handler(MeshplaneError, problems.on_error)
    app.add_exception_handler(HTTPException, problems.on_http_error)
    app.add_exception_handler(Exception, problems.on_bug)
    metrics = RequestMetrics()
    for router in (*routers, _operations(boundary, metrics)):
        app.include_router(router, prefix="" if router.tags == ["operations"] else API_PREFIX)
    app.router.routes.extend([*internal, *_open_routes(is_ready), *_issuer_routes(issuer)])
    return Entry(app, verifier, boundary, metrics)


def _operations(boundary: Boundary, metrics: RequestMetrics) -> APIRouter:
    operations = Operations(boundary, "operations")

    @operations.read("/metrics", "getMetrics")
    async def get_metrics(call: CallArgument) -> Response:
        await call.allow(MESH)
        return Response(metrics.text(), media_type="text/plain; version=0.0.4")

    return operations.router


def _open_routes(is_ready: Callable[[], bool]) -> list[BaseRoute]:
    async def health(_request: Request) -> Response:
        return JSONResponse({"status": "ok", "version": __version__})

    async def ready(_request: Request) -> Response:
        done = is_ready()
        return JSONResponse({"ready": done}, 200 if done else 503)

    def page(name: str, media_type: str) -> Callable[[Request], Any]:
        async def show(_request: Request) -> Response:
            body = files("meshplane.gateway").joinpath("portal", name).read_bytes()
            headers = {"Content-Security-Policy": _PORTAL_POLICY}
            return Response(body, headers=headers, media_type=media_type)

        return show

    return [
        Route("/health", health),
        Route("/ready", ready),
        *(Route(path, page(name, kind)) for path, (name, kind) in _PORTAL.items()),
    ]


def _issuer_routes(issuer: EmbeddedIssuer | None) -> list[BaseRoute]:
    """Discovery and keys: only where this process has the embedded issuer."""
    if issuer is None:
        return []

    async def discovery(_request: Request) -> Response:
        return JSONResponse(issuer.discovery())

    async def keys(_request: Request) -> Response:
        return JSONResponse(issuer.jwks())

    return [
        Route("/.well-known/openid-configuration", discovery),
        Route("/.well-known/jwks.json", keys),
    ]
