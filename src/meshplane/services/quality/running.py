"""Runs that go on after their request: begun, looked at from time to time, and ended.

POST commits the run as `running`, with a message → begin, once for each run → look, again and again
→ results, score and events in one commit. A process that dies leaves a message, and whoever takes
it goes on. A run that was cancelled meanwhile is stopped at the next look.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from meshplane.boundary.actor import service_actor
from meshplane.events.queues import Message, QueueHandler, send
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Row
from meshplane.services.quality.ports import Begun, Evaluated, LongEvaluator, ToEvaluate
from meshplane.services.quality.records import FAILED, RUNNING, completed, tell
from meshplane.services.quality.store import RUNS

QUEUE = "quality-runs"
_LONGEST_SECONDS = 7_200.0
_LONGEST_MESSAGE_SECONDS = 86_400.0
_MOST_ATTEMPTS = 10_000
_FIRST_SECONDS, _GROWTH, _SLOWEST_SECONDS = 0.3, 1.4, 15.0
_LONGEST_REASON = 500
_PATIENCE_SECONDS = 10.0
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.05, 0.5
_NOT_MADE = "QUALITY_RUN_FAILED"
_TOO_SLOW = f"{_NOT_MADE}: it did not end within two hours."
_PATIENCE = 3
"""How many attempts at one step may fail, once a run is late."""

Item = dict[str, Any]


class LongRuns:
    """Carries runs to their end.

    Args:
        evaluator: where they are made.
        store: holds the runs.
        clock: the present.
        patience_seconds: how long whoever began a run waits before he is told that it goes on.
    """

    def __init__(
        self,
        evaluator: LongEvaluator,
        store: Store,
        clock: Clock,
        patience_seconds: float = _PATIENCE_SECONDS,
    ) -> None:
        self._evaluator = evaluator
        self._store = store
        self._clock = clock
        self._patience_seconds = patience_seconds

    @property
    def queues(self) -> Sequence[QueueHandler]:
        """The queue that runs wait in."""
        return (QueueHandler(QUEUE, self._handle, exclusive=True, concurrency=8),)

    def begin(self, work: UnitOfWork, asked: ToEvaluate) -> None:
        """Has a run made, once `work` is committed.

        Args:
            work: the unit of work that puts the run, as running.
            asked: what is to be evaluated.
        """
        kept = {
            "runId": asked.run_id,
            "tableId": asked.table_id,
            "database": asked.database,
            "name": asked.name,
            "ruleset": asked.ruleset,
        }
        self._send(work, kept, None, 0)

    async def settle(self, run_id: str) -> None:
        """Returns when a run has ended, or after a while: it goes on all the same."""
        give_up = time.monotonic() + self._patience_seconds
        pause_seconds = _FIRST_PAUSE_SECONDS
        while time.monotonic() < give_up:
            row = await self._store.begin().get(RUNS, run_id)
            if row is None or row.item["status"] != RUNNING:
                return
            await asyncio.sleep(pause_seconds)
            pause_seconds = min(_LONGEST_PAUSE_SECONDS, pause_seconds * 1.5)

    async def _handle(self, work: UnitOfWork, message: Message) -> None:
        body = message.body
        asked = self._asked(body["asked"])
        begun = None if body["begun"] is None else Begun(**body["begun"])
        row = await work.get(RUNS, asked.run_id)
        if row is None or row.item["status"] != RUNNING:
            await self._stop(asked, begun, may_have_begun=message.attempts > 1)
            return
        if message.attempts > _PATIENCE and self._is_late(row):
            # Whatever fails has failed before, be it that no attempt comes to an end.
            if begun is not None:
                await self._evaluator.cancel(begun)
            self._fail(work, row, _TOO_SLOW)
            return
        try:
            await self._go_on(work, row, asked, begun, body)
        except MeshplaneError as error:
            again = isinstance(error, Unavailable) and error.code != _NOT_MADE
            if again and not self._is_late(row):
                raise
            self._fail(work, row, f"{error.code}: {error.message}")

    async def _go_on(
        self, work: UnitOfWork, row: Row, asked: ToEvaluate, begun: Begun | None, body: Item
    ) -> None:
        found: Begun | Evaluated | None
        if begun is None:
            found = await self._evaluator.begin(asked)
        else:
            found = await self._evaluator.look(asked, begun)
        if isinstance(found, Evaluated):
            self._complete(work, row, found)
            return
        begun = found or begun
        if begun is not None and self._is_late(row):
            await self._evaluator.cancel(begun)
            self._fail(work, row, _TOO_SLOW)
            return
        self._send(work, body["asked"], begun, body["looks"] + 1)

    async def _stop(self, asked: ToEvaluate, begun: Begun | None, *, may_have_begun: bool) -> None:
        """Ends what a cancelled run left elsewhere."""
        if begun is None and may_have_begun:
            # Asked for again under the same name, it tells the number of what was begun before.
            found = await self._evaluator.begin(asked)
            begun = found if isinstance(found, Begun) else None
        if begun is not None:
            await self._evaluator.cancel(begun)

    def _complete(self, work: UnitOfWork, row: Row, evaluated: Evaluated) -> None:
        now = self._clock.now()
        seconds = (now - from_text(row.item["startedAt"])).total_seconds()
        item = completed(row.item, evaluated, seconds)
        work.put(RUNS, item, expected=row.version)
        tell(work, item, to_text(now))

    def _fail(self, work: UnitOfWork, row: Row, reason: str) -> None:
        item = {**row.item, "status": FAILED, "statusReason": reason[:_LONGEST_REASON]}
        work.put(RUNS, item, expected=row.version)

    def _is_late(self, row: Row) -> bool:
        began = from_text(row.item["startedAt"])
        return (self._clock.now() - began).total_seconds() > _LONGEST_SECONDS

    def _asked(self, kept: Mapping[str, Any]) -> ToEvaluate:
        return ToEvaluate(
            # Whoever asked for the run was allowed to; what goes on is the service's own.
            actor=service_actor("quality"),
            run_id=kept["runId"],
            table_id=kept["tableId"],
            database=kept["database"],
            name=kept["name"],
            ruleset=kept["ruleset"],
            clock=self._clock,
        )

    def _send(
        self, work: UnitOfWork, asked: Mapping[str, Any], begun: Begun | None, looks: int
    ) -> None:
        wait = min(_FIRST_SECONDS * _GROWTH ** min(looks - 1, 20), _SLOWEST_SECONDS)
        send(
            work,
            QUEUE,
            {
                "asked": dict(asked),
                "begun": None if begun is None else asdict(begun),
                "looks": looks,
            },
            message_id=f"{asked['runId']}-{looks}",
            now=self._clock.now(),
            delay_seconds=wait if looks else 0.0,
            maximum_attempts=_MOST_ATTEMPTS,
            maximum_age_seconds=_LONGEST_MESSAGE_SECONDS,
        )
