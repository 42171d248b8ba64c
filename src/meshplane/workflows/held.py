"""An execution as a process holds it in memory while it works on it."""

import os
import random
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from meshplane.kit.errors import BaseMoved
from meshplane.kit.ids import random_hex
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Item, Row
from meshplane.workflows.arns import execution_arn, machine_arn
from meshplane.workflows.asl import ExecutionContext, Run, Source, TaskRequest
from meshplane.workflows.machines import Machines
from meshplane.workflows.performers import ExecutionInfo
from meshplane.workflows.run_as import RunAs
from meshplane.workflows.tables import EXECUTION_BRANCHES, EXECUTION_HISTORY

_PAGE = 1000

TaskId = tuple[str, int]
"""A branch and the attempt of its task."""


class ExecutionMoved(BaseMoved):
    """Another wrote the next transition of this execution."""

    def __init__(self) -> None:
        super().__init__("EXECUTION_MOVED", "The execution moved on meanwhile: try again.")


@dataclass(slots=True)
class Held:
    """An execution in memory.

    Args:
        head: what its row holds and no transition changes.
        version: of its row, as it will be when all that was committed is.
        run: the execution itself.
        info: what performers are told of it.
        pending: the requests of tasks outside the store that have not ended, by branch. They are
            kept beside their branches, so that another process can take them up.
        running: those of them that this process performs.
        lease_ends_at: until when it is ours, epoch seconds; 0 when it is not.
    """

    head: dict[str, Any]
    version: int
    run: Run
    info: ExecutionInfo
    pending: dict[str, TaskRequest] = field(default_factory=dict)
    running: dict[TaskId, TaskRequest] = field(default_factory=dict)
    lease_ends_at: float = 0.0

    @property
    def execution_id(self) -> str:
        """Its id."""
        return self.info.execution_id


HEAD = (
    "executionId",
    "runId",
    "machine",
    "revision",
    "name",
    "startedAt",
    "inputDigest",
    "runAs",
    "hops",
    "parent",
    "listing",
)
"""The attributes of a row that no transition changes."""


def info_of(head: Item) -> ExecutionInfo:
    """What performers are told of an execution."""
    return ExecutionInfo(
        head["executionId"],
        head["machine"],
        head["name"],
        RunAs.from_json(head["runAs"]),
        head["hops"],
    )


def source_of(execution_id: str) -> Source:
    """Where an execution's random numbers, ids and tokens come from.

    A token names its execution, so that it is found by it, and has 128 random bits.
    """
    return Source(
        random=random.Random(os.urandom(16)),  # noqa: S311 - for jitter, not for secrets
        new_uuid=lambda: str(uuid.UUID(random_hex(32), version=4)),
        new_token=lambda: f"{execution_id}:{random_hex(32)}",
    )


def context_of(head: Item, input: Any) -> ExecutionContext:  # noqa: A002 - the language's word
    """The context object's fixed part."""
    return ExecutionContext(
        execution_id=execution_arn(head["executionId"]),
        execution_name=head["name"],
        start_time=head["startedAt"],
        role_arn="",
        state_machine_id=machine_arn(head["machine"]),
        state_machine_name=head["machine"],
        input=input,
    )


async def load(work: UnitOfWork, machines: Machines, row: Row) -> Held:
    """Brings an execution into memory from its rows."""
    item = row.item
    head = {name: item[name] for name in HEAD if name in item}
    machine = await machines.compiled(work, item["machine"], item["revision"])
    rows = [{"branch": item["root"], "task": item.get("task")}]
    rows += [row async for row in _branches(work, item["runId"])]
    context = context_of(head, await read_input(work, item["runId"]))
    branches = [row["branch"] for row in rows]
    run = Run.restore(machine, context, item["run"], branches, source_of(item["executionId"]))
    held = Held(head, row.version, run, info_of(head))
    for task in (row.get("task") for row in rows):
        if task is not None:
            held.pending[task["branch_id"]] = TaskRequest(**task)
    return held


async def read_input(work: UnitOfWork, run_id: str) -> Any:
    """The input that an execution was started with; its history begins with it."""
    row = await work.get(EXECUTION_HISTORY, run_id, 1)
    if row is None:
        raise ExecutionMoved
    return orjson.loads(row.item["events"][0]["executionStartedEventDetails"]["input"])


async def _branches(work: UnitOfWork, run_id: str) -> AsyncIterator[Item]:
    cursor = None
    while True:
        page = await work.query(EXECUTION_BRANCHES, run_id, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            yield row.item
        cursor = page.cursor
        if cursor is None:
            return
