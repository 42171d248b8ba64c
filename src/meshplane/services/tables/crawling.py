"""Crawls that go on after their request: begun, looked at from time to time, and ended.

POST commits the crawl as RUNNING, with a message → begin → look, again and again → what was found,
in one commit with the crawl's end. A process that dies leaves a message, and whoever takes it goes
on. What a step has learnt is in the message of the next one, so that a step that is repeated knows
whether its crawl has been started.

A step that fails in a way that may pass is followed by another one, under a message of its own. So
a message's attempts are those that came to no end, as when a file takes more memory than the
process has; after a few of them the crawl has failed, rather than end one process after the other.

Runs of rulesets go on in the same way (`services/quality/running.py`). The two share queues and
what a message is; what differs is most of the rest: a run can be cancelled and asks by its own
number, a crawl cannot, and is known by the crawl before it. So each is written out.
"""

from collections.abc import Sequence
from dataclasses import asdict
from logging import WARNING
from typing import Any

from meshplane.events.queues import Message, QueueHandler, send
from meshplane.kit.clock import Clock, from_text, to_text
from meshplane.kit.errors import MeshplaneError, Unavailable
from meshplane.platform.store import UnitOfWork
from meshplane.platform.tables import Row
from meshplane.platform.telemetry import log
from meshplane.services.tables import crawl_records
from meshplane.services.tables.crawl_ports import (
    CrawlBegun,
    Crawled,
    Crawler,
    ToCrawl,
)
from meshplane.services.tables.raw_area import area_of
from meshplane.services.tables.store import CRAWLED_TABLES, CRAWLS

QUEUE = "table-crawls"
_LONGEST_SECONDS = 7_200.0
_LONGEST_MESSAGE_SECONDS = 86_400.0
_MOST_ATTEMPTS = 10_000
_FIRST_SECONDS, _GROWTH, _SLOWEST_SECONDS = 0.3, 1.4, 15.0
_NOT_MADE, _TOO_LARGE = "CRAWL_FAILED", "CRAWL_TOO_LARGE"
_TOO_SLOW = "It did not end within two hours. Crawl folder by folder."
_MOST_COLUMNS = 10_000
_TOO_MANY = f"The tables have more than {_MOST_COLUMNS:,} columns together. Crawl folder by folder."
_TRIED = " It was tried for two hours: start another crawl when that is mended."
_LONGEST_STEP_SECONDS = 1_800.0
_MOST_BEGUN = 3
"""How many attempts at one step may begin and come to no end."""

_NEVER_ENDED = (
    f"A step of it was begun {_MOST_BEGUN} times, and never came to an end: the process ended at "
    "it, or it took more than half an hour, or failed in a way that the log tells. One of the "
    "files may be too much for the process. Crawl folder by folder to find out which, then write "
    "it anew in smaller pieces, or give the process more memory."
)


class Crawling:
    """Carries crawls to their end.

    Args:
        crawler: makes them.
        clock: the present.
    """

    def __init__(self, crawler: Crawler, clock: Clock) -> None:
        self._crawler = crawler
        self._clock = clock

    @property
    def queues(self) -> Sequence[QueueHandler]:
        """The queue that crawls wait in."""
        return (
            QueueHandler(
                QUEUE,
                self._handle,
                exclusive=True,
                concurrency=4,
                timeout_seconds=_LONGEST_STEP_SECONDS,
            ),
        )

    def begin(self, work: UnitOfWork, crawl_id: str) -> None:
        """Has a crawl made, once `work` is committed.

        Args:
            work: the unit of work that puts the crawl, as running.
            crawl_id: of the crawl; its row says what is to be crawled.
        """
        self._send(work, crawl_id, None, looks=0)

    async def _handle(self, work: UnitOfWork, message: Message) -> None:
        body = message.body
        begun = None if body["begun"] is None else CrawlBegun(**body["begun"])
        row = await work.get(CRAWLS, body["crawlId"])
        if row is None or row.item["status"] != crawl_records.RUNNING:
            return
        if message.attempts > _MOST_BEGUN:
            # Each attempt is counted as it begins.
            self._fail(work, row, _NOT_MADE, _NEVER_ENDED)
            return
        crawl_id, looks = row.item["crawlId"], body["looks"]
        try:
            begun = await self._go_on(work, row, begun)
        except MeshplaneError as error:
            again = isinstance(error, Unavailable) and error.code != _NOT_MADE
            if not again or self._is_late(row):
                self._fail(work, row, error.code, error.message, after_all=again)
                return
            log(WARNING, "crawl_waits", crawl=crawl_id, code=error.code)
        else:
            if begun is None:
                return
        self._send(work, crawl_id, begun, looks=looks + 1)

    async def _go_on(
        self, work: UnitOfWork, row: Row, begun: CrawlBegun | None
    ) -> CrawlBegun | None:
        """One step; what is known for the next one, None at the end."""
        asked = _asked(row)
        found: CrawlBegun | Crawled | None
        if begun is None:
            found = await self._crawler.begin(asked)
        else:
            found = await self._crawler.look(asked, begun)
        if isinstance(found, Crawled) and _columns(found) > _MOST_COLUMNS:
            self._fail(work, row, _TOO_LARGE, _TOO_MANY)
        elif isinstance(found, Crawled):
            item = crawl_records.ended(row.item, found, to_text(self._clock.now()))
            work.put(CRAWLS, item, expected=row.version)
            work.put(CRAWLED_TABLES, crawl_records.kept(asked.crawl_id, found))
            crawl_records.tell(work, item, None)
        elif self._is_late(row):
            self._fail(work, row, _NOT_MADE, _TOO_SLOW)
        else:
            return found or begun
        return None

    def _fail(
        self, work: UnitOfWork, row: Row, code: str, why: str, *, after_all: bool = False
    ) -> None:
        """Ends a crawl; `after_all`, where it was tried until it was late."""
        reason = f"{code}: {why}{_TRIED if after_all else ''}"
        item = crawl_records.failed(row.item, reason, to_text(self._clock.now()))
        work.put(CRAWLS, item, expected=row.version)
        crawl_records.tell(work, item, code)

    def _is_late(self, row: Row) -> bool:
        began = from_text(row.item["startedAt"])
        return (self._clock.now() - began).total_seconds() > _LONGEST_SECONDS

    def _send(
        self, work: UnitOfWork, crawl_id: str, begun: CrawlBegun | None, *, looks: int
    ) -> None:
        wait = min(_FIRST_SECONDS * _GROWTH ** min(looks - 1, 20), _SLOWEST_SECONDS)
        body: dict[str, Any] = {
            "crawlId": crawl_id,
            "begun": None if begun is None else asdict(begun),
            "looks": looks,
        }
        send(
            work,
            QUEUE,
            body,
            message_id=f"{crawl_id}-{looks}",
            now=self._clock.now(),
            delay_seconds=wait if looks else 0.0,
            maximum_attempts=_MOST_ATTEMPTS,
            maximum_age_seconds=_LONGEST_MESSAGE_SECONDS,
        )


def _asked(row: Row) -> ToCrawl:
    """What is to be crawled, as it was when it was allowed: a message could name any place."""
    item = row.item
    area = area_of(item["bucket"], item["projectId"])
    return ToCrawl(item["crawlId"], item["projectId"], area, item["path"])


def _columns(found: Crawled) -> int:
    return sum(len(table.columns) for table in found.tables)
