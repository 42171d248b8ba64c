"""Crawls that go on after their request, whatever happens to the process and to who crawls."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.queue_lease import Lease
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
            "traceId": "trace-1",
        }
        work = self.store.begin(hops=2)
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

    async def die(self) -> None:
        """A process takes the step that is due, and ends while it is at it."""
        page = await self.store.begin().query(MESSAGES, QUEUE, limit=1)
        await Lease(self.store, page.rows[0], self.clock, 10.0).take(renewed=False)
        self.clock.advance(20)

    async def told(self) -> list[tuple[str, str, int]]:
        events = await self.store.events_after(0, 100)
        return [(each.type, each.detail["status"], each.hops) for each in events]

    async def recorded(self) -> list[dict[str, Any]]:
        return [json.loads(line) for _, line, _ in await self.store.audit_after(0, 100)]

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


async def test_crawl__whose_steps_are_not_answered_for_long_is_tried_as_long(world: World) -> None:
    world.elsewhere.fails = [Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")] * 50
    await world.begin()
    crawl = await world.until_at_rest()
    assert (crawl["status"], len(world.elsewhere.begun)) == ("SUCCEEDED", 51)


async def test_crawl__that_is_never_answered_says_so_and_what_to_do(world: World) -> None:
    world.elsewhere.fails = [Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")] * 10_000
    await world.begin()
    await world.worker.run_due()
    world.clock.advance(7_300)
    crawl = await world.until_at_rest()
    assert (crawl["status"], crawl["statusReason"]) == (
        "FAILED",
        "AWS_UNAVAILABLE: AWS did not answer. It was tried for two hours: start another crawl "
        "when that is mended.",
    )


@pytest.mark.parametrize("steps", [0, 2])
async def test_crawl__at_which_each_process_dies_is_given_up_soon_and_says_what_to_do(
    world: World, steps: int
) -> None:
    await world.begin()
    for _ in range(steps):
        await world.worker.run_due()
        world.clock.advance(20)
    begun, looked = list(world.elsewhere.begun), list(world.elsewhere.looked)
    for _ in range(3):
        await world.die()
        assert (await world.crawl())["status"] == "RUNNING"
    crawl = await world.until_at_rest()
    assert (crawl["status"], crawl["statusReason"].partition(":")[0]) == ("FAILED", "CRAWL_FAILED")
    assert "begun 3 times" in crawl["statusReason"]
    assert crawl["statusReason"].endswith("or give the process more memory.")
    assert (world.elsewhere.begun, world.elsewhere.looked) == (begun, looked)


async def test_crawl__at_which_a_process_died_twice_goes_on_and_may_lose_others_later(
    world: World,
) -> None:
    await world.begin()
    for _ in range(2):
        await world.die()
    await world.worker.run_due()
    for _ in range(2):
        world.clock.advance(20)
        await world.die()
    assert (await world.until_at_rest())["status"] == "SUCCEEDED"


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
    assert await world.told() == [("CrawlCompleted", "FAILED", 2)]
    (record,) = await world.recorded()
    assert (record["outcome"], record["code"]) == ("failed", error.code)  # type: ignore[attr-defined]


async def test_crawl__that_has_ended_is_told_once_with_its_record_in_the_audit_trail(
    world: World,
) -> None:
    await world.begin()
    await world.worker.run_due()
    assert (await world.told(), await world.recorded()) == ([], [])
    crawl = await world.until_at_rest()
    assert await world.told() == [("CrawlCompleted", "SUCCEEDED", 2)]
    (event,) = await world.store.events_after(0, 100)
    assert (event.source, event.entity, event.detail) == (
        "management-app.tables",
        "proj-1",
        {
            "crawlId": "crawl-1",
            "projectId": "proj-1",
            "domainId": "dzd-1",
            "status": "SUCCEEDED",
            "foundTables": 1,
            "skippedFiles": 2,
            "startedBy": "user:ana@air",
            "completedAt": crawl["endedAt"],
        },
    )
    (record,) = await world.recorded()
    assert {name: record[name] for name in ("operation", "actor", "onBehalfOf", "outcome")} == {
        "operation": "endCrawl",
        "actor": "service:tables",
        "onBehalfOf": "user:ana@air",
        "outcome": "allowed",
    }
    assert (record["resource"], record["traceId"]) == ("Crawl:crawl-1", "trace-1")
    assert record["detail"] == {"foundTables": 1, "skippedFiles": 2}


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
    assert len(world.elsewhere.looked) == 3


async def test_crawl__with_more_columns_than_a_row_should_hold_failed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crawling, "_MOST_COLUMNS", 0)
    await world.begin()
    crawl = await world.until_at_rest()
    assert (crawl["status"], await world.found()) == ("FAILED", [])
    assert crawl["statusReason"].startswith("CRAWL_TOO_LARGE")
