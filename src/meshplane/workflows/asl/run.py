"""An execution as data and rules: no I/O, no clock, no chance of its own.

Whoever runs it keeps, after each turn, `record()` and the branches that changed; `Run.restore`
goes on from those as if nothing had happened. `now` is in seconds since 1970 everywhere.
"""

import heapq
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from meshplane.kit.errors import Conflict
from meshplane.workflows.asl.answers import Answers
from meshplane.workflows.asl.branch import (
    ABORTED,
    AGAIN,
    CHILDREN,
    DONE,
    ENTER,
    FAILED,
    JOIN,
    READY,
    ROOT,
    Branch,
    Kept,
    parent_id,
)
from meshplane.workflows.asl.context import ExecutionContext, Source
from meshplane.workflows.asl.engine import HISTORY_FULL, PayloadTooLarge
from meshplane.workflows.asl.errors import RUNTIME
from meshplane.workflows.asl.history import WHOLE, failure_details, payload_bytes, payload_text
from meshplane.workflows.asl.ledger import HistoryFull
from meshplane.workflows.asl.limits import LARGEST_PAYLOAD_BYTES, MOST_EVENTS
from meshplane.workflows.asl.machine import Machine
from meshplane.workflows.asl.retry import TIMEOUT
from meshplane.workflows.asl.state import ParentState
from meshplane.workflows.asl.states_map import MapState
from meshplane.workflows.asl.turn import (
    ABORTED as EXECUTION_ABORTED,
)
from meshplane.workflows.asl.turn import FAILED as EXECUTION_FAILED
from meshplane.workflows.asl.turn import SUCCEEDED, TIMED_OUT, Outcome, Turn

_YEAR_IS_OVER = "The execution ran for a year, which is the longest that one may take."


