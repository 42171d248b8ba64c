"""What a unit of work of every store must do: reads, conditions, and all or nothing."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import orjson
import pytest

from meshplane.kit.errors import Conflict, MeshplaneError, Missing, Stale, Unavailable
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Row
from tests.builders.stores import NUMBERS, PAPERS, PLACES, SINGLES, THINGS, Place, event

TAKEN = Conflict("NAME_TAKEN", "It is taken: choose another.", field="name")


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    store = place.open()
    yield store
    await store.close()


async def put(store: Store, id_: str, expected: int | None = None, **more: object) -> None:
    work = store.begin()
    work.put(SINGLES, {"id": id_, **more}, expected=expected)
    await work.commit()


async def get(store: Store, id_: str) -> Row | None:
    return await store.begin().get(SINGLES, id_)


async def assert_raised(store: Store, id_: str, expected: int) -> None:
    with pytest.raises(Stale) as caught:
        await put(store, id_, expected, colour="lost")
    assert caught.value.code == "STALE"


async def test_put__is_there_with_version_one(store: Store) -> None:
    await put(store, "a", colour="red")
    assert await get(store, "a") == Row({"id": "a", "colour": "red"}, 1)


async def test_put__again_replaces_the_whole_item_and_counts_the_version(store: Store) -> None:
    await put(store, "a", colour="red")
    await put(store, "a", size=3)
    assert await get(store, "a") == Row({"id": "a", "size": 3}, 2)


async def test_put__keeps_every_json_value(store: Store) -> None:
    value = {"t": "Ω\n\"'\\🙂", "n": None, "i": -(2**53), "f": 0.1, "b": [True, {}, [], ""]}
    await put(store, "a", value=value)
    row = await get(store, "a")
    assert row is not None
    assert row.item["value"] == value


async def test_put__expecting_absence_wins_once(store: Store) -> None:
    await put(store, "a", ABSENT, colour="red")
    await assert_raised(store, "a", ABSENT)
    assert await get(store, "a") == Row({"id": "a", "colour": "red"}, 1)


@pytest.mark.parametrize("expected", [1, 3, 99])
async def test_put__expecting_another_version_is_stale(store: Store, expected: int) -> None:
    await put(store, "a")
    await put(store, "a", 1, colour="red")
    await assert_raised(store, "a", expected)
    assert await get(store, "a") == Row({"id": "a", "colour": "red"}, 2)


async def test_put__expecting_a_version_of_nothing_is_stale(store: Store) -> None:
    await assert_raised(store, "a", 1)
    assert await get(store, "a") is None


async def test_put__expecting_nothing_in_particular_goes_through(store: Store) -> None:
    for _ in range(3):
        await put(store, "a")
    row = await get(store, "a")
    assert row is not None
    assert row.version == 3


async def test_put__raises_what_the_use_case_said_it_means(store: Store) -> None:
    await put(store, "a")
    work = store.begin()
    work.put(SINGLES, {"id": "a"}, expected=ABSENT, otherwise=TAKEN)
    with pytest.raises(Conflict) as caught:
        await work.commit()
    assert caught.value is TAKEN


async def test_delete__removes_and_forgets_the_version(store: Store) -> None:
    await put(store, "a")
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, "a")
    await work.commit()
    assert await get(store, "a") is None
    await put(store, "a", ABSENT)
    assert await get(store, "a") == Row({"id": "a"}, 1)


async def test_delete__of_nothing_is_fine(store: Store) -> None:
    work = store.begin()
    work.delete(SINGLES, "a")
    await work.commit()
    assert await get(store, "a") is None


async def test_delete__expecting_absence_holds_while_there_is_nothing(store: Store) -> None:
    work = store.begin()
    work.delete(SINGLES, "a", expected=ABSENT)
    await work.commit()
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, "a", expected=ABSENT)
    with pytest.raises(Stale):
        await work.commit()
    assert await get(store, "a") is not None


@pytest.mark.parametrize(("id_", "expected"), [("a", 1), ("a", 3), ("gone", 1)])
async def test_delete__expecting_another_version_removes_nothing(
    store: Store, id_: str, expected: int
) -> None:
    await put(store, "a")
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, id_, expected=expected, otherwise=Missing("GONE", "It is gone."))
    with pytest.raises(Missing):
        await work.commit()
    row = await get(store, "a")
    assert row is not None
    assert row.version == 2


async def test_delete__expecting_the_version_that_is_there_removes(store: Store) -> None:
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, "a", expected=1)
    await work.commit()
    assert await get(store, "a") is None


async def test_delete__takes_one_item_of_a_partition(store: Store) -> None:
    work = store.begin()
    for name in ("a", "b"):
        work.put(THINGS, {"group": "g", "name": name})
    await work.commit()
    work = store.begin()
    work.delete(THINGS, "g", "a")
    await work.commit()
    assert await store.begin().get(THINGS, "g", "a") is None
    assert await store.begin().get(THINGS, "g", "b") is not None


async def test_keys__tell_a_number_from_its_text_and_from_its_neighbours(store: Store) -> None:
    work = store.begin()
    keys: tuple[str | int, ...] = (1, "1", -1, 10, "10", "", 0, 2**63 - 1, -(2**63))
    for key in keys:
        work.put(NUMBERS, {"group": "g", "number": key, "said": repr(key)})
    await work.commit()
    for key in keys:
        row = await store.begin().get(NUMBERS, "g", key)
        assert row is not None
        assert row.item["said"] == repr(key)


async def test_keys__are_compared_by_their_exact_bytes(store: Store) -> None:
    names = [
        "é",
        "e\u0301",
        "E",
        "e",
        "e ",
        "ß",
        "ss",
        "I",
        "\u0131",
        "i",
        "\ufeffe",
        "a%",
        "a_",
        "a'",
    ]
    work = store.begin()
    for name in names:
        work.put(THINGS, {"group": "g", "name": name}, expected=ABSENT)
    await work.commit()
    for name in names:
        row = await store.begin().get(THINGS, "g", name)
        assert row is not None
        assert row.item["name"] == name


async def test_own_writes__are_seen_by_get_and_by_nobody_else(store: Store) -> None:
    await put(store, "old", colour="red")
    work = store.begin()
    work.put(SINGLES, {"id": "old", "colour": "blue"})
    work.put(SINGLES, {"id": "new"})
    assert await work.get(SINGLES, "old") == Row({"id": "old", "colour": "blue"}, 2)
    assert await work.get(SINGLES, "new") == Row({"id": "new"}, 1)
    assert await get(store, "old") == Row({"id": "old", "colour": "red"}, 1)
    assert await get(store, "new") is None
    await work.commit()
    assert await get(store, "old") == Row({"id": "old", "colour": "blue"}, 2)


async def test_own_deletes__are_seen_by_get_and_by_nobody_else(store: Store) -> None:
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, "a")
    assert await work.get(SINGLES, "a") is None
    assert await get(store, "a") is not None


async def test_own_writes__show_what_was_put_even_if_the_item_is_changed_later(
    store: Store,
) -> None:
    item = {"id": "a", "colour": "red"}
    work = store.begin()
    work.put(SINGLES, dict(item))
    row = await work.get(SINGLES, "a")
    assert row is not None
    assert row.item == item
    await work.commit()
    assert (await work.get(SINGLES, "a")) == Row(item, 1)


async def test_get_many__gives_those_that_are_there(store: Store) -> None:
    work = store.begin()
    for number in range(500):
        work.put(THINGS, {"group": "g", "name": f"n{number}"})
    work.put(THINGS, {"group": "h", "name": "n1"})
    await work.commit()
    keys = [("g", f"n{number}") for number in range(0, 1000, 2)] + [("h", "n0"), ("h", "n1")]
    rows = await store.begin().get_many(THINGS, keys)
    found = {(row.item["group"], row.item["name"]) for row in rows}
    assert found == {("g", f"n{number}") for number in range(0, 500, 2)} | {("h", "n1")}
    assert len(rows) == len(found)
    assert await store.begin().get_many(THINGS, []) == []


async def test_commit__of_nothing_is_fine(store: Store) -> None:
    await store.begin().commit()
    assert await store.events_after(0, 10) == []


async def test_commit__leaves_the_unit_of_work_empty(store: Store) -> None:
    work = store.begin()
    work.put(SINGLES, {"id": "a"})
    work.emit(event())
    await work.commit()
    await work.commit()
    assert len(await store.events_after(0, 10)) == 1
    assert await get(store, "a") == Row({"id": "a"}, 1)


async def test_commit__that_is_not_called_writes_nothing(store: Store) -> None:
    work = store.begin()
    work.put(SINGLES, {"id": "a"})
    work.emit(event())
    work.record({"operation": "x"})
    assert await get(store, "a") is None
    assert await store.events_after(0, 10) == []
    assert (await store.audit_head())[0] == 0


@pytest.mark.parametrize("position", range(3))
async def test_commit__writes_nothing_when_one_condition_fails(store: Store, position: int) -> None:
    await put(store, "taken")
    work = store.begin()
    ids = ["one", "two", "three"]
    ids[position] = "taken"
    for id_ in ids:
        otherwise = TAKEN if id_ == "taken" else None
        work.put(SINGLES, {"id": id_}, expected=ABSENT, otherwise=otherwise)
    work.put(PAPERS, {"id": "p", "title": "unwritten", "text": ""})
    work.emit(event())
    work.record({"operation": "x"})
    with pytest.raises(Conflict):
        await work.commit()
    for id_ in {"one", "two", "three"} - {"taken"}:
        assert await get(store, id_) is None
    assert await store.begin().get(PAPERS, "p") is None
    assert await store.begin().search(PAPERS, "unwritten", 10) == ()
    assert await store.events_after(0, 10) == []
    assert (await store.audit_head())[0] == 0


async def test_commit__raises_the_first_condition_that_fails(store: Store) -> None:
    await put(store, "a")
    work = store.begin()
    work.delete(SINGLES, "a", expected=7, otherwise=Missing("FIRST", "First."))
    work.put(SINGLES, {"id": "b"}, expected=7, otherwise=TAKEN)
    with pytest.raises(Missing):
        await work.commit()


async def test_commit__of_neighbours_goes_through_when_one_fails(store: Store) -> None:
    await put(store, "taken")

    async def one(number: int) -> MeshplaneError | None:
        work = store.begin()
        bad = number % 3 == 0
        work.put(SINGLES, {"id": f"n{number}"})
        work.put(PAPERS, {"id": f"n{number}", "title": f"neighbour{number}", "text": ""})
        work.emit(event(f"n{number}"))
        work.record({"operation": "x", "number": number})
        work.put(SINGLES, {"id": "taken" if bad else f"m{number}"}, expected=ABSENT)
        try:
            await work.commit()
        except Stale as error:
            return error
        return None

    ends = await asyncio.gather(*(one(number) for number in range(60)))
    kept = [number for number in range(60) if number % 3]
    assert [number for number, end in enumerate(ends) if end is None] == kept
    assert [found.entity for found in await store.events_after(0, 100)] == [f"n{k}" for k in kept]
    bodies = [orjson.loads(body) async for _, body, _ in store.audit_lines()]
    assert [body["number"] for body in bodies] == kept
    for number in range(60):
        assert (await get(store, f"n{number}") is not None) == (number in kept)
        found = await store.begin().search(PAPERS, f"neighbour{number}", 5)
        assert len(found) == (number in kept)


UNSTORABLE: dict[str, dict] = {
    "a set": {"id": "x", "value": {1}},
    "an unpaired surrogate": {"id": "x", "value": "\ud800"},
    "an unpaired surrogate as key": {"id": "\ud800"},
    "a number of more than 64 bits": {"id": "x", "value": 2**64},
    "a key of more than 64 bits": {"id": 2**63},
    "a list as key": {"id": ("x",)},
    "no key at all": {"id": None},
}


@pytest.mark.parametrize("item", UNSTORABLE.values(), ids=UNSTORABLE.keys())
async def test_commit__of_neighbours_goes_through_beside_what_cannot_be_stored(
    store: Store, item: dict
) -> None:
    async def neighbour(number: int) -> None:
        await put(store, f"n{number}", ABSENT)

    bad = store.begin()
    bad.emit(event("bad"))
    bad.put(SINGLES, {"id": "before"})
    bad.put(SINGLES, item)
    async with asyncio.timeout(5):
        ends = await asyncio.gather(
            neighbour(1), bad.commit(), neighbour(2), return_exceptions=True
        )
    assert ends[0] is None
    assert isinstance(ends[1], Exception)
    assert ends[2] is None
    assert await get(store, "n1") is not None
    assert await get(store, "n2") is not None
    assert await get(store, "before") is None
    assert await store.events_after(0, 10) == []
    await put(store, "later")
    assert await get(store, "later") is not None


@pytest.mark.parametrize("part", ["event", "record"])
async def test_commit__of_neighbours_goes_through_beside_an_unstorable_log_entry(
    store: Store, part: str
) -> None:
    bad = store.begin()
    bad.put(SINGLES, {"id": "bad"})
    if part == "event":
        bad.emit(event(value={1}))
    else:
        bad.record({"operation": "x", "value": {1}})
    async with asyncio.timeout(5):
        ends = await asyncio.gather(put(store, "n"), bad.commit(), return_exceptions=True)
    assert ends[0] is None
    assert isinstance(ends[1], Exception)
    assert await get(store, "bad") is None
    assert (await store.audit_head())[0] == 0


async def test_commit__is_seen_by_another_store_of_the_same_place(place: Place) -> None:
    first, second = place.open(), place.open()
    await put(first, "a", ABSENT, colour="red")
    assert await get(second, "a") == Row({"id": "a", "colour": "red"}, 1)
    await put(second, "a", 1, colour="blue")
    with pytest.raises(Stale):
        await put(first, "a", 1)
    await first.close()
    await second.close()


async def test_close__refuses_what_comes_after_it_rather_than_let_it_wait(place: Place) -> None:
    store = place.open()
    await put(store, "a")
    late = store.begin()
    late.put(SINGLES, {"id": "b"})
    await store.close()
    async with asyncio.timeout(5):
        with pytest.raises(Unavailable) as caught:
            await late.commit()
    assert caught.value.code == "STORE_UNAVAILABLE"


async def test_close__commits_what_was_begun(place: Place) -> None:
    store = place.open()
    commits = [asyncio.create_task(put(store, f"a{number}")) for number in range(20)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*commits)
    reopened = place.open()
    for number in range(20):
        assert await get(reopened, f"a{number}") is not None
    await reopened.close()


async def test_cancelled_commit__is_whole_or_not_there(store: Store) -> None:
    async def one(number: int) -> None:
        work = store.begin()
        work.put(SINGLES, {"id": f"a{number}"})
        work.emit(event(f"a{number}"))
        await work.commit()

    tasks = [asyncio.create_task(one(number)) for number in range(50)]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(end is None for end in ends[1::2])
    await put(store, "last")
    told = {found.entity for found in await store.events_after(0, 100)}
    for number in range(50):
        row = await get(store, f"a{number}")
        assert (row is not None) == (f"a{number}" in told)
