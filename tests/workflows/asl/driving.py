"""Drives an execution turn by turn, as a durable runner would, and can restore it at every turn."""

import json
import random
from collections import deque
from typing import Any

from meshplane.workflows.asl import (
    ExecutionContext,
    HistoryEvent,
    Machine,
    Run,
    Source,
    TaskRequest,
    Turn,
)

START = 1_767_225_600.0


def seeded(seed: int) -> Source:
    """Randomness that is the same each time."""
    chance = random.Random(seed)
    return Source(
        random=chance,
        new_uuid=lambda: f"uuid-{chance.getrandbits(64):016x}",
        new_token=lambda: f"token-{chance.getrandbits(64):016x}",
    )


def a_context() -> ExecutionContext:
    """Some execution."""
    return ExecutionContext(
        "execution-1", "one", "2026-01-01T00:00:00.000Z", "", "machine-1", "machine"
    )


class Driver:
    """An execution, and everything that a durable runner would have kept of it."""

    def __init__(
        self,
        definition: dict[str, Any],
        value: Any,
        seed: int = 1,
        *,
        restores: bool = False,
    ) -> None:
        self.machine = Machine(definition)
        self.source = seeded(seed)
        self.restores = restores
        self.now = START
        self.kept: dict[str, str] = {}
        self.record = ""
        self.events: list[HistoryEvent] = []
        self.requests: deque[TaskRequest] = deque()
        self.all_requests: list[TaskRequest] = []
        self.turns = 0
        self.largest_turn = 0
        self.run, turn = Run.start(self.machine, a_context(), value, self.now, self.source)
        self.take(turn)

    def take(self, turn: Turn) -> None:
        """Keeps a turn as text, and goes on from the text if it should."""
        self.turns += 1
        self.events += json.loads(json.dumps(turn.events))
        for branch_id in turn.removed:
            self.kept.pop(branch_id, None)
        written = {each: json.dumps(self.run.branches[each].to_json()) for each in turn.changed}
        self.kept.update(written)
        self.largest_turn = max(self.largest_turn, sum(len(each) for each in written.values()))
        self.record = json.dumps(self.run.record())
        cancelled = set(turn.cancelled)
        self.requests = deque(each for each in self.requests if each.branch_id not in cancelled)
        self.requests.extend(turn.tasks)
        self.all_requests += turn.tasks
        if self.restores:
            self.restore()

    def restore(self) -> None:
        """Forgets the execution, and takes it up from what was kept."""
        value = json.loads(json.dumps(self.run.input))
        context = ExecutionContext(
            "execution-1", "one", "2026-01-01T00:00:00.000Z", "", "machine-1", "machine", value
        )
        branches = [json.loads(text) for text in reversed(self.kept.values())]
        self.run = Run.restore(
            self.machine, context, json.loads(self.record), branches, self.source
        )

    def turn(self) -> bool:
        """One turn that needs no answer; False if there is none now."""
        branch_id = self.run.next_ready()
        if branch_id is None:
            return False
        self.take(self.run.advance(branch_id, self.now))
        return True

    def settle(self) -> None:
        """All turns that need no answer and no time."""
        while self.turn():
            pass

    def wait(self) -> None:
        """Lets time pass until the next timer goes off."""
        due = self.run.next_due()
        assert due is not None
        self.now = max(self.now, due[0])
        self.take(self.run.wake(due[1], self.now))

    def answer(self, request: TaskRequest, output: Any) -> None:
        """A task's answer."""
        if request in self.requests:
            self.requests.remove(request)
        self.take(self.run.succeed(request.branch_id, request.attempt, output, self.now))

    def refuse(self, request: TaskRequest, error: str, cause: str = "") -> None:
        """A task's failure."""
        if request in self.requests:
            self.requests.remove(request)
        self.take(self.run.fail(request.branch_id, request.attempt, error, cause, self.now))

    @property
    def types(self) -> list[str]:
        """The types of the events so far."""
        return [event["type"] for event in self.events]

    def live_branches(self) -> list[str]:
        """The branches there are, without what they keep aside."""
        return [each for each, text in self.kept.items() if '"flow"' in text]
