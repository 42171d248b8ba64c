"""Long work in steps, outside of any transaction: bringing many things elsewhere to what they are.

request → a row and a message, in one commit → each step does its work, and then the row, and the
message that asks for the next step, are one commit. A process that dies leaves the message: whoever
takes it next does that step once more, so a step must be such that this does no harm.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from logging import ERROR
from typing import Any

from meshplane.boundary.call import Call
from meshplane.events.queues import Message, QueueHandler, send
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import BaseMoved, MeshplaneError, Missing
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.tables import Index, Table
from meshplane.platform.telemetry import log

RUNNING, COMPLETED = "RUNNING", "COMPLETED"
BY_CLOCK, BY_PERSON = "schedule", "person"
MOST_FAILURES_TOLD = 200

_ALL = "all"
_PATIENCE = 5
"""How often a step is tried that fails as a whole, before it is told as failed."""

_UNFORESEEN = "INTERNAL"
_KEPT = timedelta(days=30)
_LONGEST_STEP_SECONDS = 21_600.0
_LONGEST_RUN = timedelta(days=1)
_LOOK_SECONDS = 0.1
_SEEN = 20


@dataclass(frozen=True, slots=True)
class Stepped:
    """What a step came to.

    Args:
        counts: what was done, by what one calls it.
        failures: the code of each thing that failed, by its id.
        next_place: where the next step begins, JSON; None at the end.
    """

    counts: Mapping[str, int]
    failures: Mapping[str, str] = field(default_factory=dict)
    next_place: Any = None


Step = Callable[[Mapping[str, Any], Any], Awaitable[Stepped]]
"""Does one step, in commits of its own; given what was asked for, and where it begins."""


def mending_table(name: str) -> Table:
    """A table of such work; what has ended is kept for a month."""
    return Table(
        name,
        "reconciliationId",
        indexes=(Index("byTime", "listing", "startedAt"),),
        expires="expires",
    )


class Mending:
    """Such work of one kind.

    Args:
        table: of `mending_table`.
        queue: the name of its queue.
        step: does one step.
        store: holds the table.
        clock: the present.
        counts: what its steps count.
    """

    def __init__(
        self,
        table: Table,
        queue: str,
        step: Step,
        store: Store,
        clock: Clock,
        *,
        counts: Sequence[str],
    ) -> None:
        self._table = table
        self._queue = queue
        self._step = step
        self._store = store
        self._clock = clock
        self._counts = tuple(counts)

    @property
    def queues(self) -> tuple[QueueHandler, ...]:
        """What works off the steps."""
        return (
            QueueHandler(
                self._queue,
                self.run,
                exclusive=True,
                concurrency=1,
                timeout_seconds=_LONGEST_STEP_SECONDS,
            ),
        )

    async def begin(self, call: Call, wish: Mapping[str, Any], first: Any) -> dict[str, Any]:
        """Begins, in the commit of the call; the row.

        What the clock asks for is not begun while something that it began goes on.

        Args:
            call: of who asks.
            wish: what is asked for, JSON; each step gets it.
            first: where the first step begins, JSON; None where there is nothing to do.
        """
        by_clock = call.actor.kind == "Service"
        if by_clock and (running := await self._running(call.work)) is not None:
            return running
        now = self._clock.now()
        item: dict[str, Any] = {
            "reconciliationId": call.new_id("reconcile"),
            "listing": _ALL,
            "trigger": BY_CLOCK if by_clock else BY_PERSON,
            "status": RUNNING if first is not None else COMPLETED,
            "startedBy": call.actor.on_behalf_of or call.actor.name,
            "startedAt": call.now,
            "completedAt": None if first is not None else call.now,
            "wish": dict(wish),
            "step": 0,
            "place": first,
            "counts": dict.fromkeys(self._counts, 0),
            "failed": 0,
            "failures": [],
            "expires": int((now + _KEPT).timestamp()),
        }
        call.work.put(self._table, item, expected=ABSENT)
        call.resource = f"Reconciliation:{item['reconciliationId']}"
        if first is not None:
            self._send(call.work, item, now)
        return item

    async def run(self, work: UnitOfWork, message: Message) -> None:
        """Does one step, and asks for the next; see `QueueHandler.handle`."""
        row = await work.get(self._table, message.body["reconciliationId"])
        if row is None or row.item["status"] != RUNNING or row.item["step"] != message.body["step"]:
            return  # it was done before
        try:
            stepped = await self._step(row.item["wish"], row.item["place"])
        except Exception as error:  # a mistake of ours, too, must not leave it running for ever
            if message.attempts < _PATIENCE:
                raise
            code = error.code if isinstance(error, MeshplaneError) else _UNFORESEEN
            log(ERROR, "reconciliation_broke_off", queue=self._queue, code=code, exc_info=error)
            stepped = Stepped({}, {"": code})
        item = _after(row.item, stepped)
        if stepped.next_place is None:
            item |= {"status": COMPLETED, "completedAt": to_text(self._clock.now())}
        else:
            self._send(work, item, self._clock.now())
        moved = BaseMoved("RECONCILIATION_MOVED", "Another process carries it out as well.")
        work.put(self._table, item, expected=row.version, otherwise=moved)

    async def find(self, work: UnitOfWork, reconciliation_id: str) -> dict[str, Any]:
        """The row as it is now.

        Raises:
            Missing: RECONCILIATION_NOT_FOUND.
        """
        row = await work.get(self._table, reconciliation_id)
        if row is None:
            raise Missing(
                "RECONCILIATION_NOT_FOUND",
                "There is no reconciliation with this id.",
                field="reconciliationId",
            )
        return row.item

    async def awaited(self, reconciliation_id: str, seconds: float) -> dict[str, Any]:
        """The row once it has ended, or as it is after some seconds."""
        give_up = time.monotonic() + seconds
        while True:
            item = await self.find(self._store.begin(), reconciliation_id)
            if item["status"] == COMPLETED or time.monotonic() >= give_up:
                return item
            await asyncio.sleep(_LOOK_SECONDS)

    async def _running(self, work: UnitOfWork) -> dict[str, Any] | None:
        page = await work.query(self._table, _ALL, index="byTime", limit=_SEEN, descending=True)
        oldest = self._clock.now() - _LONGEST_RUN
        return next(
            (
                row.item
                for row in page.rows
                if row.item["status"] == RUNNING
                and row.item["trigger"] == BY_CLOCK
                and from_text(row.item["startedAt"]) > oldest
            ),
            None,
        )

    def _send(self, work: UnitOfWork, item: Mapping[str, Any], now: datetime) -> None:
        name, step = item["reconciliationId"], item["step"]
        body = {"reconciliationId": name, "step": step}
        send(work, self._queue, body, message_id=f"{name}-{step}", now=now)


def _after(item: Mapping[str, Any], stepped: Stepped) -> dict[str, Any]:
    """The row after a step."""
    counts = {name: count + stepped.counts.get(name, 0) for name, count in item["counts"].items()}
    told = [{"id": own_id, "code": code} for own_id, code in stepped.failures.items()]
    return {
        **item,
        "step": item["step"] + 1,
        "place": stepped.next_place,
        "counts": counts,
        "failed": item["failed"] + len(told),
        "failures": [*item["failures"], *told][:MOST_FAILURES_TOLD],
    }
