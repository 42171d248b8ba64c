"""The stream: each event as it comes, in order, from where a client left off."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from meshplane.events import feed as feeds
from meshplane.platform.events import NewEvent
from meshplane.services.events import stream as streams
from tests.builders.events_app import ADMINISTRATOR, SOMEBODY, EventsApp, running_events
from tests.builders.until import until


@pytest.fixture
async def app(tmp_path: Path) -> AsyncIterator[EventsApp]:
    async with running_events(tmp_path) as app:
        yield app


class Listener:
    """One client's stream."""

    def __init__(self) -> None:
        self.status = 0
        self.text = ""
        self.grew = asyncio.Event()
        self.hangs_up = asyncio.Event()
        self.asked = False
        self.ended = False

    async def receive(self) -> dict[str, Any]:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.hangs_up.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.ended = not message.get("more_body", "status" in message)
        self.text += message.get("body", b"").decode()
        self.grew.set()

    async def said(self, count: int) -> list[str]:
        """What the events said, once there are so many."""
        async with asyncio.timeout(5):
            while len(self.events) < count:
                self.grew.clear()
                await self.grew.wait()
        return [event["detail"]["said"] for event in self.events]

    async def until_text(self, text: str) -> None:
        async with asyncio.timeout(5):
            while text not in self.text:
                self.grew.clear()
                await self.grew.wait()

    @property
    def events(self) -> list[dict[str, Any]]:
        lines = self.text.split("\n")
        return [json.loads(line[6:]) for line in lines if line.startswith("data: ")]

    @property
    def ids(self) -> list[str]:
        """Those of events; greetings and signs of life have one as well."""
        lines = self.text.split("\n")
        return [
            line[4:]
            for line, following in pairwise(lines)
            if line.startswith("id: ") and following.startswith("event: ")
        ]


@asynccontextmanager
async def listening(
    app: EventsApp, query: str = "", last: str | None = None, actor: Any = ADMINISTRATOR
) -> AsyncIterator[Listener]:
    listener = Listener()
    headers = [(b"last-event-id", last.encode())] if last is not None else []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/events/stream",
        "raw_path": b"/api/v1/events/stream",
        "root_path": "",
        "query_string": query.encode(),
        "headers": headers,
    }
    answering = asyncio.create_task(app.entered_by(actor)(scope, listener.receive, listener.send))
    await asyncio.wait(
        {answering, asyncio.ensure_future(listener.grew.wait())},
        timeout=5,
        return_when=asyncio.FIRST_COMPLETED,
    )
    yield listener
    listener.hangs_up.set()
    async with asyncio.timeout(2):
        await answering


async def emit(app: EventsApp, *said: str, kind: str = "Said") -> None:
    for word in said:
        work = app.store.begin()
        work.emit(NewEvent(kind, "mine", word, {"said": word}))
        await work.commit()


async def test_stream__tells_what_comes_and_not_what_was(app: EventsApp) -> None:
    await emit(app, "before")
    async with listening(app) as listener:
        await listener.until_text("connected")
        await emit(app, "a", "b")
        assert await listener.said(2) == ["a", "b"]
    assert listener.status == 200
    assert listener.events[0]["detail-type"] == "Said"
    assert "event: Said\n" in listener.text


async def test_client_that_comes_back__goes_on_where_it_was(app: EventsApp) -> None:
    async with listening(app) as first:
        await emit(app, "a", "b", "c")
        await first.said(3)
    await emit(app, "d")
    async with listening(app, last=first.ids[0]) as second:
        assert await second.said(3) == ["b", "c", "d"]
    event_id = first.events[1]["id"]
    async with listening(app, last=event_id) as third:
        assert await third.said(2) == ["c", "d"]


async def test_unknown_last_event__is_refused(app: EventsApp) -> None:
    async with listening(app, last="evt-of-elsewhere") as listener:
        await listener.until_text("LAST_EVENT_UNKNOWN")
    assert listener.status == 400


async def test_type_and_pattern__choose_what_is_told(app: EventsApp) -> None:
    pattern = quote(json.dumps({"detail": {"said": [{"prefix": "a"}]}}))
    async with (
        listening(app, "type=Sung") as by_type,
        listening(app, f"pattern={pattern}") as by_pattern,
    ):
        await emit(app, "a1", "b1")
        await emit(app, "b2", kind="Sung")
        await emit(app, "a2")
        assert await by_type.said(1) == ["b2"]
        assert await by_pattern.said(2) == ["a1", "a2"]


async def test_bad_pattern__is_refused_before_the_stream(app: EventsApp) -> None:
    async with listening(app, "pattern=%7B") as listener:
        await listener.until_text("InvalidEventPattern")
    assert listener.status == 400


async def test_somebody__may_not_listen(app: EventsApp) -> None:
    async with listening(app, actor=SOMEBODY) as listener:
        await listener.until_text("FORBIDDEN")
    assert listener.status == 403


async def test_quiet_stream__sends_signs_of_life(
    app: EventsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.05)
    async with listening(app) as listener:
        await listener.until_text("id: 0\n: still here\n\nid: 0\n: still here\n\n")
    assert listener.events == []


async def test_stream__ends_after_its_time(app: EventsApp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_SECONDS", 0.02)
    monkeypatch.setattr(streams, "LONGEST_SECONDS", 0.1)
    listener = Listener()
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/v1/events/stream",
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    async with asyncio.timeout(2):
        await app.entered_by(ADMINISTRATOR)(scope, listener.receive, listener.send)
    assert listener.status == 200


async def test_stream__ends_when_the_process_is_asked_to_stop(app: EventsApp) -> None:
    async with listening(app) as listener:
        await listener.until_text("connected")
        app.hang_up()
        async with asyncio.timeout(0.5):
            while not listener.ended:
                listener.grew.clear()
                await listener.grew.wait()
    assert listener.status == 200


async def test_many_clients__share_one_reader_and_all_hear_everything(
    app: EventsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = [0]
    honest = app.store.events_after

    async def counting(sequence: int, limit: int) -> Any:
        reads[0] += 1
        return await honest(sequence, limit)

    app.store.events_after = counting  # type: ignore[method-assign]
    listeners: list[Listener] = []

    async def listen() -> None:
        async with listening(app) as listener:
            listeners.append(listener)
            assert await listener.said(20) == [f"a{number}" for number in range(20)]

    clients = [asyncio.create_task(listen()) for _ in range(50)]

    async def all_listen() -> bool:
        return len(listeners) == 50

    await until(all_listen)
    reads[0] = 0
    await emit(app, *(f"a{number}" for number in range(20)))
    await asyncio.gather(*clients)
    # The rule relay reads as well.
    assert reads[0] < 150


async def test_client_that_falls_behind__misses_nothing(
    app: EventsApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feeds, "_KEPT", 5)
    monkeypatch.setattr(feeds, "_PAGE", 7)
    said = [f"a{number}" for number in range(60)]
    async with listening(app) as fast:
        await emit(app, *said)
        await fast.said(60)
        async with listening(app, last="10") as slow:
            assert await slow.said(50) == said[10:]
