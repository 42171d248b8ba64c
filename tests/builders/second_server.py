"""A second process on the home of a server that runs: what both can do, one of them must."""

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.builders.kept_state import served_by
from tests.builders.server import Server

_START_SECONDS, _STOP_SECONDS, _PAUSE_SECONDS = 60.0, 20.0, 0.02


@contextlib.contextmanager
def second_server(first: Server) -> Iterator[Server]:
    """Starts another server on the same home, on a free port, and ends it afterwards."""
    with tempfile.TemporaryDirectory(prefix="meshplane-second-") as folder:
        said, log = Path(folder, "server.out"), Path(folder, "server.log")
        command = [sys.executable, "-m", "meshplane", "serve", "--home", str(first.home)]
        command += ["--port", "0"]
        with said.open("wb") as output, log.open("wb") as errors:
            process = subprocess.Popen(command, stdout=output, stderr=errors)
        served_by(first.home, process.pid)
        try:
            yield Server(first.home, _url_of(process, said, log), log)
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _url_of(process: "subprocess.Popen[bytes]", said: Path, log: Path) -> str:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        for line in said.read_text("utf-8").splitlines(keepends=True):
            if line.startswith("ready ") and line.endswith("\n"):
                return line.split()[1]
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"the second server did not start:\n{log.read_text('utf-8')[-4000:]}")
