"""Who performs tasks: the port, and the registry that finds the performer of a resource.

There are two kinds. What only writes to our own store does so inside the commit of the transition,
and so happens exactly once. What reaches outside is performed after that commit, at least once,
under a key that stays the same over retries, crashes and redrives.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

from meshplane.platform.store import UnitOfWork
from meshplane.workflows.asl import TaskFailed, TaskRequest
from meshplane.workflows.run_as import RunAs

_SUFFIX = re.compile(r"\.(sync(?::2)?|waitForTaskToken)\Z")
_FUNCTION = re.compile(r"arn:aws:lambda:[^:]*:[^:]*:function:.+")

OPERATION_PREFIX = "meshplane:"
SERVICE_PREFIX = "arn:aws:states:::"
FUNCTIONS = "lambda"
OPERATIONS = "meshplane"

NO_ANSWER_YET: Any = object()
"""What `InStore.enlist` gives when the task goes on: its answer comes later."""


@dataclass(frozen=True, slots=True)
class ExecutionInfo:
    """The execution for which a task is performed.

    Args:
        execution_id: names it.
        machine: the name of its state machine.
        name: its own name.
        run_as: in whose name it acts.
        hops: how many rules and workflows led to it; what it sends or starts has one more.
    """

    execution_id: str
    machine: str
    name: str
    run_as: RunAs
    hops: int


class InStore(Protocol):
    """Performs tasks by writing to our store, or by computing only.

    It happens in the commit of the transition: exactly once, and with no wait for the disk before
    the next state. So nothing of it may leave the process.
    """

    async def enlist(self, work: UnitOfWork, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """Adds what the task writes to the unit of work.

        Returns:
            The task's output, or `NO_ANSWER_YET`.

        Raises:
            TaskFailed: the task fails. Nothing may have been added before.
        """
        ...


class Outside(Protocol):
    """Performs tasks outside our store."""

    async def perform(self, request: TaskRequest, execution: ExecutionInfo) -> Any:
        """Performs the task; `request.key` lets whoever is called recognise a repetition.

        Returns:
            The task's output; of a task that waits for its token, what its submission gave.

        Raises:
            TaskFailed: with the error's name that `Retry` and `Catch` see.
            MeshplaneError: its code is the error's name.
        """
        ...


@dataclass(frozen=True, slots=True)
class Resource:
    """The `Resource` of a task, taken apart.

    Args:
        base: the service and action (`sqs:sendMessage`), `lambda` for a function that is named
            by its ARN, `meshplane` for an operation.
        name: the function's ARN or the operation's id; "" for others.
        suffix: `sync`, `sync:2`, `waitForTaskToken` or "".
    """

    base: str
    name: str
    suffix: str

    @staticmethod
    @lru_cache(maxsize=4096)
    def of(text: str) -> "Resource":
        """The parts of a resource."""
        found = _SUFFIX.search(text)
        suffix = found[1] if found else ""
        body = text[: found.start()] if found else text
        if _FUNCTION.fullmatch(body):
            return Resource(FUNCTIONS, body, suffix)
        if body.startswith(OPERATION_PREFIX):
            return Resource(OPERATIONS, body.removeprefix(OPERATION_PREFIX), suffix)
        return Resource(body.removeprefix(SERVICE_PREFIX), "", suffix)


class Performers:
    """The performers by the base of the resource.

    Args:
        in_store: those that write to our store, by base: `sqs:sendMessage`.
        outside: the others, by base: `http:invoke`, `lambda:invoke`, `lambda`, `meshplane`.
    """

    def __init__(
        self,
        in_store: Mapping[str, InStore] | None = None,
        outside: Mapping[str, Outside] | None = None,
    ) -> None:
        self._in_store = dict(in_store or {})
        self._outside = dict(outside or {})

    def add_in_store(self, base: str, performer: InStore) -> None:
        """Adds one that could not be made before this registry."""
        self._in_store[base] = performer

    def in_store(self, resource: str) -> InStore | None:
        """The performer that writes to our store, if the resource has one."""
        return self._in_store.get(Resource.of(resource).base)

    def outside(self, resource: str) -> Outside:
        """The performer outside our store.

        Raises:
            TaskFailed: States.Runtime, nobody here performs this.
        """
        performer = self._outside.get(Resource.of(resource).base)
        if performer is None:
            raise TaskFailed("States.Runtime", unsupported(resource))
        return performer

    def performs(self, resource: str) -> bool:
        """Whether there is one for the resource."""
        base = Resource.of(resource).base
        return base in self._in_store or base in self._outside


def unsupported(resource: str) -> str:
    """Why a task of that resource cannot run here, and what can be done."""
    if resource.startswith(f"{SERVICE_PREFIX}aws-sdk:"):
        return (
            "Calls of the AWS SDK (aws-sdk:…) reach AWS itself and do not run here: "
            "call an operation of this platform (meshplane:<operationId>) in its place."
        )
    return (
        "Nobody here performs this resource: use meshplane:<operationId>, or one of "
        "arn:aws:states:::sqs:sendMessage, sns:publish, events:putEvents, states:startExecution, "
        "http:invoke and lambda:invoke."
    )
