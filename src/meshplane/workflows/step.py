"""A step: the transitions of one execution that one commit makes durable.

Transitions that need nothing from outside follow one another without waiting for the disk, and so
share a commit; so do answers that came in while the commit before was being written. What leaves
the process (a task performed, a caller answered) waits for that commit.
"""

from collections.abc import Mapping
from typing import Any

from meshplane.kit.clock import from_text, to_text
from meshplane.platform.events import NewEvent
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Row
from meshplane.workflows import tokens
from meshplane.workflows.arns import execution_arn, machine_arn
from meshplane.workflows.asl import TaskFailed, TaskGone, TaskRequest, Turn
from meshplane.workflows.asl.branch import Branch
from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.held import ExecutionMoved, Held, TaskId
from meshplane.workflows.performers import NO_ANSWER_YET, Performers
from meshplane.workflows.queue_names import goes_to_mesh
from meshplane.workflows.tables import (
    EXECUTION_BRANCHES,
    EXECUTION_HISTORY,
    EXECUTIONS,
    KEPT_SECONDS,
    PART_KEPT_SECONDS,
    ROOT,
    TASK_TOKENS,
    shard_of,
)
from meshplane.workflows.timing import Timepiece

MOST_TRANSITIONS = 64
"""After so many, a step is written: an endless loop must not hold up the others."""

LARGEST_STEP_CHARACTERS = 1_048_576
"""After so much data in its events as well: who reads the history reads it row by row."""

MOST_ANSWERS = 200
"""How many answers to tokens one step applies at most."""


