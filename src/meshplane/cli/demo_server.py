"""A real server in a process of its own, in a fresh home folder, for as long as a demo lasts."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from meshplane.kit.errors import Unavailable

_READY = "ready "
_START_SECONDS = 60.0
_STOP_SECONDS = 15.0
_PAUSE_SECONDS = 0.02
_LOG_LINES = 12


class DemoServer:
    """A server that runs.

    Attributes:
        home: its home folder.
        url: where it answers.
    """

    def __init__(self, home: Path, url: str) -> None:
        self.home = home
        self.url = url


@contextlib.contextmanager
def running_server() -> Iterator[DemoServer]:
    """Starts a server in a temporary home; ends it and removes the home afterwards.

    Raises:
        Unavailable: it did not start (`SERVER_NOT_STARTED`).
    """
    folder = Path(tempfile.mkdtemp(prefix="meshplane-demo-"))
    home = folder / "home"
    log = folder / "server.log"
    said = folder / "server.out"
    try:
        with log.open("wb") as errors, said.open("wb") as output, _ended_by_sigterm():
            command = [sys.executable, "-m", "meshplane", "serve", "--home", str(home)]
            server = subprocess.Popen(  # noqa: S603 # our own program, with our own arguments
                [*command, "--port", "0"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                # In a session of its own, Ctrl-C reaches us alone; we then end it in order.
                start_new_session=True,
            )
            try:
                yield DemoServer(home, _wait_until_ready(server, said, log))
            finally:
                _end(server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_until_ready(server: "subprocess.Popen[bytes]", said: Path, log: Path) -> str:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        for line in said.read_text("utf-8", errors="replace").splitlines(keepends=True):
            if line.startswith(_READY) and line.endswith("\n"):
                return line.removeprefix(_READY).strip()
        if server.poll() is not None:
            break
        time.sleep(_PAUSE_SECONDS)
    last = log.read_text("utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    raise Unavailable(
        "SERVER_NOT_STARTED",
        "The server did not start. Its last words:\n" + ("\n".join(last) or "(none)"),
    )


def _end(server: "subprocess.Popen[bytes]") -> None:
    server.terminate()
    try:
        server.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that the server is ended on the way out."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
