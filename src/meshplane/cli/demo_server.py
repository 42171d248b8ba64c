"""A real server in a process of its own, in a fresh home folder, for as long as a demo lasts."""

import contextlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from meshplane.kit.errors import Unavailable
from meshplane.run.environment import Variables, environment

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
        variables: of its environment, beside those of this process.
    """

    def __init__(self, home: Path, url: str, variables: Variables) -> None:
        self.home = home
        self.url = url
        self.variables = variables


@contextlib.contextmanager
def running_server(variables: Variables | None = None) -> Iterator[DemoServer]:
    """Starts a server in a temporary home; ends it and removes the home afterwards.

    Args:
        variables: of its environment, beside those of this process.

    Raises:
        Unavailable: it did not start (`SERVER_NOT_STARTED`).
    """
    with own_folder() as folder:
        home = folder / "home"
        command = ["serve", "--home", str(home), "--port", "0"]
        with running_program("server", command, folder, variables) as url:
            yield DemoServer(home, url, variables or {})


@contextlib.contextmanager
def own_folder() -> Iterator[Path]:
    """A temporary folder, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="meshplane-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def running_program(
    name: str,
    command: Sequence[str],
    folder: Path,
    variables: Variables | None = None,
) -> Iterator[str]:
    """Starts `meshplane COMMAND`, waits until it is ready, and ends it afterwards.

    Args:
        name: what it is called, in errors and of its files.
        command: the command and its options.
        folder: where its output goes: `NAME.out` and `NAME.log`.
        variables: of its environment, beside those of this process.

    Returns:
        What it answers to: the address that it says it is ready at.

    Raises:
        Unavailable: it did not start (`SERVER_NOT_STARTED`).
    """
    log, said = folder / f"{name}.log", folder / f"{name}.out"
    with log.open("wb") as errors, said.open("wb") as output, _ended_by_sigterm():
        program = subprocess.Popen(  # noqa: S603 # our own program, with our own arguments
            [sys.executable, "-m", "meshplane", *command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=errors,
            env=environment(variables or {}),
            # In a session of its own, Ctrl-C reaches us alone; we then end it in order.
            start_new_session=True,
        )
        try:
            yield _wait_until_ready(name, program, said, log)
        finally:
            _end(program)


def _wait_until_ready(name: str, program: "subprocess.Popen[bytes]", said: Path, log: Path) -> str:
    give_up = time.monotonic() + _START_SECONDS
    while time.monotonic() < give_up:
        for line in said.read_text("utf-8", errors="replace").splitlines(keepends=True):
            if line.startswith(_READY) and line.endswith("\n"):
                return line.removeprefix(_READY).strip()
        if program.poll() is not None:
            break
        time.sleep(_PAUSE_SECONDS)
    last = log.read_text("utf-8", errors="replace").splitlines()[-_LOG_LINES:]
    raise Unavailable(
        "SERVER_NOT_STARTED",
        f"The {name} did not start. Its last words:\n" + ("\n".join(last) or "(none)"),
    )


def _end(program: "subprocess.Popen[bytes]") -> None:
    program.terminate()
    try:
        program.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.wait()


@contextlib.contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Turns SIGTERM into an exception, so that the program is ended on the way out."""

    def leave(number: int, _frame: object) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
