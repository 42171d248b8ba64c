"""Queues and dead letters over HTTP: a message is one receiver's until it is done or comes back."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from meshplane.events.queues import GiveUp, Message, send
from meshplane.kit.clock import FixedClock
from meshplane.platform.store import UnitOfWork
from tests.builders.events_app import AUDITOR, EventsApp, running_events
from tests.builders.stores import NOON
from tests.builders.until import until

PATH = "/events/queues/jobs"


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
def failing() -> set[str]:
    """What the function fails for."""
    return {"bad"}


@pytest.fixture
async def app(tmp_path: Path, clock: FixedClock, failing: set[str]) -> AsyncIterator[EventsApp]:
    async def greet(work: UnitOfWork, given: Any, message: Message) -> None:
        if given["detail"]["said"] in failing:
            raise GiveUp("NO_GREETING", "Nobody is there to be greeted.")
        send(work, "jobs", given["detail"], message_id=message.key, now=clock.now())

    async with running_events(tmp_path, clock=clock, functions={"greet": greet}) as app:
        yield app


@pytest.fixture
async def http(app: EventsApp) -> AsyncIterator[httpx.AsyncClient]:
    async with app.client() as client:
        yield client


async def post(app: EventsApp, clock: FixedClock, *ids: str, **more: Any) -> None:
    work = app.store.begin()
    for message_id in ids:
        send(work, "jobs", {"n": message_id}, message_id=message_id, now=clock.now(), **more)
    await work.commit()


async def receive(http: httpx.AsyncClient, **body: Any) -> list[dict[str, Any]]:
    answer = await http.post(f"{PATH}/receive", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


async def acknowledge(http: httpx.AsyncClient, *handles: str) -> httpx.Response:
    return await http.post(f"{PATH}/acknowledge", json={"receiptHandles": list(handles)})


async def test_received_message__is_hidden_until_its_visibility_ends(
    app: EventsApp, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    await post(app, clock, "m-1")
    (first,) = await receive(http, visibilitySeconds=60)
    assert (first["messageId"], first["body"], first["attempts"]) == ("m-1", {"n": "m-1"}, 1)
    assert await receive(http) == []
    clock.advance(61)
    (second,) = await receive(http)
    assert second["attempts"] == 2
    late = await acknowledge(http, first["receiptHandle"])
    assert (late.status_code, late.json()["code"]) == (409, "RECEIPT_EXPIRED")
    assert (await acknowledge(http, second["receiptHandle"])).json() == {"acknowledged": 1}
    assert (await acknowledge(http, second["receiptHandle"])).json() == {"acknowledged": 0}
    clock.advance(3600)
    assert await receive(http) == []


async def test_receivers_at_once__never_get_the_same_message(
    app: EventsApp, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    ids = [f"m-{number:02}" for number in range(40)]
    await post(app, clock, *ids)
    answers = await asyncio.gather(*(receive(http, maxMessages=10) for _ in range(8)))
    got = [item["messageId"] for items in answers for item in items]
    assert sorted(got) == ids


async def test_waiting_receiver__gets_what_comes_at_once(
    app: EventsApp, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    waiting = asyncio.create_task(receive(http, waitSeconds=20))
    await asyncio.sleep(0.05)
    await post(app, clock, "m-1")
    async with asyncio.timeout(0.4):
        (item,) = await waiting
    assert item["messageId"] == "m-1"


async def test_message_whose_time_comes_while_nothing_is_written__is_waited_for(
    app: EventsApp, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    await post(app, clock, "m-1", delay_seconds=0.5)
    stillness = app.store.stillness
    # As a store that counts its commits, and has seen none for long.
    stillness.settled_seconds = 0.01
    stillness.saw(7)
    await asyncio.sleep(0.02)
    stillness.saw(7)
    waiting = asyncio.create_task(receive(http, waitSeconds=10))
    await asyncio.sleep(0.1)
    assert not waiting.done()
    clock.advance(0.5)
    async with asyncio.timeout(3):
        (item,) = await waiting
    assert item["messageId"] == "m-1"


async def test_waiting_receiver__is_let_go_when_the_process_is_asked_to_stop(
    app: EventsApp, http: httpx.AsyncClient
) -> None:
    waiting = asyncio.create_task(receive(http, waitSeconds=20))
    await asyncio.sleep(0.05)
    app.hang_up()
    async with asyncio.timeout(2):
        assert await waiting == []


async def test_message_that_is_never_done__becomes_a_dead_letter(
    app: EventsApp, http: httpx.AsyncClient, clock: FixedClock
) -> None:
    await post(app, clock, "m-1", maximum_attempts=2)
    for _ in range(2):
        assert len(await receive(http, visibilitySeconds=1)) == 1
        clock.advance(2)
    assert await receive(http) == []
    (letter,) = (await http.get("/events/dead-letters")).json()["items"]
    assert (letter["errorCode"], letter["attempts"]) == ("NOT_ACKNOWLEDGED", 2)


@pytest.mark.parametrize("handle", ["x", "", "W10", "WzEsMl0", "é", "WyJhIiwgdHJ1ZV0"])
async def test_handle_that_is_none__is_refused(http: httpx.AsyncClient, handle: str) -> None:
    answer = await acknowledge(http, handle)
    assert (answer.status_code, answer.json()["code"]) == (400, "RECEIPT_INVALID")


@pytest.mark.parametrize(
    ("queue", "code"),
    [
        ("webhooks", "QUEUE_RESERVED"),
        ("meshplane-tasks", "QUEUE_RESERVED"),
        ("approval-queue", "QUEUE_RESERVED"),
        ("a.b", "QUEUE_INVALID"),
    ],
)
async def test_queue_of_the_mesh_itself__is_nobodys(
    http: httpx.AsyncClient, queue: str, code: str
) -> None:
    answer = await http.post(f"/events/queues/{queue}/receive", json={})
    assert answer.json()["code"] == code


async def _given_up(app: EventsApp, http: httpx.AsyncClient) -> dict[str, Any]:
    """The dead letter of an event that the function `greet` gave up."""
    target = {"id": "g", "type": "function", "name": "greet", "deadLetterQueue": "lost"}
    body = {"eventPattern": {"source": ["mine"]}, "targets": [target]}
    assert (await http.put("/events/rules/greet", json=body)).status_code == 200
    entries = [{"source": "mine", "detailType": "Said", "detail": {"said": "bad"}}]
    await http.post("/events", json={"entries": entries})
    found: list[dict[str, Any]] = []

    async def listed() -> bool:
        answer = await http.get("/events/dead-letters", params={"queue": "lost"})
        found[:] = answer.json()["items"]
        return bool(found)

    await until(listed)
    return found[0]


async def test_dead_letter__says_what_failed_and_comes_back_when_redriven(
    app: EventsApp, http: httpx.AsyncClient, failing: set[str]
) -> None:
    letter = await _given_up(app, http)
    assert {key: letter[key] for key in ("queue", "errorCode", "rule", "target", "redrivable")} == {
        "queue": "functions",
        "errorCode": "NO_GREETING",
        "rule": "greet",
        "target": "g",
        "redrivable": True,
    }
    assert "body" not in letter
    whole = (await http.get(f"/events/dead-letters/{letter['deadLetterId']}")).json()
    assert whole["body"]["input"]["detail"] == {"said": "bad"}
    failing.clear()
    redriven = await http.post("/events/dead-letters/redrive", json={"queue": "lost"})
    assert redriven.json() == {"redriven": 1, "more": False}
    (item,) = await receive(http, waitSeconds=10)
    assert item["body"] == {"said": "bad"}
    assert (await http.get("/events/dead-letters")).json()["items"] == []


async def test_dead_letter__is_deleted_for_good(app: EventsApp, http: httpx.AsyncClient) -> None:
    letter = await _given_up(app, http)
    path = f"/events/dead-letters/{letter['deadLetterId']}"
    async with app.client(AUDITOR) as auditor:
        assert (await auditor.get("/events/dead-letters")).status_code == 200
        assert (await auditor.get(path)).status_code == 403
        assert (await auditor.delete(path)).status_code == 403
    assert (await http.delete(path)).status_code == 204
    assert (await http.get(path)).json()["code"] == "DEAD_LETTER_NOT_FOUND"
    gone = await http.post(
        "/events/dead-letters/redrive", json={"deadLetterIds": [letter["deadLetterId"]]}
    )
    assert gone.json()["code"] == "DEAD_LETTER_NOT_FOUND"


@pytest.mark.parametrize("body", [{}, {"queue": "lost", "deadLetterIds": ["dl-1"]}])
async def test_redrive__of_nothing_or_of_both_is_refused(
    http: httpx.AsyncClient, body: dict[str, Any]
) -> None:
    answer = await http.post("/events/dead-letters/redrive", json=body)
    assert answer.json()["code"] == "REDRIVE_INVALID"


async def test_webhook_secret__is_shown_once(http: httpx.AsyncClient) -> None:
    hook = {"id": "w", "type": "webhook", "url": "http://127.0.0.1:9/hook"}
    body = {"eventPattern": {"source": ["mine"]}, "targets": [hook]}
    first = (await http.put("/events/rules/hook", json=body)).json()
    assert first["targets"][0]["secret"].startswith("whsec_")
    again = (await http.put("/events/rules/hook", json=body)).json()
    shown = (await http.get("/events/rules/hook")).json()
    assert again["targets"][0]["secret"] is None
    assert shown["targets"][0]["secret"] is None
    await http.delete("/events/rules/hook")
    anew = (await http.put("/events/rules/hook", json=body)).json()
    assert anew["targets"][0]["secret"] not in (None, first["targets"][0]["secret"])
