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
from meshplane.workflows.diagram import diagram
from meshplane.workflows.engine import Workflows
from meshplane.workflows.executions import Execution
from meshplane.workflows.run_as import RunAs

_MOST_DRAWN = 25_000
_TOKEN = re.compile(r"[A-Za-z0-9_.-]{1,80}:[A-Za-z0-9_.-]{1,80}:[0-9a-f]{32}(?![0-9a-f])")


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
            Conflict: EXECUTION_EXISTS.
            TooLarge: INPUT_TOO_LARGE.
        """
        await call.allow(MESH)
        started = await self._engine.start(
            call.work,
            body.state_machine,
            body.input,
            run_as=RunAs.of(call.actor),
            name=body.name,
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
        page = await self._engine.executions.history(call.work, execution_id, limit=_MOST_DRAWN)
        return diagram(orjson.loads(text), page.events, execution.status)

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
            Conflict: NOT_REDRIVABLE.
        """
        await self._allowed(call, execution_id)
        await self._engine.executions.redrive(call.work, execution_id)
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
            Resource("Execution", execution_id, attributes=(("startedBy", starter),)), hide=missing
        )
        return found

    async def _view(self, call: Call, execution_id: str) -> ExecutionView:
        return _view(await self._engine.executions.describe(call.work, execution_id))


def _without_tokens(events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The events with their callback tokens blotted out: who reads must not answer for others."""
    text = orjson.dumps(list(events)).decode()
    shown: list[dict[str, Any]] = orjson.loads(_TOKEN.sub("…", text))
    return shown


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
