"""Executions: started, stopped, redriven and read. What changes them belongs to a unit of work."""

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from meshplane.kit.clock import from_text, to_text
from meshplane.kit.errors import Conflict, TooLarge
from meshplane.kit.ids import IdMaker
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.platform.tables import Item, Row
from meshplane.workflows import reading
from meshplane.workflows.arns import execution_id as id_of
from meshplane.workflows.asl import Machine, Run
from meshplane.workflows.held import (
    ExecutionMoved,
    Held,
    context_of,
    info_of,
    load,
    source_of,
)
from meshplane.workflows.machines import Machines, check_name
from meshplane.workflows.performers import Performers
from meshplane.workflows.reading import STATUSES, Execution, HistoryPage, row_of
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.runner import Runner
from meshplane.workflows.step import Step
from meshplane.workflows.tables import EXECUTIONS, LISTING
from meshplane.workflows.timing import Timepiece
from meshplane.workflows.tokens import check_failure

MOST_HOPS = 16
LARGEST_INPUT_BYTES = 262_144
REDRIVE_WITHIN = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class StartedExecution:
    """An execution that a unit of work starts.

    Args:
        execution_id: `machine:name`.
        machine, name: its parts.
        started_at: RFC 3339 text.
        is_new: false when the same was started before, so that this changed nothing.
        status: as it is now.
    """

    execution_id: str
    machine: str
    name: str
    started_at: str
    is_new: bool
    status: str


@dataclass(frozen=True, slots=True)
class Parent:
    """Whom an execution tells of its end: a task of another.

    Args:
        execution_id: the other.
        token: of its task.
        form: `sync` has the output as text, `sync:2` as JSON.
    """

    execution_id: str
    token: str
    form: str


class Executions:
    """The executions of a mesh.

    Args:
        machines, performers: the state machines, and who performs tasks.
        runner: of this process; what is started or redriven here begins there.
        clock, new_id: the clock and the id maker.
    """

    describe = staticmethod(reading.describe)
    listed = staticmethod(reading.listed)
    history = staticmethod(reading.history)
    whole_history = staticmethod(reading.whole_history)

    def __init__(
        self,
        machines: Machines,
        performers: Performers,
        runner: Runner,
        clock: Timepiece,
        new_id: IdMaker,
    ) -> None:
        self._machines = machines
        self._performers = performers
        self._runner = runner
        self._clock = clock
        self._new_id = new_id

    async def start(
        self,
        work: UnitOfWork,
        machine: str,
        input: Any,  # noqa: A002 - the language's word
        *,
        run_as: RunAs,
        name: str | None = None,
        hops: int = 0,
        parent: Parent | None = None,
        at_once: bool = True,
    ) -> StartedExecution:
        """Starts an execution, in the commit of `work`; it begins at once after that.

        The same name with the same input starts nothing new, for 90 days after its end.

        Args:
            work: the unit of work that it belongs to.
            machine: the state machine's name.
            input: JSON.
            run_as: in whose name its tasks act, unless the machine itself says so.
            name: 1 to 80 letters, digits, `_`, `-` or `.`; None makes one.
            hops: how many rules and workflows led to it.
            parent: whom to tell of its end.
            at_once: whether `work` also holds its first transitions, as far as nothing outside is
                needed. Otherwise it begins when that is committed.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
            Conflict: EXECUTION_EXISTS, one of this name has another input or acts for another;
                EVENT_LOOP, 16 rules and workflows led to one another.
            Invalid: NAME_INVALID.
            TooLarge: INPUT_TOO_LARGE.
        """
        _demand_no_loop(hops)
        name = name if name is not None else self._new_id("x")
        check_name(name, "name")
        compiled, machine_row = await self._machines.newest(work, machine)
        digest = _digest(input)
        execution_id = id_of(machine, name)
        row = await work.get(EXECUTIONS, execution_id)
        acts_as = machine_row["runAs"] or run_as.to_json()
        if row is not None:
            return _started_before(row, digest, acts_as)
        head = {
            "executionId": execution_id,
            "runId": self._new_id("run"),
            "machine": machine,
            "revision": machine_row["revision"],
            "name": name,
            "startedAt": to_text(self._clock.now()),
            "inputDigest": digest,
            "runAs": acts_as,
            "hops": hops,
            "listing": LISTING,
        }
        if parent is not None:
            head["parent"] = {
                "executionId": parent.execution_id,
                "token": parent.token,
                "form": parent.form,
            }
        await self._begin(work, compiled, head, input, at_once=at_once)
        return StartedExecution(execution_id, machine, name, head["startedAt"], True, "RUNNING")

    async def _begin(
        self, work: UnitOfWork, compiled: Machine, head: Item, given: Any, *, at_once: bool
    ) -> None:
        now = self._clock.now().timestamp()
        source = source_of(head["executionId"])
        run, turn = Run.start(compiled, context_of(head, given), given, now, source)
        held = Held(head, ABSENT, run, info_of(head))
        step = Step(held, work, self._performers, self._clock)
        await step.take(turn)
        await self._write(step, at_once=at_once)

    async def _write(self, step: Step, *, at_once: bool) -> None:
        """Writes a first step. With room here, it goes as far as it can, and is ours."""
        held = step.held
        if not (at_once and self._runner.has_room):
            await step.write(None, 0.0)
            self._runner.expect_row(held.execution_id)
            return
        await step.carry_on()
        if await step.write(self._runner.name, self._runner.limits.lease_seconds):
            self._runner.expect(held, step.to_perform)
        elif (due := held.run.next_due()) is not None:
            self._runner.expect_row(held.execution_id, due[0])
        elif step.answers is not None:
            self._runner.expect_answer(step.answers)

    async def stop(
        self,
        work: UnitOfWork,
        execution_id: str,
        *,
        error: str | None = None,
        cause: str | None = None,
    ) -> None:
        """Ends an execution as ABORTED, in the commit of `work`.

        `Runner.quiet` keeps a busy one from moving on in the meantime.

        Raises:
            Missing: EXECUTION_UNKNOWN.
            Conflict: EXECUTION_ENDED, it has ended already.
            Invalid: ERROR_TOO_LONG.
            ExecutionMoved: by the commit; the boundary runs it again.
        """
        check_failure(error, cause)
        row = await row_of(work, execution_id)
        if "endedAt" in row.item:
            raise Conflict("EXECUTION_ENDED", "The execution has ended: there is nothing to stop.")
        step = Step(await load(work, self._machines, row), work, self._performers, self._clock)
        await step.stop(error, cause)
        await step.write(None, 0.0)
        for child in step.children_to_stop:
            if (await row_of(work, child)).item["status"] == "RUNNING":
                await self.stop(work, child, cause="The execution that waited for it was stopped.")
        if step.answers is not None:
            self._runner.expect_answer(step.answers)

    async def redrive(
        self, work: UnitOfWork, execution_id: str, *, by: RunAs | None = None, hops: int = 0
    ) -> None:
        """Has an execution go on from where it failed, in the commit of `work`.

        What succeeded is kept. Tasks are performed anew under the keys that they had.

        Args:
            work: the unit of work that it belongs to.
            execution_id: which.
            by: who asks. Where it acts in his name, his groups are from now on those of today.
            hops: how many rules and workflows led to this.

        Raises:
            Missing: EXECUTION_UNKNOWN.
            Conflict: NOT_REDRIVABLE, it runs, it succeeded, or it ended over 14 days ago;
                EVENT_LOOP, as in `start`.
        """
        _demand_no_loop(hops)
        row = await row_of(work, execution_id)
        item = row.item
        if item["status"] not in ("FAILED", "TIMED_OUT", "ABORTED"):
            raise Conflict(
                "NOT_REDRIVABLE",
                f"The execution is {item['status']}: only one that did not succeed is redriven.",
            )
        now = self._clock.now()
        if now - from_text(item["endedAt"]) > REDRIVE_WITHIN:
            raise Conflict(
                "NOT_REDRIVABLE", "The execution ended over 14 days ago: start a new one."
            )
        row = Row({**item, **_of_today(item, by, hops)}, row.version)
        step = Step(await load(work, self._machines, row), work, self._performers, self._clock)
        await step.take(step.held.run.redrive(now.timestamp()))
        await self._write(step, at_once=True)


