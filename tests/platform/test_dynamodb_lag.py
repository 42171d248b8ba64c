"""Random commits of two processes, read at one instant through indexes that lag at random."""

import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

pytest.importorskip("moto", reason="the store on DynamoDB is tested on moto, which is not here")

from meshplane.kit.clock import FixedClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.dynamodb_items import Image, Shape
from meshplane.platform.aws.dynamodb_unit import DynamoUnitOfWork
from meshplane.platform.tables import Between
from tests.builders import seeds
from tests.builders.dynamodb_place import DynamoPlace, dynamodb_place
from tests.builders.stores import NOON, TABLES, THINGS
from tests.builders.watched_aws import WatchedAws

NAMES = [f"n{number}" for number in range(8)]
OWNERS = ["ada", "bob"]
State = dict[str, tuple[dict[str, Any], int]]


class World:
    """Two stores on one place, and what lay in it after each commit."""

    def __init__(self, place: DynamoPlace, chance: random.Random) -> None:
        self.chance = chance
        self.history: list[State] = [{}]
        # Of each row, how far its place in the index has come; it never goes back.
        self.indexed: dict[str, int] = {}
        self.shape = Shape(THINGS, place.prefix)
        self.stores = []
        for _ in range(2):
            aws = WatchedAws(place.aws)
            aws.around = self.around
            self.stores.append(DynamoStore(aws, place.tables, place.clock, id_maker(place.clock)))

    async def commit(self, store: DynamoStore) -> None:
        """A commit of one to three changes."""
        state, work = dict(self.history[-1]), store.begin()
        number = len(self.history)
        for name in self.chance.sample(NAMES, self.chance.randint(1, 3)):
            if self.chance.random() < 0.25:
                work.delete(THINGS, "g", name)
                state.pop(name, None)
                continue
            item = {"group": "g", "name": name, "by": number}
            item["owner"] = self.chance.choice([*OWNERS, None])
            # No two ranks are equal: DynamoDB promises no order for those that are.
            item["rank"] = f"{self.chance.randint(0, 20):02}{name}"
            version = state[name][1] + 1 if name in state else 1
            work.put(THINGS, item)
            state[name] = item, version
        await work.commit()
        self.history.append(state)

    async def around(
        self, operation: str, sent: dict[str, Any], really: Callable[[], Awaitable[dict[str, Any]]]
    ) -> dict[str, Any]:
        """Plays an index: each of its rows is as it was some commits ago."""
        if operation != "query" or sent.get("IndexName") != "byOwner":
            return await really()
        (wanted,) = sent["ExpressionAttributeValues"][":p"].values()
        now = len(self.history) - 1
        rows: list[tuple[str, dict[str, Any]]] = []
        for name in NAMES:
            at = self.indexed[name] = self.chance.randint(self.indexed.get(name, 0), now)
            if name not in self.history[at]:
                continue
            item, version = self.history[at][name]
            if item["owner"] == wanted:
                image = Image(orjson.dumps(item), version, self._written(name, at))
                rows.append((item["rank"], self.shape.stored(image)))
        values = sent["ExpressionAttributeValues"]
        low = values.get(":low", {"S": ""})["S"]
        rows = [row for row in rows if row[0] >= low]
        rows.sort(key=lambda row: row[0], reverse=not sent["ScanIndexForward"])
        if start := sent.get("ExclusiveStartKey"):
            begin = start["rank"]["S"]
            forward = sent["ScanIndexForward"]
            rows = [row for row in rows if (row[0] > begin if forward else row[0] < begin)]
        page = [stored for _, stored in rows[: sent["Limit"]]]
        answer: dict[str, Any] = {"Items": page}
        if len(rows) > sent["Limit"]:
            answer["LastEvaluatedKey"] = {
                key: page[-1][key] for key in ("owner", "rank", "group", "name")
            }
        return answer

    def _written(self, name: str, at: int) -> int:
        """Which commit wrote the row that lay there after a commit."""
        return int(self.history[at][name][0]["by"])

    async def read(self, work: DynamoUnitOfWork, state: State) -> tuple[object, object]:
        """Reads something; what was found, and what lay there."""
        match self.chance.randrange(4):
            case 0:
                name = self.chance.choice(NAMES)
                row = await work.get(THINGS, "g", name)
                return None if row is None else (row.item, row.version), state.get(name)
            case 1:
                names = self.chance.sample(NAMES, 4)
                rows = await work.get_many(THINGS, [("g", name) for name in names])
                found = {row.item["name"]: (row.item, row.version) for row in rows}
                return found, {name: state[name] for name in names if name in state}
            case 2:
                whole = [state[name][0] for name in sorted(state)]
                return await self._pages(work, "g", None, ""), whole
            case _:
                owner, low = self.chance.choice(OWNERS), f"{self.chance.randint(0, 9):02}"
                wanted = [item for item, _ in state.values() if item["owner"] == owner]
                wanted = [item for item in wanted if item["rank"] >= low]
                wanted.sort(key=lambda item: str(item["rank"]))
                return await self._pages(work, owner, "byOwner", low), wanted

    async def _pages(
        self, work: DynamoUnitOfWork, partition: str, index: str | None, low: str
    ) -> list[dict[str, Any]]:
        """All of a partition, read in pages up or down; as it sorts."""
        down, limit = self.chance.random() < 0.5, self.chance.randint(1, 5)
        where = Between(low, None) if low else None
        found: list[dict[str, Any]] = []
        cursor = None
        while True:
            page = await work.query(
                THINGS,
                partition,
                index=index,
                where=where,
                limit=limit,
                cursor=cursor,
                descending=down,
            )
            assert len(page.rows) <= limit
            found += [row.item for row in page.rows]
            if (cursor := page.cursor) is None:
                return found[::-1] if down else found


@pytest.fixture
def place(tmp_path: Path) -> DynamoPlace:
    return dynamodb_place(TABLES, FixedClock(NOON), tmp_path)


@pytest.mark.parametrize("seed", range(5))
async def test_together__sees_one_instant__whatever_is_committed_and_however_indexes_lag(
    place: DynamoPlace, seed: int
) -> None:
    chance = random.Random(seeds.shown(seed))
    world = World(place, chance)
    for _ in range(7):
        await world.commit(chance.choice(world.stores))
        store = chance.choice(world.stores)
        work = store.begin()
        with work.together():
            await work.get(THINGS, "g", "nobody")
            instant = world.history[-1]
            for _ in range(4):
                for _ in range(chance.randint(0, 2)):
                    await world.commit(chance.choice(world.stores))
                found, lay_there = await world.read(work, instant)
                assert found == lay_there
    for store in world.stores:
        await store.close()


@pytest.mark.parametrize("seed", range(3))
async def test_one_process__reads_what_it_wrote__however_indexes_lag(
    place: DynamoPlace, seed: int
) -> None:
    chance = random.Random(seeds.shown(seed))
    world = World(place, chance)
    store = world.stores[0]
    for _ in range(30):
        await world.commit(store)
        found, lay_there = await world.read(store.begin(), world.history[-1])
        assert found == lay_there
    for opened in world.stores:
        await opened.close()
