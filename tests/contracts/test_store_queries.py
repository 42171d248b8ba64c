"""What queries of every store must do: order, conditions, pages, expiry."""

import asyncio
import base64
import itertools
import json
import random
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meshplane.kit.errors import Invalid, Stale
from meshplane.platform.store import ABSENT, Store
from meshplane.platform.tables import Between, KeyValue, Row, SortCondition, StartsWith, Table
from tests.builders import seeds
from tests.builders.stores import (
    LEASES,
    NOON,
    NOTES,
    NUMBERS,
    PLACES,
    SINGLES,
    THINGS,
    Place,
)

NOON_SECONDS = int(NOON.timestamp())


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return PLACES[request.param](tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    store = place.open()
    yield store
    await store.close()


async def put_all(store: Store, table: Table, *items: dict) -> None:
    work = store.begin()
    for item in items:
        work.put(table, item)
    await work.commit()


async def put_names(store: Store, *names: str) -> None:
    await put_all(store, THINGS, *({"group": "g", "name": name} for name in names))


async def put_numbers(store: Store, *numbers: int) -> None:
    await put_all(store, NUMBERS, *({"group": "g", "number": number} for number in numbers))


async def names(
    store: Store, where: SortCondition | None = None, *, descending: bool = False
) -> list[str]:
    page = await store.begin().query(THINGS, "g", where=where, descending=descending)
    return [row.item["name"] for row in page.rows]


async def numbers(
    store: Store, where: SortCondition | None = None, *, descending: bool = False
) -> list[int]:
    page = await store.begin().query(NUMBERS, "g", where=where, descending=descending)
    return [row.item["number"] for row in page.rows]


async def pages(store: Store, limit: int, **options: object) -> list[tuple[Row, ...]]:
    """All pages of group g, from the first to the last."""
    found, cursor = [], None
    while True:
        page = await store.begin().query(
            THINGS,
            "g",
            limit=limit,
            cursor=cursor,
            **options,  # type: ignore[arg-type]
        )
        found.append(page.rows)
        cursor = page.cursor
        if cursor is None:
            return found


async def test_query__of_an_empty_partition_is_an_empty_page(store: Store) -> None:
    await put_names(store, "a")
    page = await store.begin().query(THINGS, "other")
    assert page.rows == ()
    assert page.cursor is None


async def test_query__gives_one_partition_with_items_and_versions(store: Store) -> None:
    await put_names(store, "a", "b")
    await put_names(store, "b")
    await put_all(store, THINGS, {"group": "h", "name": "c"})
    page = await store.begin().query(THINGS, "g")
    assert page.rows == (
        Row({"group": "g", "name": "a"}, 1),
        Row({"group": "g", "name": "b"}, 2),
    )


async def test_query__sees_committed_rows_only(store: Store) -> None:
    work = store.begin()
    work.put(THINGS, {"group": "g", "name": "a"})
    assert (await work.query(THINGS, "g")).rows == ()
    await work.commit()
    assert len((await work.query(THINGS, "g")).rows) == 1


async def test_query__orders_text_by_its_bytes(store: Store) -> None:
    wanted = ["", "-", "10", "2", "A", "Z", "a", "aa", "ab", "z", "é", "ﬁ", "\uffff", "🙂"]
    shuffled = random.Random(7).sample(wanted, len(wanted))
    await put_names(store, *shuffled)
    assert sorted(wanted, key=str.encode) == wanted
    assert await names(store) == wanted
    assert await names(store, descending=True) == wanted[::-1]


async def test_query__orders_numbers_by_their_value(store: Store) -> None:
    wanted = [-(2**63), -10, -9, 0, 2, 10, 100, 2**53 + 1, 2**63 - 1]
    await put_numbers(store, *random.Random(7).sample(wanted, len(wanted)))
    assert await numbers(store) == wanted
    assert await numbers(store, descending=True) == wanted[::-1]


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        (Between("b", "d"), ["b", "ba", "c", "d"]),
        (Between("b", None), ["b", "ba", "c", "d", "da", "é"]),
        (Between(None, "b"), ["a", "b"]),
        (Between(None, None), ["a", "b", "ba", "c", "d", "da", "é"]),
        (Between("bb", "bz"), []),
        (Between("d", "b"), []),
        (Between("ba", "ba"), ["ba"]),
    ],
)
async def test_between__takes_both_ends(store: Store, where: Between, wanted: list[str]) -> None:
    await put_names(store, "a", "b", "ba", "c", "d", "da", "é")
    assert await names(store, where) == wanted
    assert await names(store, where, descending=True) == wanted[::-1]


