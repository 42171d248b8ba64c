"""Parallel: runs its branches at once, and goes on with the list of their outputs."""

from typing import Any

from meshplane.workflows.asl.branch import Branch, Counters
from meshplane.workflows.asl.state import ParentState, Stage


class ParallelState(ParentState):
    """A Parallel.

    Args:
        name: its name.
        document: its document.
        language: its query language.
        flows: the numbers of its branches' flows.
    """

    kind = "Parallel"
    entered_type = "ParallelStateEntered"
    exited_type = "ParallelStateExited"
    failed_type = "ParallelStateFailed"

    def __init__(
        self, name: str, document: dict[str, Any], language: str, flows: list[int]
    ) -> None:
        super().__init__(name, document, language)
        self._flows = flows

    def begin(self, stage: Stage, branch: Branch) -> None:
        """Starts all branches with the same input."""
        scope = stage.scope(branch, self, branch.data)
        self.flow.effective(scope)
        arguments = self.flow.arguments(scope)
        count = len(self._flows)
        stage.emit(branch, "ParallelStateStarted")
        branch.counters = Counters(total=count, next=count, limit=count)
        stage.begin_children(branch)
        for index, flow in enumerate(self._flows):
            stage.start_child(branch, flow, arguments, index=index, size=1, own_stream=False)

    def child_done(self, stage: Stage, branch: Branch, child: Branch) -> None:
        """A branch succeeded."""
        if branch.counters is not None and branch.counters.active == 0:
            stage.ready_to_join(branch)

    def resume(self, stage: Stage, branch: Branch) -> None:
        """Joins, if no branch has to run again."""
        self.child_done(stage, branch, branch)

    def join(self, stage: Stage, branch: Branch) -> None:
        """Goes on with all outputs."""
        stage.emit(branch, "ParallelStateSucceeded")
        outputs = [child.data for child in stage.children(branch)]
        self.finish(stage, branch, outputs)
