"""The sandbox: an address on loopback that speaks as AWS does.

moto's state belongs to the process, so that one process has one running sandbox at a time; `start`
refuses a second. Two at once need two processes.
"""

import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from meshplane.kit.clock import Clock, SystemClock
from meshplane.sandbox.callers import root_keys
from meshplane.sandbox.calls import Calls
from meshplane.sandbox.connection import listener
from meshplane.sandbox.control import CONTROL_PATH, Control
from meshplane.sandbox.fake import World
from meshplane.sandbox.fakes import Factory, factories
from meshplane.sandbox.faults import Faults
from meshplane.sandbox.front import Front, HungUp
from meshplane.sandbox.moto_mount import MotoMount
from meshplane.sandbox.request import Answer, Request
from meshplane.sandbox.stepfunctions import StepFunctionsFake
from meshplane.sandbox.sts import StsFake

HOST = "127.0.0.1"
ACCOUNTS = ("111122223333", "444455556666")
_POLL_SECONDS = 0.02
_END_SECONDS = 5.0


class AwsSandbox:
    """AWS on loopback: accounts, services, and calls that fail when they are told to.

    Args:
        folder: for what fakes keep in files; None: one that goes with the sandbox.
        port: 0 takes any that is free.
        accounts: of 12 digits; more can not be added while it runs.
        enforce_iam: whether identity policies are evaluated (see `iam`).
        fakes: by any name, what makes a fake of the world; None: all that there are.
        clock: the time that fakes go by.
    """

    def __init__(
        self,
        folder: Path | None = None,
        port: int = 0,
        *,
        accounts: tuple[str, ...] = ACCOUNTS,
        enforce_iam: bool = False,
        fakes: Mapping[str, Factory] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.accounts = tuple(accounts)
        self.faults, self.calls = Faults(), Calls()
        self.world = World(clock if clock is not None else SystemClock())
        self._given_folder, self._port = folder, port
        self._enforce_iam, self._factories = enforce_iam, fakes
        self._moto = MotoMount(self.world.lock)
        self._own_folder: tempfile.TemporaryDirectory[str] | None = None
        self._fakes: dict[str, Any] = {}
        self._server: Any = None
        self._thread: threading.Thread | None = None
        self._front: Front | None = None

    @property
    def url(self) -> str:
        """Where it answers: `http://127.0.0.1:PORT`. The sandbox must run."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    @property
    def folder(self) -> Path:
        """Where fakes keep files. The sandbox must run."""
        if self._given_folder is not None:
            return self._given_folder
        if self._own_folder is None:
            raise RuntimeError("The sandbox does not run.")
        return Path(self._own_folder.name)

    @property
    def defects(self) -> list[str]:
        """What the sandbox itself did wrong: answers that break their model, failing handlers."""
        return list(self._front.defects) if self._front is not None else []

    def keys(self, account: str) -> tuple[str, str]:
        """Access key id and secret key of an account's root."""
        return root_keys(account)

    def start(self) -> "AwsSandbox":
        """Starts it, and gives it back once it answers.

        Raises:
            Conflict: SANDBOX_RUNNING, this process runs one already.
            OSError: the port is taken.
        """
        self._moto.mount()
        try:
            if self._given_folder is None:
                self._own_folder = tempfile.TemporaryDirectory(prefix="sandbox-")
            self._listen()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Ends it: its address, its connections, its threads, and its state."""
        if self._front is not None:
            self._front.stopping.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.end_connections()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(_END_SECONDS)
        self._server = self._thread = self._front = None
        if self._own_folder is not None:
            self._own_folder.cleanup()
            self._own_folder = None
        self._moto.unmount()

    def reset(self) -> None:
        """Forgets all state, planned faults and noted calls; it goes on answering."""
        with self.world.lock:
            self._moto.reset()
            self.faults.clear()
            self.calls.clear()
            self._new_world()

    def __enter__(self) -> "AwsSandbox":
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def _listen(self) -> None:
        self._new_world()
        control = Control(self)
        front = Front(
            world=self.world,
            moto=self._moto,
            fakes=self._fakes,
            accounts=self.accounts,
            faults=self.faults,
            calls=self.calls,
            enforce_iam=self._enforce_iam,
        )

        def answer(request: Request, hung_up: HungUp) -> Answer:
            if request.path.startswith(CONTROL_PATH):
                return control.answer(request)
            return front.answer(request, hung_up)

        self._front, self._server = front, listener(HOST, self._port, answer)
        self._moto.answer_at(self.url)
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="sandbox", daemon=True
        )
        self._thread.start()

    def _new_world(self) -> None:
        """Fakes without state, in the world that everybody holds already."""
        self.world.services.clear()
        self.world.visibility_seconds = 0.0
        self._fakes.clear()
        made = self._factories if self._factories is not None else factories()
        for make in (StsFake, StepFunctionsFake, *made.values()):
            fake = make(self.world)
            self._fakes[fake.service] = fake
            self.world.services.setdefault(fake.service, fake)
