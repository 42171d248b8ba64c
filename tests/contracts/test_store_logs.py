"""What every store's text index, outbox and audit trail must do."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from meshplane.kit.errors import Stale
from meshplane.kit.hash_chain import GENESIS, verify
from meshplane.platform.events import StoredEvent
from meshplane.platform.store import ABSENT, Store
from tests.builders.stores import PAPERS, PLACES, SINGLES, Place, event

CHANGED = frozenset({"ThingChanged"})


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    store = place.open()
    yield store
    await store.close()


async def write(store: Store, **papers: tuple[str, object]) -> None:
    work = store.begin()
    for id_, (title, text) in papers.items():
        work.put(PAPERS, {"id": id_, "title": title, "text": text})
    await work.commit()


async def found(store: Store, words: str, limit: int = 10) -> list[str]:
    return [row.item["id"] for row in await store.begin().search(PAPERS, words, limit)]


async def test_search__gives_those_with_all_the_words_and_no_others(store: Store) -> None:
    await write(
        store,
        both=("Departure delays", "by airport"),
        one=("Departure boards", "of airports"),
        none=("Weather", "at noon"),
    )
    assert await found(store, "departure delay") == ["both"]


async def test_search__falls_back_to_those_with_some_of_the_words(store: Store) -> None:
    await write(
        store,
        two=("Departure delays", "by airport"),
        one=("Arrivals", "and delays, hours of delays, nothing else is written here"),
        none=("Weather", "at noon"),
    )
    assert await found(store, "departure delay zeppelin") == ["two", "one"]
    assert await found(store, "zeppelin") == []


async def test_search__puts_a_hit_in_the_title_before_one_in_the_text(store: Store) -> None:
    await write(
        store,
        in_text=("Weather", "delays"),
        in_title=("Delays", "weather"),
        nowhere=("Planes", "seats"),
    )
    assert await found(store, "delays") == ["in_title", "in_text"]


async def test_search__looks_into_lists_and_past_missing_attributes(store: Store) -> None:
    await write(store, a=("Flights", ["tail number", ["dep_delay", None, 7]]))
    work = store.begin()
    work.put(PAPERS, {"id": "b", "title": "Planes"})
    await work.commit()
    assert await found(store, "tail") == ["a"]
    assert await found(store, "dep_delay") == ["a"]
    assert await found(store, "planes") == ["b"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ("CAFE", "café"),
        ("café", "Cafe"),
        ("delays", "delay"),
        ("ΩMEGA", "ωmega"),
        ("zürich", "Zurich"),
    ],
)
async def test_search__forgives_case_accents_and_endings(
    store: Store, words: str, text: str
) -> None:
    await write(store, a=("x", text))
    assert await found(store, words) == ["a"]


HOSTILE = [
    '"', '""', '"a', "a\"b", "'", "*", "a*", "^a", "a:b", "title:a", "-a", "NOT a", "a NOT b",
    "a AND", "AND", "OR", "NEAR(a b)", "NEAR", "(", ")", "((((", "{title}: a", "a + b", "%", "_",
    "\\", ";", "--", "/*", "\0", "a\0b", "\ud800", "🙂", "a" * 100_000, "a " * 10_000, "\n\t", "",
    "   ", "'; DROP TABLE Papers; --", "\u202e", "é" * 5000, "___", "_ _ a",
]  # fmt: skip


@pytest.mark.parametrize("words", HOSTILE, ids=range(len(HOSTILE)))
async def test_search__takes_hostile_words_as_words(store: Store, words: str) -> None:
    await write(store, other=("secret", "hidden"))
    assert await found(store, words) == []
    assert await found(store, "secret") == ["other"]


async def test_search__keeps_to_its_limit_and_its_order(store: Store) -> None:
    await write(store, **{f"p{number:02}": ("Same title", "same text") for number in range(30)})
    first = await found(store, "same title", 7)
    assert first == [f"p{number:02}" for number in range(7)]
    assert await found(store, "same title", 7) == first


async def test_search__follows_changes_and_deletes_of_the_same_commit(store: Store) -> None:
    await write(store, a=("alpha", ""), b=("beta", ""), c=("gamma", ""))
    work = store.begin()
    work.put(PAPERS, {"id": "a", "title": "delta", "text": ""}, expected=1)
    work.delete(PAPERS, "b")
    work.put(PAPERS, {"id": "d", "title": "alpha", "text": ""}, expected=ABSENT)
    assert await found(store, "alpha") == ["a"]
    await work.commit()
    assert await found(store, "alpha") == ["d"]
    assert await found(store, "beta") == []
    assert await found(store, "delta") == ["a"]
    assert await found(store, "gamma") == ["c"]


async def test_search__does_not_change_when_the_commit_fails(store: Store) -> None:
    await write(store, a=("alpha", ""), b=("beta", ""))
    work = store.begin()
    work.put(PAPERS, {"id": "a", "title": "omega", "text": ""})
    work.delete(PAPERS, "b")
    work.put(PAPERS, {"id": "c", "title": "omega", "text": ""}, expected=9)
    with pytest.raises(Stale):
        await work.commit()
    assert await found(store, "alpha") == ["a"]
    assert await found(store, "beta") == ["b"]
    assert await found(store, "omega") == []


async def emit(store: Store, *entities: str) -> None:
    work = store.begin()
    for entity in entities:
        work.emit(event(entity, said=entity))
    await work.commit()


async def test_outbox__keeps_events_as_they_were_emitted(place: Place, store: Store) -> None:
    work = store.begin()
    detail = {"a": [1, None, {"b": "Ω"}]}
    work.emit(event("e-1", "ThingMade", **detail))
    await work.commit()
    (stored,) = await store.events_after(0, 10)
    assert (stored.type, stored.source, stored.entity) == ("ThingMade", "test.things", "e-1")
    assert stored.detail == detail
    assert stored.time == "2024-05-01T12:00:00.000000Z"
    assert stored.event_id.startswith("evt-")


async def test_outbox__is_in_the_order_of_commits(store: Store) -> None:
    await emit(store, "a", "b")
    await emit(store, "c")
    events = await store.events_after(0, 10)
    assert [each.entity for each in events] == ["a", "b", "c"]
    sequences = [each.sequence for each in events]
    assert sequences == sorted(set(sequences))
    assert sequences[0] > 0
    assert [each.entity for each in await store.events_after(sequences[0], 1)] == ["b"]
    assert await store.events_after(sequences[-1], 10) == []


async def test_outbox__keeps_the_order_of_each_writer_and_gives_each_event_an_id(
    store: Store,
) -> None:
    async def writer(name: str) -> None:
        for number in range(20):
            work = store.begin()
            work.emit(event(name, number=number))
            await work.commit()

    await asyncio.gather(*(writer(f"w{number}") for number in range(10)))
    events = await store.events_after(0, 1000)
    assert len({each.event_id for each in events}) == 200
    for number in range(10):
        own = [each.detail["number"] for each in events if each.entity == f"w{number}"]
        assert own == list(range(20))


async def test_outbox__goes_on_after_a_restart_with_the_same_ids(place: Place) -> None:
    store = place.open()
    await emit(store, "a")
    before = await store.events_after(0, 10)
    await store.close()
    store = place.open()
    assert await store.events_after(0, 10) == before
    await emit(store, "b")
    after = await store.events_after(before[-1].sequence, 10)
    assert [each.entity for each in after] == ["b"]
    await store.close()


async def test_wait_for_events__returns_at_once_when_there_are_some(store: Store) -> None:
    await emit(store, "a")
    async with asyncio.timeout(5):
        await store.wait_for_events(CHANGED, 0, 60)
    assert len(await store.events_after(0, 10)) == 1


async def test_wait_for_events__returns_when_one_comes(store: Store) -> None:
    waiting = asyncio.create_task(store.wait_for_events(CHANGED, 0, 60))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    await emit(store, "a")
    async with asyncio.timeout(5):
        await waiting
    assert waiting.done()


async def test_wait_for_events__returns_after_its_timeout(store: Store) -> None:
    begun = time.monotonic()
    await store.wait_for_events(CHANGED, 0, 0.05)
    assert 0.04 < time.monotonic() - begun < 5


async def test_wait_for_events__is_not_woken_by_events_of_other_types(store: Store) -> None:
    waiting = asyncio.create_task(store.wait_for_events(frozenset({"Other"}), 0, 60))
    await asyncio.sleep(0.01)
    await emit(store, "a")
    await asyncio.sleep(0.05)
    assert not waiting.done()
    waiting.cancel()


async def emit_mixed(store: Store, count: int) -> None:
    work = store.begin()
    for number in range(count):
        work.emit(event(f"e{number}", "ThingMade" if number % 3 == 0 else "ThingChanged"))
    await work.commit()


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
async def test_events_of__gives_all_of_some_types_once_and_says_how_far_it_looked(
    store: Store, limit: int
) -> None:
    await emit_mixed(store, 20)
    every = await store.events_after(0, 100)
    found: list[StoredEvent] = []
    place = 0
    while True:
        page, reached = await store.events_of(frozenset({"ThingMade"}), place, limit)
        assert reached >= (page[-1].sequence if page else place)
        found += page
        place = reached
        if not page:
            break
    assert found == [each for each in every if each.type == "ThingMade"]
    assert place == every[-1].sequence


async def test_events_of__misses_none_while_others_write(store: Store) -> None:
    place = 0
    found: list[StoredEvent] = []
    for number in range(30):
        await asyncio.gather(*(emit_mixed(store, n) for n in (1, 3, 5)))
        if number % 3 == 0:
            page, place = await store.events_of(CHANGED, place, 7)
            found += page
    while page := (await store.events_of(CHANGED, place, 50))[0]:
        found += page
        place = page[-1].sequence
    every = await store.events_after(0, 1000)
    assert found == [each for each in every if each.type == "ThingChanged"]


async def test_events_of__no_type_finds_none(store: Store) -> None:
    await emit_mixed(store, 3)
    assert await store.events_of(frozenset(), 0, 10) == ([], 3)


async def record(store: Store, *operations: str) -> None:
    work = store.begin()
    for operation in operations:
        work.record({"operation": operation})
    await work.commit()


async def trail(store: Store) -> list[tuple[int, bytes, str]]:
    return [line async for line in store.audit_lines()]


async def test_audit__begins_with_the_genesis_hash(store: Store) -> None:
    assert await store.audit_head() == (0, GENESIS)
    assert await trail(store) == []


async def test_audit__chains_records_with_their_sequence_and_time(store: Store) -> None:
    await record(store, "one", "two")
    lines = await trail(store)
    bodies = [orjson.loads(body) for _, body, _ in lines]
    assert [body["sequence"] for body in bodies] == [1, 2]
    assert [body["operation"] for body in bodies] == ["one", "two"]
    assert {body["time"] for body in bodies} == {"2024-05-01T12:00:00.000000Z"}
    assert bodies[0]["previousHash"] == GENESIS
    assert bodies[1]["previousHash"] == lines[0][2]
    assert await store.audit_head() == (2, lines[1][2])


async def test_audit__holds_over_many_writers_failures_and_restarts(place: Place) -> None:
    store = place.open()

    async def writer(name: str) -> None:
        for number in range(10):
            work = store.begin()
            work.record({"operation": f"{name}-{number}"})
            expected = 7 if number % 4 == 0 else None
            work.put(SINGLES, {"id": name}, expected=expected)
            try:
                await work.commit()
            except Stale:
                await record(store, f"{name}-{number}-failed")

    await asyncio.gather(*(writer(f"w{number}") for number in range(20)))
    await store.close()
    store = place.open()
    await record(store, "last")
    lines = await trail(store)
    result = verify((body, digest) for _, body, digest in lines)
    assert result.valid
    assert result.records == 201
    assert (result.records, result.head) == await store.audit_head()
    await store.close()


async def test_audit__is_one_chain_when_two_stores_write_it(place: Place) -> None:
    first, second = place.open(), place.open()
    for number in range(20):
        await asyncio.gather(record(first, f"a{number}"), record(second, f"b{number}"))
    result = verify([(body, digest) for _, body, digest in await trail(first)])
    assert result.valid
    assert result.records == 40
    await first.close()
    await second.close()


async def test_audit__is_read_in_pages_and_whole(store: Store) -> None:
    await record(store, *(f"o{number}" for number in range(2345)))
    assert [sequence for sequence, _, _ in await trail(store)] == list(range(1, 2346))
    page = await store.audit_after(2000, 3)
    assert [sequence for sequence, _, _ in page] == [2001, 2002, 2003]
    assert await store.audit_after(2345, 10) == []
