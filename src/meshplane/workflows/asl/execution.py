"""Runs a state machine in memory, by default in virtual time: a wait of days is over at once."""

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import orjson

from meshplane.kit.clock import Clock
from meshplane.workflows.asl.context import ExecutionContext, Source
from meshplane.workflows.asl.errors import RUNTIME
from meshplane.workflows.asl.history import HistoryEvent, NotJson, payload_bytes
from meshplane.workflows.asl.machine import Machine
from meshplane.workflows.asl.run import Run
from meshplane.workflows.asl.surroundings import milliseconds_text
from meshplane.workflows.asl.turn import TaskRequest, Turn

PENDING: Any = object()
"""What a task's handler returns when nobody answers: the task waits until it times out."""

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)
"""When virtual time begins."""

Handler = Callable[[Any], Any]
Handlers = Mapping[str, Handler] | Callable[[str, Any], Any]


class TaskFailed(Exception):
    """Raised by a task's handler: the task fails.

    Args:
        error: the error's name, which `Retry` and `Catch` see.
        cause: what happened.
    """

    def __init__(self, error: str, cause: str | None = None) -> None:
        super().__init__(f"{error}: {cause}")
        self.error = error
        self.cause = cause or ""


@dataclass(frozen=True, slots=True)
class ExecutionResult:
    """How an execution ended.

    Args:
        status: SUCCEEDED, FAILED, TIMED_OUT or ABORTED.
        output: JSON; None unless it succeeded.
        error: the error's name, if it has one.
        cause: what happened, if that was told.
        events: the history.
        child_events: the histories of the children of distributed Maps, by branch id.
    """

    status: str
    output: Any
    error: str | None
    cause: str | None
    events: list[HistoryEvent]
    child_events: dict[str, list[HistoryEvent]] = field(default_factory=dict)


def execute(
    definition: dict[str, Any] | str | Machine,
    input: Any = None,  # noqa: A002 - the language's word
    tasks: Handlers | None = None,
    clock: Clock | None = None,
    *,
    name: str = "execution",
    source: Source | None = None,
) -> ExecutionResult:
    """Runs a state machine to its end. Nothing is waited for: time jumps to the next timer.

    Args:
        definition: an Amazon States Language document, parsed or as JSON text, or a `Machine`.
        input: the input: JSON; None is an empty object.
        tasks: performs tasks: by the state's name or its resource, functions that get the
            parameters, or one function that gets the resource and the parameters. What it returns
            is the task's output, and of a task that waits for its token, the answer to that. It may
            raise `TaskFailed`, or return `PENDING`.
        clock: where time begins; by default at the start of 2026. If it has a method
            `advance(seconds)`, that is called for each jump.
        name: the execution's name.
        source: randomness, ids and tokens.

    Raises:
        InvalidDefinition: the definition has errors.
    """
    machine = definition if isinstance(definition, Machine) else _machine(definition)
    return _Execution(machine, tasks, clock, source or _SYSTEM).run(
        {} if input is None else input, name
    )


_SYSTEM = Source()


def _machine(definition: dict[str, Any] | str) -> Machine:
    if isinstance(definition, str):
        return _compiled(definition)
    try:
        text = orjson.dumps(definition).decode()
    except (orjson.JSONEncodeError, UnicodeDecodeError):
        # Not everything that a document may hold fits; validation says what is wrong with it.
        return Machine(definition)
    return _compiled(text)


@lru_cache(maxsize=64)
def _compiled(text: str) -> Machine:
    return Machine(text)


class _Execution:
    """One execution in memory."""

    def __init__(
        self, machine: Machine, tasks: Handlers | None, clock: Clock | None, source: Source
    ) -> None:
        self._machine = machine
        self._tasks = tasks
        self._clock = clock
        self._source = source
        self._jumped = 0.0
        self._events: list[HistoryEvent] = []
        self._child_events: dict[str, list[HistoryEvent]] = {}
        self._requests: deque[TaskRequest] = deque()

    def run(self, value: Any, name: str) -> ExecutionResult:
        now = self._now()
        prefix = "arn:aws:states:local:000000000000"
        context = ExecutionContext(
            execution_id=f"{prefix}:execution:machine:{name}",
            execution_name=name,
            start_time=milliseconds_text(now),
            role_arn="arn:aws:iam::000000000000:role/workflows",
            state_machine_id=f"{prefix}:stateMachine:machine",
            state_machine_name="machine",
        )
        run, turn = Run.start(self._machine, context, value, now, self._source)
        self._take(turn)
        while run.outcome is None:
            self._step(run)
        outcome = run.outcome
        return ExecutionResult(
            outcome.status,
            outcome.output,
            outcome.error,
            outcome.cause,
            self._events,
            self._child_events,
        )

    def _step(self, run: Run) -> None:
        if self._requests:
            self._perform(run, self._requests.popleft())
            return
        branch_id = run.next_ready()
        if branch_id is not None:
            self._take(run.advance(branch_id, self._now()))
            return
        due = run.next_due()
        if due is None:
            raise AssertionError("an execution that is not over has a timer")
        self._jump_to(due[0])
        self._take(run.wake(due[1], max(self._now(), due[0])))

    def _take(self, turn: Turn) -> None:
        for event in turn.events:
            if event.stream:
                self._child_events.setdefault(event.stream, []).append(event)
            else:
                self._events.append(event)
        for branch_id in turn.cancelled:
            self._requests = deque(each for each in self._requests if each.branch_id != branch_id)
        self._requests.extend(turn.tasks)

    def _perform(self, run: Run, request: TaskRequest) -> None:
        branch_id, attempt = request.branch_id, request.attempt
        try:
            output = self._call(request)
        except TaskFailed as failure:
            self._take(run.fail(branch_id, attempt, failure.error, failure.cause, self._now()))
            return
        if output is PENDING:
            return
        try:
            output = json.loads(payload_bytes(output))
        except NotJson as wrong:
            self._take(run.fail(branch_id, attempt, RUNTIME, f"{wrong}", self._now()))
            return
        self._take(run.succeed(branch_id, attempt, output, self._now()))

    def _call(self, request: TaskRequest) -> Any:
        tasks = self._tasks
        # A copy: what the handler does with it is its own affair.
        parameters = json.loads(payload_bytes(request.parameters))
        if tasks is not None and not isinstance(tasks, Mapping):
            return tasks(request.resource, parameters)
        handlers = {} if tasks is None else tasks
        handler = handlers.get(request.state) or handlers.get(request.resource)
        if handler is None:
            raise TaskFailed(RUNTIME, f"No task handler was given for {request.resource}.")
        return handler(parameters)

    def _now(self) -> float:
        base = EPOCH if self._clock is None else self._clock.now()
        return base.timestamp() + self._jumped

    def _jump_to(self, moment: float) -> None:
        ahead = moment - self._now()
        if ahead <= 0:
            return
        advance = getattr(self._clock, "advance", None)
        if advance is None:
            self._jumped += ahead
        else:
            advance(ahead)