@pytest.mark.parametrize(
    ("low", "high", "wanted"),
    [(2, 10, [2, 9, 10]), (None, 1, [-5, 1]), (10, None, [10, 11]), (12, 20, [])],
)
async def test_between__compares_numbers_as_numbers(
    store: Store, low: int | None, high: int | None, wanted: list[int]
) -> None:
    await put_numbers(store, -5, 1, 2, 9, 10, 11)
    assert await numbers(store, Between(low, high)) == wanted


@pytest.mark.parametrize(
    ("prefix", "wanted"),
    [
        ("", ["%", "_", "a", "a%", "a_b", "aB", "ab", "b", "é", "éa", "\U0010ffff"]),
        ("a", ["a", "a%", "a_b", "aB", "ab"]),
        ("a_", ["a_b"]),
        ("a%", ["a%"]),
        ("%", ["%"]),
        ("é", ["é", "éa"]),
        ("\U0010ffff", ["\U0010ffff"]),
        ("abc", []),
        ("A", []),
    ],
)
async def test_starts_with__takes_the_prefix_as_it_is_written(
    store: Store, prefix: str, wanted: list[str]
) -> None:
    every = ["%", "_", "a", "a%", "a_b", "aB", "ab", "b", "é", "éa", "\U0010ffff"]
    await put_names(store, *every)
    found = await names(store, StartsWith(prefix))
    assert found == sorted(wanted, key=str.encode)


async def test_index__finds_by_its_keys_and_orders_by_its_sort(store: Store) -> None:
    await put_all(
        store,
        THINGS,
        {"group": "g", "name": "a", "owner": "ada", "rank": 10},
        {"group": "h", "name": "b", "owner": "ada", "rank": 9},
        {"group": "g", "name": "c", "owner": "bob", "rank": 1},
        {"group": "g", "name": "d", "rank": 1},
        {"group": "g", "name": "e", "owner": None, "rank": 1},
    )
    page = await store.begin().query(THINGS, "ada", index="byOwner")
    assert [row.item["name"] for row in page.rows] == ["b", "a"]
    page = await store.begin().query(THINGS, "ada", index="byOwner", where=Between(10, None))
    assert [row.item["name"] for row in page.rows] == ["a"]


async def test_index__does_not_hold_an_item_without_its_sort_attribute(store: Store) -> None:
    await put_all(
        store,
        THINGS,
        {"group": "g", "name": "a", "owner": "ada"},
        {"group": "g", "name": "b", "owner": "ada", "rank": None},
        {"group": "g", "name": "c", "owner": "ada", "rank": 1},
    )
    for descending in (False, True):
        page = await store.begin().query(
            THINGS, "ada", index="byOwner", limit=1, descending=descending
        )
        assert [row.item["name"] for row in page.rows] == ["c"]
        assert page.cursor is None


async def test_index__follows_changes_and_deletes(store: Store) -> None:
    await put_all(store, THINGS, {"group": "g", "name": "a", "colour": "red"})
    await put_all(store, THINGS, {"group": "g", "name": "a", "colour": "blue"})
    assert (await store.begin().query(THINGS, "red", index="byColour")).rows == ()
    assert len((await store.begin().query(THINGS, "blue", index="byColour")).rows) == 1
    work = store.begin()
    work.delete(THINGS, "g", "a")
    await work.commit()
    assert (await store.begin().query(THINGS, "blue", index="byColour")).rows == ()


