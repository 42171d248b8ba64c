"""Commands to Step Functions: starts, stops and redrives, as a part of a unit of work.

A use case, or a rule, notes what is to be done in its own commit: the execution in the ledger, and
a message. The message's handler calls Step Functions afterwards, at least once: starts are named,
stops of what has ended do nothing, and redrives have a token. So nothing outside is called within a
transaction, and a start that was promised happens.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from typing import Any

from meshplane.events.queues import GiveUp, Message, QueueHandler, send
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Conflict, Invalid, Missing, TooLarge
from meshplane.platform.store import ABSENT, UnitOfWork
from meshplane.workflows.arns import execution_id
from meshplane.workflows.asl.errors import json_text
from meshplane.workflows.aws_executions import LARGEST_INPUT_BYTES, StepFunctionsExecutions
from meshplane.workflows.aws_ledger import ExecutionLedger, Started
from meshplane.workflows.aws_tables import AWS_EXECUTIONS
from meshplane.workflows.machines import check_name
from meshplane.workflows.run_as import RunAs

COMMANDS = "execution-commands"
"""The embedded queue of these; the mesh alone sends to it."""

MOST_HOPS = 16
_AT_ONCE = 16


class ExecutionCommands:
    """Has Step Functions start, stop and redrive executions.

    Args:
        executions: carries it out.
        ledger: notes in whose name executions act.
        clock: the present.
        prepare: makes Step Functions have a state machine before it is started there.
    """

    def __init__(
        self,
        executions: StepFunctionsExecutions,
        ledger: ExecutionLedger,
        clock: Clock,
        prepare: Callable[[str], Awaitable[None]] | None = None,
    ) -> None:
        self._executions = executions
        self._ledger = ledger
        self._clock = clock
        self._prepare = prepare

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """The queue that it serves."""
        return (QueueHandler(COMMANDS, self.handle, exclusive=True, concurrency=_AT_ONCE),)

    async def start(
        self,
        work: UnitOfWork,
        machine: str,
        given: Any,
        *,
        run_as: RunAs,
        name: str,
        hops: int = 0,
    ) -> Started:
        """Has an execution started after the commit of `work`; the same again is the same one.

        Args:
            work: the unit of work.
            machine: the state machine's name, without the mesh's prefix.
            given: the input, JSON.
            run_as: in whose name it acts.
            name: of the execution; see `aws_executions.execution_name`.
            hops: how many rules and workflows led to it.

        Raises:
            Invalid: NAME_INVALID.
            TooLarge: INPUT_TOO_LARGE.
            Conflict: EXECUTION_EXISTS, one of this name has another input or acts for another;
                EVENT_LOOP, 16 rules and workflows led to one another.
        """
        if hops >= MOST_HOPS:
            raise Conflict(
                "EVENT_LOOP",
                f"Rules and workflows led from one to the next {MOST_HOPS} times: see which of "
                "them starts the other.",
            )
        check_name(machine, "stateMachine")
        check_name(name, "name")
        text = json_text(given)
        if len(text.encode()) > LARGEST_INPUT_BYTES:
            raise TooLarge(
                "INPUT_TOO_LARGE",
                "An execution's input has at most 262144 bytes: pass on where the data lies.",
                field="input",
            )
        said = json.dumps(given, sort_keys=True)
        digest = hashlib.sha256(said.encode()).hexdigest()
        row = await work.get(AWS_EXECUTIONS, execution_id(machine, name))
        if row is not None:
            acts_as = RunAs.from_json(row.item["runAs"])
            whose = (acts_as.subject, acts_as.is_service)
            # What another's execution gave is not for who guesses its name.
            if row.item["input"] != digest or whose != (run_as.subject, run_as.is_service):
                raise Conflict(
                    "EXECUTION_EXISTS",
                    "An execution of this name was started with another input or by somebody "
                    "else: choose another name.",
                    field="name",
                )
            return Started(row.item["executionId"], machine, name, acts_as, row.item["hops"])
        started = Started(execution_id(machine, name), machine, name, run_as, hops)
        now = self._clock.now()
        self._ledger.note(
            work,
            started,
            now_text=to_text(now),
            now_epoch_seconds=now.timestamp(),
            given=digest,
            expected=ABSENT,
        )
        self._send(work, "start", started.execution_id, {"input": given})
        return started

    def stop(
        self, work: UnitOfWork, machine: str, name: str, *, error: str | None, cause: str | None
    ) -> None:
        """Has an execution stopped after the commit of `work`."""
        said = {"error": error, "cause": cause}
        self._send(work, "stop", execution_id(machine, name), said)

    def redrive(self, work: UnitOfWork, machine: str, name: str, *, command_id: str) -> None:
        """Has an execution go on from where it failed, after the commit of `work`."""
        self._send(work, f"redrive:{command_id}", execution_id(machine, name), {})

    async def handle(self, work: UnitOfWork, message: Message) -> None:
        """Carries one command out.

        A start that can never be carried out is noted as the execution's failure.

        Raises:
            GiveUp: a stop or a redrive that can never be carried out.
            AwsUnavailable: Step Functions does not answer now; it is tried again.
        """
        body = message.body
        machine, _, name = body["executionId"].partition(":")
        command, _, command_id = body["command"].partition(":")
        try:
            if command == "start":
                if self._prepare is not None:
                    await self._prepare(machine)
                await self._executions.start(machine, body["input"], name=name)
            elif command == "stop":
                error, cause = body["error"], body["cause"]
                await self._executions.stop(machine, name, error=error, cause=cause)
            else:
                await self._executions.redrive(machine, name, command_id=command_id)
        except (Missing, Conflict, Invalid, TooLarge) as refused:
            row = await work.get(AWS_EXECUTIONS, body["executionId"])
            if command != "start" or row is None:
                raise GiveUp(refused.code, refused.message) from refused
            # Whoever asks for the execution learns what became of it.
            why = {"error": refused.code, "cause": refused.message}
            ended = to_text(self._clock.now())
            item = {**row.item, "refused": why, "endedAt": ended}
            work.put(AWS_EXECUTIONS, item, expected=row.version)

    def _send(self, work: UnitOfWork, command: str, execution: str, more: dict[str, Any]) -> None:
        send(
            work,
            COMMANDS,
            {"command": command, "executionId": execution, **more},
            message_id=f"{execution}:{command}",
            now=self._clock.now(),
        )
