"""Several real processes write to one home at once."""

import asyncio
import json
import random
from collections import Counter
from pathlib import Path

import pytest

from meshplane.kit.clock import SystemClock
from meshplane.kit.errors import Conflict, Stale
from meshplane.kit.hash_chain import verify
from meshplane.platform.store import ABSENT, Store
from tests.builders import seeds
from tests.builders.crash_check import orders, problems_of_writes
from tests.builders.crash_world import Plan, live
from tests.builders.forked import run_together
from tests.builders.stores import SINGLES, THINGS, SqlitePlace, event

TAKEN = Conflict("NAME_TAKEN", "It is taken: choose another.")


def note(folder: str, *words: object) -> None:
    with Path(folder, "ends").open("a") as file:
        file.write(json.dumps(words) + "\n")


def ends(folder: Path) -> list[list]:
    return [json.loads(line) for line in (folder / "ends").read_text().splitlines()]


def claim_names(folder: str, process: int, claims: int, names: int) -> None:
    """Claims each name many times at once. Runs in a process."""

    async def claim(store: Store, name: str, number: int) -> None:
        work = store.begin()
        work.put(
            THINGS,
            {"group": "names", "name": name, "by": [process, number]},
            expected=ABSENT,
            otherwise=TAKEN,
        )
        work.emit(event(name, "NameClaimed", by=[process, number]))
        work.record({"operation": "claim", "name": name})
        try:
            await work.commit()
        except Conflict as error:
            note(folder, name, error.code, process, number)
        else:
            note(folder, name, "won", process, number)

    async def run() -> None:
        store = SqlitePlace(Path(folder)).open(SystemClock())
        await asyncio.gather(
            *(claim(store, f"n{n}", number) for n in range(names) for number in range(claims))
        )
        await store.close()

    asyncio.run(run())


def test_unique_name__claimed_a_hundred_times_has_one_winner(tmp_path: Path) -> None:
    run = [(str(tmp_path), process, 25, 4) for process in range(4)]
    assert run_together(claim_names, run) == [0] * 4
    for name in ("n0", "n1", "n2", "n3"):
        found = Counter(end[1] for end in ends(tmp_path) if end[0] == name)
        assert found == {"won": 1, "NAME_TAKEN": 99}
    assert_one_event_and_record_each(tmp_path)


def assert_one_event_and_record_each(folder: Path) -> None:
    async def look() -> None:
        store = SqlitePlace(folder).open()
        rows = (await store.begin().query(THINGS, "names")).rows
        events = await store.events_after(0, 100)
        assert {e.entity: e.detail["by"] for e in events} == {
            row.item["name"]: row.item["by"] for row in rows
        }
        assert {tuple(row.item["by"]) for row in rows} == {
            (end[2], end[3]) for end in ends(folder) if end[1] == "won"
        }
        lines = [(body, digest) async for _, body, digest in store.audit_lines()]
        assert len(lines) == len(rows) == len(events)
        assert verify(lines).valid
        await store.close()

    asyncio.run(look())


def count_up(folder: str, process: int, writers: int, rounds: int) -> None:
    """Many writers add one to the same number, each on the version that it read."""

    async def writer(store: Store) -> None:
        for _ in range(rounds):
            while True:
                work = store.begin()
                row = await work.get(SINGLES, "counter")
                value, version = (row.item["value"], row.version) if row else (0, ABSENT)
                await asyncio.sleep(0)
                work.put(SINGLES, {"id": "counter", "value": value + 1}, expected=version)
                try:
                    await work.commit()
                except Stale:
                    note(folder, "stale")
                    continue
                note(folder, "made", version + 1, process)
                break

    async def run() -> None:
        store = SqlitePlace(Path(folder)).open(SystemClock())
        await asyncio.gather(*(writer(store) for _ in range(writers)))
        await store.close()

    asyncio.run(run())


def test_one_row__changed_by_fifty_writers_uses_every_version_once(tmp_path: Path) -> None:
    writers = [(str(tmp_path), process, 13 if process < 2 else 12, 2) for process in range(4)]
    assert run_together(count_up, writers) == [0] * 4
    made = [end[1] for end in ends(tmp_path) if end[0] == "made"]
    assert sorted(made) == list(range(1, 101))

    async def last() -> tuple[int, int]:
        store = SqlitePlace(tmp_path).open()
        row = await store.begin().get(SINGLES, "counter")
        await store.close()
        assert row is not None
        return row.item["value"], row.version

    assert asyncio.run(last()) == (100, 100)


def transfer(folder: str, seed: int, rounds: int) -> None:
    """Moves amounts between accounts, two rows in one commit; totals are checked all the while."""

    async def writer(store: Store, chance: random.Random) -> None:
        for _ in range(rounds):
            work = store.begin()
            one, other = chance.sample(range(5), 2)
            rows = [await work.get(SINGLES, f"account-{n}") for n in (one, other)]
            assert rows[0] is not None
            assert rows[1] is not None
            amount = chance.randrange(1, 10)
            for row, change in zip(rows, (-amount, amount), strict=True):
                assert row is not None
                item = {**row.item, "value": row.item["value"] + change}
                work.put(SINGLES, item, expected=row.version)
            try:
                await work.commit()
            except Stale:
                await asyncio.sleep(0)

    async def run() -> None:
        store = SqlitePlace(Path(folder)).open(SystemClock())
        writers = (writer(store, random.Random(f"{seed}/{n}")) for n in range(5))
        await asyncio.gather(*writers)
        await store.close()

    asyncio.run(run())


def test_two_rows_of_one_commit__never_come_apart(tmp_path: Path) -> None:
    seed = seeds.fresh()

    async def total(begin: bool) -> int:
        store = SqlitePlace(tmp_path).open()
        if begin:
            work = store.begin()
            for number in range(5):
                work.put(SINGLES, {"id": f"account-{number}", "value": 100})
            await work.commit()
        rows = [await store.begin().get(SINGLES, f"account-{number}") for number in range(5)]
        await store.close()
        return sum(row.item["value"] for row in rows if row)

    assert asyncio.run(total(begin=True)) == 500
    assert run_together(transfer, [(str(tmp_path), seed + n, 60) for n in range(3)]) == [0] * 3
    assert asyncio.run(total(begin=False)) == 500


@pytest.mark.parametrize("attempt", range(3))
def test_fresh_home__opened_by_four_processes_at_once(tmp_path: Path, attempt: int) -> None:
    plans = [
        Plan(str(tmp_path), seed, writers=2, rounds=10) for seed in range(attempt, attempt + 4)
    ]
    assert run_together(live, [(plan,) for plan in plans]) == [0] * 4
    assert problems_of_writes(tmp_path) == []
    assert orders(tmp_path) == 80


def clash(folder: str, process: int, rounds: int) -> None:
    """Commits in groups of which one member always fails. Runs in a process."""

    async def put(store: Store, name: str, expected: int | None) -> None:
        work = store.begin()
        work.put(THINGS, {"group": f"p{process}", "name": name}, expected=expected)
        await work.commit()

    async def run() -> None:
        store = SqlitePlace(Path(folder)).open(SystemClock())
        for number in range(rounds):
            good, bad = await asyncio.gather(
                put(store, f"n{number}", ABSENT), put(store, "x", 99), return_exceptions=True
            )
            assert good is None
            assert isinstance(bad, Stale)
        await store.close()

    asyncio.run(run())


def test_failed_condition__never_costs_a_neighbour_its_commit_to_another_process(
    tmp_path: Path,
) -> None:
    assert run_together(clash, [(str(tmp_path), process, 150) for process in range(4)]) == [0] * 4
