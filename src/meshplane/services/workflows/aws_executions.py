"""Use cases of executions where Step Functions runs them.

What changes an execution is a command in the commit of the request; what is read comes from the
ledger, which says who may see it, and from Step Functions, which says how it is. A start that was
committed shows as RUNNING before Step Functions knows of it.

What differs from the embedded engine: a list that asks for a status may give fewer than its limit
while there is a next page; tokens are Step Functions' own, and answered there, not here.
"""

import asyncio
import re
from typing import Any, cast

import orjson

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, position
from meshplane.kit.errors import Conflict, Missing
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
from meshplane.services.workflows.executions import ExecutionCases
from meshplane.services.workflows.schemas import (
    ExecutionQuery,
    ExecutionStatus,
    ExecutionSummary,
    ExecutionView,
    HistoryQuery,
    HistoryView,
    NewExecution,
    StopBody,
    TaskBeat,
    TaskFailure,
    TaskSuccess,
)
from meshplane.workflows.aws_commands import ExecutionCommands
from meshplane.workflows.aws_executions import AwsExecution, StepFunctionsExecutions
from meshplane.workflows.aws_tables import AWS_EXECUTIONS
from meshplane.workflows.diagram import diagram, moves
from meshplane.workflows.engine import Workflows
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.tables import LISTING

_EVERY_EVENT = 25_000
_AT_ONCE = 8
_LONG = re.compile(r"[A-Za-z0-9+/=_-]{100,}")
_BLOT = "…"