async def test_index__pages_through_equal_sort_keys(store: Store) -> None:
    wanted = [(f"g{group}", f"n{name}") for group in range(3) for name in range(5)]
    items = [{"group": g, "name": n, "owner": "ada", "rank": 1} for g, n in wanted]
    await put_all(store, THINGS, *items)
    for descending in (False, True):
        found: list[tuple[str, str]] = []
        cursor = None
        while True:
            page = await store.begin().query(
                THINGS, "ada", index="byOwner", limit=4, cursor=cursor, descending=descending
            )
            found += [(row.item["group"], row.item["name"]) for row in page.rows]
            if (cursor := page.cursor) is None:
                break
        assert found == (wanted[::-1] if descending else wanted)


async def test_index__without_sort_pages_by_the_tables_keys(store: Store) -> None:
    items = [{"group": "g", "name": f"n{number}", "colour": "red"} for number in range(7)]
    await put_all(store, THINGS, *items)
    found = await _all_names(store, "red", "byColour", 2)
    assert found == [item["name"] for item in items]


async def _all_names(store: Store, partition: str, index: str, limit: int) -> list[str]:
    found: list[str] = []
    cursor = None
    while True:
        page = await store.begin().query(THINGS, partition, index=index, limit=limit, cursor=cursor)
        found += [row.item["name"] for row in page.rows]
        if (cursor := page.cursor) is None:
            return found


async def test_index__that_was_not_declared_is_a_mistake_of_the_code(store: Store) -> None:
    with pytest.raises(KeyError):
        await store.begin().query(THINGS, "x", index="byNobody")


