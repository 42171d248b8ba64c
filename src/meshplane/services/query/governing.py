"""How every statement is run: in its turn, under watch, with its cost and its history noted."""

import asyncio
import hashlib
import time
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from logging import ERROR
from typing import Any, Protocol

from meshplane.boundary.call import Call
from meshplane.kit.errors import MeshplaneError
from meshplane.platform.telemetry import log
from meshplane.services.query.access import Access
from meshplane.services.query.costs import bytes_scanned, sees_all
from meshplane.services.query.history import Ran, has_ended
from meshplane.services.query.in_flight import InFlight, UnderWay, id_taken
from meshplane.services.query.ports import Asked, QueryEngine
from meshplane.services.query.sandbox import Outcome, Spent, Statement
from meshplane.services.query.sandbox.faults import limit
from meshplane.services.query.schemas import QueryCost
from meshplane.services.query.streaming import Spill
from meshplane.services.query.viewed import all_opened
from meshplane.services.query.watching import lost, until_lost
from meshplane.services.tables.api import remove_residue


class Gate(Protocol):
    """Hands out turns; see `Turns`."""

    def of(self, actor: str) -> AbstractAsyncContextManager[None]:
        """Holds a turn of this actor."""
        ...


@dataclass(slots=True)
class Job:
    """One statement that somebody sent.

    Args:
        call: the operation under way.
        statement: what to run.
        access: what it may read; filled while it runs.
        entry: as it is listed while it is under way.
        ran: what is kept of it.
    """

    call: Call
    statement: Statement
    access: Access
    entry: UnderWay
    ran: Ran

    def cost(self) -> QueryCost:
        """What it cost, as far as its caller may know."""
        return QueryCost(
            rows=self.ran.rows or 0,
            result_bytes=self.ran.result_bytes or 0,
            seconds=self.ran.seconds or 0.0,
            bytes_scanned=self.ran.bytes_scanned,
            usd=self.ran.usd,
        )


class Governing:
    """Runs statements.

    Args:
        engine: runs one.
        turns: says who may run one now.
        in_flight: where those under way are listed.
    """

    def __init__(self, engine: QueryEngine, turns: Gate, in_flight: InFlight) -> None:
        self._engine = engine
        self._turns = turns
        self._in_flight = in_flight

    async def begin(
        self,
        call: Call,
        statement: Statement,
        access: Access,
        *,
        query_id: str | None,
        project_id: str | None,
        is_kept: bool = True,
    ) -> Job:
        """Enters a statement among those under way, under its id, until the operation has ended.

        Args:
            call: the operation, which was allowed.
            statement: what will be run.
            access: what it may read.
            query_id: that the caller chose, if he did.
            project_id: on whose behalf he asks, if he says so.
            is_kept: whether it goes into his history.

        Raises:
            Conflict: QUERY_ID_TAKEN, the caller chose an id that he had before.
        """
        principal, chosen = call.actor.name, query_id
        query_id = chosen or call.new_id("qry")
        entry = UnderWay(principal, query_id, call.operation, statement.sql, call.now)
        await call.hold(self._in_flight.entered(entry))
        if chosen is not None and await has_ended(call.work, principal, chosen):
            raise id_taken()
        digest = hashlib.sha256(statement.sql.encode("utf-8", "surrogatepass")).hexdigest()
        call.note(queryId=query_id, sqlSha256=digest)
        ran = Ran(principal, query_id, call.operation, statement.sql, project_id, call.now)
        if is_kept:
            call.keep(ran.write)
        return Job(call, statement, access, entry, ran)

    async def run(self, job: Job, spill: Spill | None = None) -> Outcome:
        """The outcome of a statement that has begun.

        Args:
            job: what `begin` gave.
            spill: takes the body piece by piece; then that of the outcome is empty.

        Raises:
            Conflict: SQL_CANCELLED, its caller or an administrator ended it, or what it reads was
                taken from its caller.
            MeshplaneError: what the sandbox and the resolution of relations raise.
        """
        begun = time.monotonic()
        spent: Spent | None = None
        try:
            outcome = await job.entry.guard(self._in_turn(job, spill))
            job.ran.seconds = round(outcome.seconds, 6)
            job.ran.rows, job.ran.truncated = outcome.row_count, outcome.truncated
            job.ran.result_bytes = len(outcome.body) if spill is None else spill.size
            spent = outcome.spent
        finally:
            if job.ran.seconds is None:
                job.ran.seconds = round(time.monotonic() - begun, 6)
            await self._account(job, spent)
        return outcome

    async def explain(self, job: Job) -> Outcome:
        """The plan of a statement that has begun; see `QueryEngine.explain`."""
        try:
            return await job.entry.guard(self._with_turn(job, self._engine.explain(_asked(job))))
        finally:
            await self._account(job)

    async def _in_turn(self, job: Job, spill: Spill | None) -> Outcome:
        return await self._with_turn(job, self._to_the_end(job, spill))

    async def _to_the_end(self, job: Job, spill: Spill | None) -> Outcome:
        """Runs it, and keeps its turn until its reader has all of it."""
        if spill is None:
            return await self._engine.run(_asked(job))
        outcome = await self._engine.run(_asked(job), spill.take)
        seconds = job.statement.limits.timeout_seconds
        try:
            async with asyncio.timeout(seconds):
                await spill.end()
        except TimeoutError:
            raise limit(f"The answer was not read within {seconds:g} seconds.") from None
        return outcome

    async def _with_turn(self, job: Job, work: Coroutine[Any, Any, Outcome]) -> Outcome:
        watch: asyncio.Task[None] | None = None
        try:
            async with self._turns.of(job.entry.principal):
                job.entry.state = "running"
                watch = asyncio.create_task(_watch(job))
                return await work
        finally:
            work.close()  # of one whose turn never came
            if watch is not None:
                watch.cancel()
                await asyncio.gather(watch, return_exceptions=True)

    async def _account(self, job: Job, spent: Spent | None = None) -> None:
        """Notes what was read and what it cost, for the audit record and for the history.

        Args:
            job: the statement.
            spent: what the engine says that it took, if it does.
        """
        ran, call = job.ran, job.call
        opened = all_opened(job.access)
        read = [one.read for one in job.access.opened]
        scanned = spent.bytes_scanned if spent else await asyncio.to_thread(bytes_scanned, opened)
        for one in opened:
            await asyncio.to_thread(remove_residue, one.scan)
        ran.relations = [one.model_dump(by_alias=True) for one in read]
        is_here = all(one.scan.source is None for one in opened)
        if sees_all(opened) and is_here:  # what other engines read they do not tell
            ran.bytes_scanned, ran.usd = scanned, spent.usd if spent else None
        call.note(
            relations=[one.read.name for one in opened],
            snapshots=[one.scan.snapshot_id for one in opened],
            bytesScanned=scanned,
            seconds=ran.seconds,
        )
        if spent is not None:
            call.note(usd=spent.usd)
        if ran.rows is not None:
            call.note(rows=ran.rows)
        if ran.result_bytes is not None:
            call.note(resultBytes=ran.result_bytes)


def _asked(job: Job) -> Asked:
    return Asked(job.statement, job.access)


async def _watch(job: Job) -> None:
    """Ends the statement when what it reads may no longer be read."""
    try:
        why: MeshplaneError = await until_lost(job.access)
    except Exception as error:  # noqa: BLE001 - what cannot be watched must not go on
        log(ERROR, "unforeseen", exc_info=error)
        why = lost()
    job.entry.stop(why)
