"""Quality runs that go on after their request, with Glue's fake as what takes its time."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.boundary.actor import Actor
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.queues import DEAD_LETTERS, MESSAGES
from meshplane.kit.clock import FixedClock, to_text
from meshplane.kit.errors import Unavailable
from meshplane.platform.store import ABSENT, Store
from meshplane.services.quality.dqdl import Outcome, QualityResult, RuleResult
from meshplane.services.quality.ports import Begun, Evaluated, ToEvaluate
from meshplane.services.quality.records import CANCELLED, new_run
from meshplane.services.quality.running import LongRuns
from meshplane.services.quality.store import RUNS, TABLES
from tests.builders.stores import SqlitePlace

RULES = ("RowCount > 1", 'IsComplete "carrier"')


@dataclass
class Elsewhere:
    """An evaluator that takes its time: so many looks, and then an outcome."""

    looks_before_end: int = 3
    fails: list[Exception] = field(default_factory=list)
    outcome: Exception | None = None
    begun: dict[str, str] = field(default_factory=dict)
    asked: int = 0
    cancelled: list[str] = field(default_factory=list)

    async def begin(self, asked: ToEvaluate) -> Begun:
        self.asked += 1
        number = self.begun.setdefault(asked.run_id, f"glue-{len(self.begun) + 1}")
        self._fail()
        return Begun(number, "7")

    async def look(self, asked: ToEvaluate, _begun: Begun) -> Evaluated | None:
        self._fail()
        self.looks_before_end -= 1
        if self.looks_before_end > 0:
            return None
        if self.outcome is not None:
            raise self.outcome
        passed = RuleResult(RULES[0], Outcome.PASS, {"RowCount": 5.0}, "")
        failed = RuleResult(RULES[1], Outcome.FAIL, {}, "It does not hold.")
        assert asked.ruleset == f"Rules = [ {', '.join(RULES)} ]"
        return Evaluated(QualityResult(0.5, (passed, failed)), "7")

    async def cancel(self, begun: Begun) -> None:
        self.cancelled.append(begun.number)

    def _fail(self) -> None:
        if self.fails:
            raise self.fails.pop(0)


@dataclass
class World:
    """A store with runs, and the worker that carries them on."""

    store: Store
    clock: FixedClock
    elsewhere: Elsewhere
    long: LongRuns
    worker: QueueWorker

    async def begin(self, run_id: str = "dqrun-1", hops: int = 0) -> None:
        work = self.store.begin(hops)
        work.put(RUNS, new_run(run_id, "asset-1", 2, to_text(self.clock.now())), expected=ABSENT)
        text = f"Rules = [ {', '.join(RULES)} ]"
        asked = ToEvaluate(Actor("ana@air"), run_id, "tbl-1", "air", "flights", text, self.clock)
        self.long.begin(work, asked)
        await work.commit()

    async def run(self, run_id: str = "dqrun-1") -> dict[str, Any]:
        row = await self.store.begin().get(RUNS, run_id)
        assert row is not None
        return dict(row.item)

    async def until_at_rest(self) -> dict[str, Any]:
        for _ in range(60):
            await self.worker.run_due()
            page = await self.store.begin().query(MESSAGES, "quality-runs", limit=1)
            if not page.rows:
                break
            self.clock.advance(20)
        return await self.run()

    async def told(self) -> list[str]:
        return [each.type for each in await self.store.events_after(0, 100)]


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    place = SqlitePlace(tmp_path, (*TABLES, MESSAGES, DEAD_LETTERS))
    store, elsewhere = place.open(), Elsewhere()
    long = LongRuns(elsewhere, store, place.clock, patience_seconds=0.2)
    worker = QueueWorker(store, long.queues, place.clock)
    yield World(store, place.clock, elsewhere, long, worker)
    await store.close()


async def test_run__goes_on_until_it_has_ended_and_then_tells_score_and_alert(
    world: World,
) -> None:
    await world.begin()
    await world.worker.run_due()
    assert (await world.run())["status"] == "running"
    assert await world.told() == []
    run = await world.until_at_rest()
    assert (run["status"], run["score"], run["rulesPassed"], run["rulesTotal"]) == (
        "completed", 0.5, 1, 2,
    )  # fmt: skip
    assert (run["snapshotId"], run["seconds"] > 0) == ("7", True)
    assert [each["outcome"] for each in run["rules"]] == ["PASS", "FAIL"]
    assert await world.told() == ["DataQualityRunCompleted", "DataQualityAlert"]


async def test_run__that_a_rule_led_to_tells_so_at_its_end(world: World) -> None:
    await world.begin(hops=4)
    await world.until_at_rest()
    assert [each.hops for each in await world.store.events_after(0, 10)] == [4, 4]


async def test_run__whose_process_dies_after_it_was_begun_is_begun_once(world: World) -> None:
    world.elsewhere.fails = [Unavailable("AWS_UNAVAILABLE", "AWS did not answer.")]
    await world.begin()
    run = await world.until_at_rest()
    assert run["status"] == "completed"
    assert (world.elsewhere.asked, len(world.elsewhere.begun)) == (2, 1)
    assert (await world.told()).count("DataQualityRunCompleted") == 1


async def test_run__survives_its_process(world: World) -> None:
    await world.begin()
    await world.worker.run_due()
    other = QueueWorker(world.store, world.long.queues, world.clock)
    run = await replace(world, worker=other).until_at_rest()
    assert run["status"] == "completed"
    assert world.elsewhere.asked == 1


async def test_run__that_is_not_brought_to_an_end_failed_and_has_no_score(world: World) -> None:
    world.elsewhere.outcome = Unavailable("QUALITY_RUN_FAILED", "Glue ended it as FAILED.")
    await world.begin()
    run = await world.until_at_rest()
    assert (run["status"], run["score"]) == ("failed", None)
    assert run["statusReason"] == "QUALITY_RUN_FAILED: Glue ended it as FAILED."
    assert await world.told() == []


async def test_run__that_takes_two_hours_is_given_up_and_stopped(world: World) -> None:
    world.elsewhere.looks_before_end = 10_000
    await world.begin()
    await world.worker.run_due()
    world.clock.advance(7_300)
    run = await world.until_at_rest()
    assert (run["status"], world.elsewhere.cancelled) == ("failed", ["glue-1"])


async def test_run__of_which_no_attempt_comes_to_an_end_is_given_up_as_well(world: World) -> None:
    await world.begin()
    await world.worker.run_due()
    # As a time-out of the queue, or a mistake of ours: no error that an operation tells.
    world.elsewhere.fails = [TimeoutError() for _ in range(1000)]
    for _ in range(80):
        await world.worker.run_due()
        world.clock.advance(120)
    run = await world.run()
    assert (run["status"], world.elsewhere.cancelled) == ("failed", ["glue-1"])
    assert len(world.elsewhere.fails) > 900
    assert await world.told() == []


@pytest.mark.parametrize("looks", [0, 2])
async def test_run__that_is_cancelled_is_stopped_where_it_is_made(world: World, looks: int) -> None:
    world.elsewhere.looks_before_end = 100
    await world.begin()
    for _ in range(looks):
        await world.worker.run_due()
        world.clock.advance(20)
    work = world.store.begin()
    row = await work.get(RUNS, "dqrun-1")
    assert row is not None
    work.put(RUNS, {**row.item, "status": CANCELLED}, expected=row.version)
    await work.commit()
    assert (await world.until_at_rest())["status"] == "cancelled"
    # One that was not begun yet is not begun to be stopped.
    assert world.elsewhere.cancelled == (["glue-1"] if looks else [])
    assert await world.told() == []


async def test_whoever_begins_one__waits_a_while_and_no_longer(world: World) -> None:
    await world.begin()
    await asyncio.wait_for(world.long.settle("dqrun-1"), 5)
    assert (await world.run())["status"] == "running"
    await world.until_at_rest()
    await asyncio.wait_for(world.long.settle("dqrun-1"), 5)
    await asyncio.wait_for(world.long.settle("nothing"), 5)