def _demand_no_loop(hops: int) -> None:
    if hops >= MOST_HOPS:
        raise Conflict(
            "EVENT_LOOP",
            "Sixteen workflows and rules led to one another: look for the circle in them.",
        )


def _of_today(item: Item, by: RunAs | None, hops: int) -> Item:
    """In whose name, and how far in a chain, an execution goes on that was redriven."""
    acts_as = RunAs.from_json(item["runAs"])
    if by is not None and (by.subject, by.is_service) == (acts_as.subject, acts_as.is_service):
        acts_as = by
    return {"runAs": acts_as.to_json(), "hops": max(item["hops"], hops)}


def _digest(given: Any) -> str:
    """Tells inputs apart.

    Raises:
        TooLarge: INPUT_TOO_LARGE.
    """
    text = orjson.dumps(given, option=orjson.OPT_SORT_KEYS)
    if len(text) > LARGEST_INPUT_BYTES:
        raise TooLarge(
            "INPUT_TOO_LARGE",
            "An input has at most 262144 bytes: pass on where the data lies.",
            field="input",
        )
    return hashlib.sha256(text).hexdigest()


def _started_before(row: Row, digest: str, acts_as: Item) -> StartedExecution:
    item = row.item
    whose = [(each["subject"], each["isService"]) for each in (item["runAs"], acts_as)]
    # What another's execution gave was made with his rights, and is not for who guesses its name.
    if item["inputDigest"] != digest or whose[0] != whose[1]:
        raise Conflict(
            "EXECUTION_EXISTS",
            "An execution of this name was started with another input or by somebody else: choose "
            "another name.",
            field="name",
        )
    return StartedExecution(
        item["executionId"],
        item["machine"],
        item["name"],
        item["startedAt"],
        False,
        item["status"],
    )


__all__ = [
    "STATUSES",
    "Execution",
    "ExecutionMoved",
    "Executions",
    "HistoryPage",
    "Parent",
    "StartedExecution",
]
