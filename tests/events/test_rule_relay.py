"""The rule relay: each event starts each target of each rule that wants it, once."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from meshplane.events import rule_relay as relays
from meshplane.events.lane import CursorMoved
from meshplane.events.queues import MESSAGES
from meshplane.events.rules import EVENT_RULES, Target, built_in_state_item
from meshplane.platform.gathering import Batch
from meshplane.platform.local.sqlite import SqliteStore
from meshplane.platform.tables import Row
from tests.builders import seeds
from tests.builders.bus import Process, place_in, rule
from tests.builders.stores import SqlitePlace
from tests.builders.until import until


@pytest.fixture
def place(tmp_path: Path) -> SqlitePlace:
    return place_in(tmp_path)


@pytest.fixture
async def bus(place: SqlitePlace) -> AsyncIterator[Process]:
    process = Process(place)
    yield process
    await process.close()


async def test_event__goes_to_every_rule_that_matches_and_to_no_other(bus: Process) -> None:
    await bus.put(
        rule("all", "everything"),
        rule("some", "a-only", event_pattern={"detail": {"said": [{"prefix": "a"}]}}),
        rule("off", "nothing", enabled=False),
    )
    await bus.emit("a1", "b1", "a2")
    await bus.relay.run_due()
    assert await bus.said("everything") == ["a1", "a2", "b1"]
    assert await bus.said("a-only") == ["a1", "a2"]
    assert await bus.said("nothing") == []


async def test_target__gets_the_envelope_with_its_origin_and_limits(bus: Process) -> None:
    target = Target(
        "t", "queue", "jobs", maximum_attempts=4, maximum_age_seconds=60, dead_letter_queue="lost"
    )
    await bus.put(
        replace(rule("r", created_by="user:ada@here"), targets=(target,), groups=("staff",))
    )
    await bus.emit("a1", hops=2)
    await bus.relay.run_due()
    (stored,) = await bus.store.events_after(0, 10)
    (message,) = await bus.messages()
    assert message["body"] == {
        "version": "0",
        "id": stored.event_id,
        "detail-type": "ThingChanged",
        "source": "test",
        "account": "000000000000",
        "time": stored.time,
        "region": "local",
        "resources": ["a1"],
        "detail": {"said": "a1"},
    }
    assert message["origin"] == {
        "rule": "r",
        "target": "t",
        "eventId": stored.event_id,
        "eventType": "ThingChanged",
        "hops": 3,
        "runAs": {"subject": "ada@here", "groups": ["staff"], "isService": False},
    }
    limits = ("maximumAttempts", "maximumAgeSeconds", "deadLetterQueue")
    assert [message[each] for each in limits] == [4, 60, "lost"]
    assert message["messageId"] == f"{stored.event_id}:r:t"


async def test_workflow_target__names_its_execution_the_same_each_time(bus: Process) -> None:
    await bus.put(rule("r", targets=(Target("t", "workflow", "onboard", input_path="$.detail"),)))
    await bus.emit("a1")
    await bus.relay.run_due()
    (message,) = await bus.messages("workflow-starts")
    assert message["body"]["stateMachine"] == "onboard"
    assert message["body"]["input"] == {"said": "a1"}
    assert len(message["body"]["name"]) <= 80


async def test_rule__gets_only_what_comes_after_it(bus: Process) -> None:
    await bus.emit("before")
    await bus.put(rule("r", since=await bus.store.last_event()))
    await bus.emit("after")
    await bus.relay.run_due()
    assert await bus.said() == ["after"]


async def test_rule_that_came_while_the_relay_was_behind__misses_nothing(bus: Process) -> None:
    await bus.put(rule("old", "old-jobs"))
    await bus.emit("a1")
    await bus.relay.run_due()
    await bus.emit("a2")
    await bus.put(rule("new", since=await bus.store.last_event()))
    await bus.emit("a3")
    await bus.relay.run_due()
    assert (await bus.said("old-jobs"), await bus.said()) == (["a1", "a2", "a3"], ["a3"])


async def test_changed_rule__holds_in_a_process_that_did_not_change_it(
    bus: Process, place: SqlitePlace
) -> None:
    other = Process(place)
    await bus.put(rule("r"))
    await bus.emit("a1")
    await other.relay.run_due()
    await bus.put(rule("r", enabled=False))
    await bus.emit("a2")
    await other.relay.run_due()
    await other.close()
    assert await bus.said() == ["a1"]


async def test_changed_pattern__is_not_applied_to_what_was_read_before_a_restart(
    bus: Process, place: SqlitePlace
) -> None:
    await bus.put(rule("r", event_pattern={"source": ["elsewhere"]}))
    await bus.emit("a1")
    await bus.relay.run_due()
    await bus.put(rule("r"))
    await bus.emit("a2")
    await bus.relay.run_due()
    again = Process(place)
    await again.relay.run_due()
    await again.close()
    assert await bus.said() == ["a2"]


async def test_restart__doubles_nothing(bus: Process, place: SqlitePlace) -> None:
    await bus.put(rule("r"))
    await bus.emit("a1", "a2")
    await bus.relay.run_due()
    versions = [row.version for row in await _rows(bus)]
    again = Process(place)
    await again.relay.run_due()
    await again.close()
    assert [row.version for row in await _rows(bus)] == versions == [1, 1]


async def _rows(bus: Process, queue: str = "jobs") -> Sequence[Row]:
    return (await bus.store.begin().query(MESSAGES, queue, limit=1000)).rows


async def test_two_processes__share_the_outbox_and_send_each_message_once(
    bus: Process, place: SqlitePlace
) -> None:
    chance = random.Random(seeds.fresh())
    other = Process(place)
    await bus.put(*(rule(f"r{number}", f"q{number}") for number in range(3)))
    bus.relay.start()
    other.relay.start()
    for number in range(300):
        await (bus if chance.random() < 0.5 else other).emit(f"a{number:03}")
    expected = [f"a{number:03}" for number in range(300)]

    async def all_there() -> bool:
        return len(await bus.messages("q2")) + len(await bus.messages("q0")) == 600

    await until(all_there, 20)
    await bus.relay.stop()
    await other.relay.stop()
    for number in range(3):
        assert await bus.said(f"q{number}") == expected
        assert {row.version for row in await _rows(bus, f"q{number}")} == {1}
    await other.close()


async def test_page_that_fails_at_its_commit__sends_nothing(
    bus: Process, place: SqlitePlace
) -> None:
    await bus.put(rule("r"))
    await bus.emit("a1")
    other = Process(place)
    await other.relay._load()
    await bus.relay.run_due()
    with pytest.raises(CursorMoved):
        await other.relay._page()
    await other.close()
    assert await bus.said() == ["a1"]


async def test_event_after_sixteen_hops__ends_as_a_dead_letter(bus: Process) -> None:
    await bus.put(rule("r"))
    await bus.emit("fine", hops=15)
    await bus.emit("loop", hops=16)
    await bus.relay.run_due()
    assert await bus.said() == ["fine"]
    (letter,) = await bus.letters()
    assert letter.item["errorCode"] == "EVENT_LOOP"
    assert letter.item["origin"]["rule"] == "r"
    assert letter.item["back"]["body"]["detail"] == {"said": "loop"}


async def test_target_that_cannot_be_made__leaves_a_dead_letter_and_stops_nobody(
    bus: Process,
) -> None:
    broken = Target("broken", "queue", "jobs", input="{not json")
    await bus.put(rule("r", targets=(broken, Target("fine", "queue", "jobs"))))
    await bus.emit("a1", "a2")
    await bus.relay.run_due()
    assert await bus.said() == ["a1", "a2"]
    assert {letter.item["origin"]["target"] for letter in await bus.letters()} == {"broken"}


async def test_built_in_rule__works_until_it_is_disabled(place: SqlitePlace) -> None:
    built_in = rule("meshplane.r", built_in=True)
    bus = Process(place, [built_in])
    await bus.emit("a1")
    await bus.relay.run_due()
    work = bus.store.begin()
    work.put(EVENT_RULES, built_in_state_item(built_in, enabled=False, since=0, now=""))
    await work.commit()
    await bus.put()
    await bus.emit("a2")
    await bus.relay.run_due()
    assert await bus.said() == ["a1"]
    (message,) = await bus.messages()
    assert message["origin"]["runAs"]["isService"] is True
    await bus.close()


async def test_many_messages__are_committed_in_parts(
    bus: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relays, "_MOST_MESSAGES", 10)
    commits: list[int] = []
    honest = SqliteStore.commit

    async def counting(store: SqliteStore, batch: Batch) -> None:
        commits.append(len(batch.writes))
        await honest(store, batch)

    await bus.put(*(rule(f"r{number}") for number in range(4)))
    await bus.emit(*(f"a{number}" for number in range(20)))
    monkeypatch.setattr(SqliteStore, "commit", counting)
    await bus.relay.run_due()
    assert len(await bus.messages()) == 80
    assert max(commits) <= 14


async def test_relay_in_the_background__delivers_within_moments(bus: Process) -> None:
    await bus.put(rule("r"))
    bus.relay.start()
    await asyncio.sleep(0.05)
    await bus.emit("a1")
    await until(bus.messages, 2)
    await bus.relay.stop()
    assert await bus.said() == ["a1"]
