"""The scheduler: each firing happens once, and what was missed follows the rule's policy."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from meshplane.events.rule_book import change_rules
from meshplane.events.rules import EVENT_RULES
from meshplane.events.scheduler import SCHEDULE_TIMES
from meshplane.kit.clock import to_text
from tests.builders.bus import Process, place_in, rule
from tests.builders.stores import NOON, SqlitePlace
from tests.builders.until import until

EVERY_HOUR = rule(
    "r",
    schedule_expression="rate(1 hour)",
    enabled_at=to_text(NOON),
    created_at=to_text(NOON),
)


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return place_in(tmp_path)


@pytest.fixture
async def bus(place: SqlitePlace) -> AsyncIterator[Process]:
    process = Process(place)
    yield process
    await process.close()


async def fired(bus: Process) -> list[str]:
    """When the firings were due, as hours and minutes; days count from that of the start."""
    times = sorted(item["body"]["time"] for item in await bus.messages())
    return [f"{int(time[8:10]) - NOON.day}d {time[11:16]}" for time in times]


async def pass_time(bus: Process, hours: float, step_seconds: float = 30.0) -> None:
    """Lets time pass in small steps, as it does while a process runs."""
    for _ in range(int(hours * 3600 / step_seconds)):
        bus.clock.advance(step_seconds)
        await bus.scheduler.run_due()


async def test_schedule__fires_at_its_times_and_not_when_it_is_made(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    assert await fired(bus) == []
    await pass_time(bus, 3.5)
    assert await fired(bus) == ["0d 13:00", "0d 14:00", "0d 15:00"]


async def test_firing__is_a_scheduled_event_with_a_stable_id(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    await pass_time(bus, 1.1)
    (message,) = await bus.messages()
    body = message["body"]
    assert (body["source"], body["detail-type"], body["detail"]) == (
        "meshplane.scheduler",
        "Scheduled Event",
        {},
    )
    assert body["resources"] == ["r"]
    assert body["id"].startswith("evt-")
    assert message["messageId"] == f"{body['id']}:r:jobs"


async def test_several_processes__fire_once_each_time(bus: Process, place: SqlitePlace) -> None:
    others = [Process(place) for _ in range(3)]
    await bus.put(EVERY_HOUR)
    for _ in range(240):
        bus.clock.advance(60)
        counts = await asyncio.gather(*(each.scheduler.run_due() for each in (bus, *others)))
        assert sum(counts) <= 1
    for each in others:
        await each.close()
    assert await fired(bus) == ["0d 13:00", "0d 14:00", "0d 15:00", "0d 16:00"]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("once", ["0d 22:00"]),
        ("skip", []),
        ("all", [f"0d {hour}:00" for hour in range(13, 23)]),
    ],
)
async def test_firings_that_were_missed__follow_the_policy(
    bus: Process, place: SqlitePlace, policy: str, expected: list[str]
) -> None:
    await bus.put(replace(EVERY_HOUR, on_missed=policy))  # type: ignore[arg-type]
    await bus.scheduler.run_due()
    bus.clock.advance(10.5 * 3600)
    again = Process(place)
    await again.scheduler.run_due()
    assert await fired(bus) == expected
    await pass_time(again, 1)
    assert await fired(bus) == [*expected, "0d 23:00"]
    await again.close()


async def test_disabled_rule__does_not_fire_and_makes_up_for_nothing(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    await bus.put(replace(EVERY_HOUR, enabled=False))
    await pass_time(bus, 2)
    await bus.put(replace(EVERY_HOUR, enabled_at=to_text(bus.clock.now())))
    await pass_time(bus, 1.5)
    assert await fired(bus) == ["0d 15:00"]


async def test_deleted_rule__leaves_no_time_behind(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    work = bus.store.begin()
    work.delete(EVENT_RULES, "datamesh-events", "r")
    change_rules(work)
    await work.commit()
    await pass_time(bus, 2)
    page = await bus.store.begin().query(SCHEDULE_TIMES, "datamesh-events")
    assert (await fired(bus), page.rows) == ([], ())


async def test_changed_schedule__counts_from_the_change(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    await pass_time(bus, 1)
    now = to_text(bus.clock.now())
    await bus.put(replace(EVERY_HOUR, schedule_expression="cron(30 * * * ? *)", enabled_at=now))
    await pass_time(bus, 1.1)
    assert await fired(bus) == ["0d 13:00", "0d 13:30"]


async def test_at__fires_once_and_never_again(bus: Process, place: SqlitePlace) -> None:
    once = "at(2024-05-01T13:00:00)"
    await bus.put(rule("r", schedule_expression=once, enabled_at=to_text(NOON)))
    await bus.scheduler.run_due()
    await pass_time(bus, 2)
    again = Process(place)
    await pass_time(again, 2)
    await again.close()
    assert await fired(bus) == ["0d 13:00"]


async def test_flexible_window__spreads_firings_and_keeps_their_ids(bus: Process) -> None:
    rules = [
        replace(EVERY_HOUR, name=f"r{number}", flexible_window_minutes=30) for number in range(20)
    ]
    await bus.put(*rules)
    await bus.scheduler.run_due()
    counts = []
    for _ in range(90):
        bus.clock.advance(60)
        counts.append(await bus.scheduler.run_due())
    assert sum(counts[:59]) == 0
    assert sum(counts) == 20
    assert max(counts) < 8
    assert set(await fired(bus)) == {"0d 13:00"}


async def test_clock_that_jumps__fires_nothing_twice(bus: Process) -> None:
    await bus.put(EVERY_HOUR)
    await bus.scheduler.run_due()
    await pass_time(bus, 1.1)
    bus.clock.advance(-3600)
    await pass_time(bus, 1.1)
    bus.clock.advance(86_400)
    await bus.scheduler.run_due()
    found = await fired(bus)
    assert len(found) == len(set(found))
    assert found[:1] == ["0d 13:00"]


async def test_scheduler_in_the_background__fires_when_it_is_time(bus: Process) -> None:
    bus.clock.advance(-0.3)
    now, before = to_text(bus.clock.now()), to_text(NOON - timedelta(hours=1))
    await bus.put(replace(EVERY_HOUR, created_at=before, enabled_at=now))
    bus.scheduler.start()
    await asyncio.sleep(0.05)
    bus.clock.advance(0.4)
    await until(bus.messages, 3)
    await bus.scheduler.stop()
    assert await fired(bus) == ["0d 12:00"]
