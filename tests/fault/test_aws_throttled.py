"""Half of a service's calls are throttled: all work ends, once, and the service is spared."""

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import orjson
import pytest

pytest.importorskip("moto", reason="AWS is played by moto, which is not here")

from meshplane.events.aws_publisher import EventBridgePublisher
from meshplane.kit.clock import FixedClock
from meshplane.kit.errors import Unavailable
from meshplane.kit.hash_chain import verify
from meshplane.kit.ids import id_maker
from meshplane.platform.aws.budget import RESERVE, SHARE
from meshplane.platform.aws.calls import Aws
from meshplane.platform.aws.dynamodb import DynamoStore
from meshplane.platform.aws.dynamodb_items import Shape
from meshplane.platform.aws.dynamodb_layout import OWN_TABLES, prepare
from meshplane.platform.aws.errors import AwsUnavailable
from meshplane.platform.store import ABSENT
from meshplane.sandbox.faults import Fault
from meshplane.sandbox.server import AwsSandbox
from tests.builders import seeds
from tests.builders.aws_flow_cases import say
from tests.builders.aws_sandbox import aws_of, sandbox_in
from tests.builders.bus import TABLES
from tests.builders.stores import NOON, SINGLES, event
from tests.builders.until import until

pytestmark = [pytest.mark.fault]

BUS = "storm"
STORM_CALLS = 10**6
UNITS, AT_ONCE = 400, 16
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[AwsSandbox]:
    with sandbox_in() as running:
        yield running


@pytest.fixture
def aws(sandbox: AwsSandbox) -> Iterator[Aws]:
    """AWS under a prefix that nobody else uses, with a bus."""
    sandbox.faults.clear()
    made = aws_of(sandbox, prefix=f"storm{next(_numbers)}-")
    made.run("events", "create_event_bus", Name=f"{made.place.prefix}{BUS}")
    yield made
    sandbox.faults.clear()
    made.close()


@pytest.fixture
async def store(aws: Aws) -> AsyncIterator[DynamoStore]:
    shapes = [Shape(table, aws.place.prefix) for table in (*TABLES, *OWN_TABLES)]
    prepare(aws, shapes, recovery=False)
    clock = FixedClock(NOON)
    made = DynamoStore(aws, TABLES, clock, id_maker(clock))
    yield made
    await made.close()


def storm(sandbox: AwsSandbox, service: str) -> None:
    """From now on half of the service's calls are refused; what was called before is forgotten."""
    sandbox.calls.clear()
    fault = Fault(service, None, "throttle", times=STORM_CALLS, share=0.5, seed=seeds.fresh())
    sandbox.faults.add(fault)


def outcomes(sandbox: AwsSandbox, service: str) -> Counter[str]:
    """What became of the attempts of a service."""
    return Counter(call.outcome for call in sandbox.calls.all(service))


async def put(store: DynamoStore, name: str) -> int:
    """Writes a thing, again and again until it is there; how often the store was not there."""
    failed = 0
    while True:
        work = store.begin()
        try:
            if await work.get(SINGLES, name) is None:
                work.put(SINGLES, {"id": name}, expected=ABSENT)
                work.emit(event(name))
                work.record({"operation": name})
                await work.commit()
        except Unavailable:
            failed += 1
            await asyncio.sleep(random.random() * 0.2)
        else:
            return failed


async def test_one_in_five_calls_is_repeated_at_once__and_all_work_ends(
    sandbox: AwsSandbox, aws: Aws
) -> None:
    storm(sandbox, "glue")
    asked, refused, gate = 0, 0, asyncio.Semaphore(AT_ONCE)

    async def work() -> None:
        nonlocal asked, refused
        async with gate:
            for turn in itertools.count():
                asked += 1
                try:
                    await aws.call("glue", "get_databases")
                except AwsUnavailable:
                    refused += 1
                else:
                    return
                await asyncio.sleep(random.random() * min(0.05 * 2**turn, 1.0))

    began = time.monotonic()
    await asyncio.gather(*(work() for _ in range(UNITS)))
    made = outcomes(sandbox, "glue")
    extra = made.total() - asked
    say(
        f"{UNITS} units: {asked} calls, {made.total()} attempts, {extra} extra "
        f"({extra / asked:.0%}), {refused} handed back, {time.monotonic() - began:.1f} s"
    )
    assert made["ok"] == UNITS
    assert 0 < extra <= RESERVE + SHARE * asked


async def test_the_bus_is_throttled__every_event_comes_once_and_the_store_notices_nothing(
    sandbox: AwsSandbox, aws: Aws, store: DynamoStore
) -> None:
    storm(sandbox, "events")
    names = [f"thing{number:03}" for number in range(100)]
    publisher = EventBridgePublisher(store, aws, f"{aws.place.prefix}{BUS}", FixedClock(NOON))
    publisher.start()
    for name in names:
        assert await put(store, name) == 0

    def sent() -> list[str]:
        taken = [call for call in sandbox.calls.all("events") if call.outcome == "ok"]
        return [entry["Resources"][0] for call in taken for entry in call.parameters["Entries"]]

    async def all_sent() -> bool:
        return len(sent()) >= len(names)

    try:
        await until(all_sent, 120.0)
    finally:
        await publisher.stop()
    say(f"events {dict(outcomes(sandbox, 'events'))}, dynamodb {outcomes(sandbox, 'dynamodb')}")
    assert sent() == names
    assert outcomes(sandbox, "events")["ThrottlingException"] > 0
    assert set(outcomes(sandbox, "dynamodb")) == {"ok"}


async def test_the_store_is_throttled__every_commit_happens_once_and_others_notice_nothing(
    sandbox: AwsSandbox, aws: Aws, store: DynamoStore
) -> None:
    storm(sandbox, "dynamodb")
    names = [f"thing{number:03}" for number in range(100)]
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(name: str) -> int:
        async with gate:
            return await put(store, name)

    async def other() -> float:
        asked = time.monotonic()
        await aws.call("sts", "get_caller_identity")
        return time.monotonic() - asked

    writing: Any = asyncio.gather(*(one(name) for name in names))
    slowest = 0.0
    while not writing.done():
        slowest = max(slowest, await other())
        await asyncio.sleep(0.1)
    failed = sum(await writing)
    say(
        f"dynamodb {dict(outcomes(sandbox, 'dynamodb'))}, {failed} commits put off, "
        f"slowest call of another service {slowest:.2f} s"
    )
    sandbox.faults.clear()
    assert set(outcomes(sandbox, "sts")) == {"ok"}
    assert sorted(each.entity for each in await store.events_after(0, 10_000)) == names
    lines = [(body, digest) async for _, body, digest in store.audit_lines()]
    assert verify(lines).valid
    assert sorted(orjson.loads(body)["operation"] for body, _ in lines) == names
