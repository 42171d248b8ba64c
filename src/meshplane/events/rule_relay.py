"""The rule relay: reads the outbox, matches all rules, and writes messages for their targets.

outbox page → `RuleBook.matching` → messages and the relay's place in one commit. The place's
version lets one of several processes win each page; nothing is sent twice, nothing is left out.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from logging import DEBUG

from meshplane.events.envelope import envelope_of
from meshplane.events.lane import CURSORS, CursorMoved
from meshplane.events.right_of_way import RightOfWay
from meshplane.events.rule_book import RuleBook
from meshplane.events.rule_dispatch import dispatch
from meshplane.kit.clock import Clock
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, Store, UnitOfWork
from meshplane.platform.telemetry import log
from meshplane.platform.trouble import Trouble

PLACE = "meshplane.rules"
"""The name of the relay's place among those of consumers."""

_PAGE = 200
_IDLE_SECONDS = 0.25
_MOST_MESSAGES = 1000
_SKIP_AT_LEAST = 1000


class RuleRelay:
    """Hands events to rules until it is stopped.

    A rule gets the events that come after it was created or last enabled.

    Args:
        store: holds the outbox, the rules and the messages.
        book: the rules.
        clock: the present.
        way: given to the requests of this process before each page.
    """

    def __init__(
        self, store: Store, book: RuleBook, clock: Clock, way: RightOfWay | None = None
    ) -> None:
        self._store = store
        self._book = book
        self._clock = clock
        self._way = way or RightOfWay()
        self._read = 0
        self._kept = 0
        self._version = ABSENT
        self._generation = 0
        self._trouble = Trouble("rule_relay_waits", "rule_relay_goes_on")
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(), name="rule-relay")

    async def stop(self) -> None:
        """Ends; what was not committed is matched at the next start."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def run_due(self) -> None:
        """Works off what the outbox holds now, without `start`."""
        await self._load()
        while await self._page():
            continue

    async def _run(self) -> None:
        while True:
            try:
                await self._load()
                await self._follow()
            except CursorMoved:
                log(DEBUG, "cursor_moved_elsewhere")
            except Exception as error:  # noqa: BLE001 - nothing may end the delivery for good
                self._trouble.met(error)
                await asyncio.sleep(_IDLE_SECONDS)

    async def _load(self) -> None:
        await self._book.refresh()
        row = await self._store.begin().get(CURSORS, PLACE)
        self._kept = self._read = row.item["position"] if row else 0
        self._version = row.version if row else ABSENT

    async def _follow(self) -> None:
        """Page after page; ends only by an error."""
        while True:
            await self._way.give()
            found_some = await self._page()
            self._trouble.over()
            if found_some:
                # Others get their turn, also where no page brings a commit.
                await asyncio.sleep(0)
            else:
                patience_seconds = self._store.stillness.seconds(_IDLE_SECONDS, ())
                await self._store.wait_for_events(None, self._read, patience_seconds)

    async def _page(self) -> bool:
        """Works off one page; whether there was one.

        Raises:
            CursorMoved: another process works here; load again.
            Unavailable: the store cannot be written now.
        """
        events = await self._store.events_after(self._read, _PAGE)
        if not events:
            return False
        # After the page was read: a rule that was there before one of its events is seen.
        await self._book.refresh()
        changed = self._book.generation != self._generation
        work = self._store.begin()
        reached, sent = self._dispatch(work, events)
        # A place that is behind costs a little reading at the next start, except where a rule has
        # changed: what was before that must not be read again with the new rule.
        if sent or changed or reached - self._kept >= _SKIP_AT_LEAST:
            work.put(
                CURSORS,
                {"consumer": PLACE, "position": reached},
                expected=self._version,
                otherwise=CursorMoved("CURSOR_MOVED", "Another process matched it."),
            )
            await work.commit()
            self._kept, self._version = reached, self._version + 1
        self._read, self._generation = reached, self._book.generation
        return True

    def _dispatch(self, work: UnitOfWork, events: Sequence[StoredEvent]) -> tuple[int, int]:
        """Writes the messages of these events, or of the first so many; how far, and how many."""
        now, sent, reached = self._clock.now(), 0, self._read
        for event in events:
            envelope = envelope_of(event)
            for rule in self._book.matching(envelope):
                if event.sequence > rule.since:
                    sent += dispatch(work, rule, envelope, hops=event.hops, now=now)
            reached = event.sequence
            if sent >= _MOST_MESSAGES:
                break
        return reached, sent
