"""The statements under way in this process: whose they are, and how to end them.

A statement lives in the process that answers it, and so does what is known of it here: when the
process ends, its statements have ended with it.
"""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from meshplane.kit.errors import Conflict, MeshplaneError
from meshplane.policy.model import Resource

T = TypeVar("T")

_USER = "user:"


def query_resource(query_id: str, principal: str) -> Resource:
    """A query as policies know it.

    Args:
        query_id: its id.
        principal: whose it is, as in `Actor.name`; empty where nobody has one of that id.
    """
    starter = principal.removeprefix(_USER) if principal.startswith(_USER) else ""
    return Resource("Query", query_id, attributes=(("startedBy", starter),))


def cancelled(by_other: bool) -> Conflict:
    """What a caller is told whose statement was cancelled."""
    who = "by an administrator" if by_other else "as you asked"
    return Conflict("SQL_CANCELLED", f"The statement was cancelled {who} before it ended.")


def id_taken() -> Conflict:
    """An id that a caller chose was his before."""
    return Conflict(
        "QUERY_ID_TAKEN",
        "You have sent a query with this queryId before: choose another, or leave it out.",
        field="queryId",
    )


@dataclass(slots=True, eq=False)
class UnderWay:
    """A statement under way.

    Attributes:
        principal: who sent it, as in `Actor.name`.
        query_id: unique among his own.
        operation, sql, started_at: what it is.
        state: `waiting` for its turn, `running`, `ended` while its end is being written down.
        goes_on: whether it outlives the operation that began it, because its answer is streamed.
    """

    principal: str
    query_id: str
    operation: str
    sql: str
    started_at: str
    state: str = "waiting"
    goes_on: bool = False
    _stop: asyncio.Future[MeshplaneError] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def stop(self, why: MeshplaneError) -> None:
        """Ends it; whoever waits for its answer gets `why`. What has ended stays as it is."""
        if not self._stop.done():
            self._stop.set_result(why)

    async def guard(self, work: Coroutine[Any, Any, T]) -> T:
        """The result of the work, which is cancelled when this is stopped.

        Raises:
            MeshplaneError: what `stop` was given.
        """
        task = asyncio.ensure_future(work)
        either: set[asyncio.Future[Any]] = {task, self._stop}
        try:
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                raise self._stop.result()
            return task.result()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            self.state = "ended"


class InFlight:
    """All statements under way in this process."""

    def __init__(self) -> None:
        self._of: dict[tuple[str, str], UnderWay] = {}

    @asynccontextmanager
    async def entered(self, one: UnderWay) -> AsyncIterator[None]:
        """Holds a statement's id, until it ends here or, if it goes on, until `leave`.

        Raises:
            Conflict: QUERY_ID_TAKEN.
        """
        key = one.principal, one.query_id
        if key in self._of:
            raise id_taken()
        self._of[key] = one
        try:
            yield
        finally:
            if not one.goes_on:
                self.leave(one)

    def leave(self, one: UnderWay) -> None:
        """Lets go of a statement that has ended."""
        if self._of.get((one.principal, one.query_id)) is one:
            del self._of[one.principal, one.query_id]

    def find(self, principal: str, query_id: str) -> UnderWay | None:
        """The statement of that id, if it has not ended."""
        one = self._of.get((principal, query_id))
        return one if one is not None and one.state != "ended" else None

    def of(self, principal: str) -> list[UnderWay]:
        """Those of one principal that have not ended, the oldest first."""
        return [one for one in self.all() if one.principal == principal]

    def all(self) -> list[UnderWay]:
        """Those of everyone that have not ended, the oldest first."""
        return [one for one in self._of.values() if one.state != "ended"]