class Step:
    """Collects transitions, and writes them into a unit of work.

    Args:
        held: the execution.
        work: the unit of work; its owner commits it.
        performers: perform tasks.
        clock: the time.
    """

    def __init__(
        self, held: Held, work: UnitOfWork, performers: Performers, clock: Timepiece
    ) -> None:
        self.held = held
        self.to_perform: list[TaskRequest] = []
        self.to_cancel: list[TaskId] = []
        self.children_to_stop: list[str] = []
        self.answers: str | None = None
        self.more_answers_wait = False
        self._work = work
        self._performers = performers
        self._clock = clock
        self._now = clock.now().timestamp()
        self._events: dict[str, list[Any]] = {}
        self._changed: set[str] = set()
        self._removed: set[str] = set()
        self._new_tokens: dict[str, list[str]] = {}
        self._beaten: dict[str, float] = {}
        self._looked = False
        self._told_characters = 0
        self._parts_expire = int(self._now) + PART_KEPT_SECONDS

    @property
    def moved(self) -> bool:
        """Whether anything happened that must be written."""
        return bool(self._events or self._changed or self._removed)

    async def take(self, turn: Turn) -> None:
        """Adds a transition, and begins its tasks."""
        for event in turn.events:
            self._events.setdefault(event.stream, []).append(event)
            self._told_characters += _characters_of(event)
        self._changed.update(turn.changed)
        self._removed.update(turn.removed)
        self._changed.difference_update(turn.removed)
        for branch_id in turn.cancelled:
            await self._cancel(branch_id)
        for request in turn.tasks:
            await self._begin(request)

    async def carry_on(self) -> None:
        """Takes transitions that are ready, up to a limit."""
        run = self.held.run
        for _ in range(MOST_TRANSITIONS):
            branch_id = run.next_ready()
            if branch_id is None or self._told_characters > LARGEST_STEP_CHARACTERS:
                return
            await self.take(run.advance(branch_id, self._now))

    async def succeed(self, task: TaskId, output: Any) -> None:
        """A task was performed. An answer to a task that is over is dropped."""
        self._no_longer_pending(task)
        try:
            await self.take(self.held.run.succeed(*task, output, self._now))
        except TaskGone:
            return

    async def fail(self, task: TaskId, error: str | None, cause: str | None) -> None:
        """A task failed; as `succeed`."""
        self._no_longer_pending(task)
        try:
            await self.take(self.held.run.fail(*task, error, cause, self._now))
        except TaskGone:
            return

    async def stop(self, error: str | None, cause: str | None) -> None:
        """Ends the execution from outside."""
        await self.take(self.held.run.stop(error, cause, self._now))

    async def look(self) -> None:
        """Applies the answers that wait in the store, then lets the timers go off that are due."""
        if self._looked:
            return
        self._looked = True
        run = self.held.run
        answers = await tokens.answered(self._work, self.held.execution_id, MOST_ANSWERS)
        self.more_answers_wait = len(answers) == MOST_ANSWERS
        for row in answers:
            await self._apply_answer(row)
        while (due := run.next_due()) is not None and due[0] <= self._now:
            if not await self._still_alive(due[1]):
                await self.take(run.wake(due[1], self._now))

    def submitted(self, request: TaskRequest) -> None:
        """A task that waits for its token was handed over; a later owner must not repeat it."""
        if self.held.pending.pop(request.branch_id, None) is not None:
            self._changed.add(request.branch_id)

    def resume(self) -> None:
        """Takes up all tasks that have not ended: new ones, and those that a former owner left."""
        self.to_perform = list(self.held.pending.values())

    async def write(self, owner: str | None, lease_seconds: float) -> bool:
        """Puts all of it into the unit of work.

        Args:
            owner: who works on the execution from now on, if it is to be worked on; None leaves
                it to whoever finds it first.
            lease_seconds: how long he may be silent.

        Returns:
            Whether the execution is to be worked on: a task is being performed, or a transition
            is ready. If not, it waits in the store for a time or an answer, and nobody owns it.
        """
        held, run = self.held, self.held.run
        stays = run.outcome is None and bool(held.pending or run.next_ready() is not None)
        item = {**held.head, "run": run.record(), "root": run.branches[ROOT].to_json()}
        if ROOT in held.pending:
            item["task"] = request_json(held.pending[ROOT])
        if run.outcome is not None:
            await self._write_end(item)
        else:
            item["status"] = "RUNNING"
            self._write_wake(item, stays, owner, lease_seconds)
        self._work.put(
            EXECUTIONS, item, expected=held.version or ABSENT, otherwise=ExecutionMoved()
        )
        held.version += 1
        self._write_parts()
        return stays

    def _write_wake(
        self, item: dict[str, Any], stays: bool, owner: str | None, lease_seconds: float
    ) -> None:
        if owner is None or not stays:
            self.held.lease_ends_at = 0.0
        if not stays:
            due = self.held.run.next_due()
            wake_at = None if due is None else due[0]
        elif owner is None:
            wake_at = self._now
        else:
            item["owner"] = owner
            # Moved seldom: each move is a change of the index as well.
            if self.held.lease_ends_at - self._now < lease_seconds / 2:
                self.held.lease_ends_at = self._now + lease_seconds
            wake_at = self.held.lease_ends_at
        if wake_at is not None:
            item["wakeShard"] = shard_of(self.held.execution_id)
            # Rounded up: nobody may look a moment before the timer is due.
            item["wakeAt"] = -int(-wake_at * 1000 // 1)

    async def _write_end(self, item: dict[str, Any]) -> None:
        held, outcome = self.held, self.held.run.outcome
        if outcome is None:
            raise AssertionError("only an ended execution has an end")
        now = self._clock.now()
        item["status"] = outcome.status
        item["endedAt"] = to_text(now)
        item["expires"] = int(self._now) + KEPT_SECONDS
        good = outcome.status == "SUCCEEDED"
        detail = {
            "executionId": held.execution_id,
            "stateMachine": held.info.machine,
            "name": held.info.name,
            "status": outcome.status,
            "startedAt": held.head["startedAt"],
            "endedAt": item["endedAt"],
        }
        if not good:
            detail |= {"error": outcome.error, "cause": outcome.cause}
        kind = "ExecutionSucceeded" if good else "ExecutionFailed"
        self._work.emit(
            NewEvent(
                kind, "management-app.workflows", held.execution_id, detail, held.info.hops + 1
            )
        )
        parent = held.head.get("parent")
        if parent is not None:
            await self._answer_parent(parent, item)

    async def _answer_parent(self, parent: dict[str, str], item: dict[str, Any]) -> None:
        """A `.sync` parent learns of its child's end in the commit of that end."""
        row = await self._work.get(TASK_TOKENS, parent["executionId"], parent["token"])
        if row is None or row.item["state"] != tokens.OPEN:
            return
        described = description(self.held, item, as_text=parent["form"] == "sync")
        given: tokens.Success | tokens.Failure = tokens.Success(described)
        if item["status"] != "SUCCEEDED":
            given = tokens.Failure("States.TaskFailed", json_text(described))
        self.answers = parent["executionId"]
        await tokens.answer(
            self._work, parent["token"], given, now=self._clock.now(), by_child=True
        )

    def _write_parts(self) -> None:
        run, run_id = self.held.run, self.held.head["runId"]
        pending = self.held.pending
        for branch_id in self._changed - {ROOT}:
            row = {
                "runId": run_id,
                "branchId": branch_id,
                "branch": run.branches[branch_id].to_json(),
                "expires": self._parts_expire,
            }
            if branch_id in pending:
                row["task"] = request_json(pending[branch_id])
            self._work.put(EXECUTION_BRANCHES, row)
        for branch_id in self._removed:
            self._work.delete(EXECUTION_BRANCHES, run_id, branch_id)
        for stream, events in self._events.items():
            self._work.put(
                EXECUTION_HISTORY,
                {
                    "stream": f"{run_id}#{stream}" if stream else run_id,
                    "firstEventId": events[0]["id"],
                    "events": events,
                    "expires": self._parts_expire,
                },
                expected=ABSENT,
                otherwise=ExecutionMoved(),
            )

    def _no_longer_pending(self, task: TaskId) -> None:
        request = self.held.pending.get(task[0])
        if request is not None and request.attempt == task[1]:
            del self.held.pending[task[0]]

    async def _begin(self, request: TaskRequest) -> None:
        task = (request.branch_id, request.attempt)
        performer = self._performers.in_store(request.resource)
        if performer is None:
            self._open_token(request)
            self.to_perform.append(request)
            self.held.pending[request.branch_id] = request
            return
        try:
            output = await performer.enlist(self._work, request, self.held.info)
        except TaskFailed as failure:
            await self.fail(task, failure.error, failure.cause)
            return
        if output is NO_ANSWER_YET:
            self._open_token(request)
        else:
            await self.succeed(task, output)

    def _open_token(self, request: TaskRequest) -> None:
        if request.token is None:
            return
        row = tokens.opened(
            request,
            request.token,
            self.held.execution_id,
            self._parts_expire,
            of_mesh=goes_to_mesh(request),
        )
        self._new_tokens.setdefault(request.branch_id, []).append(request.token)
        self._work.put(TASK_TOKENS, row, expected=ABSENT)

    async def _cancel(self, branch_id: str) -> None:
        """A branch's task is over without an answer."""
        self.to_cancel += [task for task in self.held.running if task[0] == branch_id]
        self.to_perform = [each for each in self.to_perform if each.branch_id != branch_id]
        self.held.pending.pop(branch_id, None)
        await self.close_tokens(branch_id)

    async def close_tokens(self, branch_id: str) -> None:
        """Nobody may answer a branch's task any more."""
        for row in await self._tokens_of(branch_id):
            self._work.put(
                TASK_TOKENS,
                tokens.closed(row, tokens.GONE),
                expected=row.version,
                otherwise=ExecutionMoved(),
            )
            if row.item["child"] is not None:
                self.children_to_stop.append(row.item["child"])

    async def _tokens_of(self, branch_id: str) -> list[Row]:
        """The tokens of a branch that are not closed, be it by this step itself."""
        execution_id = self.held.execution_id
        names = list(self._new_tokens.get(branch_id, ()))
        names += (
            row.item["token"] for row in await tokens.of_branch(self._work, execution_id, branch_id)
        )
        rows = [await self._work.get(TASK_TOKENS, execution_id, name) for name in names]
        return [row for row in rows if row is not None and "openOf" in row.item]

    async def _apply_answer(self, row: Row) -> None:
        item = row.item
        self._work.put(
            TASK_TOKENS,
            tokens.closed(row, tokens.USED),
            expected=row.version,
            otherwise=ExecutionMoved(),
        )
        task, given = (item["branchId"], item["attempt"]), item["answer"]
        if "error" in given:
            await self.fail(task, given["error"], given["cause"])
        else:
            await self.succeed(task, given["output"])

    async def _still_alive(self, branch_id: str) -> bool:
        """Whether a timer went off in error: a heartbeat came that the run has not seen."""
        branch = self.held.run.branches[branch_id]
        if not isinstance(branch, Branch) or branch.token is None:
            return False
        row = await self._work.get(TASK_TOKENS, self.held.execution_id, branch.token)
        beat_at = row.item.get("beatAt", 0.0) if row is not None else 0.0
        if beat_at <= self._beaten.get(branch.token, 0.0):
            return False
        self._beaten[branch.token] = beat_at
        await self.take(self.held.run.beat(branch_id, branch.attempts, beat_at))
        return True


def _characters_of(event: Mapping[str, Any]) -> int:
    """How much data an event holds: inputs, outputs and parameters are texts of its details."""
    return sum(
        len(text)
        for details in event.values()
        if type(details) is dict
        for text in details.values()
        if type(text) is str
    )


def request_json(request: TaskRequest) -> dict[str, Any]:
    """A task as it is kept beside its branch."""
    return {name: getattr(request, name) for name in TaskRequest.__slots__}


def description(held: Held, item: dict[str, Any], *, as_text: bool) -> dict[str, Any]:
    """An ended execution as the answer of `startExecution.sync` has it.

    `.sync` gives the output as text, `.sync:2` as JSON; so says Step Functions' developer guide.
    """
    run = held.run
    outcome = run.outcome
    described: dict[str, Any] = {
        "ExecutionArn": execution_arn(held.execution_id),
        "Input": json_text(run.input) if as_text else run.input,
        "InputDetails": {"Included": True},
        "Name": held.info.name,
        "StartDate": _milliseconds(item["startedAt"]),
        "StateMachineArn": machine_arn(held.info.machine),
        "Status": item["status"],
        "StopDate": _milliseconds(item["endedAt"]),
    }
    if outcome is not None and outcome.status == "SUCCEEDED":
        described["Output"] = json_text(outcome.output) if as_text else outcome.output
        described["OutputDetails"] = {"Included": True}
    elif outcome is not None:
        described["Error"], described["Cause"] = outcome.error, outcome.cause
    return described


def _milliseconds(text: str) -> int:
    return int(from_text(text).timestamp() * 1000)
