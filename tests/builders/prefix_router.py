"""A router on loopback: sends each path below /api/v1 to the process that has its service."""

import contextlib
import socket
import threading
import time
from collections.abc import Iterator, Mapping

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

_API = "/api/v1"
_TIMEOUT_SECONDS = 120.0
_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
# Those of one connection, which a router does not pass on; see RFC 9110 section 7.6.1.
_OWN_HEADERS = frozenset(
    {"connection", "content-length", "host", "keep-alive", "transfer-encoding"}
)


@contextlib.contextmanager
def routed(targets: Mapping[str, str]) -> Iterator[str]:
    """The URL of a router, for as long as it is needed.

    Args:
        targets: where each first part of a path below /api/v1 is answered:
            `{"tables": "http://127.0.0.1:8011"}`.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        config = uvicorn.Config(_application(targets), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.005)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def _application(targets: Mapping[str, str]) -> Starlette:
    async def forward(request: Request) -> Response:
        target = targets[request.path_params["path"].split("/")[0]]
        headers = {k: v for k, v in request.headers.items() if k not in _OWN_HEADERS}
        path = request.scope["raw_path"].decode("ascii")
        # A connection of its own for each request: a process may be another one by the next.
        async with httpx.AsyncClient(
            timeout=_TIMEOUT_SECONDS, trust_env=False, verify=False
        ) as client:
            answer = await client.request(
                request.method,
                f"{target}{path}" + (f"?{request.url.query}" if request.url.query else ""),
                content=await request.body(),
                headers=headers,
            )
        kept = {k: v for k, v in answer.headers.items() if k not in _OWN_HEADERS}
        return Response(answer.content, answer.status_code, kept)

    return Starlette(routes=[Route(_API + "/{path:path}", forward, methods=_METHODS)])
