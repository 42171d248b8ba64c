"""Callback tokens: each is answered once, by whoever has it, in whatever process he is.

An answer is written into the token's row, under the version that was read, and waits there until
the process that owns the execution applies it in the execution's next transition. A task that ends
otherwise (its time is over, its execution was stopped) takes its token away under the version as
well. So of an answer and a timeout one wins, and the other learns it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from meshplane.kit.errors import BaseMoved, Conflict, Invalid, Missing, TooLarge
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Between, Item, Row
from meshplane.workflows.asl import TaskRequest
from meshplane.workflows.tables import TASK_TOKENS, shard_of, signal_of

OPEN = "OPEN"
ANSWERED = "ANSWERED"
USED = "USED"
GONE = "GONE"

LARGEST_OUTPUT_BYTES = 262_144
LONGEST_ERROR = 256
LONGEST_CAUSE = 32_768
LONGEST_TOKEN = 2048


class TokenMoved(BaseMoved):
    """Somebody else answered the token, or showed a sign of life with it, meanwhile."""

    def __init__(self) -> None:
        super().__init__("TASK_TOKEN_MOVED", "The token was used by another meanwhile: try again.")


@dataclass(frozen=True, slots=True)
class Success:
    """A task's good answer: JSON."""

    output: Any

    def to_json(self) -> dict[str, Any]:
        """As the token's row holds it."""
        return {"output": self.output}


@dataclass(frozen=True, slots=True)
class Failure:
    """A task's failure: an error's name that `Retry` and `Catch` see, and its cause."""

    error: str | None
    cause: str | None

    def to_json(self) -> dict[str, Any]:
        """As the token's row holds it."""
        return {"error": self.error, "cause": self.cause}


async def answer(
    work: UnitOfWork,
    token: str,
    given: Success | Failure,
    *,
    now: datetime,
    by_child: bool = False,
    by_person: bool = False,
) -> str:
    """Answers a token, in the commit of `work`.

    Args:
        work: the unit of work that it belongs to.
        token: as the task was given it.
        given: the answer.
        now: the present.
        by_child: whether a child execution answers the token that was made for it; nobody else
            may use that one.
        by_person: whether it comes from outside. What waits for a part of the mesh is answered by
            that part alone.

    Returns:
        The id of the execution that goes on.

    Raises:
        Missing: TASK_TOKEN_UNKNOWN.
        Conflict: TASK_TOKEN_USED, it was answered before; TASK_TOKEN_GONE, its task is over: it
            timed out, or the execution ended.
        TokenMoved: by the commit, another used it at the same time; the boundary runs it again.
        TooLarge: OUTPUT_TOO_LARGE.
        Invalid: ERROR_TOO_LONG.
    """
    _check(given)
    row = await _row(work, token)
    if row is None or row.item["ofChild"] != by_child:
        raise _unknown()
    if by_person and row.item.get("ofMesh"):
        raise _unknown()
    refuse_closed(row)
    execution_id = row.item["executionId"]
    item = {
        **row.item,
        "state": ANSWERED,
        "answer": given.to_json(),
        "answeredAt": now.timestamp(),
        "signalShard": shard_of(execution_id),
        "signal": signal_of(execution_id, token),
    }
    work.put(TASK_TOKENS, item, expected=row.version, otherwise=TokenMoved())
    return str(execution_id)


async def heartbeat(work: UnitOfWork, token: str, *, now: datetime) -> None:
    """Says that a task is still being worked on; its heartbeat's time begins anew.

    Raises:
        Missing, Conflict: as in `answer`.
    """
    row = await _row(work, token)
    if row is None or row.item["ofChild"]:
        raise _unknown()
    refuse_closed(row)
    item = {**row.item, "beatAt": now.timestamp()}
    work.put(TASK_TOKENS, item, expected=row.version, otherwise=TokenMoved())


async def is_open(work: UnitOfWork, token: str) -> bool:
    """Whether a task waits for an answer to this token."""
    row = await _row(work, token)
    return row is not None and row.item["state"] == OPEN and not row.item["ofChild"]


async def answered(work: UnitOfWork, execution_id: str, limit: int) -> list[Row]:
    """The answers to an execution's tokens that wait to be applied."""
    first = signal_of(execution_id, "")
    # "$" follows "#", which ends the execution's id there.
    between = Between(first, f"{execution_id}$")
    page = await work.query(
        TASK_TOKENS, shard_of(execution_id), index="bySignal", where=between, limit=limit
    )
    return list(page.rows)


async def of_branch(work: UnitOfWork, execution_id: str, branch_id: str) -> list[Row]:
    """The tokens of a branch whose tasks are not over: committed ones, oldest first."""
    between = Between(branch_id, branch_id)
    page = await work.query(TASK_TOKENS, execution_id, index="byBranch", where=between)
    return list(page.rows)


def opened(
    request: TaskRequest,
    token: str,
    execution_id: str,
    expires: int,
    *,
    child: str | None = None,
    of_mesh: bool = False,
) -> Item:
    """The row of a new token.

    Args:
        request: the task.
        token: its text.
        execution_id: whose it is.
        expires: when the row may go, epoch seconds.
        child: the execution that will answer it, if one will.
        of_mesh: whether a part of the mesh will.
    """
    return {
        "executionId": execution_id,
        "token": token,
        "branchId": request.branch_id,
        "attempt": request.attempt,
        "openOf": execution_id,
        "state": OPEN,
        "ofChild": child is not None,
        "ofMesh": of_mesh,
        "child": child,
        "expires": expires,
    }


def closed(row: Row, state: str) -> dict[str, Any]:
    """A token's row once its task is over: what was answered is in the history."""
    left_out = ("answer", "signalShard", "signal", "openOf")
    return {**{name: row.item[name] for name in row.item if name not in left_out}, "state": state}


def refuse_closed(row: Row) -> None:
    """Goes on only if the token can still be answered."""
    if row.item["state"] == GONE:
        raise Conflict(
            "TASK_TOKEN_GONE",
            "The task of this token is over: it timed out, or its execution ended.",
            field="taskToken",
        )
    if row.item["state"] != OPEN:
        raise _used()


async def _row(work: UnitOfWork, token: str) -> Row | None:
    execution_id, colon, secret = token.rpartition(":")
    if not (colon and execution_id and secret) or len(token) > LONGEST_TOKEN:
        return None
    return await work.get(TASK_TOKENS, execution_id, token)


def _check(given: Success | Failure) -> None:
    if isinstance(given, Success):
        if len(orjson.dumps(given.output)) > LARGEST_OUTPUT_BYTES:
            raise TooLarge(
                "OUTPUT_TOO_LARGE",
                "An output has at most 262144 bytes: pass on where the data lies.",
                field="output",
            )
    else:
        check_failure(given.error, given.cause)


def check_failure(error: str | None, cause: str | None) -> None:
    """Refuses an error's name or a cause that is too long.

    Raises:
        Invalid: ERROR_TOO_LONG.
    """
    for text, longest, field in ((error, LONGEST_ERROR, "error"), (cause, LONGEST_CAUSE, "cause")):
        if len(text or "") > longest:
            raise Invalid("ERROR_TOO_LONG", f"This has at most {longest} characters.", field=field)


def _unknown() -> Missing:
    return Missing(
        "TASK_TOKEN_UNKNOWN",
        "Nobody waits with this token: copy it whole, as the task was given it.",
        field="taskToken",
    )


def _used() -> Conflict:
    return Conflict(
        "TASK_TOKEN_USED",
        "This token was answered already: a task has one answer, the first.",
        field="taskToken",
    )
