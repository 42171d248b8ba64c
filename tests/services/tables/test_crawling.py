"""Crawls that go on after their request, whatever happens to the process and to who crawls."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import FixedClock, to_text
from meshplane.kit.errors import Invalid, Unavailable
from meshplane.platform.store import ABSENT, Store
from meshplane.services.tables import crawl_records, crawling
from meshplane.services.tables.crawl_ports import (
    CrawlBegun,
    Crawled,
    FoundColumn,
    FoundTable,
    ToCrawl,
)
from meshplane.services.tables.crawling import QUEUE, Crawling
from meshplane.services.tables.raw_area import area_of
from meshplane.services.tables.store import CRAWLED_TABLES, CRAWLS, TABLES
from tests.builders.stores import SqlitePlace

SALES = FoundTable(
    "sales", "sales", "csv", (FoundColumn("id", "Id", "long"),), (), files=1, size_bytes=9
)
CRAWL = ToCrawl("crawl-1", "proj-1", area_of("data-lake-air", "proj-1"), "")


@dataclass
class Elsewhere:
    """A crawler that takes its time: so many looks, and then an outcome."""

    looks_before_end: int = 3
    fails: list[Exception] = field(default_factory=list)
    outcome: Exception | None = None
    begun: list[str] = field(default_factory=list)
    looked: list[str | None] = field(default_factory=list)

    async def begin(self, asked: ToCrawl) -> CrawlBegun:
        assert asked == CRAWL
        self.begun.append(asked.crawl_id)
        self._fail()
        return CrawlBegun("before")

    async def look(self, asked: ToCrawl, begun: CrawlBegun) -> Crawled | None:
        assert asked == CRAWL
        self.looked.append(begun.before)
        self._fail()
        self.looks_before_end -= 1
        if self.looks_before_end > 0:
            return None
        if self.outcome is not None:
            raise self.outcome
        return Crawled((SALES,), 2)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


@dataclass
class World:
    """A store with a crawl, and the worker that carries it on."""

    store: Store
    clock: FixedClock
    elsewhere: Elsewhere
    crawling: Crawling
    worker: QueueWorker

    async def begin(self) -> None:
        item = {
            "crawlId": CRAWL.crawl_id,
            "projectId": CRAWL.project_id,
            "domainId": "dzd-1",
            "bucket": "data-lake-air",
            "path": "",
            "status": crawl_records.RUNNING,
            "statusReason": None,
            "foundTables": 0,
            "skippedFiles": 0,
            "startedBy": "user:ana@air",
            "startedAt": to_text(self.clock.now()),
            "endedAt": None,
        }
        work = self.store.begin()
        work.put(CRAWLS, item, expected=ABSENT)
        self.crawling.begin(work, CRAWL.crawl_id)
        await work.commit()

    async def crawl(self) -> dict[str, Any]:
        row = await self.store.begin().get(CRAWLS, CRAWL.crawl_id)
        assert row is not None
        return dict(row.item)

    async def found(self) -> list[FoundTable]:
        row = await self.store.begin().get(CRAWLED_TABLES, CRAWL.crawl_id)
        return crawl_records.found_in(row)

    async def until_at_rest(self) -> dict[str, Any]:
        for _ in range(60):
            await self.worker.run_due()
            page = await self.store.begin().query(MESSAGES, QUEUE, limit=1)
            if not page.rows:
                break
            self.clock.advance(20)
        return await self.crawl()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    place = SqlitePlace(tmp_path, (*TABLES, MESSAGES, DEAD_LETTERS))
    store, elsewhere = place.open(), Elsewhere()
    crawling = Crawling(elsewhere, place.clock)
    worker = QueueWorker(store, crawling.queues, place.clock)
    yield World(store, place.clock, elsewhere, crawling, worker)
    await store.close()


async def test_crawl__goes_on_until_it_has_ended_and_then_has_what_was_found(world: World) -> None:
    await world.begin()
    await world.worker.run_due()
    assert ((await world.crawl())["status"], await world.found()) == ("RUNNING", [])
    crawl = await world.until_at_rest()
    assert (crawl["status"], crawl["foundTables"], crawl["skippedFiles"]) == ("SUCCEEDED", 1, 2)
    assert crawl["endedAt"] > crawl["startedAt"]
    assert await world.found() == [SALES]
    assert (world.elsewhere.begun, world.elsewhere.looked) == (["crawl-1"], ["before"] * 3)


async def test_crawl__survives_its_process_and_is_not_begun_again(world: World) -> None:
    await world.begin()
    await world.worker.run_due()
    other = QueueWorker(world.store, world.crawling.queues, world.clock)
    crawl = await replace(world, worker=other).until_at_rest()
    assert (crawl["status"], world.elsewhere.begun) == ("SUCCEEDED", ["crawl-1"])


async def test_crawl__whose_steps_are_not_answered_is_tried_again(world: World) -> None:
    slow = Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")
    world.elsewhere.fails = [slow, slow, slow]
    await world.begin()
    crawl = await world.until_at_rest()
    assert (crawl["status"], world.elsewhere.begun) == ("SUCCEEDED", ["crawl-1"] * 4)


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("CRAWL_FAILED", "Glue ended it as FAILED."),
        Invalid("CRAWL_PATH_INVALID", "This is reached by a link."),
    ],
    ids=lambda error: str(error.code),
)
async def test_crawl__that_comes_to_nothing_failed_and_says_why(
    world: World, error: Exception
) -> None:
    world.elsewhere.outcome = error
    await world.begin()
    crawl = await world.until_at_rest()
    assert (crawl["status"], await world.found()) == ("FAILED", [])
    assert crawl["statusReason"].startswith(error.code)  # type: ignore[attr-defined]


async def test_crawl__that_takes_two_hours_is_given_up(world: World) -> None:
    world.elsewhere.looks_before_end = 10_000
    await world.begin()
    await world.worker.run_due()
    world.clock.advance(7_300)
    crawl = await world.until_at_rest()
    assert (crawl["status"], "two hours" in crawl["statusReason"]) == ("FAILED", True)


async def test_crawl__of_which_no_attempt_comes_to_an_end_is_given_up_as_well(world: World) -> None:
    await world.begin()
    await world.worker.run_due()
    # As a time-out of the queue, or a mistake of ours: no error that an operation tells.
    world.elsewhere.fails = [TimeoutError() for _ in range(1000)]
    for _ in range(80):
        await world.worker.run_due()
        world.clock.advance(120)
    assert (await world.crawl())["status"] == "FAILED"


async def test_crawl__with_more_columns_than_a_row_should_hold_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawling, "_MOST_COLUMNS", 0)
    await world.begin()
    crawl = await world.until_at_rest()
    assert (crawl["status"], await world.found()) == ("FAILED", [])
    assert crawl["statusReason"].startswith("CRAWL_TOO_LARGE")
