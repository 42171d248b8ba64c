"""What AWS tells on the default bus reaches a callback once."""

from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.aws import BusPlaces
from meshplane.events.aws_listener import DataZoneListener
from meshplane.events.aws_queues import SqsReader
from meshplane.platform.aws.calls import Aws
from meshplane.platform.store import UnitOfWork
from tests.builders.bus import Process, place_in
from tests.builders.moto_server import moto_aws
from tests.builders.stores import SINGLES


class Heard:
    """Counts how often each event had an effect."""

    def __init__(self) -> None:
        self.fails = 0

    async def __call__(self, work: UnitOfWork, event: Mapping[str, Any]) -> None:
        """See `Callback`."""
        if self.fails:
            self.fails -= 1
            raise RuntimeError("not now")
        row = await work.get(SINGLES, event["detail"]["asset"])
        work.put(
            SINGLES,
            {"id": event["detail"]["asset"], "times": 1 + (row.item["times"] if row else 0)},
        )


@pytest.fixture(scope="module")
def server() -> Iterator[Aws]:
    with moto_aws() as aws:
        yield aws


@pytest.fixture
async def mesh(tmp_path: Path) -> AsyncIterator[Process]:
    process = Process(place_in(tmp_path))
    yield process
    await process.close()


def listener(server: Aws, mesh: Process, heard: Heard) -> DataZoneListener:
    places = BusPlaces(server.place, "arn:q", "arn:d", "arn:r")
    return DataZoneListener(mesh.store, server, places, heard, mesh.clock, poll_seconds=0)


async def tell(server: Aws, asset: str, source: str = "aws.datazone") -> None:
    entry = {"Source": source, "DetailType": "Told", "Detail": f'{{"asset":"{asset}"}}'}
    await server.call("events", "put_events", Entries=[entry])


async def times(mesh: Process, asset: str) -> int:
    row = await mesh.store.begin().get(SINGLES, asset)
    return 0 if row is None else int(row.item["times"])


async def test_event_of_datazone__is_heard_and_no_other_is(server: Aws, mesh: Process) -> None:
    listening = listener(server, mesh, Heard())
    await listening.ensure()
    await tell(server, "a")
    await tell(server, "b", source="aws.glue")
    assert await listening.run_due() == 1
    assert (await times(mesh, "a"), await times(mesh, "b")) == (1, 0)


async def test_event_that_comes_twice__has_one_effect(server: Aws, mesh: Process) -> None:
    listening = listener(server, mesh, Heard())
    queue = await listening.ensure()
    body = '{"id":"e1","source":"aws.datazone","detail-type":"Told","detail":{"asset":"c"}}'
    for _ in range(2):
        await server.call("sqs", "send_message", QueueUrl=queue.url, MessageBody=body)
    assert await listening.run_due() == 2
    assert await times(mesh, "c") == 1


async def test_event_whose_callback_fails__comes_again(server: Aws, mesh: Process) -> None:
    heard = Heard()
    heard.fails = 1
    listening = listener(server, mesh, heard)
    queue = await listening.ensure()
    await tell(server, "d")
    reader = SqsReader(server, queue.url, listening.handle, visibility_seconds=0, poll_seconds=0)
    await reader.run_due()
    assert await times(mesh, "d") == 1
