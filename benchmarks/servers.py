"""Starts a server as a process of its own, waits until it is ready, and ends it."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
_TIMEOUT_SECONDS = 60.0


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def environment() -> dict[str, str]:
    """This environment, with compiled modules kept: a warm disk has them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESHPLANE_")}
    kept.pop("PYTHONDONTWRITEBYTECODE", None)
    return kept


def mesh_command(home: Path, port: int) -> list[str]:
    """The command that serves a home on a port."""
    return [sys.executable, "-m", "meshplane", "serve", "--home", str(home), "--port", str(port)]


def bare_command(database: Path, port: int) -> list[str]:
    """The command that serves the bare application."""
    return [sys.executable, str(HERE / "bare_insert.py"), str(database), str(port)]


@contextmanager
def running(command: Sequence[str], port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """The process, and the seconds from its start to the first 200 from /ready."""
    begun = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment()
    )
    try:
        yield process, _seconds_to_ready(process, port, begun)
    finally:
        process.terminate()
        process.wait(timeout=_TIMEOUT_SECONDS)


def _seconds_to_ready(process: subprocess.Popen[bytes], port: int, begun: float) -> float:
    while time.perf_counter() - begun < _TIMEOUT_SECONDS:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready") as answer:
                if answer.status == 200:
                    return time.perf_counter() - begun
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.002)
    raise RuntimeError("the server was not ready in time")
