"""A server that may be killed at any moment and started again on the same home and port."""

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.builders.process_family import Member, family_of

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_PAUSE_SECONDS = 0.002


def free_port() -> int:
    """A port that is free, outside of those that the system gives to outgoing connections.

    A client that keeps trying a port of that range, while nobody listens, can end up connected to
    itself and so hold the port.
    """
    while True:
        port = random.SystemRandom().randint(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class MortalServer:
    """One home and one port; a process serves them between `start` and `kill` or `stop`.

    Args:
        home: the home folder.
        port: where to listen.
        arguments: further ones of `meshplane serve`.
        settings: `MESHPLANE_*` variables; those of the caller's environment are not passed on.
    """

    def __init__(
        self,
        home: Path,
        port: int,
        arguments: Sequence[str] = (),
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self._command = [
            *(sys.executable, "-m", "meshplane", "serve"),
            *("--home", str(home), "--port", str(port), *arguments),
        ]
        self._beside = home.parent / f"{home.name}-{port}"
        self._beside.mkdir(parents=True, exist_ok=True)
        self.temporary = self._beside / "temporary"
        self.temporary.mkdir(exist_ok=True)
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("MESHPLANE_")}
        self._environment = {**inherited, "TMPDIR": str(self.temporary), **(settings or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        """What it wrote to standard error since its last start."""
        return (self._beside / "log").read_text("utf-8", errors="replace")

    def start(self) -> None:
        """Starts a process and returns at once."""
        with (self._beside / "log").open("wb") as errors, self._said.open("wb") as output:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=self._environment,
                start_new_session=True,
            )

    @property
    def is_ready(self) -> bool:
        """Whether it has said that it answers."""
        return self._said.read_bytes().endswith(b"\n")

    @property
    def exit_code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._running().poll()

    def wait_until_ready(self) -> None:
        """Waits until it has said that it answers."""
        give_up = time.monotonic() + _START_SECONDS
        while not self.is_ready:
            assert self.exit_code is None, f"the server ended by itself:\n{self.log[-4000:]}"
            assert time.monotonic() < give_up, f"the server does not start:\n{self.log[-4000:]}"
            time.sleep(_PAUSE_SECONDS)

    def wait_until_ended(self) -> int:
        """Its exit code, when it ends by itself."""
        return self._running().wait(_START_SECONDS)

    def kill(self) -> frozenset[Member]:
        """`kill -9`; gives the processes that existed at that moment."""
        process = self._running()
        # A stopped process starts no other one between the look at its family and its end.
        process.send_signal(signal.SIGSTOP)
        family = family_of(process.pid)
        process.kill()
        process.wait()
        self._process = None
        return family

    def stop(self) -> None:
        """Asks it to end, and waits for that; nothing when it does not run."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._process = None

    @property
    def _said(self) -> Path:
        return self._beside / "said"

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "it was not started"
        return self._process
