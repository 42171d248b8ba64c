"""The rules of the language: how states are entered, left, retried and caught."""

import re
from collections.abc import Callable
from typing import Any

from meshplane.workflows.asl.branch import (
    ABORTED,
    AGAIN,
    CHILDREN,
    DONE,
    ENTER,
    FAILED,
    JOIN,
    LEAVE,
    TASK,
    WAITING,
    Branch,
)
from meshplane.workflows.asl.data_flow import Assigned
from meshplane.workflows.asl.errors import (
    DATA_LIMIT_EXCEEDED,
    QUERY_EVALUATION_ERROR,
    RUNTIME,
    StateError,
)
from meshplane.workflows.asl.history import (
    WHOLE,
    NotJson,
    failure_details,
    payload_bytes,
    payload_text,
)
from meshplane.workflows.asl.limits import LARGEST_PAYLOAD_BYTES, LARGEST_VARIABLES_BYTES
from meshplane.workflows.asl.retry import takes
from meshplane.workflows.asl.state import ParentState, State, TaskWish
from meshplane.workflows.asl.states_map import MapState
from meshplane.workflows.asl.states_task import TaskState
from meshplane.workflows.asl.surroundings import Surroundings
from meshplane.workflows.asl.turn import FAILED as EXECUTION_FAILED
from meshplane.workflows.asl.turn import SUCCEEDED, Outcome, TaskRequest

HISTORY_FULL = "The execution reached the maximum number of history events (25000)."
_FIELD = re.compile(r"specified for the field '([^']+)'")
_OVER = (DONE, FAILED, ABORTED)


class PayloadTooLarge(StateError):
    """What a state or task gave is over the limit; its cause names the state itself."""

    def __init__(self, what: str) -> None:
        super().__init__(
            DATA_LIMIT_EXCEEDED,
            f"The state/task '{what}' returned a result with a size exceeding the maximum number of"
            " bytes service limit.",
        )


