"""Webhooks: signed CloudEvents, tried again where that helps and nowhere else."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from meshplane.events.outbound import Outbound, retry_after_seconds
from meshplane.events.queue_worker import QueueWorker
from meshplane.events.rules import WEBHOOK_SECRETS, Target
from meshplane.events.webhooks import Webhooks, new_secret, signature
from meshplane.kit.errors import Invalid, Refused, Unavailable
from tests.builders.bus import Process, place_in, rule
from tests.builders.stores import NOON

# The worked example of the Standard Webhooks specification.
STANDARD_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
STANDARD_SIGNATURE = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


@dataclass
class Hook:
    """An HTTP server that keeps what it gets and answers what it is told to."""

    answers: list[bytes] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
        except asyncio.IncompleteReadError:
            return
        lines = head.strip().split("\r\n")
        headers = {
            name.lower(): value for name, value in (line.split(": ", 1) for line in lines[1:])
        }
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        self.got.append((lines[0], headers, body))
        writer.write(self.answers.pop(0) if self.answers else answer(204))
        await writer.drain()


def answer(status: int, *headers: str, body: bytes = b"") -> bytes:
    lines = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", "connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve) -> AsyncIterator[str]:
    """A server on this machine, by its address; at its end none of its connections is open."""
    talks: list[asyncio.Future[None]] = []
    begun: asyncio.Queue[tuple[str, int]] = asyncio.Queue()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ended = asyncio.get_running_loop().create_future()
        talks.append(ended)
        begun.put_nowait(writer.get_extra_info("peername"))
        # The other side may leave before it has heard all.
        with suppress(ConnectionError):
            await serve(reader, writer)
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
        ended.set_result(None)

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        async with asyncio.timeout(10):
            # Who came and left may not have been let in yet. They are let in in their order.
            _, last = await asyncio.open_connection(*server.sockets[0].getsockname())
            while await begun.get() != last.get_extra_info("sockname"):
                pass
            server.close()
            last.close()
            await last.wait_closed()
            await asyncio.gather(*talks)


@asynccontextmanager
async def listening(*answers: bytes) -> AsyncIterator[Hook]:
    hook = Hook(list(answers))
    async with serving(hook.serve) as url:
        hook.url = f"{url}/hook"
        yield hook


class Sender:
    """A bus with one webhook."""

    def __init__(self, folder: Path) -> None:
        self.bus = Process(place_in(folder))
        self.outbound = Outbound(("127.0.0.1",))
        self.secret = new_secret()
        handler = Webhooks(self.outbound, self.bus.clock).handler
        self.worker = QueueWorker(self.bus.store, [handler], self.bus.clock)

    async def send(self, url: str, **target: Any) -> None:
        await self.bus.put(rule("r", targets=(Target("t", "webhook", url=url, **target),)))
        work = self.bus.store.begin()
        work.put(WEBHOOK_SECRETS, {"rule": "r", "target": "t", "secret": self.secret})
        await work.commit()
        await self.bus.emit("a1")
        await self.bus.relay.run_due()
        await self.worker.run_due()

    async def letter(self) -> dict[str, Any]:
        (row,) = await self.bus.letters()
        return row.item


@pytest.fixture
async def sender(tmp_path: Path) -> AsyncIterator[Sender]:
    sender = Sender(tmp_path)
    yield sender
    await sender.outbound.close()
    await sender.bus.close()


async def test_webhook__gets_a_signed_cloud_event(sender: Sender) -> None:
    async with listening() as hook:
        await sender.send(hook.url, input_path="$.detail")
    ((request, headers, body),) = hook.got
    (event,) = await sender.bus.store.events_after(0, 1)
    assert request == "POST /hook HTTP/1.1"
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": event.event_id,
        "source": "test",
        "type": "ThingChanged",
        "time": event.time,
        "subject": "a1",
        "datacontenttype": "application/json",
        "data": {"said": "a1"},
    }
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(sender.secret.removeprefix("whsec_"))
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"
    assert int(headers["webhook-timestamp"]) == int(NOON.timestamp())
    assert await sender.bus.messages("webhooks") == []


def test_signature__is_that_of_the_specification() -> None:
    made = signature(
        STANDARD_SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}'
    )
    assert made == STANDARD_SIGNATURE


def test_secret__is_new_each_time_and_long() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert re.fullmatch(r"whsec_[A-Za-z0-9+/=]{44}", one)


@pytest.mark.parametrize("status", [500, 503, 429])
async def test_answer_that_may_change__is_tried_again_with_the_same_id(
    sender: Sender, status: int
) -> None:
    async with listening(answer(status)) as hook:
        await sender.send(hook.url)
        (message,) = await sender.bus.messages("webhooks")
        assert message["attempts"] == 1
        sender.bus.clock.advance(1.1)
        await sender.worker.run_due()
    assert len(hook.got) == 2
    first, second = (headers["webhook-id"] for _, headers, _ in hook.got)
    assert first == second
    assert await sender.bus.messages("webhooks") == []


@pytest.mark.parametrize("status", [400, 401, 404, 410, 301, 307])
async def test_answer_that_will_not_change__is_given_up_at_once(
    sender: Sender, status: int
) -> None:
    async with listening(answer(status, "location: http://127.0.0.1:1/")) as hook:
        await sender.send(hook.url)
    letter = await sender.letter()
    assert (letter["errorCode"], letter["exhaustedLimit"]) == ("WEBHOOK_REFUSED", "notRetryable")
    assert str(status) in letter["errorMessage"]
    assert len(hook.got) == 1


async def test_retry_after__is_honoured(sender: Sender) -> None:
    async with listening(answer(503, "retry-after: 120")) as hook:
        await sender.send(hook.url)
    (message,) = await sender.bus.messages("webhooks")
    assert 120_000 <= message["dueAt"] - message["sentAt"] <= 121_100


async def test_nobody_listening__is_tried_again(sender: Sender) -> None:
    await sender.send("http://127.0.0.1:9/hook")
    (message,) = await sender.bus.messages("webhooks")
    assert message["attempts"] == 1


async def test_host_that_is_not_allowed_any_more__is_given_up(sender: Sender) -> None:
    await sender.send("http://localhost:9/hook")
    assert (await sender.letter())["errorCode"] == "HOST_NOT_ALLOWED"


async def test_webhook_without_its_rule__is_given_up(sender: Sender) -> None:
    await sender.send("http://127.0.0.1:9/hook")
    work = sender.bus.store.begin()
    work.delete(WEBHOOK_SECRETS, "r", "t")
    await work.commit()
    sender.bus.clock.advance(5)
    await sender.worker.run_due()
    assert (await sender.letter())["errorCode"] == "WEBHOOK_GONE"


async def test_answer_that_never_ends__is_cut_off(sender: Sender) -> None:
    async with listening(answer(200, body=b"x" * 1_000_000)) as hook:
        got = await sender.outbound.request("GET", hook.url, largest_answer_bytes=1000)
    assert (len(got.body), got.cut) == (1000, True)


async def test_slow_answer__ends_at_its_time() -> None:
    async def serve(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    outbound = Outbound()
    async with serving(serve) as url:
        with pytest.raises(Unavailable) as caught:
            await outbound.request("GET", f"{url}/", timeout_seconds=0.05)
        assert caught.value.code == "OUTBOUND_TIMEOUT"
        await outbound.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:80/x",
        "https://LOCALHOST/x",
        "http://[::1]:8080/",
        "http://a.example.org/",
    ],
)
def test_allowed_host__passes(url: str) -> None:
    outbound = Outbound(("127.0.0.1", "::1", "localhost", "*.example.org"))
    refused = None
    try:
        outbound.check(url)
    except Refused as error:
        refused = error
    assert refused is None


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/",
        "http://evilexample.org/",
        "http://127.0.0.1.example.net/",
        "http://127.0.0.2/",
        "http://169.254.169.254/latest/meta-data",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://127.1/",
        "http://localhost.example.net/",
    ],
)
def test_other_host__is_refused_and_the_setting_named(url: str) -> None:
    with pytest.raises(Refused, match="MESHPLANE_OUTBOUND_HOSTS"):
        Outbound(("127.0.0.1", "localhost", "*.example.org")).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://127.0.0.1/",
        "//127.0.0.1/",
        "/hook",
        "",
        "http://",
        "http://user@127.0.0.1/",
        "http://127.0.0.1@example.net/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1\\@example.net/",
        "http://127.0.0.1/ x",
        "http://127.0.0.1/\n",
        "http://[::1/",
    ],
)
def test_address_that_is_none__is_refused(url: str) -> None:
    with pytest.raises(Invalid) as caught:
        Outbound(("127.0.0.1",)).check(url)
    assert caught.value.code == "URL_INVALID"


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7),
        ("Wed, 01 May 2024 12:00:30 GMT", 30),
        ("Wed, 01 May 2024 11:00:00 GMT", 0),
        ("999999", 3600),
        ("soon", None),
        ("", None),
    ],
)
def test_retry_after__is_read_in_both_forms(
    header: str, seconds: float | None, tmp_path: Path
) -> None:
    found = retry_after_seconds({"retry-after": header}, place_in(tmp_path).clock)
    if seconds is None:
        assert found is None
    else:
        assert found is not None
        assert seconds <= found <= seconds + 1
