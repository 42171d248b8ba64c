"""A real server in a process of its own, for as long as a test module lasts."""

import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx

from meshplane.run.links import issuer
from meshplane.run.settings import read_settings
from tests.builders.kept_state import forget, served_by

_START_SECONDS = 180.0
_STOP_SECONDS = 20.0
_PAUSE_SECONDS = 0.02
_TIMEOUT_SECONDS = 120.0


class Server:
    """A server that runs.

    Attributes:
        home: its home folder.
        url: where it answers.
    """

    def __init__(self, home: Path, url: str, log: Path) -> None:
        self.home = home
        self.url = url
        self._log = log
        self._issuer = issuer(read_settings(home=home))

    def token(self, user: str, groups: Sequence[str] = ()) -> str:
        """An access token of the server's own issuer."""
        return self._issuer.mint(user, tuple(groups))

    def client(self, user: str | None = None, groups: Sequence[str] = ()) -> httpx.Client:
        """Connections that send a user's token with each request, or none."""
        return self._client({"Authorization": f"Bearer {self.token(user, groups)}"} if user else {})

    def service(self, name: str) -> httpx.Client:
        """Connections of a part of the mesh, as its workflows have them."""
        return self._client(
            {"Authorization": f"Bearer {self._issuer.mint(name, (), service=name)}"}
        )

    def _client(self, headers: dict[str, str]) -> httpx.Client:
        # There is no TLS here, and 25 ms go into the certificates of each client that checks some.
        return httpx.Client(
            base_url=self.url,
            headers=headers,
            timeout=_TIMEOUT_SECONDS,
            trust_env=False,
            verify=False,
        )

    def log(self) -> str:
        """What the server has said on standard error until now."""
        return self._log.read_text("utf-8", errors="replace")

    def unforeseen(self) -> list[dict[str, Any]]:
        """The errors that the server logged because nobody foresaw them."""
        lines = self.log().splitlines()
        logged = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in logged if line.get("event") == "unforeseen"]


@contextlib.contextmanager
def running_server(*arguments: str) -> Iterator[Server]:
    """Starts a server in a fresh home, on a free port, and ends it afterwards.

    Args:
        arguments: further ones of `meshplane serve`.
    """
    with tempfile.TemporaryDirectory(prefix="meshplane-test-") as folder:
        home, log = Path(folder, "home"), Path(folder, "server.log")
        said = Path(folder, "server.out")
        command = [sys.executable, "-m", "meshplane", "serve", "--home", str(home), "--port", "0"]
        with log.open("wb") as errors, said.open("wb") as output:
            process = subprocess.Popen([*command, *arguments], stdout=output, stderr=errors)
        served_by(home, process.pid)
        try:
            yield Server(home, _wait_until_ready(process, said, log), log)
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)
            forget(home)


def _wait_until_ready(process: "subprocess.Popen[bytes]", said: Path, log: Path) -> str:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up and process.poll() is None:
        for line in said.read_text("utf-8").splitlines(keepends=True):
            if line.startswith("ready ") and line.endswith("\n"):
                return line.split()[1]
        time.sleep(_PAUSE_SECONDS)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8')[-4000:]}")
