"""Replays: events of an archive, given to the rules once more.

outbox page → the archive's pattern and the span of time → `dispatch` → messages and the replay's
place in one commit. A replayed event has its old id and the member `replay-name`, so that a
pattern can tell it, and a consumer that has seen it knows it.
"""

import asyncio
import math
import time
from collections.abc import Sequence
from contextlib import suppress
from logging import DEBUG, ERROR
from typing import Any

from meshplane.events.archives import Selection
from meshplane.events.dead_letters import Failure
from meshplane.events.envelope import envelope_of
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_dispatch import dispatch
from meshplane.kit.clock import Clock, to_text
from meshplane.kit.errors import Stale, Unavailable
from meshplane.platform.events import StoredEvent
from meshplane.platform.stillness import parts
from meshplane.platform.store import Store, UnitOfWork
from meshplane.platform.tables import Index, KeyValue, Row, Table
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

EVENT_REPLAYS = Table(
    "EventReplays",
    "replayId",
    indexes=(Index("byTime", "bus", "startedAt"), Index("byActivity", "active", "startedAt")),
)
"""Each replay with its state and its place in the outbox."""

ACTIVE = "active"
"""What the index of replays that still run holds; the others lack it."""

_PAGE = 200
_MOST_MESSAGES = 1000
_POLL_SECONDS = 1.0


class ReplayMoved(Stale):
    """Another process replays it, or it was cancelled."""

    def __init__(self) -> None:
        super().__init__("REPLAY_MOVED", "Another process replays it, or it was cancelled.")


class Replays:
    """Runs replays until it is stopped.

    Args:
        store: holds replays, outbox and messages.
        book: the rules.
        clock: the present.
    """

    def __init__(self, store: Store, book: RuleBook, clock: Clock) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self._started = asyncio.Event()
        self._trouble = Trouble("replays_wait", "replays_go_on")
        self._task: asyncio.Task[None] | None = None
        store.on_puts(EVENT_REPLAYS, self._put)

    def _put(self, _: object) -> None:
        self._started.set()

    def start(self) -> None:
        """Begins; replays that a stop or a kill cut short go on."""
        self._task = asyncio.create_task(self._run(), name="replays")

    async def stop(self) -> None:
        """Ends; replays go on at the next start from where they are."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def run_due(self) -> None:
        """Replays what is to be replayed now, without `start`."""
        while rows := await self._active():
            for row in rows:
                await self._page(row)

    async def _run(self) -> None:
        while True:
            self._started.clear()
            since, most_seconds = time.monotonic(), _POLL_SECONDS
            try:
                rows = await self._active()
                for row in rows:
                    await self._page(row)
                most_seconds = math.inf
                self._trouble.over()
            except Exception as error:  # noqa: BLE001 - nothing may end the replays for good
                self._trouble.met(error)
                rows = ()
            if not rows:
                await self._pause(most_seconds, since)

    async def _pause(self, most_seconds: float, since: float) -> None:
        """Returns when one is started, or when it is time to look again."""
        started = asyncio.ensure_future(self._started.wait())
        try:
            await self._store.stillness.pause(
                _POLL_SECONDS, most_seconds, of=parts(EVENT_REPLAYS), since=since, woken=started
            )
        finally:
            started.cancel()

    async def _active(self) -> Sequence[Row]:
        page = await self._store.begin().query(EVENT_REPLAYS, ACTIVE, index="byActivity")
        return page.rows

    async def _page(self, row: Row) -> None:
        """Replays one page of one replay; a mistake of its own ends it as FAILED."""
        try:
            await self._replay_page(row)
        except ReplayMoved:
            log(DEBUG, "replay_moved_elsewhere")
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 - it must not hold up the others
            failure = Failure.of(error)
            log(ERROR, "replay_failed", replay=row.item["replayId"], exc_info=error)
            work = self._store.begin()
            item = ended(row.item, "FAILED", to_text(self._clock.now()))
            _put(work, row, {**item, "errorCode": failure.code, "errorMessage": failure.message})
            with suppress(ReplayMoved):
                await work.commit()

    async def _replay_page(self, row: Row) -> None:
        item, now = row.item, self._clock.now()
        events = [
            event
            for event in await self._store.events_after(item["position"], _PAGE)
            if event.sequence <= item["until"]
        ]
        await self._book.refresh()
        work = self._store.begin()
        if not events:
            _put(work, row, ended(item, "COMPLETED", to_text(now)))
        else:
            position, count = self._dispatch(work, item, events)
            item = {**item, "position": position, "events": item["events"] + count}
            _put(work, row, {**item, "state": "RUNNING"})
        await work.commit()

    def _dispatch(
        self, work: UnitOfWork, item: dict[str, Any], events: Sequence[StoredEvent]
    ) -> tuple[int, int]:
        now, sent, count, position = self._clock.now(), 0, 0, item["position"]
        selection = Selection(
            item["eventPattern"], item["begin"], item["end"], item["retentionDays"], now
        )
        for event in events:
            position = event.sequence
            if not selection.holds(envelope_of(event)):
                continue
            count += 1
            envelope = envelope_of(event, item["name"])
            for rule in self._book.matching(envelope):
                if item["rules"] is None or rule.name in item["rules"]:
                    sent += dispatch(
                        work,
                        rule,
                        envelope,
                        # A workflow may have begun the replay that starts it again.
                        hops=max(event.hops, item.get("hops", 0)),
                        now=now,
                        replay_id=item["replayId"],
                    )
            if sent >= _MOST_MESSAGES:
                break
        return position, count


def ended(item: dict[str, Any], state: str, now: str) -> dict[str, Any]:
    """A replay's row after its end.

    Args:
        item: as it is.
        state: `COMPLETED`, `CANCELLED` or `FAILED`.
        now: RFC 3339 text.
    """
    kept: dict[str, KeyValue | None] = {key: item[key] for key in item if key != "active"}
    return {**kept, "state": state, "endedAt": now}


def _put(work: UnitOfWork, row: Row, item: dict[str, Any]) -> None:
    work.put(EVENT_REPLAYS, item, expected=row.version, otherwise=ReplayMoved())
