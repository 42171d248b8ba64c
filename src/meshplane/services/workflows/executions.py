"""Use cases of executions, and the answers that their tasks wait for."""

import re
from collections.abc import Sequence
from typing import Any, cast

import orjson

from meshplane.boundary.call import Call
from meshplane.boundary.schemas import Page, position
from meshplane.kit.errors import Missing
from meshplane.platform.tables import Row
from meshplane.policy.model import MESH, Resource
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
from meshplane.workflows.arns import execution_arn
from meshplane.workflows.diagram import diagram, moves
from meshplane.workflows.engine import Workflows
from meshplane.workflows.executions import Execution
from meshplane.workflows.run_as import RunAs

_SECRET = re.compile(r":[0-9a-f]{32}")
_OWNER = re.compile(r"[A-Za-z0-9_.-]{1,80}:[A-Za-z0-9_.-]{1,80}\Z")
_LONGEST_OWNER = 161
_ARN_END = "execution:"
_ARN = execution_arn("").removesuffix(_ARN_END) + _ARN_END


class ExecutionCases:
    """Starts, follows, stops and redrives executions.

    Args:
        engine: runs them.
    """

    def __init__(self, engine: Workflows) -> None:
        self._engine = engine

    async def start(self, call: Call, body: NewExecution) -> ExecutionView:
        """Starts an execution; its tasks act in the caller's name.

        Raises:
            Missing: STATE_MACHINE_UNKNOWN.
            Conflict: EXECUTION_EXISTS, EVENT_LOOP.
            TooLarge: INPUT_TOO_LARGE.
        """
        await call.allow(MESH)
        started = await self._engine.start(
            call.work,
            body.state_machine,
            body.input,
            run_as=RunAs.of(call.actor),
            name=body.name,
            hops=call.actor.hops,
        )
        call.resource = f"Execution:{started.execution_id}"
        return await self._view(call, started.execution_id)

    async def list(self, call: Call, query: ExecutionQuery) -> Page[ExecutionSummary]:
        """Executions, the newest first."""
        await call.allow(MESH)
        page = await self._engine.executions.listed(
            call.work,
            machine=query.state_machine,
            status=query.status,
            limit=query.limit,
            cursor=query.cursor,
        )
        return Page[ExecutionSummary](
            items=[_summary(row) for row in page.rows], next_cursor=page.cursor
        )

    async def get(self, call: Call, execution_id: str) -> ExecutionView:
        """An execution with its input and output."""
        await self._allowed(call, execution_id)
        return await self._view(call, execution_id)

    async def history(self, call: Call, execution_id: str, query: HistoryQuery) -> HistoryView:
        """A part of an execution's history."""
        await self._allowed(call, execution_id)
        page = await self._engine.executions.history(
            call.work,
            execution_id,
            first_event_id=max(1, position(query.cursor)),
            limit=query.limit,
            child=query.child or "",
        )
        following = page.next_event_id
        return HistoryView(
            items=_without_tokens(page.events),
            next_cursor=None if following is None else str(following),
        )

    async def diagram(self, call: Call, execution_id: str) -> str:
        """An execution as a Mermaid flowchart."""
        execution = await self._allowed(call, execution_id)
        machines = self._engine.machines
        text = await machines.text(call.work, execution.machine, execution.revision)
        drawn: list[dict[str, Any]] = []
        async for events in self._engine.executions.whole_history(call.work, execution_id):
            drawn += moves(events)
        return diagram(orjson.loads(text), drawn, execution.status)

    async def stop(self, call: Call, execution_id: str, body: StopBody) -> ExecutionView:
        """Stops an execution where it is.

        Raises:
            Missing: EXECUTION_UNKNOWN.
            Conflict: EXECUTION_ENDED.
        """
        await self._allowed(call, execution_id)
        await call.hold(self._engine.runner.quiet(execution_id))
        await self._engine.executions.stop(
            call.work, execution_id, error=body.error, cause=body.cause
        )
        return await self._view(call, execution_id)

    async def redrive(self, call: Call, execution_id: str) -> ExecutionView:
        """Has an execution go on from where it failed.

        Raises:
            Missing: EXECUTION_UNKNOWN.
            Conflict: NOT_REDRIVABLE, EVENT_LOOP.
        """
        await self._allowed(call, execution_id)
        await self._engine.executions.redrive(
            call.work, execution_id, by=RunAs.of(call.actor), hops=call.actor.hops
        )
        return await self._view(call, execution_id)

    async def succeed(self, call: Call, body: TaskSuccess) -> None:
        """Answers a task's token.

        Raises:
            Missing: TASK_TOKEN_UNKNOWN.
            Conflict: TASK_TOKEN_USED, TASK_TOKEN_GONE.
        """
        await call.allow(MESH)
        await self._engine.answer_success(call.work, body.task_token, body.output, by_person=True)

    async def fail(self, call: Call, body: TaskFailure) -> None:
        """Answers a task's token with an error; raises as `succeed`."""
        await call.allow(MESH)
        await self._engine.answer_failure(
            call.work, body.task_token, body.error, body.cause, by_person=True
        )

    async def beat(self, call: Call, body: TaskBeat) -> None:
        """Says that a task is still being worked on; raises as `succeed`."""
        await call.allow(MESH)
        await self._engine.heartbeat(call.work, body.task_token)

    async def _allowed(self, call: Call, execution_id: str) -> Execution:
        """The execution; for those who may not know of it, it is not there."""
        missing = Missing(
            "EXECUTION_UNKNOWN",
            "There is no execution of this id: it reads `machine:name`. An ended one is kept for "
            "90 days.",
            field="executionId",
        )
        try:
            found = await self._engine.executions.describe(call.work, execution_id)
        except Missing:
            # Asked all the same, so that this answer takes the way of the other.
            nobody = Resource("Execution", execution_id, attributes=(("startedBy", ""),))
            await call.allow(nobody, hide=missing)
            raise missing from None
        starter = "" if found.run_as.is_service else found.run_as.subject
        await call.allow(
            Resource("Execution", execution_id, attributes=(("startedBy", starter),)),
            hide=missing,
            known_by="getExecution",
        )
        return found

    async def _view(self, call: Call, execution_id: str) -> ExecutionView:
        return _view(await self._engine.executions.describe(call.work, execution_id))


