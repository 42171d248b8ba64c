"""Serves one process of the mesh until it is told to stop."""

import asyncio
import contextlib
import gc
import socket
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from meshplane.kit.errors import Invalid
from meshplane.platform.telemetry import set_level
from meshplane.run.catalogue import chosen
from meshplane.run.links import note_issuer_url
from meshplane.run.mesh import Mesh
from meshplane.run.settings import Settings

_KEEP_ALIVE_SECONDS = 30
_STOP_SECONDS = 10
# A request makes a few hundred objects and few circles: looking for them less often is enough.
_GARBAGE_THRESHOLD = 20_000


@dataclass(frozen=True, slots=True)
class Started:
    """A server that answers.

    Args:
        base_url: where.
        mint: makes a token for a subject with groups.
    """

    base_url: str
    mint: Callable[[str, tuple[str, ...]], str]


def serve(settings: Settings, beside: Callable[[Started], None] | None = None) -> None:
    """Serves until SIGINT or SIGTERM; blocks.

    Prints `ready http://…` to standard output when requests are answered.

    Args:
        settings: of the process.
        beside: called in a thread of its own once requests are answered.

    Raises:
        Invalid: SETTING_INVALID; PORT_TAKEN.
    """
    set_level(settings.log_level)
    listener = _listen(settings)
    port = listener.getsockname()[1]
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    base_url = f"http://{host}:{port}"
    if not settings.only:
        note_issuer_url(settings, base_url)
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=_loop()) as runner:
        runner.run(_serve(settings, listener, base_url, beside))


def _loop() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # where there is no uvloop, asyncio's own loop does
        return None
    return uvloop.new_event_loop


class _Server(uvicorn.Server):
    """A server that ends its endless answers before it waits for the others."""

    def __init__(self, mesh: Mesh, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._mesh = mesh

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends; requests under way are answered first."""
        self._mesh.hang_up()
        await super().shutdown(sockets)


async def _serve(
    settings: Settings,
    listener: socket.socket,
    base_url: str,
    beside: Callable[[Started], None] | None,
) -> None:
    mesh = Mesh(settings)
    await mesh.find_people()
    # What is alive now lives as long as the process: the collector need not look at it again.
    gc.freeze()
    gc.enable()
    gc.set_threshold(_GARBAGE_THRESHOLD, 20, 20)
    server = _Server(
        mesh,
        uvicorn.Config(
            mesh.app,
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_SECONDS,
            timeout_graceful_shutdown=_STOP_SECONDS,
        ),
    )
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    # uvicorn tells of its start by this attribute alone.
    while not server.started and not serving.done():  # noqa: ASYNC110
        await asyncio.sleep(0.005)
    if server.started:
        sys.stdout.write(f"ready {base_url}\n")
        sys.stdout.flush()
        if beside is not None:
            started = Started(base_url, mesh.issuer.mint)
            threading.Thread(target=beside, args=(started,), name="beside", daemon=True).start()
    await serving


def _listen(settings: Settings) -> socket.socket:
    port = settings.port
    if settings.only and "port" not in settings.model_fields_set:
        port = chosen(settings.only)[0].port
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, port))
    except OSError:
        listener.close()
        raise Invalid(
            "PORT_TAKEN",
            f"Port {port} of {settings.host} is taken: stop what uses it, or choose another with "
            "--port.",
            field="port",
        ) from None
    listener.listen(1024)
    listener.set_inheritable(False)
    return listener
