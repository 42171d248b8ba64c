"""The tables of the durable runner.

An execution is one row of `EXECUTIONS`, which also holds its root branch, one row for each other
branch that it has now, and its history, a row for each commit. The version of the execution's row
is its fence: whoever writes the next transition must have read the last one.
"""

import zlib

from meshplane.platform.tables import Index, Table

STATE_MACHINES = Table("StateMachines", "name", indexes=(Index("byListing", "listing", "name"),))
"""State machines as they are now; `revision` is the newest one."""

STATE_MACHINE_REVISIONS = Table("StateMachineRevisions", "name", "revision", numbers=("revision",))
"""Every definition that was ever put. An execution keeps to the one that it was started with."""

EXECUTIONS = Table(
    "Executions",
    "executionId",
    indexes=(
        Index("byMachine", "machine", "startedAt"),
        Index("byStatus", "status", "startedAt"),
        Index("byListing", "listing", "startedAt"),
        Index("byWake", "wakeShard", "wakeAt"),
    ),
    expires="expires",
    numbers=("wakeAt",),
)
"""`wakeAt`, in epoch milliseconds, is when somebody must look after the execution: the end of the
owner's lease, or the soonest timer. It is absent when only an answer or nothing can move it."""

EXECUTION_BRANCHES = Table("ExecutionBranches", "runId", "branchId", expires="expires")
"""The branches of Parallel and Map that are under way, or that wait to be joined."""

EXECUTION_HISTORY = Table(
    "ExecutionHistory", "stream", "firstEventId", expires="expires", numbers=("firstEventId",)
)
"""The events of one commit; `stream` is the run's id, or that of a distributed child after `#`."""

TASK_TOKENS = Table(
    "TaskTokens",
    "executionId",
    "token",
    indexes=(Index("bySignal", "signalShard", "signal"), Index("byBranch", "openOf", "branchId")),
    expires="expires",
)
"""Callback tokens. An answer waits in its row, and in `bySignal`, until it is applied; `byBranch`
holds the tokens of tasks that are not over."""

WORKFLOW_TABLES = (
    STATE_MACHINES,
    STATE_MACHINE_REVISIONS,
    EXECUTIONS,
    EXECUTION_BRANCHES,
    EXECUTION_HISTORY,
    TASK_TOKENS,
)

LISTING = "all"
"""The one partition of the indexes that list everything."""

DAY_SECONDS = 86_400
KEPT_SECONDS = 90 * DAY_SECONDS
"""How long an ended execution is kept, and its name with it."""

PART_KEPT_SECONDS = (366 + 90) * DAY_SECONDS
"""How long parts of an execution are kept after they were written: nobody knows yet when it will
end, but no execution lasts longer than a year."""

SHARDS = 4
"""Into how many partitions the indexes that are polled are split, for stores that limit one."""

ROOT = "0"
"""The id of an execution's root branch."""


def shard_of(execution_id: str) -> str:
    """The partition of the polled indexes that an execution belongs to."""
    return str(zlib.crc32(execution_id.encode()) % SHARDS)


def signal_of(execution_id: str, token: str) -> str:
    """An answered token's sort key in `bySignal`: those of one execution lie together."""
    return f"{execution_id}#{token}"