class Run(Answers):
    """One execution. Make one with `start` or `restore`."""

    @classmethod
    def start(
        cls,
        machine: Machine,
        context: ExecutionContext,
        input: Any,  # noqa: A002 - the language's word
        now: float,
        source: Source,
    ) -> tuple["Run", Turn]:
        """Begins an execution.

        Args:
            machine: what it runs.
            context: who it is; its `input` is replaced.
            input: the input: JSON.
            now: the present, epoch seconds.
            source: its randomness.

        Returns:
            The execution, whose first state is ready, and the turn that began it.
        """
        run = cls(machine, replace(context, input=input), source)
        run.deadline = now + machine.timeout_seconds
        root = Branch(ROOT, 0, machine.flows[0].start, input)
        run.add(root)
        return run, run._turn(now, lambda: run._begin(root))

    @classmethod
    def restore(
        cls,
        machine: Machine,
        context: ExecutionContext,
        record: dict[str, Any],
        branches: Iterable[dict[str, Any]],
        source: Source,
    ) -> "Run":
        """Goes on with an execution that was kept.

        Args:
            machine: compiled from the same definition as before.
            context: as before, with the `input` that the execution was started with.
            record: what `record()` gave.
            branches: the JSON of each branch that was not removed since, in any order.
            source: its randomness.
        """
        run = cls(machine, context, source)
        run._read_record(record)
        for data in sorted(branches, key=lambda each: _numbers(each["id"])):
            if data.get("kept") is True:
                kept = Kept.from_json(data)
                run.branches[kept.id] = kept
            else:
                run._put_back(Branch.from_json(data))
        ready = sorted(
            (branch.ready_at, branch.id)
            for branch in run.branches.values()
            if isinstance(branch, Branch) and branch.status == READY
        )
        run._ready.extend((branch_id, place) for place, branch_id in ready)
        return run

    @property
    def input(self) -> Any:
        """What the execution was started with."""
        return self.context.input

    def record(self) -> dict[str, Any]:
        """What is to be kept besides the branches: small JSON."""
        record: dict[str, Any] = {
            "nextEventId": self.next_event,
            "sequence": self.sequence,
            "deadline": self.deadline,
            "redriveCount": self.redrives,
            "redriveTime": self.redriven_at,
            "outcome": None,
        }
        if self.outcome is not None:
            record["outcome"] = {
                "status": self.outcome.status,
                "output": self.outcome.output,
                "error": self.outcome.error,
                "cause": self.outcome.cause,
            }
        return record

    def next_ready(self) -> str | None:
        """The branch whose turn it is; None: all wait, or the execution is over."""
        return None if self.outcome is not None else super().next_ready()

    def next_due(self) -> tuple[float, str] | None:
        """When the next timer goes off, epoch seconds, and the branch to `wake` then.

        The execution's own timeout is one of the timers, and counts as the root's.
        """
        if self.outcome is not None:
            return None
        timer = self.first_timer()
        if timer is None or timer[0] > self.deadline:
            return self.deadline, ROOT
        return timer

    def advance(self, branch_id: str, now: float) -> Turn:
        """One transition of a ready branch: it enters its next state and does what it can there.

        Raises:
            Conflict: BRANCH_NOT_READY.
        """
        branch = self.branch(branch_id)
        if self.outcome is not None or branch is None or branch.status != READY:
            raise Conflict(
                "BRANCH_NOT_READY", "This branch has nothing to do now: ask next_ready() for one."
            )
        return self._turn(now, lambda: self.take(branch))

    def succeed(self, branch_id: str, attempt: int, output: Any, now: float) -> Turn:
        """A task's answer: its state goes on.

        Raises:
            TaskGone: nobody waits for it.
        """
        branch, state = self.task(branch_id, attempt)

        def go_on() -> None:
            self.answered(branch)
            data = payload_bytes(output)
            if len(data) > LARGEST_PAYLOAD_BYTES:
                failure = PayloadTooLarge(state.resource)
                self.fail_task(branch, state, failure.error, failure.cause)
                return
            details = {"output": payload_text(data), "outputDetails": WHOLE}
            self.emit_task(branch, state, "Succeeded", **details)
            self.attempt(branch, state, lambda: state.finish(self, branch, output))

        return self._turn(now, lambda: self.attempt(branch, state, go_on))

    def fail(
        self, branch_id: str, attempt: int, error: str | None, cause: str | None, now: float
    ) -> Turn:
        """A task's failure: Retry and Catch are asked.

        Raises:
            TaskGone: nobody waits for it.
        """
        branch, state = self.task(branch_id, attempt)

        def go_on() -> None:
            self.answered(branch)
            self.fail_task(branch, state, error, cause)

        return self._turn(now, go_on)

    def beat(self, branch_id: str, attempt: int, now: float) -> Turn:
        """A task's sign of life: its heartbeat's time begins anew. No event tells it.

        Raises:
            TaskGone: nobody waits for it.
        """
        branch, _ = self.task(branch_id, attempt)

        def go_on() -> None:
            if branch.heartbeat_seconds is not None:
                branch.beat_at = now + branch.heartbeat_seconds
                self.set_task_timer(branch)

        return self._turn(now, go_on)

    def wake(self, branch_id: str, now: float) -> Turn:
        """The timer of a branch is due: a Wait or a backoff ends, or a task times out.

        For the root, the execution's own timeout is looked at too. If nothing is due, nothing
        happens.
        """
        if self.outcome is None and now >= self.deadline:
            return self._turn(now, self._time_out)
        branch = self.branch(branch_id)
        if self.outcome is not None or branch is None or branch.due is None or branch.due > now:
            return Turn()
        return self._turn(now, lambda: self.timer(branch))

    def stop(self, error: str | None, cause: str | None, now: float) -> Turn:
        """Stops the execution: it is ABORTED. One that is over stays as it is."""
        if self.outcome is not None:
            return Turn()

        def go_on() -> None:
            self._abort_all()
            details = failure_details(error, cause)
            self.emit(self._root(), "ExecutionAborted", "executionAbortedEventDetails", **details)
            self.end(Outcome(EXECUTION_ABORTED, None, error, cause))

        return self._turn(now, go_on)

    def redrive(self, now: float) -> Turn:
        """Goes on from the states that failed or were stopped; what succeeded stays as it is.

        Retries are counted from zero, and the timeout begins anew.

        Raises:
            Conflict: EXECUTION_NOT_REDRIVABLE, it still runs or it succeeded;
                EXECUTION_HISTORY_FULL.
        """
        if self.outcome is None or self.outcome.status == SUCCEEDED:
            raise Conflict(
                "EXECUTION_NOT_REDRIVABLE",
                "Only an execution that failed, timed out or was stopped can be redriven.",
            )
        if self.next_event >= MOST_EVENTS - 1:
            raise Conflict(
                "EXECUTION_HISTORY_FULL",
                "There is no room for more events in this execution's history: start a new one.",
            )

        def go_on() -> None:
            self.outcome = None
            self.redriven(now)
            self.deadline = now + self.machine.timeout_seconds
            root = self._root()
            self.emit_redriven(root)
            self._revive(root)

        return self._turn(now, go_on)

    # Turns.

    def _turn(self, now: float, work: Callable[[], None]) -> Turn:
        self.open_turn(now)
        try:
            work()
        except HistoryFull as full:
            self._history_full(full)
        return self.close_turn()

    def _history_full(self, full: HistoryFull) -> None:
        while full.stream:
            child = self.branch(full.stream)
            if child is None or child.status in (DONE, FAILED):
                return
            try:
                self.fail_child_history(child)
            except HistoryFull as another:
                if another.stream == full.stream:
                    raise
                full = another
            else:
                return
        self._abort_all()
        details = failure_details(RUNTIME, HISTORY_FULL)
        self.emit(self._root(), "ExecutionFailed", "executionFailedEventDetails", **details)
        self.end(Outcome(EXECUTION_FAILED, None, RUNTIME, HISTORY_FULL))

    def _begin(self, root: Branch) -> None:
        root.text = payload_bytes(root.data)
        self.emit_started(root)
        self.make_ready(root, ENTER)

    def _time_out(self) -> None:
        error, cause = (None, None) if self.machine.own_timeout else (TIMEOUT, _YEAR_IS_OVER)
        self._abort_all()
        details = failure_details(error, cause)
        self.emit(self._root(), "ExecutionTimedOut", "executionTimedOutEventDetails", **details)
        self.end(Outcome(TIMED_OUT, None, error, cause))

    def _abort_all(self) -> None:
        root = self._root()
        self.abort_below(root, told=False)
        self.cancel(root)
        if root.status not in (DONE, FAILED):
            entered = root.status != READY or root.phase != ENTER
            root.status = ABORTED
            root.phase = AGAIN if entered else ENTER
        root.due = None
        self.touch(root)

    # Redrive.

    def _revive(self, branch: Branch) -> None:
        """Lets what failed below, or here, run again."""
        branch.error = branch.cause = None
        branch.retries = None
        branch.retry_count = 0
        counters = branch.counters
        state = self.state_of(branch)
        if counters is None or not isinstance(state, ParentState):
            self.make_ready(branch, branch.phase if branch.phase == ENTER else AGAIN)
            return
        branch.status = CHILDREN
        self.touch(branch)
        counters.active = counters.failed = 0
        self.emit_map_redriven(branch)
        for child in self.children(branch):
            if child.status != DONE:
                counters.active += 1
                if child.stream == child.id:
                    self.emit_redriven(child)
                self._revive(child)
        if counters.active == 0 and counters.next >= counters.total:
            self.make_ready(branch, JOIN)
        elif isinstance(state, MapState):
            self.attempt(branch, state, lambda: state.resume(self, branch))

    # Restoring.

    def _root(self) -> Branch:
        root = self.branch(ROOT)
        if root is None:
            raise AssertionError("an execution has a root branch")
        return root

    def _read_record(self, record: dict[str, Any]) -> None:
        self.next_event = record["nextEventId"]
        self.sequence = record["sequence"]
        self.deadline = record["deadline"]
        self.redrives = record["redriveCount"]
        self.redriven_at = record["redriveTime"]
        ended = record["outcome"]
        if ended is not None:
            self.outcome = Outcome(ended["status"], ended["output"], ended["error"], ended["cause"])

    def _put_back(self, branch: Branch) -> None:
        self.branches[branch.id] = branch
        parent = self.branch(parent_id(branch.id) or "")
        seen: dict[str, Any] = {}
        if parent is not None:
            branch.parent = parent
            parent.children[branch.id] = branch
            if branch.stream != branch.id:
                seen = parent.visible
        branch.visible = {**seen, **branch.variables} if branch.variables else seen
        if branch.due is not None:
            heapq.heappush(self._timers, (branch.due, branch.id))


def _numbers(branch_id: str) -> tuple[int, ...]:
    return tuple(int(part) for part in branch_id.split("."))
