"""Every store against a plain dictionary: whatever is done in whatever order, both say the same."""

import asyncio
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

import hypothesis.strategies as st
import orjson
import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from meshplane.kit.errors import Stale
from meshplane.kit.hash_chain import verify
from meshplane.platform.local.sqlite import SqliteUnitOfWork
from meshplane.platform.store import Store
from meshplane.platform.tables import Between, Index, StartsWith, Table
from tests.builders.stores import PLACES, Place, event

ITEMS = Table(
    "Things",
    "group",
    "name",
    indexes=(Index("byOwner", "owner", "rank"), Index("byColour", "colour")),
)
T = TypeVar("T")
Key = tuple[str, str]
Known = dict[Key, tuple[dict[str, Any], int]]

groups = st.sampled_from(["g", "h"])
names = st.sampled_from(["", "a", "A", "aa", "ab", "b", "é", "z", "🙂"])
owners = st.sampled_from(["ada", "bob", None])
ranks = st.sampled_from([None, -3, 0, 2, 10])
keys = st.tuples(groups, names)
# What the writer believes about the version that is there: right, wrong, or nothing at all.
beliefs = st.sampled_from(["right", "any", "absent", "newer"])
writes = st.lists(
    st.tuples(keys, st.sampled_from(["put", "put", "delete"]), beliefs, owners, ranks),
    min_size=1,
    max_size=4,
    unique_by=lambda write: write[0],
)


