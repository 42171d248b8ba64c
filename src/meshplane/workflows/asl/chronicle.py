"""How the events of an execution's history are told, beyond those that every state has."""

from typing import Any

from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.history import WHOLE, failure_details, payload_bytes, payload_text
from meshplane.workflows.asl.ledger import Ledger
from meshplane.workflows.asl.state import ParentState, State, TaskWish
from meshplane.workflows.asl.states_map import MapState
from meshplane.workflows.asl.states_task import TaskState


class Chronicle(Ledger):
    """A ledger that knows its machine's states, and tells what happens in them."""

    def state_of(self, branch: Branch) -> State:
        """The state that the branch is in."""
        return self.machine.flows[branch.flow].states[branch.state]

    def emit_request(
        self, branch: Branch, state: TaskState, wish: TaskWish, parameters: str
    ) -> None:
        """A task was scheduled, and at once started; one that answers later was submitted."""
        names = state.events
        details: dict[str, Any] = dict(names.common)
        if names.prefix == "Task":
            details["region"] = "local"
            details["parameters"] = parameters
        else:
            details["resource"] = names.resource
            details["input"] = parameters
            details["inputDetails"] = WHOLE
        if wish.timeout_seconds is not None:
            details["timeoutInSeconds"] = wish.timeout_seconds
        if wish.heartbeat_seconds is not None:
            details["heartbeatInSeconds"] = wish.heartbeat_seconds
        if isinstance(wish.credentials, dict):
            details["taskCredentials"] = {"roleArn": wish.credentials.get("RoleArn")}
        prefix = names.prefix
        self.emit(branch, f"{prefix}Scheduled", names.detail("Scheduled"), **details)
        if names.common:
            self.emit(branch, f"{prefix}Started", names.detail("Started"), **names.common)
        else:
            self.emit(branch, f"{prefix}Started")
        if names.submitted:
            self.emit(branch, f"{prefix}Submitted", names.detail("Submitted"), **names.common)

    def emit_task(self, branch: Branch, state: TaskState, what: str, **details: Any) -> None:
        """An event of a task: Succeeded, Failed or TimedOut."""
        names = state.events
        self.emit(branch, names.prefix + what, names.detail(what), **names.common, **details)

    def emit_failed_state(
        self, branch: Branch, state: State, error: str | None, cause: str | None, *, evaluated: bool
    ) -> None:
        """ParallelStateFailed and MapStateFailed, if the state began or could not be evaluated."""
        if not isinstance(state, ParentState):
            return
        is_map = isinstance(state, MapState)
        if branch.kept is None and not (is_map and evaluated):
            return
        details = failure_details(error, cause)
        if isinstance(state, MapState) and state.distributed and branch.kept is not None:
            self.emit(branch, "MapRunFailed", "mapRunFailedEventDetails", **details)
        name = "mapStateFailedEventDetails" if is_map else "parallelStateFailedEventDetails"
        self.emit(branch, state.failed_type, name, **details)

    def emit_iteration(self, child: Branch, what: str) -> None:
        """MapIterationStarted, …Succeeded, …Failed and …Aborted, of an inline Map."""
        parent = child.parent
        if parent is None or child.stream == child.id:
            return
        state = self.state_of(parent)
        if isinstance(state, MapState):
            kind = f"MapIteration{what}"
            detail = f"mapIteration{what}EventDetails"
            self.emit(child, kind, detail, name=state.name, index=child.index)

    def emit_started(self, branch: Branch) -> None:
        """ExecutionStarted, of the execution or of a distributed Map's child."""
        if branch.text is None:
            branch.text = payload_bytes(branch.data)
        self.emit(
            branch,
            "ExecutionStarted",
            "executionStartedEventDetails",
            input=payload_text(branch.text),
            inputDetails=WHOLE,
            roleArn=self.context.role_arn,
        )
        # As in Step Functions, the first state's event follows none.
        branch.last_event = 0

    def emit_succeeded(self, branch: Branch) -> None:
        """ExecutionSucceeded, likewise."""
        self.emit(
            branch,
            "ExecutionSucceeded",
            "executionSucceededEventDetails",
            output=payload_text(branch.text or b"null"),
            outputDetails=WHOLE,
        )

    def emit_redriven(self, branch: Branch) -> None:
        """ExecutionRedriven, likewise."""
        details = {"redriveCount": self.redrives}
        self.emit(branch, "ExecutionRedriven", "executionRedrivenEventDetails", **details)

    def emit_map_redriven(self, branch: Branch) -> None:
        """MapRunRedriven, if the branch is in a distributed Map."""
        if branch.counters is not None and branch.counters.map_run is not None:
            details = {"mapRunArn": branch.counters.map_run, "redriveCount": self.redrives}
            self.emit(branch, "MapRunRedriven", "mapRunRedrivenEventDetails", **details)
