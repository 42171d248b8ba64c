"""What every lake of grants must do: the suite that an adapter of `LakeGrants` has to pass."""

import asyncio
import random
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from meshplane.kit.errors import Invalid, TooLarge, Unavailable
from meshplane.services.lake.local import LocalLake
from meshplane.services.lake.ports import MOST_CHANGES, LakeChange, LakeEntry, LakeGrants
from tests.builders import seeds
from tests.builders.forked import run_together
from tests.builders.lake_formation_lake import stop_sandbox
from tests.builders.lake_grants import LAKES, MADE_AT, all_of, held, local_lake, puts, table, who

CELLS = {"DataCellsFilter": {"DatabaseName": "aviation", "TableName": "flights", "Name": "eu"}}
RESOURCES: tuple[dict[str, Any], ...] = (
    {"Database": {"Name": "aviation"}},
    {"Table": {"DatabaseName": "aviation", "TableWildcard": {}}},
    table(),
    {"TableWithColumns": {"DatabaseName": "aviation", "Name": "f", "ColumnNames": ["a", "b"]}},
    {
        "TableWithColumns": {
            "DatabaseName": "aviation",
            "Name": "f",
            "ColumnWildcard": {"ExcludedColumnNames": ["c"]},
        }
    },
    CELLS,
    {
        "LFTagPolicy": {
            "ResourceType": "TABLE",
            "Expression": [{"TagKey": "team", "TagValues": ["ops", "sea"]}],
        }
    },
    {"DataLocation": {"ResourceArn": "arn:aws:s3:::data-lake-aviation/raw"}},
)


CELLS_OF_FLIGHTS = {"RowFilter": {"FilterExpression": "name = 'größe'"}, "ColumnNames": ["a", "b"]}


@pytest.fixture(scope="module", autouse=True)
def _sandbox() -> Iterator[None]:
    yield
    stop_sandbox()


def on(resource: dict[str, Any], principal: str = who("analysts")) -> LakeEntry:
    """An entry on a resource, with what every lake may permit there."""
    if "Database" in resource:
        return held(principal, resource, ("DESCRIBE",))
    if "DataLocation" in resource:
        return held(principal, resource, ("DATA_LOCATION_ACCESS",))
    filter_of = CELLS_OF_FLIGHTS if "DataCellsFilter" in resource else None
    return held(principal, resource, filter=filter_of)


@pytest.fixture(params=sorted(LAKES))
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> LakeGrants:
    return LAKES[request.param](tmp_path)


async def test_read__a_new_lake_holds_nothing(lake: LakeGrants) -> None:
    page = await lake.read(10, None)
    assert (page.entries, page.cursor) == ((), None)
    assert await lake.find(held().key) is None


async def test_put__every_kind_of_resource_is_read_back_as_it_was(lake: LakeGrants) -> None:
    meant = [on(each) for each in RESOURCES]
    assert await lake.apply(puts(*meant)) == []
    found = {one.key: one for one in await all_of(lake)}
    assert found.keys() == {one.key for one in meant}
    for one in meant:
        assert found[one.key].fingerprint == one.fingerprint
        assert (found[one.key].principal, found[one.key].resource) == (one.principal, one.resource)
        assert await lake.find(one.key) == found[one.key]


async def test_put__keeps_rights_to_grant_filters_and_masks(lake: LakeGrants) -> None:
    rows = {
        "RowFilter": {"FilterExpression": "name = 'O''Hare' AND größe > '1'"},
        "ColumnNames": ["a", "tail"],
    }
    can_mask = (await lake.describe()).masks
    masks = {"tail": {"kind": "partial", "keepLast": 4}} if can_mask else {}
    meant = held(resource=CELLS, grantable=("SELECT",), filter=rows, masks=masks)
    assert await lake.apply(puts(meant)) == []
    found = await lake.find(meant.key)
    assert found is not None
    assert (found.permissions, found.grantable) == (("SELECT",), ("SELECT",))
    assert (found.filter, found.masks) == (meant.filter, meant.masks)
    assert found.fingerprint == meant.fingerprint


async def test_put__a_lake_that_tells_makers_tells_who_made_it_and_when(lake: LakeGrants) -> None:
    meant = held(made_by="user:ada@mesh")
    await lake.apply(puts(meant))
    found = await lake.find(meant.key)
    assert found is not None
    if (await lake.describe()).tells_makers:
        assert (found.made_by, found.made_at) == ("user:ada@mesh", MADE_AT)
    else:
        assert found.made_by is None