class StoreAgainstModel(RuleBasedStateMachine):
    """Does the same to a store and to a dictionary."""

    adapter = "sqlite"

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="meshplane-model-")
        self.runner = asyncio.Runner()
        self.place: Place = PLACES[self.adapter](Path(self.folder.name))
        self.store: Store = self.run(self._open())
        self.known: Known = {}
        self.told: list[str] = []
        self.recorded: list[str] = []
        self.number = 0

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    async def _open(self) -> Store:
        return self.place.open()

    def teardown(self) -> None:
        self.run(self.store.close())
        self.runner.close()
        self.folder.cleanup()

    def _unit(
        self, changes: list[Any], known: Known
    ) -> tuple[Coroutine[Any, Any, None], Known | None]:
        """A unit of work, and what is known after it; None where it must fail."""
        self.number += 1
        work, after, holds = self.store.begin(), dict(known), True
        for key, what, belief, owner, rank in changes:
            version = known[key][1] if key in known else 0
            expected = {"right": version, "any": None, "absent": 0, "newer": version + 1}[belief]
            holds = holds and expected in (None, version)
            if what == "delete":
                work.delete(ITEMS, *key, expected=expected)
                after.pop(key, None)
                continue
            item = {"group": key[0], "name": key[1], "owner": owner, "rank": rank}
            item |= {"colour": "red", "by": self.number}
            work.put(ITEMS, item, expected=expected)
            after[key] = item, version + 1
        work.emit(event(f"e{self.number}"))
        work.record({"operation": f"o{self.number}"})
        return work.commit(), after if holds else None

    def _settle(self, number: int, after: Known | None, end: object) -> None:
        if after is None:
            assert isinstance(end, Stale)
            return
        assert end is None
        self.known = after
        self.told.append(f"e{number}")
        self.recorded.append(f"o{number}")

    @rule(changes=writes)
    def write(self, changes: list[Any]) -> None:
        commit, after = self._unit(changes, self.known)
        (end,) = self.run(_gather(commit))
        self._settle(self.number, after, end)

    @rule(units=st.lists(writes, min_size=2, max_size=4))
    def write_together(self, units: list[list[Any]]) -> None:
        """Units of work of one group: each sees what those before it left, failed ones excepted."""
        planned, known = [], self.known
        for changes in units:
            commit, after = self._unit(changes, known)
            planned.append((commit, after, self.number))
            known = known if after is None else after
        ends = self.run(_gather(*(commit for commit, _, _ in planned)))
        for (_, after, number), end in zip(planned, ends, strict=True):
            self._settle(number, after, end)

    @rule()
    def open_again(self) -> None:
        self.run(self.store.close())
        self.store = self.run(self._open())

    @rule(key=keys)
    def get(self, key: Key) -> None:
        row = self.run(self.store.begin().get(ITEMS, *key))
        assert (None if row is None else (row.item, row.version)) == self.known.get(key)

    @rule(group=groups, low=names, high=names, limit=st.integers(1, 4), descending=st.booleans())
    def query(self, group: str, low: str, high: str, limit: int, descending: bool) -> None:
        found = self._pages(
            group, where=Between(low, high), limit=limit, descending=descending, index=None
        )
        wanted = [
            item
            for (partition, name), (item, _) in self.known.items()
            if partition == group and low.encode() <= name.encode() <= high.encode()
        ]
        wanted.sort(key=lambda item: str(item["name"]).encode(), reverse=descending)
        assert found == wanted

    @rule(group=groups, prefix=names)
    def query_prefix(self, group: str, prefix: str) -> None:
        found = self._pages(group, where=StartsWith(prefix), limit=2, descending=False, index=None)
        wanted = {n for (g, n) in self.known if g == group and n.startswith(prefix)}
        assert {item["name"] for item in found} == wanted

    @rule(owner=st.sampled_from(["ada", "bob"]), low=ranks, descending=st.booleans())
    def query_index(self, owner: str, low: int | None, descending: bool) -> None:
        found = self._pages(
            owner, where=Between(low, None), limit=2, descending=descending, index="byOwner"
        )
        wanted = [
            item
            for item, _ in self.known.values()
            if item["owner"] == owner
            and item["rank"] is not None
            and (low is None or item["rank"] >= low)
        ]
        wanted.sort(
            key=lambda item: (item["rank"], item["group"].encode(), item["name"].encode()),
            reverse=descending,
        )
        assert found == wanted

    def _pages(self, partition: str, **options: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = self.run(self.store.begin().query(ITEMS, partition, cursor=cursor, **options))
            found += [row.item for row in page.rows]
            if (cursor := page.cursor) is None:
                return found

    @invariant()
    def logs_tell_what_was_committed(self) -> None:
        events = self.run(self.store.events_after(0, 10_000))
        assert [each.entity for each in events] == self.told
        lines = self.run(_all(self.store))
        assert [orjson.loads(body)["operation"] for body, _ in lines] == self.recorded
        assert verify(lines).valid


async def _gather(*commits: Coroutine[Any, Any, None]) -> list[BaseException | None]:
    return await asyncio.gather(*commits, return_exceptions=True)


async def _all(store: Store) -> list[tuple[bytes, str]]:
    return [(body, digest) async for _, body, digest in store.audit_lines()]


def assert_agrees(
    adapter: str, examples: int, steps: int, phases: tuple[Phase, ...] = tuple(Phase)
) -> None:
    machine = type(f"{adapter}Machine", (StoreAgainstModel,), {"adapter": adapter})
    limits = settings(max_examples=examples, stateful_step_count=steps, phases=phases)
    run_state_machine_as_test(machine, settings=limits)


@pytest.mark.parametrize("adapter", PLACES)
def test_store__agrees_with_a_dictionary(adapter: str) -> None:
    assert_agrees(adapter, examples=60, steps=30)


@pytest.mark.long
@pytest.mark.parametrize("adapter", PLACES)
def test_store__agrees_with_a_dictionary_for_long(adapter: str) -> None:
    assert_agrees(adapter, examples=400, steps=60)


def test_model__finds_a_store_that_forgets_a_condition(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = SqliteUnitOfWork.delete

    def careless(self: Any, table: Table, *key: Any, **options: Any) -> None:
        options["expected"] = None
        honest(self, table, *key, **options)

    monkeypatch.setattr(SqliteUnitOfWork, "delete", careless)
    with pytest.raises(AssertionError):
        assert_agrees("sqlite", examples=200, steps=20, phases=(Phase.generate,))
