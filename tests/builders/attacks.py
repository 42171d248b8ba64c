"""What attacks on a running mesh have in common."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from tests.builders.small_mesh import SmallMesh

T = TypeVar("T")

_PATIENCE_SECONDS = 20.0


def eventually(found: Callable[[], T | None]) -> T:
    """What `found` gives once that is something true."""
    give_up = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < give_up:
        result = found()
        if result:
            return result
        time.sleep(0.02)
    raise AssertionError("it never came to be")


def started(mesh: SmallMesh, role: str, machine: str, given: Any) -> str:
    """The path of an execution that `role` starts."""
    body = {"stateMachine": machine, "input": given}
    return f"/executions/{mesh.ask(role, 'POST', '/executions', body)['executionId']}"


def ended(mesh: SmallMesh, role: str, path: str) -> dict[str, Any]:
    """The execution at that path, as `role` sees it once it has ended."""

    def found() -> dict[str, Any] | None:
        execution: dict[str, Any] = mesh.ask(role, "GET", path)
        return execution if execution["status"] != "RUNNING" else None

    return eventually(found)


def letter_codes(mesh: SmallMesh) -> set[str]:
    """The codes of all dead letters."""
    items = mesh.ask("administrator", "GET", "/events/dead-letters?limit=200")["items"]
    return {item["errorCode"] for item in items}
