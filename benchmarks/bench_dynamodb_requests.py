"""The store on DynamoDB: requests for each shape of use case, and its calls beside bare boto3 ones.

The emulator is moto, in a process of its own. What it takes for an answer says nothing of DynamoDB,
so nothing is timed but the same request with and without the adapter around it, in turn.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
from botocore.session import get_session
from report import Ratio, publish

from meshplane.kit.clock import SystemClock
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.place import AwsPlace
from meshplane.platform.events import NewEvent
from meshplane.platform.store import ABSENT
from meshplane.platform.tables import Index, Table

PORT = 5077
ROUNDS = 120
THINGS = Table("Things", "group", "name", indexes=(Index("byOwner", "owner", "name"),))
NAMES = Table("Names", "name")
PAPERS = Table("Papers", "id", search=("title",))
TABLES = (THINGS, NAMES, PAPERS)
CLOCK = SystemClock()


class Counted(Aws):
    """Counts what is asked of AWS, and keeps the last transaction."""

    def __init__(self, url: str) -> None:
        session = get_session()
        session.set_credentials("AKIAIOSFODNN7EXAMPLE", "a-key-of-nobody")
        super().__init__(AwsPlace("eu-central-1", "123456789012", endpoint_url=url), session)
        self.asked: Counter[str] = Counter()
        self.sent: dict[str, Any] = {}

    async def call(self, service: str, operation: str, /, **parameters: Any) -> dict[str, Any]:
        self.asked[operation] += 1
        self.sent[operation] = parameters
        return await super().call(service, operation, **parameters)


def event() -> NewEvent:
    """An event with little in it."""
    return NewEvent("ThingChanged", "meshplane.things", "thing-1", {"name": "n"})


async def create(store: DynamoStore, name: str) -> None:
    """A row and the row that holds its name, with an event and an audit record."""
    work = store.begin()
    work.put(NAMES, {"name": name}, expected=ABSENT)
    work.put(THINGS, {"group": "g", "name": name, "owner": "ada"}, expected=ABSENT)
    work.emit(event())
    work.record({"operation": "createThing"})
    await work.commit()


async def change(store: DynamoStore, name: str) -> None:
    """A row read and written, with an event and an audit record."""
    work = store.begin()
    row = await work.get(THINGS, "g", name)
    assert row is not None
    work.put(THINGS, {**row.item, "n": row.version}, expected=row.version)
    work.emit(event())
    work.record({"operation": "changeThing"})
    await work.commit()


async def policy(store: DynamoStore) -> None:
    """Three queries of indexes at one instant, as a policy's readers make them."""
    work = store.begin()
    with work.together():
        for owner in ("ada", "bob", "eve"):
            await work.query(THINGS, owner, index="byOwner")


async def large(store: DynamoStore, count: int) -> None:
    """A commit of many rows."""
    work = store.begin()
    for number in range(count):
        work.put(THINGS, {"group": "large", "name": f"n{number}"}, expected=ABSENT)
    await work.commit()


async def requests(store: DynamoStore, aws: Counted) -> None:
    """Prints the requests of each shape."""

    async def counted(what: str, do: Awaitable[Any]) -> None:
        aws.asked.clear()
        await do
        parts = ", ".join(f"{number} {name}" for name, number in sorted(aws.asked.items()))
        print(f"{what}: {sum(aws.asked.values())} ({parts})")

    await create(store, "warm")
    begin = store.begin
    await counted("get", begin().get(THINGS, "g", "warm"))
    await counted("get_many of 100", begin().get_many(THINGS, [("g", f"{n}") for n in range(100)]))
    await counted("query of the table", begin().query(THINGS, "g"))
    await counted("query of an index", begin().query(THINGS, "bob", index="byOwner"))
    await counted("create two rows, event, record", create(store, "a"))
    await counted("read and change a row, event, record", change(store, "a"))
    together = asyncio.gather(*(create(store, f"n{number}") for number in range(64)))
    await counted("64 creates at the same time", together)
    await counted("three index queries at one instant", policy(store))
    await counted("commit of 500 rows", large(store, 500))
    await counted("the next 100 events", store.events_after(0, 100))
    types = frozenset({"ThingChanged"})
    await counted("the next 100 events of a type", store.events_of(types, 0, 100))
    await counted("the next 1,000 audit records", store.audit_after(0, 1000))
    await counted("first full-text search", begin().search(PAPERS, "words", 10))
    await counted("another full-text search", begin().search(PAPERS, "words", 10))


async def compared(name: str, ours: Callable[[], Awaitable[Any]], bare: Callable[[], Any]) -> Ratio:
    """The same request with the adapter and without it, in turn."""
    times: dict[str, list[float]] = {"adapter": [], "bare": []}
    for number in range(2 * ROUNDS):
        began = time.perf_counter()
        if number % 2:
            await ours()
        else:
            bare()
        times["adapter" if number % 2 else "bare"].append(time.perf_counter() - began)
    parts = {f"{key} ms": statistics.median(each) * 1000 for key, each in times.items()}
    return Ratio(name, parts["adapter ms"] / parts["bare ms"], 1.2, False, parts)


async def ratios(store: DynamoStore, aws: Counted) -> list[Ratio]:
    """Adapter calls beside bare ones."""
    client = aws.client("dynamodb")
    await store.begin().get(THINGS, "g", "a")
    get = dict(aws.sent["get_item"])
    read = await compared(
        "get ÷ bare get_item",
        lambda: store.begin().get(THINGS, "g", "a"),
        lambda: client.get_item(**get),
    )
    await store.begin().query(THINGS, "g", limit=49)
    page = dict(aws.sent["query"])
    query = await compared(
        "query of 49 rows ÷ bare query",
        lambda: store.begin().query(THINGS, "g", limit=49),
        lambda: client.query(**page),
    )
    numbers = iter(range(10**6))
    await create(store, "c")
    sent = aws.sent["transact_write_items"]["TransactItems"]
    own = [{"Put": dict(item["Put"])} for item in sent]
    for item in own:
        item["Put"].pop("ConditionExpression", None)
        item["Put"].pop("ExpressionAttributeNames", None)
        item["Put"].pop("ExpressionAttributeValues", None)
        # A copy of the log's items elsewhere, so that the adapter's own go on undisturbed.
        stored = dict(item["Put"]["Item"])
        if "part" in stored:
            stored["part"] = {"S": f"bare-{stored['part']['S']}"}
        item["Put"]["Item"] = stored
    write = await compared(
        "commit of two rows, event, record ÷ bare transact_write_items",
        lambda: create(store, f"w{next(numbers)}"),
        lambda: client.transact_write_items(TransactItems=own),
    )
    return [read, query, write]


async def main(url: str) -> None:
    """Counts, compares, and publishes."""
    aws = Counted(url)
    store = DynamoStore(aws, TABLES, CLOCK, id_maker(CLOCK))
    await store.prepare()
    await requests(store, aws)
    publish("bench_dynamodb_requests", await ratios(store, aws))
    await store.close()
    aws.close()


if __name__ == "__main__":
    address = f"http://127.0.0.1:{PORT}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(PORT)],
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            try:
                httpx.get(f"{address}/moto-api/")
                break
            except httpx.ConnectError:
                time.sleep(0.1)
        asyncio.run(main(address))
    finally:
        server.terminate()
        server.wait()