async def test_put__again_changes_nothing_not_even_who_made_it(lake: LakeGrants) -> None:
    first = held(made_by="user:ada@mesh")
    await lake.apply(puts(first))
    before = await lake.find(first.key)
    assert await lake.apply(puts(replace(first, made_by="service:lake"))) == []
    assert await lake.find(first.key) == before


async def test_put__another_under_the_same_key_takes_its_place(lake: LakeGrants) -> None:
    wide = held(permissions=("SELECT", "INSERT", "DELETE"), grantable=("SELECT",))
    await lake.apply(puts(wide))
    before = await lake.find(wide.key)
    narrow = held(permissions=("DESCRIBE",), made_by="user:ada@mesh")
    assert narrow.key == wide.key
    await lake.apply(puts(narrow))
    (found,) = await all_of(lake)
    assert (found.permissions, found.grantable) == (("DESCRIBE",), ())
    assert before is not None
    assert found.revision != before.revision or not found.revision


async def test_remove__it_is_gone_and_once_more_is_fine(lake: LakeGrants) -> None:
    one, other = held(), held(who("bo"))
    await lake.apply(puts(one, other))
    for _ in range(2):
        assert await lake.apply([LakeChange("remove", one)]) == []
        assert [found.key for found in await all_of(lake)] == [other.key]


async def test_remove__only_what_was_seen__spares_what_was_changed_since(lake: LakeGrants) -> None:
    await lake.apply(puts(held()))
    seen = await lake.find(held().key)
    assert seen is not None
    await lake.apply(puts(held(permissions=("SELECT", "INSERT"))))
    (failure,) = await lake.apply([LakeChange("remove", seen, unchanged=True)])
    assert (failure.key, failure.code, failure.again) == (seen.key, "LAKE_ENTRY_MOVED", False)
    now = await lake.find(seen.key)
    assert now is not None
    assert await lake.apply([LakeChange("remove", now, unchanged=True)]) == []
    assert await lake.apply([LakeChange("remove", now, unchanged=True)]) == []
    assert await all_of(lake) == []


async def test_apply__one_that_the_lake_refuses_is_told_and_the_others_are_made(
    lake: LakeGrants,
) -> None:
    good = [held(who(f"u{number}")) for number in range(6)]
    bad = [held(who("bad"), permissions=("BANANA",)), held(who("none"), permissions=())]
    failures = await lake.apply(puts(*good[:3], *bad, *good[3:]))
    assert sorted(one.key for one in failures) == sorted(one.key for one in bad)
    assert {(one.code, one.again) for one in failures} == {("LAKE_ENTRY_INVALID", False)}
    assert all(one.reason for one in failures)
    assert {one.key for one in await all_of(lake)} == {one.key for one in good}


async def test_apply__a_right_to_grant_what_is_not_held_is_refused(lake: LakeGrants) -> None:
    (failure,) = await lake.apply(puts(held(grantable=("INSERT",))))
    assert failure.code == "LAKE_ENTRY_INVALID"
    assert await all_of(lake) == []


async def test_apply__more_than_a_call_may_hold_is_refused_whole(lake: LakeGrants) -> None:
    many = puts(*(held(who(f"u{number}")) for number in range(MOST_CHANGES + 1)))
    with pytest.raises(TooLarge) as refused:
        await lake.apply(many)
    assert refused.value.code == "LAKE_BATCH_TOO_LARGE"
    assert await all_of(lake) == []
    assert await lake.apply(many[:MOST_CHANGES]) == []
    assert len(await all_of(lake, 33)) == MOST_CHANGES


async def test_apply__nothing_is_fine(lake: LakeGrants) -> None:
    assert await lake.apply([]) == []


async def test_apply__changes_are_made_in_their_order(lake: LakeGrants) -> None:
    one = held()
    assert await lake.apply([*puts(one), LakeChange("remove", one)]) == []
    assert await all_of(lake) == []
    assert await lake.apply([LakeChange("remove", one), *puts(one)]) == []
    assert [found.key for found in await all_of(lake)] == [one.key]


async def test_marks__are_the_keys_and_fingerprints_of_what_is_read(lake: LakeGrants) -> None:
    can_mask = (await lake.describe()).masks
    masks = {"b": {"kind": "partial", "keepLast": 4}, "a": {"kind": "null"}} if can_mask else {}
    entries = [on(resource, who(f"u{number}")) for number, resource in enumerate(RESOURCES)]
    entries.append(
        held(resource=CELLS, filter=CELLS_OF_FLIGHTS, masks=masks, grantable=("SELECT",))
    )
    assert await lake.apply(puts(*entries)) == []
    marks: list[tuple[str, str]] = []
    cursor: str | None = None
    while True:
        page = await lake.marks(4, cursor)
        marks += page.marks
        cursor = page.cursor
        if cursor is None:
            break
    assert marks == [(one.key, one.fingerprint) for one in await all_of(lake)]
    assert sorted(marks) == sorted((one.key, one.fingerprint) for one in entries)