@pytest.mark.parametrize(("count", "limit"), [(0, 3), (1, 3), (3, 3), (4, 3), (6, 3), (10, 1)])
@pytest.mark.parametrize("descending", [False, True])
async def test_pages__hold_everything_once_and_no_empty_page_follows(
    store: Store, count: int, limit: int, descending: bool
) -> None:
    wanted = [f"n{number:02}" for number in range(count)]
    await put_names(store, *wanted)
    found = await pages(store, limit, descending=descending)
    assert [row.item["name"] for page in found for row in page] == (
        wanted[::-1] if descending else wanted
    )
    assert len(found) == max(1, -(-count // limit))


@pytest.mark.parametrize("seed", range(4))
async def test_pages__neither_repeat_nor_skip_while_others_insert_and_delete(
    store: Store, seed: int
) -> None:
    chance = random.Random(seeds.shown(seed))
    lasting = [f"{number:04}-stays" for number in range(0, 400, 4)]
    fleeting = [f"{number:04}-goes" for number in range(1, 400, 4)]
    await put_names(store, *lasting, *fleeting)
    found: list[str] = []
    cursor = None
    while True:
        page = await store.begin().query(
            THINGS, "g", limit=7, cursor=cursor, descending=bool(seed % 2)
        )
        found += [row.item["name"] for row in page.rows]
        if (cursor := page.cursor) is None:
            break
        work = store.begin()
        work.put(THINGS, {"group": "g", "name": f"{chance.randrange(400):04}-new"})
        # The row that the cursor stands on may go as well.
        work.delete(THINGS, "g", chance.choice([*fleeting, found[-1]]))
        if found[-1] in lasting:
            lasting.remove(found[-1])
        await work.commit()
    assert len(found) == len(set(found))
    assert found == sorted(found, reverse=bool(seed % 2))
    assert set(lasting) <= set(found)


async def test_pages__keep_number_and_text_keys_apart(store: Store) -> None:
    keys: list[KeyValue] = [1, 2, 10, "1", "10", "2"]
    await put_all(store, NUMBERS, *({"group": "g", "number": key} for key in keys))
    found: list[KeyValue] = []
    cursor = None
    while True:
        page = await store.begin().query(NUMBERS, "g", limit=2, cursor=cursor)
        found += [row.item["number"] for row in page.rows]
        if (cursor := page.cursor) is None:
            break
    assert found == keys


def cursor_of(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


TAMPERED = [
    "", "x", "%", "=", "é", "\ud800", "\0", "null", "[]", "a" * 1000,
    *map(cursor_of, [
        None, [], "a", 3, {}, {"a": 1}, ["a", "b"], [None], [1.5], [True], [False], [["a"]],
        [{"a": 1}], [2**63], [2**64], [-(2**63) - 1], [1e400], ["\ud800"],
    ]),
]  # fmt: skip


@pytest.mark.parametrize("cursor", TAMPERED)
async def test_cursor__that_no_page_gave_is_refused(store: Store, cursor: str) -> None:
    await put_names(store, "a", "b")
    with pytest.raises(Invalid) as caught:
        await store.begin().query(THINGS, "g", cursor=cursor)
    assert caught.value.code == "CURSOR_INVALID"
    assert caught.value.fields[0].field == "cursor"


async def test_cursor__changed_in_one_place_is_refused_or_stays_in_its_partition(
    store: Store,
) -> None:
    await put_names(store, *(f"n{number}" for number in range(10)))
    await put_all(store, THINGS, {"group": "hidden", "name": "n5"})
    cursor = (await store.begin().query(THINGS, "g", limit=5)).cursor
    assert cursor is not None
    tried = refused = shown = 0
    letters = "ABCYZabcyz0189-_=+/ \n"
    for place, letter in itertools.product(range(len(cursor)), letters):
        changed = cursor[:place] + letter + cursor[place + 1 :]
        try:
            page = await store.begin().query(THINGS, "g", cursor=changed)
        except Invalid as error:
            refused += error.code == "CURSOR_INVALID"
        else:
            shown += {row.item["group"] for row in page.rows} <= {"g"}
        tried += 1
    assert refused + shown == tried
    assert refused > 0


async def test_cursor__of_another_list_is_refused_when_it_has_another_form(store: Store) -> None:
    await put_all(
        store,
        THINGS,
        *({"group": "g", "name": f"n{n}", "owner": "ada", "rank": n} for n in range(3)),
    )
    by_owner = await store.begin().query(THINGS, "ada", index="byOwner", limit=1)
    with pytest.raises(Invalid):
        await store.begin().query(THINGS, "g", cursor=by_owner.cursor)


async def lease(store: Store, ends_at: int | None, *, expected: int | None = None) -> None:
    work = store.begin()
    item = {"id": "a", "holder": "ada", **({} if ends_at is None else {"endsAt": ends_at})}
    work.put(LEASES, item, expected=expected)
    await work.commit()


async def test_expiry__ends_an_item_at_its_second(place: Place, store: Store) -> None:
    await lease(store, NOON_SECONDS + 10)
    place.clock.advance(9)
    assert await store.begin().get(LEASES, "a") is not None
    assert len((await store.begin().query(LEASES, "a")).rows) == 1
    place.clock.advance(1)
    assert await store.begin().get(LEASES, "a") is None
    assert (await store.begin().query(LEASES, "a")).rows == ()
    assert (await store.begin().query(LEASES, "ada", index="byHolder")).rows == ()


async def test_expiry__of_an_item_without_the_attribute_never_comes(
    place: Place, store: Store
) -> None:
    await lease(store, None)
    place.clock.advance(10**9)
    assert await store.begin().get(LEASES, "a") is not None
    assert await store.remove_expired() == 0


@pytest.mark.parametrize("swept", [False, True])
async def test_expiry__makes_room_for_a_new_item_whether_swept_or_not(
    place: Place, store: Store, swept: bool
) -> None:
    await lease(store, NOON_SECONDS + 10)
    await lease(store, NOON_SECONDS + 10)
    place.clock.advance(10)
    if swept:
        assert await store.remove_expired() == 1
    with pytest.raises(Stale):
        await lease(store, NOON_SECONDS + 99, expected=2)
    await lease(store, NOON_SECONDS + 99, expected=ABSENT)
    row = await store.begin().get(LEASES, "a")
    assert row is not None
    assert row.version == 1


@pytest.mark.parametrize("swept", [False, True])
async def test_expiry__lets_a_put_without_condition_begin_anew(
    place: Place, store: Store, swept: bool
) -> None:
    await lease(store, NOON_SECONDS + 10)
    place.clock.advance(10)
    if swept:
        await store.remove_expired()
    await lease(store, NOON_SECONDS + 99)
    row = await store.begin().get(LEASES, "a")
    assert row is not None
    assert row.version == 1


async def test_remove_expired__takes_the_ended_ones_and_leaves_the_rest(
    place: Place, store: Store
) -> None:
    await put_all(
        store, LEASES, *({"id": f"l{n}", "endsAt": NOON_SECONDS + n} for n in range(1, 21))
    )
    await put_all(store, SINGLES, {"id": "s", "endsAt": 1})
    place.clock.advance(10)
    assert await store.remove_expired(limit=4) == 4
    assert await store.remove_expired(limit=100) == 6
    assert await store.remove_expired() == 0
    for number in range(1, 21):
        found = await store.begin().get(LEASES, f"l{number}")
        assert (found is not None) == (number > 10)
    assert await store.begin().get(SINGLES, "s") is not None


async def test_remove_expired__does_not_take_what_was_renewed_meanwhile(
    place: Place, store: Store
) -> None:
    other = place.open()
    await lease(store, NOON_SECONDS + 10)
    place.clock.advance(10)
    await lease(other, NOON_SECONDS + 99)
    await store.remove_expired()
    assert await store.begin().get(LEASES, "a") is not None
    await other.close()


async def test_expired_text__is_not_found_and_leaves_nothing_behind(
    place: Place, store: Store
) -> None:
    for number in range(3):
        await put_all(
            store, NOTES, {"id": f"n{number}", "text": "old words", "endsAt": NOON_SECONDS + 10}
        )
    place.clock.advance(10)
    assert await store.begin().search(NOTES, "old", 10) == ()
    await put_all(store, NOTES, {"id": "n1", "text": "new words"})
    await store.remove_expired()
    await put_all(store, NOTES, {"id": "n9", "text": "other words"})
    found = await store.begin().search(NOTES, "words", 10)
    assert sorted(row.item["id"] for row in found) == ["n1", "n9"]
    assert await store.begin().search(NOTES, "old", 10) == ()


def commit_elsewhere(place: Place, *items: dict) -> None:
    """Commits through another store, on a thread of its own; returns when it is durable."""

    async def commit() -> None:
        other = place.open()
        await put_all(other, THINGS, *items)
        await other.close()

    thread = threading.Thread(target=lambda: asyncio.run(commit()))
    thread.start()
    thread.join()


async def test_together__reads_see_one_instant_whatever_is_committed_meanwhile(
    place: Place, store: Store
) -> None:
    await put_names(store, "a")
    work = store.begin()
    with work.together():
        assert [row.item["name"] for row in (await work.query(THINGS, "g")).rows] == ["a"]
        commit_elsewhere(place, {"group": "g", "name": "b"}, {"group": "g", "name": "a", "n": 2})
        with work.together():  # within one another, they are one
            assert [row.item["name"] for row in (await work.query(THINGS, "g")).rows] == ["a"]
        row = await work.get(THINGS, "g", "a")
        assert row is not None
        assert row.version == 1
        assert len(await work.get_many(THINGS, [("g", "a"), ("g", "b")])) == 1
    assert await names(store) == ["a", "b"]


async def test_together__that_ends_with_an_error__holds_nobody_back(
    place: Place, store: Store
) -> None:
    await put_names(store, "a")
    work = store.begin()
    with pytest.raises(Invalid), work.together():
        await work.query(THINGS, "g", cursor="nonsense")
    commit_elsewhere(place, {"group": "g", "name": "b"})
    assert await names(store) == ["a", "b"]
    await put_names(store, "c")
    assert await names(store) == ["a", "b", "c"]