class Engine(Surroundings):
    """What takes branches through their states. It is the `Stage` of the states."""

    # What states ask for.

    def leave(
        self, branch: Branch, state: State, output: Any, assigned: Assigned, after: str | None
    ) -> None:
        """The state succeeded."""
        data = branch.text
        if data is None or output is not branch.data:
            data = payload_bytes(output)
            if len(data) > LARGEST_PAYLOAD_BYTES:
                raise PayloadTooLarge(state.name)
        details: dict[str, Any] = {
            "name": state.name,
            "output": payload_text(data),
            "outputDetails": WHOLE,
        }
        if assigned is not None:
            self._assign(branch, state, assigned, details)
        if branch.kept is not None:
            self.end_children(branch)
        self.emit(branch, state.exited_type, "stateExitedEventDetails", **details)
        branch.data = output
        branch.text = data
        branch.token = None
        if after is None:
            self._flow_done(branch)
        else:
            branch.state = after
            self.make_ready(branch, ENTER)

    def sleep(self, branch: Branch, until: float) -> None:
        """The branch waits for a moment."""
        branch.status = WAITING
        branch.phase = LEAVE
        self.set_timer(branch, until)

    def request(self, branch: Branch, state: State, wish: TaskWish) -> None:
        """Asks for a task, and the branch waits for it."""
        if not isinstance(state, TaskState):
            raise TypeError("only a Task requests one")
        parameters = payload_bytes(wish.parameters)
        if len(parameters) > LARGEST_PAYLOAD_BYTES:
            raise PayloadTooLarge(state.resource)
        branch.attempts += 1
        branch.status = TASK
        now = self.now
        timeout, silence = wish.timeout_seconds, wish.heartbeat_seconds
        branch.timeout_at = None if timeout is None else now + timeout
        branch.beat_at = None if silence is None else now + silence
        branch.heartbeat_seconds = silence
        self.set_task_timer(branch)
        self.emit_request(branch, state, wish, payload_text(parameters))
        self.add_task(
            TaskRequest(
                branch.id,
                state.name,
                state.resource,
                wish.parameters,
                branch.attempts,
                branch.retry_count,
                wish.token,
                state.waits_for_token,
                timeout,
                silence,
                f"{self.context.execution_id}:{branch.id}:{branch.entries}",
                wish.credentials,
            )
        )

    def set_task_timer(self, branch: Branch) -> None:
        """Sets the timer for whichever of a task's times is over first."""
        times = [each for each in (branch.timeout_at, branch.beat_at) if each is not None]
        if times:
            self.set_timer(branch, min(times))
        else:
            branch.due = None
            self.touch(branch)

    def start_child(
        self, branch: Branch, flow: int, data: Any, *, index: int, size: int, own_stream: bool
    ) -> None:
        """Starts a child of a Parallel or Map."""
        child_id = f"{branch.id}.{branch.born}"
        branch.born += 1
        child = Branch(child_id, flow, self.machine.flows[flow].start, data, index=index, size=size)
        child.parent = branch
        child.stream = child_id if own_stream else branch.stream
        # A distributed Map's children are executions of their own: they see no variables.
        child.visible = {} if own_stream else branch.visible
        branch.children[child_id] = child
        if branch.counters is not None:
            branch.counters.active += 1
        self.touch(branch)
        self.add(child)
        if own_stream:
            self.emit_started(child)
        else:
            child.last_event = branch.last_event
            self.emit_iteration(child, "Started")
        self.make_ready(child, ENTER)

    def ready_to_join(self, branch: Branch) -> None:
        """All children are over."""
        self.make_ready(branch, JOIN)

    def give_up(
        self, branch: Branch, error: str | None, cause: str | None, *, evaluated: bool = False
    ) -> None:
        """The state failed: Retry, then Catch, then whoever runs the branch.

        Args:
            branch: where it failed.
            error: the error's name, None: it has none.
            cause: what happened.
            evaluated: whether it is a query's evaluation that failed.
        """
        state = self.state_of(branch)
        self.abort_below(branch, told=True)
        if self._retry(branch, state, error):
            return
        self.emit_failed_state(branch, state, error, cause, evaluated=evaluated)
        try:
            caught = self._catch(branch, state, error, cause)
        except StateError as failure:
            error, cause = self._told(branch, state, failure)
            caught = False
        if not caught:
            self._fail_branch(branch, error, cause)

    def map_item(self, child: Branch, state: MapState) -> Any:
        """The item that an iteration is for."""
        return None if child.parent is None else state.item(self, child.parent, child.index)

    # What turns need.

    def take(self, branch: Branch) -> None:
        """One transition of a ready branch."""
        state = self.state_of(branch)
        if branch.phase == ENTER:
            self._enter(branch, state)
            self.attempt(branch, state, lambda: state.begin(self, branch))
        elif branch.phase == JOIN and isinstance(state, ParentState):
            branch.status = CHILDREN
            self.touch(branch)
            self.attempt(branch, state, lambda: state.join(self, branch))
        else:
            self.attempt(branch, state, lambda: state.begin(self, branch))

    def attempt(self, branch: Branch, state: State, work: Callable[[], None]) -> None:
        """Does a part of the state's work; what it raises is the state's failure."""
        try:
            work()
        except StateError as failure:
            error, cause = self._told(branch, state, failure)
            evaluated = state.is_jsonata and failure.error == QUERY_EVALUATION_ERROR
            self.give_up(branch, error, cause, evaluated=evaluated)
        except (NotJson, RecursionError):
            cause = "The state's data is no JSON, or is nested too deeply."
            error, cause = self._told(branch, state, StateError(RUNTIME, cause))
            self.give_up(branch, error, cause)

    def abort_below(self, branch: Branch, *, told: bool) -> None:
        """Stops the children that still run. They stay, so that a redrive can go on with them.

        Args:
            branch: their parent.
            told: whether the history tells it.
        """
        for child in branch.children.values():
            if child.status in _OVER:
                continue
            self.abort_below(child, told=told)
            self.cancel(child)
            entered = child.phase != ENTER
            child.status = ABORTED
            child.phase = AGAIN if entered else ENTER
            child.due = None
            self.touch(child)
            if told:
                self.emit_iteration(child, "Aborted")

    def end(self, outcome: Outcome) -> None:
        """The execution is over."""
        self.outcome = outcome

    # How a state is entered, and what follows it.

    def _enter(self, branch: Branch, state: State) -> None:
        data = branch.text
        if data is None:
            data = branch.text = payload_bytes(branch.data)
        self.emit(
            branch,
            state.entered_type,
            "stateEnteredEventDetails",
            name=state.name,
            input=payload_text(data),
            inputDetails=WHOLE,
        )
        branch.entered = branch.last_event
        branch.entered_at = self.now
        branch.entries += 1
        branch.retries = None
        branch.retry_count = 0
        branch.phase = AGAIN

    def _assign(
        self, branch: Branch, state: State, assigned: dict[str, Any], details: dict[str, Any]
    ) -> None:
        texts = {name: payload_bytes(value) for name, value in assigned.items()}
        if any(len(text) > LARGEST_PAYLOAD_BYTES for text in texts.values()):
            raise PayloadTooLarge(state.name)
        variables = {**(branch.variables or {}), **assigned}
        if len(assigned) > 1 or len(variables) > 1:
            size = sum(
                len(texts.get(name) or payload_bytes(value)) for name, value in variables.items()
            )
            if size > LARGEST_VARIABLES_BYTES:
                raise PayloadTooLarge(state.name)
        branch.variables = variables
        branch.visible = {**branch.visible, **assigned}
        details["assignedVariables"] = {name: payload_text(text) for name, text in texts.items()}
        details["assignedVariablesDetails"] = WHOLE

    def _flow_done(self, branch: Branch) -> None:
        branch.status = DONE
        branch.variables = None
        branch.retries = None
        self.touch(branch)
        parent = branch.parent
        if parent is None:
            self.emit_succeeded(branch)
            self.end(Outcome(SUCCEEDED, branch.data))
            # The record has it.
            branch.data = branch.text = None
            return
        if branch.stream == branch.id:
            self.emit_succeeded(branch)
        else:
            self.emit_iteration(branch, "Succeeded")
        branch.text = None
        self._child_over(parent)
        state = self.state_of(parent)
        if isinstance(state, ParentState):
            self.attempt(parent, state, lambda: state.child_done(self, parent, branch))

    def _fail_branch(self, branch: Branch, error: str | None, cause: str | None) -> None:
        branch.status = FAILED
        branch.due = None
        branch.error = error
        branch.cause = cause
        self.touch(branch)
        parent = branch.parent
        details = failure_details(error, cause)
        if parent is None:
            self.emit(branch, "ExecutionFailed", "executionFailedEventDetails", **details)
            self.end(Outcome(EXECUTION_FAILED, None, error, cause))
            return
        if branch.stream == branch.id:
            self.emit(branch, "ExecutionFailed", "executionFailedEventDetails", **details)
        else:
            self.emit_iteration(branch, "Failed")
        self._child_over(parent)
        state = self.state_of(parent)
        if isinstance(state, ParentState):
            self.attempt(parent, state, lambda: self._child_failed(parent, state, branch))

    def fail_child_history(self, child: Branch) -> None:
        """A distributed Map's child has no room for its history: it fails, and it alone."""
        self.abort_below(child, told=False)
        self.cancel(child)
        self._fail_branch(child, RUNTIME, HISTORY_FULL)

    def _child_failed(self, parent: Branch, state: ParentState, child: Branch) -> None:
        if not state.child_failed(self, parent, child):
            error, cause = state.failure(child.error, child.cause)
            self.give_up(parent, error, cause)

    def _child_over(self, parent: Branch) -> None:
        if parent.counters is not None:
            parent.counters.active -= 1
        self.touch(parent)

    # Retry and Catch.

    def _retry(self, branch: Branch, state: State, error: str | None) -> bool:
        of_task = isinstance(state, TaskState)
        for at, retrier in enumerate(state.retriers):
            if not takes(retrier.names, error, of_task=of_task):
                continue
            used = branch.retries or [0] * len(state.retriers)
            if used[at] >= retrier.maximum:
                return False
            delay = retrier.delay_seconds(used[at], self.source.random)
            used[at] += 1
            branch.retries = used
            branch.retry_count += 1
            self.end_children(branch)
            if delay > 0:
                branch.status = WAITING
                branch.phase = AGAIN
                self.set_timer(branch, self.now + delay)
            else:
                self.make_ready(branch, AGAIN)
            return True
        return False

    def _catch(self, branch: Branch, state: State, error: str | None, cause: str | None) -> bool:
        of_task = isinstance(state, TaskState)
        for catcher in state.catchers:
            if takes(catcher.names, error, of_task=of_task):
                raw = self.raw_input(branch)
                scope = self.scope(branch, state, raw)
                # Both are always there: a timeout has no cause, and its catcher sees an empty one.
                told = {"Error": error or "", "Cause": cause or ""}
                output, assigned = catcher.catch(scope, raw, told)
                self.leave(branch, state, output, assigned, catcher.after)
                return True
        return False

    def _told(self, branch: Branch, state: State, failure: StateError) -> tuple[str, str]:
        """A failure's name, and its cause as the history tells it."""
        cause = failure.cause
        if not isinstance(failure, PayloadTooLarge):
            cause = (
                f"An error occurred while executing the state '{state.name}' (entered at the event"
                f" id #{branch.entered}). {cause}"
            )
        if state.is_jsonata and failure.error == QUERY_EVALUATION_ERROR:
            details = {"error": failure.error, "cause": cause, "state": state.name}
            place = _FIELD.search(cause)
            if place is not None:
                details["location"] = place[1]
            self.emit(branch, "EvaluationFailed", "evaluationFailedEventDetails", **details)
        return failure.error, cause