@pytest.mark.parametrize("cursor", ["", "x' OR 1=1 --", "ä", "lake-\x00", "A"])
async def test_read__a_cursor_that_no_page_gave_is_refused(lake: LakeGrants, cursor: str) -> None:
    for asked in (lake.read(10, cursor), lake.marks(10, cursor)):
        with pytest.raises(Invalid) as refused:
            await asked
        assert refused.value.code == "CURSOR_INVALID"


async def test_read__what_is_there_all_the_while_is_given_exactly_once_under_writes(
    lake: LakeGrants,
) -> None:
    staying = [held(who(f"stays-{number}")) for number in range(60)]
    await lake.apply(puts(*staying))
    done = False

    async def write() -> None:
        number = 0
        while not done:
            coming = held(who(f"comes-{number % 20}"))
            await lake.apply(puts(coming) if number % 3 else [LakeChange("remove", coming)])
            number += 1
            await asyncio.sleep(0)

    writing = asyncio.create_task(write())
    try:
        for _ in range(5):
            keys = [one.key for one in await all_of(lake)]
            assert len(keys) == len(set(keys))
            assert {one.key for one in staying} <= set(keys)
    finally:
        done = True
        await writing


async def test_random_changes__leave_what_a_plain_dictionary_would_hold(lake: LakeGrants) -> None:
    chance = random.Random(seeds.fresh())
    model: dict[str, LakeEntry] = {}
    for _ in range(30):
        changes = []
        for _ in range(chance.randrange(1, 12)):
            rights = tuple(chance.sample(["SELECT", "DESCRIBE", "INSERT"], chance.randrange(1, 4)))
            one = held(
                who(f"u{chance.randrange(6)}"),
                table(chance.choice("abc")),
                rights,
                grantable=rights[: chance.randrange(2)],
            )
            if chance.random() < 0.3:
                changes.append(LakeChange("remove", one))
                model.pop(one.key, None)
            else:
                changes.append(LakeChange("put", one))
                model[one.key] = one
        repeats = chance.choice((1, 1, 2))
        for _ in range(repeats):
            assert await lake.apply(changes) == []
        found = {one.key: one.fingerprint for one in await all_of(lake)}
        assert found == {key: one.fingerprint for key, one in model.items()}


def write_own(folder: str, name: str, process: int, count: int) -> None:
    """Puts entries of its own and one that all share; removes every third. Runs in a process."""

    async def run() -> None:
        lake = LAKES[name](Path(folder))
        for number in range(count):
            own = held(who(f"p{process}-{number}"))
            shared = held(permissions=("SELECT",) if number % 2 else ("SELECT", "INSERT"))
            assert await lake.apply(puts(own, shared)) == []
            if number % 3 == 0:
                assert await lake.apply([LakeChange("remove", own)]) == []

    asyncio.run(run())


@pytest.mark.parametrize("name", sorted(LAKES))
async def test_two_processes__write_one_lake_at_once_and_lose_nothing(
    name: str, tmp_path: Path
) -> None:
    count = 30
    assert await all_of(LAKES[name](tmp_path)) == []
    exits = await asyncio.to_thread(
        run_together, write_own, [(str(tmp_path), name, process, count) for process in range(3)]
    )
    assert exits == [0, 0, 0]
    found = await all_of(LAKES[name](tmp_path), 11)
    kept = sum(number % 3 != 0 for number in range(count))
    assert len(found) == 3 * kept + 1
    assert held().key in {one.key for one in found}


async def test_local__a_file_that_is_no_database_is_unavailable_and_says_nothing_of_it(
    tmp_path: Path,
) -> None:
    lake = local_lake(tmp_path)
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "grants.db").write_bytes(b"this is no database at all" * 50)
    for asked in (lake.read(1, None), lake.find("lake-x"), lake.apply(puts(held()))):
        with pytest.raises(Unavailable) as failed:
            await asked
        assert failed.value.code == "LAKE_UNAVAILABLE"
        assert "database" not in failed.value.message


async def test_local__what_was_put_is_there_for_the_next_process(tmp_path: Path) -> None:
    await local_lake(tmp_path).apply(puts(held()))
    again = local_lake(tmp_path)
    assert isinstance(again, LocalLake)
    assert [one.key for one in await all_of(again)] == [held().key]
