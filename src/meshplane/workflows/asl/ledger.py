"""What an execution consists of while it runs: branches, who is ready, timers, and the turn.

Nothing here knows the language. All of it but the branches and a few numbers can be found again
from those, which is what `Run.restore` does.
"""

import heapq
from collections import deque
from datetime import UTC, datetime
from typing import Any

from meshplane.kit.clock import to_text
from meshplane.workflows.asl.branch import (
    CHILDREN,
    READY,
    TASK,
    Branch,
    Kept,
)
from meshplane.workflows.asl.context import ExecutionContext, Source
from meshplane.workflows.asl.history import HistoryEvent
from meshplane.workflows.asl.limits import MOST_EVENTS
from meshplane.workflows.asl.machine import Machine
from meshplane.workflows.asl.turn import Outcome, TaskRequest, Turn

_LAST_EVENTS = frozenset(
    ("ExecutionSucceeded", "ExecutionFailed", "ExecutionTimedOut", "ExecutionAborted")
)


class HistoryFull(Exception):
    """There is room for one event more, which must be the last one of its history."""

    def __init__(self, stream: str) -> None:
        super().__init__("the history is full")
        self.stream = stream


class Ledger:
    """The state of one execution, and the turn that is being taken.

    Args:
        machine: what it runs.
        context: who it is.
        source: its randomness.
    """

    def __init__(self, machine: Machine, context: ExecutionContext, source: Source) -> None:
        self.machine = machine
        self.context = context
        self.source = source
        self.branches: dict[str, Branch | Kept] = {}
        self.outcome: Outcome | None = None
        self.now = 0.0
        self.deadline = 0.0
        self.next_event = 1
        self.sequence = 0
        self.redrives = 0
        self.redriven_at: float | None = None
        self.stamp = ""
        self._stamped_at: float | None = None
        self._ready: deque[tuple[str, int]] = deque()
        self._timers: list[tuple[float, str]] = []
        self._changed: dict[str, None] = {}
        self._removed: dict[str, None] = {}
        self._events: list[HistoryEvent] = []
        self._tasks: list[TaskRequest] = []
        self._cancelled: list[str] = []

    def open_turn(self, now: float) -> None:
        """Begins a turn."""
        self.now = now
        if now != self._stamped_at:
            self._stamped_at = now
            self.stamp = to_text(datetime.fromtimestamp(now, UTC))

    def close_turn(self) -> Turn:
        """Ends the turn, and gives what it was."""
        changed = [each for each in self._changed if each not in self._removed]
        turn = Turn(self._events, changed, list(self._removed), self._tasks, self._cancelled)
        self._changed, self._removed = {}, {}
        self._events, self._tasks, self._cancelled = [], [], []
        return turn

    def branch(self, branch_id: str) -> Branch | None:
        """A branch by its id."""
        found = self.branches.get(branch_id)
        return found if isinstance(found, Branch) else None

    def touch(self, branch: Branch) -> None:
        """Says that a branch has changed."""
        self._changed[branch.id] = None

    def add(self, entry: Branch | Kept) -> None:
        """A new branch, or what one keeps aside."""
        self.branches[entry.id] = entry
        self._changed[entry.id] = None

    def drop(self, branch_id: str) -> None:
        """Removes a branch, or what one keeps aside, if it is there."""
        if self.branches.pop(branch_id, None) is not None:
            self._removed[branch_id] = None

    def emit(self, branch: Branch, kind: str, detail: str = "", **details: Any) -> None:
        """Adds an event to the branch's history.

        Args:
            branch: where it happened.
            kind: the event's type.
            detail: the name of the member that holds the details, if it has some.
            details: what is in there.

        Raises:
            HistoryFull: only a last event would fit.
        """
        stream = branch.stream
        owner = self.branches[stream] if stream else None
        number = owner.next_event if isinstance(owner, Branch) else self.next_event
        if number >= MOST_EVENTS and kind not in _LAST_EVENTS:
            raise HistoryFull(stream)
        event = HistoryEvent(
            timestamp=self.stamp, type=kind, id=number, previousEventId=branch.last_event
        )
        event.stream = stream
        if detail:
            event[detail] = details
        branch.last_event = number
        self._changed[branch.id] = None
        if isinstance(owner, Branch):
            owner.next_event = number + 1
            self._changed[stream] = None
        else:
            self.next_event = number + 1
        self._events.append(event)

    def make_ready(self, branch: Branch, phase: str) -> None:
        """Puts a branch at the end of those that can go on."""
        self.sequence += 1
        branch.status = READY
        branch.phase = phase
        branch.due = None
        branch.ready_at = self.sequence
        self._changed[branch.id] = None
        self._ready.append((branch.id, self.sequence))

    def next_ready(self) -> str | None:
        """The branch that has been ready for the longest time."""
        ready = self._ready
        while ready:
            branch_id, place = ready[0]
            branch = self.branches.get(branch_id)
            if isinstance(branch, Branch) and branch.status == READY and branch.ready_at == place:
                return branch_id
            ready.popleft()
        return None

    def set_timer(self, branch: Branch, due: float) -> None:
        """Sets a branch's timer."""
        branch.due = due
        self._changed[branch.id] = None
        heapq.heappush(self._timers, (due, branch.id))

    def first_timer(self) -> tuple[float, str] | None:
        """The timer that goes off first."""
        timers = self._timers
        while timers:
            due, branch_id = timers[0]
            branch = self.branches.get(branch_id)
            if isinstance(branch, Branch) and branch.due == due:
                return due, branch_id
            heapq.heappop(timers)
        return None

    def add_task(self, request: TaskRequest) -> None:
        """A task to perform after this turn."""
        self._tasks.append(request)

    def cancel(self, branch: Branch) -> None:
        """Nobody waits for a branch's task any more, if it had one."""
        if branch.status == TASK:
            self._cancelled.append(branch.id)

    def children(self, branch: Branch) -> list[Branch]:
        """A branch's children in their order."""
        return sorted(branch.children.values(), key=lambda child: child.index)

    def begin_children(self, branch: Branch) -> None:
        """Lays aside what a Parallel or Map was entered with."""
        # Ids are never used twice, so that whoever keeps branches may mix the order of turns.
        branch.kept = f"{branch.id}.{branch.born}"
        branch.born += 1
        self.add(Kept(branch.kept, branch.data))
        branch.data = None
        branch.text = None
        branch.status = CHILDREN
        self._changed[branch.id] = None

    def raw_input(self, branch: Branch) -> Any:
        """What the present state was entered with."""
        kept = self._kept(branch)
        return branch.data if kept is None else kept.input

    def keep_items(self, branch: Branch, items: list[Any]) -> None:
        """Keeps a Map's items with what it was entered with."""
        kept = self._kept(branch)
        if kept is not None:
            kept.items = items

    def kept_items(self, branch: Branch) -> list[Any] | None:
        """What `keep_items` kept."""
        kept = self._kept(branch)
        return None if kept is None else kept.items

    def _kept(self, branch: Branch) -> Kept | None:
        if branch.kept is None:
            return None
        found = self.branches.get(branch.kept)
        return found if isinstance(found, Kept) else None

    def end_children(self, branch: Branch) -> None:
        """Removes all that was there for a Parallel or Map; its raw input is back in place."""
        if branch.kept is None:
            return
        branch.data = self.raw_input(branch)
        self._changed[branch.id] = None
        self._drop_below(branch)
        branch.kept = None
        branch.counters = None
        branch.items = None

    def _drop_below(self, branch: Branch) -> None:
        if branch.kept is not None:
            self.drop(branch.kept)
        for child in branch.children.values():
            self.cancel(child)
            self._drop_below(child)
            self.drop(child.id)
        branch.children = {}
