"""What one transition of an execution gives to whoever keeps and performs it."""

from dataclasses import dataclass, field
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.workflows.asl.history import HistoryEvent

SUCCEEDED = "SUCCEEDED"
FAILED = "FAILED"
TIMED_OUT = "TIMED_OUT"
ABORTED = "ABORTED"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an execution ended.

    Args:
        status: SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
        output: JSON; None unless it succeeded.
        error: the error's name, if it has one.
        cause: what happened, if that was told.
    """

    status: str
    output: Any = None
    error: str | None = None
    cause: str | None = None


@dataclass(frozen=True, slots=True)
class TaskRequest:
    """A task to perform.

    Args:
        branch_id: the branch that waits for it.
        state: the name of its state.
        resource: `Resource`, as it is written.
        parameters: what it is called with: JSON.
        attempt: tells this request from every other of its branch; an answer must give it.
        retry: how many times `Retry` has tried the state again.
        token: the callback token, when the task waits for one.
        wait_for_token: whether the answer comes with the token, and not from the call.
        timeout_seconds: how long it may take, None: as long as the execution may.
        heartbeat_seconds: how long it may be silent, None: always.
        key: idempotency key. It is the same for all tries of one entry of a state: over retries,
            after a crash, and after a redrive.
        credentials: `Credentials`, evaluated.
    """

    branch_id: str
    state: str
    resource: str
    parameters: Any
    attempt: int
    retry: int
    token: str | None
    wait_for_token: bool
    timeout_seconds: int | None
    heartbeat_seconds: int | None
    key: str
    credentials: Any = None


@dataclass(slots=True)
class Turn:
    """One transition.

    Args:
        events: what to add to the history, in order; each knows its stream.
        changed: the branches whose `to_json()` has to be kept anew; all of them are in
            `Run.branches`.
        removed: the branches that are gone. One that never was kept may be among them.
        tasks: what to perform once the transition is kept.
        cancelled: branches whose task is over without an answer.
    """

    events: list[HistoryEvent] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    tasks: list[TaskRequest] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)


class TaskGone(Conflict):
    """An answer came to a task that is over: it was answered, timed out, or was tried again."""

    def __init__(self) -> None:
        super().__init__(
            "TASK_GONE",
            "Nobody waits for this answer any more: the task was answered before, its time was"
            " over, or its execution ended.",
        )
