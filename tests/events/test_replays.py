"""Replays: the events of an archive are given to the rules once more, to the last one and once."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from meshplane.events import replays
from meshplane.events.replays import ACTIVE, EVENT_REPLAYS, ended
from meshplane.kit.clock import to_text
from tests.builders.bus import Process, place_in, rule
from tests.builders.stores import NOON, SqlitePlace
from tests.builders.until import until

LATER = "2024-05-02T00:00:00Z"


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return place_in(tmp_path)


@pytest.fixture
async def bus(place: SqlitePlace) -> AsyncIterator[Process]:
    process = Process(place)
    yield process
    await process.close()


async def begin_replay(bus: Process, **changes: Any) -> None:
    work = bus.store.begin()
    item = {
        "replayId": "replay-1",
        "bus": "datamesh-events",
        "active": ACTIVE,
        "name": "again",
        "archive": "all",
        "eventPattern": None,
        "retentionDays": 0,
        "begin": to_text(NOON),
        "end": LATER,
        "rules": None,
        "state": "STARTING",
        "position": 0,
        "until": await bus.store.last_event(),
        "events": 0,
        "startedBy": "user:ada@mesh",
        "startedAt": to_text(bus.clock.now()),
        "endedAt": None,
    }
    work.put(EVENT_REPLAYS, {**item, **changes})
    await work.commit()


async def replay(bus: Process) -> dict[str, Any]:
    row = await bus.store.begin().get(EVENT_REPLAYS, "replay-1")
    assert row is not None
    return row.item


async def test_replay__gives_each_event_to_the_rules_once_more(bus: Process) -> None:
    await bus.emit("a1", "a2")
    await bus.put(rule("r", since=await bus.store.last_event()))
    await begin_replay(bus)
    await bus.replays.run_due()
    first, second = await bus.messages()
    assert first["body"]["replay-name"] == second["body"]["replay-name"] == "again"
    ids = [event.event_id for event in await bus.store.events_after(0, 10)]
    assert {item["body"]["id"] for item in (first, second)} == set(ids)
    assert first["messageId"] == f"{first['body']['id']}:r:jobs:replay-1"
    told = await replay(bus)
    assert (told["state"], told["events"]) == ("COMPLETED", 2)
    assert "active" not in told


async def test_replay__takes_only_the_archives_events_of_its_time(bus: Process) -> None:
    await bus.put(rule("r", since=99))
    for word in ("a1", "a2", "b2", "a3"):
        await bus.emit(word)
        if word != "a2":
            bus.clock.advance(3600)
    await begin_replay(
        bus,
        eventPattern={"detail": {"said": [{"prefix": "a"}]}},
        begin="2024-05-01T13:00:00Z",
        end="2024-05-01T14:00:00Z",
    )
    await bus.replays.run_due()
    assert await bus.said() == ["a2"]


async def test_retention__leaves_out_what_is_too_old(bus: Process) -> None:
    await bus.put(rule("r", since=99))
    await bus.emit("old")
    bus.clock.advance(3 * 86_400)
    await bus.emit("new")
    await begin_replay(bus, retentionDays=2, end="2030-01-01T00:00:00Z")
    await bus.replays.run_due()
    assert await bus.said() == ["new"]


async def test_chosen_rules__are_the_only_ones_that_get_it(bus: Process) -> None:
    await bus.put(rule("one", "q1", since=99), rule("two", "q2", since=99))
    await bus.emit("a1")
    await begin_replay(bus, rules=["two"])
    await bus.replays.run_due()
    assert (await bus.said("q1"), await bus.said("q2")) == ([], ["a1"])


async def test_what_happens_during_a_replay__is_not_part_of_it(bus: Process) -> None:
    await bus.put(rule("r", since=99))
    await bus.emit("a1")
    await begin_replay(bus)
    await bus.emit("a2")
    await bus.replays.run_due()
    assert await bus.said() == ["a1"]


async def test_cancelled_replay__sends_no_more(
    bus: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_PAGE", 2)
    await bus.put(rule("r", since=99))
    await bus.emit(*(f"a{number}" for number in range(6)))
    await begin_replay(bus)
    (row,) = await bus.replays._active()
    await bus.replays._page(row)
    (held,) = await bus.replays._active()
    work = bus.store.begin()
    work.put(EVENT_REPLAYS, ended(held.item, "CANCELLED", "now"), expected=held.version)
    await work.commit()
    # The process that was at the next page finds out at its commit.
    await bus.replays._page(held)
    await bus.replays.run_due()
    assert await bus.said() == ["a0", "a1"]
    assert (await replay(bus))["state"] == "CANCELLED"


async def test_two_processes_and_a_restart__replay_each_event_once(
    bus: Process, place: SqlitePlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replays, "_PAGE", 5)
    await bus.put(rule("r", since=9999))
    said = [f"a{number:03}" for number in range(100)]
    await bus.emit(*said)
    await begin_replay(bus)
    processes = [Process(place), Process(place)]
    for each in processes:
        each.replays.start()
    await asyncio.sleep(0.01)
    for each in processes:
        await each.replays.stop()
        await each.close()
    bus.replays.start()

    async def completed() -> bool:
        return (await replay(bus))["state"] == "COMPLETED"

    await until(completed)
    await bus.replays.stop()
    assert await bus.said() == said
    assert (await replay(bus))["events"] == 100


async def test_replay_that_cannot_go_on__fails_and_holds_up_no_other(bus: Process) -> None:
    await bus.put(rule("r", since=99))
    await bus.emit("a1")
    await begin_replay(bus, eventPattern={"broken": 7})
    await begin_replay(bus, replayId="replay-2")
    await bus.replays.run_due()
    assert (await replay(bus))["state"] == "FAILED"
    assert await bus.said() == ["a1"]
