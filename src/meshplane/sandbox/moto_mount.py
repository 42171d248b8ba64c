"""moto in this process: what it answers honestly, it answers.

moto keeps its state in this process for all: two sandboxes in one process would share it.
`mount` therefore refuses the second, and the first one's state is forgotten when it is unmounted.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from io import BytesIO
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.sandbox.fake import Caller
from meshplane.sandbox.machine_calls import MachineCalls
from meshplane.sandbox.request import Answer, Request

PARTITION = "aws"
# moto itself holds no locks. Of these, fakes read the state while a handler holds the world's.
_SHARED = frozenset({"glue", "iam", "sts"})
# These wait inside moto for others' calls, so that none may be shut out meanwhile.
_WAITING = frozenset({"sqs", "stepfunctions", "lambda", "cloudformation"})
# What moto does not know of the names of service-linked roles.
_SERVICE_ROLES = {"lakeformation": "LakeFormationDataAccess"}

_mounted = threading.Lock()


class MotoMount:
    """moto's applications, one a service, behind a function call.

    Args:
        world_lock: held where fakes read what moto writes.
    """

    def __init__(self, world_lock: Any) -> None:
        self._world_lock = world_lock
        self._locks: dict[str, threading.Lock] = {}
        self._app: Any = None
        self._machines: MachineCalls | None = None
        self._guard = threading.Lock()

    def mount(self) -> None:
        """Takes moto for this sandbox alone, with no state in it.

        Raises:
            Conflict: SANDBOX_RUNNING, another sandbox of this process has it.
        """
        if not _mounted.acquire(blocking=False):
            raise Conflict(
                "SANDBOX_RUNNING",
                "A sandbox runs in this process already, and moto's state is one for all of a "
                "process. Stop that one first, or start this one in a process of its own.",
            )
        from moto.iam.models import SERVICE_NAME_CONVERSION
        from moto.moto_server.werkzeug_app import (
            DomainDispatcherApplication,
            create_backend_app,
        )

        SERVICE_NAME_CONVERSION.update(_SERVICE_ROLES)
        self._app = DomainDispatcherApplication(create_backend_app)
        self.reset()

    def answer_at(self, url: str) -> None:
        """Says where the sandbox answers, for what moto calls by itself."""
        self._machines = MachineCalls(url)

    def unmount(self) -> None:
        """Forgets the state, and lets another sandbox have moto."""
        if self._app is None:
            return
        if self._machines is not None:
            self._machines.forget()
            self._machines = None
        self.reset()
        self._app = None
        _mounted.release()

    def reset(self) -> None:
        """Forgets all state, and sets what the sandbox needs of moto's settings."""
        if self._machines is not None:
            self._machines.forget()
        from moto.core.base_backend import BackendDict
        from moto.core.config import default_user_config
        from moto.core.model_instances import reset_model_data

        BackendDict.reset()
        reset_model_data()
        default_user_config["stepfunctions"] = {"execute_state_machine": True}
        default_user_config["lambda"] = {"use_docker": False}

    def answer(self, service: str | None, caller: Caller, request: Request) -> Answer:
        """What moto answers, as it came; its state is that of the caller's account."""
        environ = {
            **request.environ,
            "HTTP_X_MOTO_ACCOUNT_ID": caller.account,
            "wsgi.input": BytesIO(request.body),
            "CONTENT_LENGTH": str(len(request.body)),
        }
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        environ.pop("wsgi.input_terminated", None)
        if service == "stepfunctions" and self._machines is not None:
            self._machines.prepare()
        with self._lock_of(service):
            return _run(self._app, environ)

    @contextmanager
    def _lock_of(self, service: str | None) -> Iterator[None]:
        lock: Any
        if service is None or service in _WAITING:
            lock = nullcontext()
        elif service in _SHARED:
            lock = self._world_lock
        else:
            with self._guard:
                lock = self._locks.setdefault(service, threading.Lock())
        with lock:
            yield


def _run(app: Callable[..., Any], environ: dict[str, Any]) -> Answer:
    status, headers = 0, []

    def start(line: str, listed: list[tuple[str, str]], _error: Any = None) -> Callable[..., None]:
        nonlocal status, headers
        status, headers = int(line.split(" ", 1)[0]), listed
        return parts.append

    parts: list[bytes] = []
    made = app(environ, start)
    try:
        parts.extend(made)
    finally:
        if hasattr(made, "close"):
            made.close()
    return Answer(status, b"".join(parts), listed_headers=tuple(headers))
