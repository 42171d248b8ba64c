"""Reading executions: one, lists of them, and their histories."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from meshplane.kit.errors import Missing
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Between, Row, RowPage
from meshplane.workflows.held import read_input
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.tables import EXECUTION_HISTORY, EXECUTIONS, LISTING

STATUSES = ("RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")
LARGEST_PAGE_BYTES = 2_097_152
"""A page of a history ends where its events are larger than this together, whatever its limit."""

_HISTORY_PAGE_ROWS = 100
_FIRST_ROWS = 1


@dataclass(frozen=True, slots=True)
class Execution:
    """An execution as it is described. Times are RFC 3339 text; what it does not have is None."""

    execution_id: str
    machine: str
    revision: int
    name: str
    status: str
    started_at: str
    ended_at: str | None
    input: Any
    output: Any
    error: str | None
    cause: str | None
    run_as: RunAs
    hops: int
    redrive_count: int
    history_id: str


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A part of a history; `next_event_id` is where the next page begins, None at the end."""

    events: Sequence[dict[str, Any]]
    next_event_id: int | None


async def describe(work: UnitOfWork, execution_id: str) -> Execution:
    """An execution with its input and output.

    Raises:
        Missing: EXECUTION_UNKNOWN.
    """
    row = await row_of(work, execution_id)
    item, run = row.item, row.item["run"]
    outcome = run["outcome"] or {}
    return Execution(
        execution_id,
        item["machine"],
        item["revision"],
        item["name"],
        item["status"],
        item["startedAt"],
        item.get("endedAt"),
        await read_input(work, item["runId"]),
        outcome.get("output"),
        outcome.get("error"),
        outcome.get("cause"),
        RunAs.from_json(item["runAs"]),
        item["hops"],
        run["redriveCount"],
        item["runId"],
    )


async def listed(
    work: UnitOfWork,
    *,
    machine: str | None = None,
    status: str | None = None,
    limit: int = 50,
    cursor: str | None = None,
) -> RowPage:
    """A page of the rows of `EXECUTIONS`, the newest first.

    With both a machine and a status, a page may hold fewer than the limit, even none, while
    there is a next one.

    Raises:
        Invalid: CURSOR_INVALID.
    """
    index, partition = "byListing", LISTING
    if machine is not None:
        index, partition = "byMachine", machine
    elif status is not None:
        index, partition = "byStatus", status
    page = await work.query(
        EXECUTIONS, partition, index=index, limit=limit, cursor=cursor, descending=True
    )
    if machine is None or status is None:
        return page
    return RowPage(tuple(row for row in page.rows if row.item["status"] == status), page.cursor)


async def history(
    work: UnitOfWork,
    execution_id: str,
    *,
    first_event_id: int = 1,
    limit: int = 100,
    child: str = "",
) -> HistoryPage:
    """A part of the history, oldest event first.

    Args:
        work: for reading.
        execution_id: whose.
        first_event_id: where to begin.
        limit: the most events; a page of large ones has fewer.
        child: the branch id of a distributed Map's child, which has a history of its own.

    Raises:
        Missing: EXECUTION_UNKNOWN.
    """
    row = await row_of(work, execution_id)
    run_id: str = row.item["runId"]
    stream = f"{run_id}#{child}" if child else run_id
    # The row that the first event lies in begins with it or with an earlier one.
    upto = await work.query(
        EXECUTION_HISTORY,
        stream,
        where=Between(None, first_event_id),
        limit=1,
        descending=True,
    )
    begin = upto.rows[0].item["firstEventId"] if upto.rows else first_event_id
    events: list[dict[str, Any]] = []
    cursor, size, rows = None, 0, _FIRST_ROWS
    while True:
        # A row may hold megabytes, so that few are read before it is known how large they are.
        page = await work.query(
            EXECUTION_HISTORY, stream, where=Between(begin, None), limit=rows, cursor=cursor
        )
        for event in (each for part in page.rows for each in part.item["events"]):
            if event["id"] < first_event_id:
                continue
            size += len(orjson.dumps(event))
            if events and (len(events) == limit or size > LARGEST_PAGE_BYTES):
                return HistoryPage(events, event["id"])
            events.append(event)
        cursor, rows = page.cursor, min(_HISTORY_PAGE_ROWS, rows * 4)
        if cursor is None:
            return HistoryPage(events, None)
        await asyncio.sleep(0)


async def whole_history(
    work: UnitOfWork, execution_id: str
) -> AsyncIterator[Sequence[dict[str, Any]]]:
    """All events of the history, oldest first, in parts: together they may fill the memory.

    Raises:
        Missing: EXECUTION_UNKNOWN.
    """
    row = await row_of(work, execution_id)
    cursor = None
    while True:
        page = await work.query(EXECUTION_HISTORY, row.item["runId"], limit=1, cursor=cursor)
        for part in page.rows:
            yield part.item["events"]
        cursor = page.cursor
        if cursor is None:
            return
        await asyncio.sleep(0)


async def row_of(work: UnitOfWork, execution_id: str) -> Row:
    """The row of an execution.

    Raises:
        Missing: EXECUTION_UNKNOWN.
    """
    row = await work.get(EXECUTIONS, execution_id)
    if row is None:
        raise Missing(
            "EXECUTION_UNKNOWN",
            "There is no execution of this id: it reads `machine:name`. An ended one is kept "
            "for 90 days.",
            field="executionId",
        )
    return row
