"""Keys of webhooks that lay open are sealed at a start, once, and still sign."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from meshplane.events.rules import WEBHOOK_SECRETS, Target
from meshplane.events.webhooks import new_secret, secret_about
from meshplane.platform.sealing import KeySeal, NoSeal
from meshplane.services.events.sealing import seal_keys
from tests.builders.bus import Process, place_in, rule

KEY = b"k" * 32


async def same() -> Mapping[str, bytes]:
    return {"k": KEY}


SEAL = KeySeal({"k": KEY}, same)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Process]:
    """A bus with a webhook whose key lies open."""
    made = Process(place_in(tmp_path))
    await made.put(rule("r", targets=(Target("t", "webhook", url="http://127.0.0.1:9/"),)))
    yield made
    await made.close()


async def put_key(bus: Process, key: str) -> None:
    work = bus.store.begin()
    work.put(WEBHOOK_SECRETS, {"rule": "r", "target": "t", "secret": key})
    await work.commit()


async def kept(bus: Process) -> str:
    row = await bus.store.begin().get(WEBHOOK_SECRETS, "r", "t")
    assert row is not None
    return str(row.item["secret"])


async def test_open_key__is_sealed_once_and_opens(bus: Process) -> None:
    key = new_secret()
    await put_key(bus, key)
    assert [await seal_keys(bus.store, bus.book, SEAL) for _ in range(2)] == [1, 0]
    sealed = await kept(bus)
    assert key not in sealed
    assert await SEAL.open(sealed, secret_about({"rule": "r", "target": "t"})) == key


async def test_key__where_there_is_nothing_to_seal_with__stays(bus: Process) -> None:
    await put_key(bus, "whsec_abc")
    assert await seal_keys(bus.store, bus.book, NoSeal()) == 0
    assert await kept(bus) == "whsec_abc"


async def test_webhook__that_has_no_key__is_passed_over(bus: Process) -> None:
    assert await seal_keys(bus.store, bus.book, SEAL) == 0
