"""The boundary: runs a use case in one unit of work, and commits it with its audit record."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from meshplane.boundary.actor import Actor
from meshplane.boundary.call import Call, Judge
from meshplane.boundary.idempotency import Answer, IdempotencyKey
from meshplane.kit.clock import Clock
from meshplane.kit.errors import (
    BaseMoved,
    KeyReused,
    MeshplaneError,
    Refused,
    Unauthenticated,
)
from meshplane.kit.ids import IdMaker
from meshplane.platform.sealing import NoSeal, Seal
from meshplane.platform.store import Store, UnitOfWork

_MOST_ATTEMPTS = 20

T = TypeVar("T")
Work = Callable[[Call], Awaitable[T]]


class _AnsweredMeanwhile(Exception):
    """The same request was carried out by another that came with its idempotency key."""

    def __init__(self, answer: Answer) -> None:
        super().__init__("answered meanwhile")
        self.answer = answer


class Boundary:
    """Opens and commits the unit of work of every operation.

    Args:
        store: where rows, events and audit records go.
        judge: decides what is allowed.
        clock, new_id: the clock and the id maker.
        uploads_folder: where large bodies are received; the system's temporary folder when None.
        seal: closes the answers that are kept.
    """

    def __init__(
        self,
        store: Store,
        judge: Judge,
        clock: Clock,
        new_id: IdMaker,
        uploads_folder: Path | None = None,
        *,
        seal: Seal | None = None,
    ) -> None:
        self._store = store
        self._seal = seal or NoSeal()
        self.uploads_folder = uploads_folder
        self._judge = judge
        self.clock = clock
        self._new_id = new_id

    def open(self, operation: str, actor: Actor) -> Call:
        """A call with a fresh unit of work."""
        work = self._store.begin(actor.hops)
        call = Call(operation, actor, work, self.clock, self._new_id, self._judge)
        if actor.via is not None:
            call.note(via=actor.via)
        return call

    async def read(self, operation: str, actor: Actor, work: Work[T]) -> T:
        """Runs a use case that changes nothing. A refusal is kept in the audit trail."""
        call = self.open(operation, actor)
        try:
            result = await work(call)
        except MeshplaneError as error:
            # Nothing was found, or the caller may not know of it: only this trail tells which.
            if call.denied or isinstance(error, Refused):
                await self._record_failure(call, error)
            raise
        self._demand_decision(call)
        return result

    async def write(self, operation: str, actor: Actor, work: Work[T]) -> T:
        """Runs a use case and commits what it wrote, with its audit record.

        A use case that raises `BaseMoved`, itself or at its commit, is run again on what is there
        now, up to 20 times.
        """
        return await self._write(operation, actor, work, None)

    async def _write(
        self, operation: str, actor: Actor, work: Work[T], key: IdempotencyKey | None
    ) -> T:
        for attempt in range(1, _MOST_ATTEMPTS + 1):
            call = self.open(operation, actor)
            call.once = key.once if key else None
            try:
                result = await work(call)
                self._demand_decision(call)
                await _keep(call, call.work, None)
                call.work.record(_audit_record(call, "allowed", None))
                await call.work.commit()
            except MeshplaneError as error:
                if isinstance(error, BaseMoved) and attempt < _MOST_ATTEMPTS:
                    continue
                # The same request may have won a race against this one; then its answer is ours.
                stored = await key.find(self._store.begin(), self._seal) if key else None
                if stored is not None:
                    raise _AnsweredMeanwhile(stored) from None
                await self._record_failure(call, error)
                raise
            except asyncio.CancelledError:
                # Whoever asked has hung up. It happened all the same, and is on record.
                await self._record_failure(call, MeshplaneError("CANCELLED", "Nobody waits."))
                raise
            except Exception:
                # A mistake of ours is answered as INTERNAL, and leaves its trace here as well.
                await self._record_failure(call, MeshplaneError("INTERNAL", "An unforeseen error."))
                raise
            else:
                return result
            finally:
                if call.held is not None:
                    await call.held.aclose()
        raise AssertionError("the last attempt returns or raises")

    async def answer(
        self, operation: str, actor: Actor, work: Work[Answer], key: IdempotencyKey | None
    ) -> tuple[Answer, bool]:
        """As `write`, under an idempotency key; the answer, and whether it is a stored one."""
        if key is None:
            return await self.write(operation, actor, work), False
        try:
            stored = await key.find(self._store.begin(), self._seal)
        except KeyReused as error:
            await self._record_failure(self.open(operation, actor), error)
            raise
        if stored is not None:
            return stored, True

        async def keeping(call: Call) -> Answer:
            given = await work(call)
            key.keep(call.work, given, int(self.clock.now().timestamp()), self._seal)
            return given

        try:
            return await self._write(operation, actor, keeping, key), False
        except _AnsweredMeanwhile as other:
            return other.answer, True

    async def record_stranger(self, error: Unauthenticated, trace_id: str, path: str) -> None:
        """Keeps in the audit trail that a request came without a token that holds."""
        work = self._store.begin()
        work.record(
            {
                "operation": "authenticate",
                "actor": "unknown",
                "onBehalfOf": None,
                "outcome": "refused",
                "code": error.code,
                "resource": path[:200],
                "detail": {},
                "traceId": trace_id,
            }
        )
        await work.commit()

    async def record_refused(self, operation: str, actor: Actor, error: Refused) -> None:
        """Keeps in the audit trail that an operation was refused before it was opened."""
        await self._record_failure(self.open(operation, actor), error)

    async def record_end(self, call: Call, error: MeshplaneError | None) -> None:
        """Records how an operation ended whose answer had begun when it was committed.

        Args:
            call: the operation, with what is to be noted of it.
            error: why it did not end well; None if it did.

        Raises:
            Unavailable: STORE_UNAVAILABLE.
        """
        if error is not None:
            await self._record_failure(call, error)
            return
        work = self._store.begin()
        await _keep(call, work, None)
        work.record(_audit_record(call, "allowed", None))
        await work.commit()

    def _demand_decision(self, call: Call) -> None:
        if not call.decided:
            raise RuntimeError(f"{call.operation} asked for no authorization decision")

    async def _record_failure(self, call: Call, error: MeshplaneError) -> None:
        """A record of its own: the unit of work that failed is gone with all that it held."""
        if error.code == "STORE_UNAVAILABLE":
            # What could not be written cannot be recorded either: trying again doubles the wait.
            return
        outcome = "refused" if call.denied or isinstance(error, Refused) else "failed"
        work = self._store.begin()
        await _keep(call, work, error.code)
        work.record(_audit_record(call, outcome, error.code))
        await work.commit()


async def _keep(call: Call, work: UnitOfWork, code: str | None) -> None:
    for keeper in call.keepers:
        await keeper(work, code)


def _audit_record(call: Call, outcome: str, code: str | None) -> dict[str, Any]:
    return {
        "operation": call.operation,
        "actor": call.actor.name,
        "onBehalfOf": call.actor.on_behalf_of,
        "outcome": outcome,
        "code": code,
        "resource": call.resource,
        "detail": call.detail,
        "traceId": call.actor.trace_id,
    }
