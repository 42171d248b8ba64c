"""What expressions can see of an execution: variables, chance, and the context object."""

from datetime import UTC, datetime
from typing import Any

from meshplane.kit.clock import to_text
from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.chronicle import Chronicle
from meshplane.workflows.asl.context import ExecutionContext, Source
from meshplane.workflows.asl.machine import Machine
from meshplane.workflows.asl.scope import Scope
from meshplane.workflows.asl.state import State
from meshplane.workflows.asl.states_map import MapState


class Surroundings(Chronicle):
    """A chronicle that gives expressions what they can see."""

    def __init__(self, machine: Machine, context: ExecutionContext, source: Source) -> None:
        super().__init__(machine, context, source)
        self._execution_data: dict[str, Any] | None = None
        self._machine_data = {
            "Id": context.state_machine_id,
            "Name": context.state_machine_name,
        }

    def scope(self, branch: Branch, state: State, raw: Any) -> Scope:
        """What expressions of the state can see."""
        source = self.source
        return Scope(
            raw,
            self._context_of(branch, state) if state.sees_context else {},
            branch.visible,
            random=source.random,
            new_uuid=source.new_uuid,
            now_milliseconds=int(self.now * 1000),
        )

    def new_token(self) -> str:
        """A fresh callback token."""
        return self.source.new_token()

    def map_run(self, state: State) -> str:
        """A name for a new run of a distributed Map."""
        arn = self.context.state_machine_id.replace(":stateMachine:", ":mapRun:")
        return f"{arn}/{state.name}:{self.source.new_uuid()}"

    def _context_of(self, branch: Branch, state: State) -> dict[str, Any]:
        if self._execution_data is None:
            self._execution_data = self._execution_part()
        context: dict[str, Any] = {
            "Execution": self._execution_data,
            "State": {
                "Name": state.name,
                "EnteredTime": milliseconds_text(branch.entered_at),
                "RetryCount": branch.retry_count,
            },
            "StateMachine": self._machine_data,
        }
        if branch.token is not None:
            context["Task"] = {"Token": branch.token}
        child: Branch | None = branch
        while child is not None and child.parent is not None:
            parent_state = self.state_of(child.parent)
            if isinstance(parent_state, MapState):
                if not parent_state.distributed:
                    item = self.map_item(child, parent_state)
                    context["Map"] = {"Item": {"Index": child.index, "Value": item}}
                break
            child = child.parent
        return context

    def map_item(self, child: Branch, state: MapState) -> Any:
        """The item that an iteration of an inline Map is for."""
        raise AssertionError("whoever runs states knows their items")

    def redriven(self, now: float) -> None:
        """The execution is redriven."""
        self.redrives += 1
        self.redriven_at = now
        self._execution_data = None

    def _execution_part(self) -> dict[str, Any]:
        context = self.context
        part: dict[str, Any] = {
            "Id": context.execution_id,
            "Input": context.input,
            "Name": context.execution_name,
            "RoleArn": context.role_arn,
            "StartTime": context.start_time,
            "RedriveCount": self.redrives,
        }
        if self.redriven_at is not None:
            part["RedriveTime"] = milliseconds_text(self.redriven_at)
        return part


def milliseconds_text(moment: float) -> str:
    """A moment as the context object tells it: RFC 3339 with milliseconds."""
    return to_text(datetime.fromtimestamp(moment, UTC))[:-4] + "Z"