class StepFunctionsExecutionCases(ExecutionCases):
    """Starts, follows, stops and redrives executions on Step Functions.

    Args:
        engine: holds the state machines.
        commands: has them started, stopped and redriven.
        on_aws: reads them.
    """

    def __init__(
        self, engine: Workflows, commands: ExecutionCommands, on_aws: StepFunctionsExecutions
    ) -> None:
        super().__init__(engine)
        self._commands = commands
        self._on_aws = on_aws

    async def start(self, call: Call, body: NewExecution) -> ExecutionView:
        """See `ExecutionCases.start`."""
        await call.allow(MESH)
        machine = await self._engine.machines.get(call.work, body.state_machine)
        started = await self._commands.start(
            call.work,
            machine.name,
            body.input,
            run_as=machine.run_as or RunAs.of(call.actor),
            name=body.name or call.new_id("x"),
            hops=call.actor.hops,
        )
        call.resource = f"Execution:{started.execution_id}"
        row = await call.work.get(AWS_EXECUTIONS, started.execution_id)
        return await self._shown(cast(Row, row), given=body.input)

    async def list(self, call: Call, query: ExecutionQuery) -> Page[ExecutionSummary]:
        """Executions, the newest first."""
        await call.allow(MESH)
        index, partition = ("byListing", LISTING)
        if query.state_machine is not None:
            index, partition = "byMachine", query.state_machine
        page = await call.work.query(
            AWS_EXECUTIONS,
            partition,
            index=index,
            limit=query.limit,
            cursor=query.cursor,
            descending=True,
        )
        gate = asyncio.Semaphore(_AT_ONCE)

        async def one(row: Row) -> ExecutionView:
            async with gate:
                return await self._shown(row)

        found = await asyncio.gather(*(one(row) for row in page.rows))
        items = [
            ExecutionSummary(**view.model_dump(include=set(ExecutionSummary.model_fields)))
            for view in found
            if query.status in (None, view.status)
        ]
        return Page[ExecutionSummary](items=items, next_cursor=page.cursor)

    async def get(self, call: Call, execution_id: str) -> ExecutionView:
        """An execution with its input and output."""
        return await self._shown(await self._row(call, execution_id))

    async def history(self, call: Call, execution_id: str, query: HistoryQuery) -> HistoryView:
        """A part of an execution's history, without the tokens in it."""
        row = await self._row(call, execution_id)
        try:
            page = await self._on_aws.history(
                row.item["machine"],
                row.item["name"],
                first_event_id=max(1, position(query.cursor)),
                limit=query.limit,
            )
        except Missing:
            return HistoryView(items=[], next_cursor=None)
        following = page.next_event_id
        return HistoryView(
            items=[without_token(event) for event in page.events],
            next_cursor=None if following is None else str(following),
        )

    async def diagram(self, call: Call, execution_id: str) -> str:
        """An execution as a Mermaid flowchart, on the newest definition."""
        row = await self._row(call, execution_id)
        machine, name = row.item["machine"], row.item["name"]
        text = (await self._engine.machines.get(call.work, machine)).definition
        view = await self._shown(row)
        try:
            page = await self._on_aws.history(machine, name, limit=_EVERY_EVENT)
            drawn = moves(page.events)
        except Missing:
            drawn = []
        return diagram(orjson.loads(text), drawn, view.status)

    async def stop(self, call: Call, execution_id: str, body: StopBody) -> ExecutionView:
        """Has an execution stopped; see `ExecutionCases.stop`."""
        row = await self._row(call, execution_id)
        view = await self._shown(row)
        if view.status != "RUNNING":
            raise Conflict("EXECUTION_ENDED", "This execution has ended already.")
        self._commands.stop(
            call.work,
            row.item["machine"],
            row.item["name"],
            error=body.error,
            cause=body.cause,
        )
        return view

    async def redrive(self, call: Call, execution_id: str) -> ExecutionView:
        """Has an execution go on from where it failed; see `ExecutionCases.redrive`."""
        row = await self._row(call, execution_id)
        view = await self._shown(row)
        if view.status in ("RUNNING", "SUCCEEDED"):
            raise Conflict(
                "NOT_REDRIVABLE", "Only an execution that failed or was stopped can go on."
            )
        self._commands.redrive(
            call.work,
            row.item["machine"],
            row.item["name"],
            # One redrive for each time that it failed, however often it is asked for.
            command_id=f"{execution_id}:{view.redrive_count}:{view.ended_at}",
        )
        return view

    async def succeed(self, call: Call, body: TaskSuccess) -> None:
        """Tokens are answered at Step Functions.

        Raises:
            Missing: TASK_TOKEN_UNKNOWN, always.
        """
        await self._refuse_token(call)

    async def fail(self, call: Call, body: TaskFailure) -> None:
        """See `succeed`."""
        await self._refuse_token(call)

    async def beat(self, call: Call, body: TaskBeat) -> None:
        """See `succeed`."""
        await self._refuse_token(call)

    async def _refuse_token(self, call: Call) -> None:
        await call.allow(MESH)
        raise Missing(
            "TASK_TOKEN_UNKNOWN",
            "State machines run on Step Functions: answer its tokens there (SendTaskSuccess).",
            field="taskToken",
        )

    async def _row(self, call: Call, execution_id: str) -> Row:
        """The execution's row; for those who may not know of it, it is not there."""
        missing = Missing(
            "EXECUTION_UNKNOWN",
            "There is no execution of this id: it reads `machine:name`. An ended one is kept for "
            "90 days.",
            field="executionId",
        )
        row = await call.work.get(AWS_EXECUTIONS, execution_id)
        run_as = RunAs.from_json(row.item["runAs"]) if row is not None else None
        starter = run_as.subject if run_as is not None and not run_as.is_service else ""
        # Asked also where there is none, so that this answer takes the way of the other.
        await call.allow(
            Resource("Execution", execution_id, attributes=(("startedBy", starter),)),
            hide=missing,
            known_by="getExecution",
        )
        if row is None:
            raise missing
        return row

    async def _shown(self, row: Row, *, given: Any = None) -> ExecutionView:
        item = row.item
        run_as = RunAs.from_json(item["runAs"])
        try:
            found = await self._on_aws.describe(item["machine"], item["name"])
        except Missing:
            # Step Functions does not know it yet, or never will.
            refused = item.get("refused") or {}
            found = AwsExecution(
                item["executionId"],
                "",
                item["machine"],
                item["name"],
                "FAILED" if refused else "RUNNING",
                item["startedAt"],
                item.get("endedAt"),
                input=given,
                error=refused.get("error"),
                cause=refused.get("cause"),
            )
        kind = "service" if run_as.is_service else "user"
        return ExecutionView(
            execution_id=item["executionId"],
            state_machine=item["machine"],
            revision=item.get("revision", 0),
            name=item["name"],
            status=cast(ExecutionStatus, found.status),
            started_at=item["startedAt"],
            ended_at=found.ended_at,
            input=found.input,
            output=found.output,
            error=found.error,
            cause=found.cause,
            started_by=f"{kind}:{run_as.subject}",
            redrive_count=found.redrive_count,
            hops=item["hops"],
        )


def without_token(event: dict[str, Any]) -> dict[str, Any]:
    """An event of a history, its task's token blotted out: who reads must not answer for others."""
    details = event.get("taskScheduledEventDetails")
    if not isinstance(details, dict) or "waitForTaskToken" not in details.get("resource", ""):
        return event
    try:
        told = orjson.loads(details["parameters"])
    except (orjson.JSONDecodeError, KeyError):
        told = None
    shown = orjson.dumps(_blotted(told, "")).decode()
    return {**event, "taskScheduledEventDetails": {**details, "parameters": shown}}


def _blotted(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return {name: _blotted(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [_blotted(inner, key) for inner in value]
    if isinstance(value, str):
        return _BLOT if "token" in key.lower() else _LONG.sub(_BLOT, value)
    return value