def _without_tokens(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with their callback tokens blotted out: who reads must not answer for others."""
    text = orjson.dumps(list(events)).decode()
    if _SECRET.search(text) is None:
        return list(events)
    parts: list[str] = []
    reached = 0
    # From the secret back to whose it is: the other way round takes long in long words.
    for found in _SECRET.finditer(text):
        owner = _owner_before(text, reached, found.start())
        if owner is not None:
            parts += (text[reached:owner], "…")
            reached = found.end()
    shown: list[dict[str, Any]] = orjson.loads("".join((*parts, text[reached:])))
    return shown


def _owner_before(text: str, begin: int, end: int) -> int | None:
    """Where the id of the execution begins that stands between these two, at the end."""
    begin = max(begin, end - _LONGEST_OWNER)
    colon = text.rfind(":", begin, end)
    if colon < 0:
        return None
    found = _OWNER.search(text, max(begin, colon - 80), end)
    if found is None or text.endswith(_ARN, 0, found.start() + len(_ARN_END)):
        # The ARN of an execution ends like a token where its name was made up.
        return None
    return found.start()


def _view(found: Execution) -> ExecutionView:
    kind = "service" if found.run_as.is_service else "user"
    return ExecutionView(
        execution_id=found.execution_id,
        state_machine=found.machine,
        revision=found.revision,
        name=found.name,
        status=cast(ExecutionStatus, found.status),
        started_at=found.started_at,
        ended_at=found.ended_at,
        input=found.input,
        output=found.output,
        error=found.error,
        cause=found.cause,
        started_by=f"{kind}:{found.run_as.subject}",
        redrive_count=found.redrive_count,
        hops=found.hops,
    )


def _summary(row: Row) -> ExecutionSummary:
    item: dict[str, Any] = row.item
    return ExecutionSummary(
        execution_id=item["executionId"],
        state_machine=item["machine"],
        revision=item["revision"],
        name=item["name"],
        status=item["status"],
        started_at=item["startedAt"],
        ended_at=item.get("endedAt"),
    )
