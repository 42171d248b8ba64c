"""What comes to a branch from outside: the end of its task, and of its time."""

from meshplane.workflows.asl.branch import CHILDREN, LEAVE, TASK, WAITING, Branch
from meshplane.workflows.asl.engine import Engine
from meshplane.workflows.asl.history import failure_details
from meshplane.workflows.asl.retry import HEARTBEAT_TIMEOUT, TIMEOUT
from meshplane.workflows.asl.states_task import TaskState
from meshplane.workflows.asl.turn import TaskGone


class Answers(Engine):
    """An engine whose branches learn of answers and timers."""

    def task(self, branch_id: str, attempt: int) -> tuple[Branch, TaskState]:
        """The branch that waits for an answer to an attempt, and its state.

        Raises:
            TaskGone: nobody does.
        """
        branch = self.branch(branch_id)
        if (
            self.outcome is not None
            or branch is None
            or branch.status != TASK
            or branch.attempts != attempt
        ):
            raise TaskGone
        state = self.state_of(branch)
        if not isinstance(state, TaskState):
            raise TaskGone
        return branch, state

    def answered(self, branch: Branch) -> None:
        """The branch waits no more."""
        branch.status = CHILDREN
        branch.due = branch.timeout_at = branch.beat_at = branch.heartbeat_seconds = None
        branch.token = None
        self.touch(branch)

    def fail_task(
        self, branch: Branch, state: TaskState, error: str | None, cause: str | None
    ) -> None:
        """The task failed: the history tells it, and Retry and Catch are asked."""
        self.emit_task(branch, state, "Failed", **failure_details(error, cause))
        self.give_up(branch, error, cause)

    def timer(self, branch: Branch) -> None:
        """The branch's timer is due."""
        state = self.state_of(branch)
        branch.due = None
        if branch.status == WAITING:
            if branch.phase == LEAVE:
                self.attempt(branch, state, lambda: state.finish(self, branch, None))
            else:
                self.attempt(branch, state, lambda: state.begin(self, branch))
        elif branch.status == TASK and isinstance(state, TaskState):
            late = branch.beat_at is not None and branch.beat_at <= self.now
            over = branch.timeout_at is not None and branch.timeout_at <= self.now
            silent = late and not (over and (branch.timeout_at or 0) <= (branch.beat_at or 0))
            error = HEARTBEAT_TIMEOUT if silent else TIMEOUT
            self.cancel(branch)
            self.answered(branch)
            self.emit_task(branch, state, "TimedOut", error=error)
            self.give_up(branch, error, None)
